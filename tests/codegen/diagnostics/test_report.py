"""Findings are printed in every format."""

import json

import pytest

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
