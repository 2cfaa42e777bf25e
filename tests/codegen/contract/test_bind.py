"""Every mapping of a contract has the keys of its kind, and all findings are reported at once."""

import pytest

from tests.codegen.tiny import complaints_of, findings_of, tiny

NOTE = "note: {type: str, arg: true, doc: A note.}"


def test_the_smallest_contract_has_no_findings():
    assert complaints_of(tiny()) == ""


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ("note: {typ: str, arg: true, doc: A.}", '13:14 FORM002 unknown key "typ"; did you mean "type"?'),
        ("note: {type: str, arg: true, zzz: 1, doc: A.}", 'FORM002 unknown key "zzz"; the keys here'),
        ("note: {arg: true, doc: A.}", '13:7 FORM003 note lacks "type"'),
        ("note: {type: str, arg: true}", 'note lacks "doc": Meaning of the value.'),
        ("note: {type: 3, arg: true, doc: A.}", "13:20 FORM004 type must be a text, got 3"),
        ("note: {type: str, arg: 1, doc: A.}", "arg must be true or false, got 1"),
        ("note: {type: str, arg: yes, doc: A.}", 'arg must be true or false, got "yes"'),
        ("note: {type: str, arg: true, doc: [A]}", "doc must be a text, got ['A']"),
        ("note: text", "13:13 FORM001 note must be a mapping of keys"),
        ("note: {type: int, unit: '1', arg: true, range: 3, doc: A.}", "range must be [least, greatest]"),
        ("note: {type: int, unit: '1', arg: true, range: [a, b], doc: A.}", "range must be [least"),
        ("note: {type: float, unit: '1', arg: true, nonfinite: strng, doc: A.}",
         "nonfinite must be one of error, null, string, got \"strng\"; did you mean \"string\"?"),
        ("note: {type: str, arg: true, aliases: old, doc: A.}", "aliases must be a list"),
        ("note: {type: str, arg: true, doc: ' '}", 'FORM005 doc must be one paragraph of text'),
        ("Note: {type: str, arg: true, doc: A.}", "FORM005 this name must be a lower-case name"),
        ("1a: {type: str, arg: true, doc: A.}", "FORM005 this name must be a lower-case name"),
        ("a-b: {type: str, arg: true, doc: A.}", "FORM005 this name must be a lower-case name"),
        ("a.b: {type: str, arg: true, doc: A.}", "FORM005 this name must be a lower-case name"),
        ("_a: {type: str, arg: true, doc: A.}", "FORM005 this name must be a lower-case name"),
        ("__init__: {type: str, arg: true, doc: A.}", "FORM005 this name must be a lower-case name"),
        ("café: {type: str, arg: true, doc: A.}", "FORM005 this name must be a lower-case name"),
        ("\uff41: {type: str, arg: true, doc: A.}", "FORM005 this name must be a lower-case name"),
        ("s\u0435ed: {type: str, arg: true, doc: A.}", "FORM005 this name must be a lower-case name"),
        (f"{'a' * 100}: {{type: str, arg: true, doc: A.}}", "of at most 64 characters"),
        ("'': {type: str, arg: true, doc: A.}", 'lower-case name like order_id of at most 64 characters, got ""'),
        ("note: {type: 'str; import os', arg: true, doc: A.}", "type must be a type like int"),
        ("note: {type: str, arg: true, wire: 'a\"b', doc: A.}", "wire must be a key like"),
        ("note: {type: str, arg: true, since: '1.0', doc: A.}", "since must be a version like 1.0.0"),
    ],
)  # fmt: skip
def test_a_field_of_another_form_is_refused(fields, complaint):
    assert complaint in complaints_of(tiny(fields))


@pytest.mark.parametrize("section", ["enums: 3", "records: [a]", "groups: text", "units: null"])
def test_a_section_is_a_mapping_of_names(section):
    assert "must be a mapping of names" in complaints_of(tiny(more=section))


def test_all_findings_are_reported_at_once_in_the_order_of_the_file():
    text = tiny("a: {type: strr, arg: true, doc: A.}\nb: {tpe: int}\nc: {type: str, doc: A.}")
    assert [(one.span.line, one.rule) for one in findings_of(text)] == [
        (13, "REF001"),
        (14, "FORM003"),
        (14, "FORM003"),
        (14, "FORM002"),
        (15, "CAP001"),
    ]


def test_a_broken_declaration_causes_no_findings_where_it_is_used():
    color = "enums:\n  Color: {doc: A color., membrs: {RED: {value: 1, doc: Red.}}}"
    text = tiny("shade: {type: Color, arg: true, doc: A shade.}", more=color)
    assert "REF001" not in complaints_of(text)


@pytest.mark.parametrize("missing", ["version", "owner", "envelope", "families"])
def test_a_missing_section_is_reported(missing):
    lines = [line for line in tiny().splitlines() if not line.startswith(missing)]
    assert f'FORM003 the contract lacks "{missing}"' in complaints_of("\n".join(lines))


def test_a_flow_text_that_is_cut_at_its_comma_is_refused():
    text = tiny("note: {type: str, arg: true, doc: A note, or two.}")
    assert '"or two."; quote a text that contains a comma' in complaints_of(text)
