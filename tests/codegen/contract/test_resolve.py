"""Unknown names are reported, and each record is complete before another one contains it."""

from itertools import pairwise

import pytest

from codegen.contract.scope import MAX_RECORD_DEPTH
from tests.codegen.tiny import complaints_of, tiny

COLOR = "enums:\n  Color: {doc: A color., members: {RED: {value: 1, doc: Red.}}}"


def record(name, type_):
    return f"  {name}: {{doc: A record., fields: {{part: {{type: '{type_}', doc: A part.}}}}}}\n"


@pytest.mark.parametrize(
    ("fields", "event", "complaint"),
    [
        (
            "a: {type: Colour, arg: true, doc: A.}",
            "",
            'unknown type "Colour"; did you mean "Color"?',
        ),
        (
            "a: {type: integer, arg: true, doc: A.}",
            "",
            'unknown type "integer"; did you mean "int"?',
        ),
        ("a: {type: 'Colr[]{}', arg: true, doc: A.}", "", 'unknown type "Colr"'),
        (
            "",
            "include: [health]",
            '12:15 REF001 unknown group "health"; the contract does not have any group',
        ),
        ("", "context: [env]", 'unknown context field "env"'),
        ("", "carry: Info", 'unknown record "Info"'),
        ("", "omit: [part]", "REF002 PING omits part but carries no record"),
    ],
)
def test_an_unknown_name_is_refused(fields, event, complaint):
    assert complaint in complaints_of(tiny(fields, event=event, more=COLOR))


def test_an_event_of_an_unknown_family_is_refused():
    text = tiny().replace("family: main", "family: mian")
    assert 'unknown family "mian"; did you mean "main"?' in complaints_of(text)


def test_the_order_of_the_envelope_names_its_fields():
    text = tiny().replace("envelope: {", "envelope: {order: [seq, evnt], ")
    assert 'unknown field of the envelope "evnt"; did you mean "event"?' in complaints_of(text)


def test_an_omitted_field_belongs_to_the_record():
    more = "records:\n" + record("Info", "str")
    text = tiny(event="source: Source\ncarry: Info\nomit: [prat]", more=more)
    assert 'unknown field of Info "prat"; did you mean "part"?' in complaints_of(text)


@pytest.mark.parametrize(
    ("records", "path"),
    [
        (record("A", "A"), "A -> A"),
        (record("A", "B[]") + record("B", "A"), "A -> B -> A"),
        (record("A", "B") + record("B", "C{}") + record("C", "A"), "A -> B -> C -> A"),
    ],
)
def test_a_record_that_contains_itself_is_refused(records, path):
    complaint = f"REF003 a record cannot contain itself: {path}; store an id instead"
    assert complaint in complaints_of(tiny(more=f"records:\n{records}"))


def test_the_nesting_of_records_is_limited():
    names = [f"Level{'ABCDEFGHIJ'[number]}" for number in range(MAX_RECORD_DEPTH + 2)]
    records = "".join(record(one, other) for one, other in pairwise(names))
    text = tiny(more=f"records:\n{records}{record(names[-1], 'str')}")
    assert "REF004 records are nested at most 8 levels deep" in complaints_of(text)


def test_a_record_may_be_used_before_its_declaration():
    records = record("Outer", "Inner") + record("Inner", "str")
    assert complaints_of(tiny(more=f"records:\n{records}")) == ""
