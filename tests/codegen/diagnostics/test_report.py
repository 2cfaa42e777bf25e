"""Findings are printed in every format."""

import json
from dataclasses import replace
from xml.etree import ElementTree

import jsonschema
import pytest

from codegen.diagnostics.findings import Finding, Span
from codegen.diagnostics.report import FORMATS, report
from tests.codegen.tiny import tiny

BROKEN = tiny(
    "note: {type: strr, arg: true, doc: A note.}\nrest: {type: str, doc: 'The 100%, all.'}"
)

TEXT = """\
tiny.yaml:13:20: error REF001 unknown type "strr"; did you mean "str"?
tiny.yaml:14:7: error CAP001 "rest" does not say where it comes from; add from: ATTRIBUTE, or arg: true
"""
GITHUB = """\
::error file=tiny.yaml,line=13,col=20,title=REF001::unknown type "strr"; did you mean "str"?
::error file=tiny.yaml,line=14,col=7,title=CAP001::"rest" does not say where it comes from; add from: ATTRIBUTE, or arg: true
"""
JSON = [
    {
        "rule": "REF001",
        "level": "error",
        "path": "tiny.yaml",
        "line": 13,
        "column": 20,
        "message": 'unknown type "strr"',
        "hint": 'did you mean "str"?',
    },
    {
        "rule": "CAP001",
        "level": "error",
        "path": "tiny.yaml",
        "line": 14,
        "column": 7,
        "message": '"rest" does not say where it comes from',
        "hint": "add from: ATTRIBUTE, or arg: true",
    },
]
SARIF_RESULT = {
    "ruleId": "REF001",
    "level": "error",
    "message": {"text": 'unknown type "strr"; did you mean "str"?'},
    "locations": [
        {
            "physicalLocation": {
                "artifactLocation": {"uri": "tiny.yaml"},
                "region": {"startLine": 13, "startColumn": 20},
            }
        }
    ],
}


@pytest.fixture
def validate(project):
    def run(form, text=BROKEN):
        project.spec.write_text(text)
        return project.codegen("validate", "tiny.yaml", "--format", form, layout=())

    return run


def test_text_has_one_line_for_each_finding(validate):
    assert (validate("text").code, validate("text").out) == (2, TEXT)


def test_github_gets_annotations(validate):
    assert validate("github").out == GITHUB


def test_json_is_a_list_of_findings(validate):
    assert json.loads(validate("json").out) == JSON


def test_sarif_has_rules_and_results(validate):
    log = json.loads(validate("sarif").out)
    assert log["version"] == "2.1.0"
    [run] = log["runs"]
    assert run["tool"]["driver"]["rules"] == [{"id": "CAP001"}, {"id": "REF001"}]
    assert run["results"][0] == SARIF_RESULT


def test_special_characters_of_annotations_are_escaped(validate):
    text = tiny("note: {type: str, arg: true, nonfinite: '100%,a:b', doc: A note.}")
    assert 'got "100%25,a:b"' in validate("github", text).out


@pytest.mark.parametrize(
    ("text", "code"),
    [(tiny(), 0), (tiny(more="units: {ms: {doc: A.}}"), 1), (BROKEN, 2)],
    ids=["clean", "warning", "error"],
)
def test_the_exit_code_is_that_of_the_worst_finding(validate, text, code):
    assert validate("json", text).code == code


def test_a_clean_contract_is_an_empty_report(validate):
    assert validate("text", tiny()).out == ""
    assert json.loads(validate("json", tiny()).out) == []
    assert json.loads(validate("sarif", tiny()).out)["runs"][0]["results"] == []


FINDING = Finding(span=Span("a.yaml", 3, 5), rule="REF001", message="unknown", hint="rename it")
HOSTILE = replace(FINDING, message='a\x00b\x1b[0m <b> & "q" ]]>\ud800\uffff\n::error::\u00e9')

GITLAB_SCHEMA = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["description", "check_name", "fingerprint", "severity", "location"],
        "additionalProperties": False,
        "properties": {
            "description": {"type": "string", "minLength": 1},
            "check_name": {"type": "string", "minLength": 1},
            "fingerprint": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
            "severity": {"enum": ["info", "minor", "major", "critical", "blocker"]},
            "location": {
                "type": "object",
                "required": ["path", "lines"],
                "properties": {
                    "path": {"type": "string", "pattern": "^[^/.]"},
                    "lines": {
                        "required": ["begin"],
                        "properties": {"begin": {"type": "integer", "minimum": 1}},
                    },
                },
            },
        },
    },
}


@pytest.mark.parametrize("findings", [[], [FINDING], [FINDING, FINDING], [HOSTILE]])
def test_gitlab_gets_a_code_quality_report(findings):
    entries = json.loads(report(findings, "gitlab"))
    jsonschema.Draft202012Validator(GITLAB_SCHEMA).validate(entries)
    assert len({one["fingerprint"] for one in entries}) == len(findings)


def test_a_fingerprint_does_not_depend_on_the_line_but_on_everything_else():
    def fingerprint(finding):
        return json.loads(report([finding], "gitlab"))[0]["fingerprint"]

    moved = replace(FINDING, span=Span("a.yaml", 9, 1))
    assert fingerprint(moved) == fingerprint(FINDING)
    others = [
        replace(FINDING, span=Span("b.yaml", 3, 5)),
        replace(FINDING, rule="REF002"),
        replace(FINDING, message="other"),
    ]
    assert len({fingerprint(one) for one in (FINDING, *others)}) == 4


@pytest.mark.parametrize(
    ("findings", "failures"),
    [([], 0), ([FINDING], 1), ([FINDING, replace(FINDING, level="warning")], 1), ([HOSTILE], 1)],
)
def test_junit_has_a_test_for_each_finding(findings, failures):
    suites = ElementTree.fromstring(report(findings, "junit").encode())
    [suite] = suites
    cases = list(suite)
    assert (suites.tag, suite.tag, {one.tag for one in cases}) == (
        "testsuites",
        "testsuite",
        {"testcase"},
    )
    assert (
        int(suite.get("tests")) == int(suites.get("tests")) == len(cases) == max(len(findings), 1)
    )
    assert int(suite.get("failures")) == len(suite.findall("testcase/failure")) == failures
    for case in cases:
        assert case.get("name")
        assert case.get("classname")
        assert {one.tag for one in case} <= {"failure", "system-out"}
    for failure in suite.findall("testcase/failure"):
        assert failure.get("type") == "REF001"
        assert failure.text.startswith("a.yaml:3:5: ")


def test_junit_escapes_markup_and_removes_what_xml_cannot_contain():
    suites = ElementTree.fromstring(report([HOSTILE], "junit").encode())
    [failure] = suites.findall("testsuite/testcase/failure")
    assert failure.get("message") == 'ab[0m <b> & "q" ]]>\n::error::\u00e9; rename it'


@pytest.mark.parametrize("form", [one for one in FORMATS if one != "text"])
def test_a_check_reports_drift_in_every_format(project, form):
    project.generate()
    assert project.codegen("check", "--format", form).code == 0
    (project.package / "main.py").write_text("edited", encoding="utf-8")
    ran = project.codegen("check", "--format", form)
    assert ran.code == 3
    assert "DRIFT" in ran.out
    assert "pings/main.py" in ran.out


@pytest.mark.parametrize("form", ["gitlab", "junit"])
def test_a_comparison_is_reported_in_every_format(project, form):
    new = project.folder / "new.yaml"
    new.write_text(tiny("word: {type: str, arg: true, doc: A word.}"), encoding="utf-8")
    ran = project.codegen("compat", "tiny.yaml", "new.yaml", "--format", form, layout=())
    assert ran.code == 1
    assert "FLD" in ran.out
