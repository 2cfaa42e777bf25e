"""An ambiguous contract is refused with a place and a hint; no input makes the reader crash."""

import pytest

from codegen.contract import load
from codegen.diagnostics.findings import Findings
from tests.codegen.tiny import complaints_of, findings_of, rules_of, tiny

STRUCTURES = {
    "a: 1\nb: 2\na: 3": '3:1 YAML009 key "a" occurs twice, first on line 1; keep one',
    "a: &x 1": "YAML007 anchors (&) are refused; write the value where it is used",
    "a: *x": "1:4 YAML007 aliases (*) are refused; write the value out, or use a group",
    "a: &a [*a]": "YAML007 aliases (*) are refused",
    "a: {<<: {b: 1}}": "1:5 YAML007 merge keys (<<) are refused; use a group",
    "a: !!python/object/apply:os.system [x]": "1:4 YAML008 tags (!) are refused; remove it",
    "a: !!binary aGk=": "YAML008 tags (!) are refused",
    "a: ! x": "YAML008 tags (!) are refused",
    "%YAML 1.1\n---\na: 1": "YAML005 directives (%) are not part of a contract",
    "a: 1\n---\nb: 2": "2:1 YAML006 a contract must be one document; remove this ---",
    "- a\n- b": "1:1 YAML004 a contract must be a mapping of sections, starting with version",
    "just text": "YAML004",
    "": "YAML004",
    "a: [1, 2": "YAML001 not YAML",
    "a: b: c": "1:5 YAML001 not YAML",
    "[a, b]: 1": "1:1 YAML010 a key must be a name",
    "1: a": "1:1 YAML010 a key must be a name, got 1; quote it",
    "true: a": "YAML010 a key must be a name, got true",
    "? \n: a": "YAML011 an empty value is ambiguous",
    f"{'k' * 2000}: 1": "YAML",
    f'"{"k" * 200}": 1': "YAML002 a key has at most 128 characters, got 200",
    f"a: {'x' * 20_000}": "YAML002 a text has at most 10000 characters, got 20000",
    "[" * 500: "YAML002 a contract is nested at most 20 levels deep",
    "{a: " * 5000: "YAML002 a contract is nested at most 20 levels deep",
    "- " * 5000: "YAML002 a contract is nested at most 20 levels deep",
    "a:\tb": "1:3 YAML013 tabs are refused; use spaces",
}


@pytest.mark.parametrize(("text", "complaint"), STRUCTURES.items(), ids=lambda text: text[:20])
def test_ambiguous_structure_is_refused(text, complaint):
    assert complaint in complaints_of(text)


def test_both_yaml_parsers_refuse_the_same(monkeypatch):
    by_c = {text: complaints_of(text) for text in STRUCTURES}
    monkeypatch.setattr(load, "_LOADER", load.yaml.SafeLoader)
    for text in STRUCTURES:
        assert bool(complaints_of(text)) == bool(by_c[text])


def test_too_many_values_are_refused(monkeypatch):
    monkeypatch.setattr(load, "MAX_NODES", 50)
    assert "YAML002" in rules_of(f"a: [{', '.join('x' for _ in range(60))}]")


@pytest.mark.parametrize(
    "data",
    [b"\xef\xbb\xbf" + tiny().encode(), tiny().replace("\n", "\r\n").encode()],
    ids=["byte order mark", "windows lines"],
)
def test_a_byte_order_mark_and_windows_line_ends_are_accepted(tmp_path, data):
    path = tmp_path / "tiny.yaml"
    path.write_bytes(data)
    findings = Findings()
    assert load.load(path, "tiny.yaml", findings) is not None
    assert not findings.has_errors


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a: \xff", "a contract must be UTF-8"),
        (b"a: \xed\xa0\x80", "a contract must be UTF-8"),
        (b"#" * (1 << 21), "a contract has at most 1048576 bytes, got 2097152"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(tmp_path, data, message):
    path = tmp_path / "tiny.yaml"
    path.write_bytes(data)
    findings = Findings()
    assert load.load(path, "tiny.yaml", findings) is None
    assert [finding.message for finding in findings] == [message]


def test_a_missing_file_is_refused(tmp_path):
    findings = Findings()
    load.load(tmp_path / "none.yaml", "none.yaml", findings)
    assert [one.message for one in findings] == [
        "cannot read the contract: No such file or directory"
    ]


@pytest.mark.parametrize(
    "character",
    ["\x00", "\x07", "\x85", "\x7f", "\u2028", "\u202e", "\u2066", "\u200b", "\u00ad", "\ufeff"],
    ids=lambda character: f"U+{ord(character):04X}",
)
def test_a_hidden_character_is_reported_at_its_place(character):
    text = tiny(f"note: {{type: str, arg: true, doc: A{character}note.}}")
    line = text[: text.index(character)].count("\n") + 1
    [finding] = findings_of(text)
    assert finding.rule == "YAML013"
    assert finding.span.line == line
    assert f"U+{ord(character):04X}" in finding.message


@pytest.mark.parametrize("escape", [r"\u202e", r"\x00", r"\u2028", r"\e", r"\ud800", r"\t"])
def test_an_escaped_hidden_character_is_refused(escape):
    rules = rules_of(tiny(f'note: {{type: str, arg: true, doc: "A{escape} note."}}'))
    assert set(rules) <= {"YAML013", "YAML001", "FORM005"}
    assert rules


def test_a_folded_text_is_one_paragraph():
    assert not rules_of(tiny("note:\n  type: str\n  arg: true\n  doc: >\n    A long\n    note."))
    assert rules_of(tiny("note:\n  type: str\n  arg: true\n  doc: |\n    A long\n    note.")) == [
        "FORM005"
    ]


@pytest.mark.parametrize("word", ["n", "y", "no", "Off", "ON", "none", "nil"])
def test_a_word_is_not_ambiguous_where_it_can_only_be_a_name(word):
    member = f"enums:\n  Color: {{doc: A., members: {{{word.upper()}: {{value: 0, doc: A.}}}}}}"
    wire = (
        f"note: {{type: str, arg: true, wire: {word}, aliases: [{word}_2, {word}], doc: A note.}}"
    )
    assert not rules_of(tiny(wire, more=member))


def test_a_promise_may_say_none_without_quotes():
    assert not rules_of(tiny(event="promise: {wire: none, source: none}"))


@pytest.mark.parametrize(
    "field",
    [
        "note: {type: str, arg: true, doc: A note., default: none}",
        "note: {type: str, arg: true, doc: A note., missing: no}",
        "note: {type: 'str[]', arg: true, doc: A note., default: [a, off]}",
        "note: {type: str, arg: true, doc: A note., nullable: yes}",
        "note: {type: str, arg: true, doc: A note., deprecated: no}",
        "note: {type: str, arg: true, doc: A note., nonfinite: none}",
        'note: {type: int, unit: "1", arg: true, doc: A note., range: [none, 1]}',
    ],
)
def test_a_word_is_ambiguous_where_it_could_be_another_value(field):
    assert "YAML011" in rules_of(tiny(field))
