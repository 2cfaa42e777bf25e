"""Numbers and names that were used once stay reserved."""

import pytest

from tests.codegen.tiny import complaints_of, tiny


def enum(members, reserved="{}"):
    return f"enums:\n  Color: {{doc: A., members: {{{members}}}, reserved: {reserved}}}"


RED = "RED: {value: 1, doc: Red.}"


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        (enum(""), "MEM001 Color has no members; add one, or remove the enum"),
        (enum(f"{RED}, BLUE: {{value: 1, doc: B.}}"), "MEM002 Color.RED has the number 1 already"),
        (enum(RED, "{BLUE: {value: 1, doc: B.}}"), "MEM002 Color.RED has the number 1 already"),
        (
            enum("RED: {value: -1, doc: Red.}"),
            "MEM002 a member's number is in [0, 2147483647], got -1",
        ),
        (enum("RED: {value: 2147483648, doc: Red.}"), "got 2147483648"),
        (enum("RED: {value: 1.5, doc: Red.}"), "FORM004 value must be an integer, got 1.5"),
        (enum("red: {value: 1, doc: Red.}"), "FORM005 this name must be an upper-case name"),
        (enum(RED, "{RED: {value: 2, doc: B.}}"), "RET001 Color.RED is reserved"),
    ],
)
def test_a_member_has_a_number_and_a_name_of_its_own(more, complaint):
    assert complaint in complaints_of(tiny(more=more))


def test_a_removed_field_is_not_used_again():
    text = tiny(event="reserved: {note: {doc: Was a note., last: 1.1.0}}")
    assert 'RET001 "note" of PING is reserved' in complaints_of(text)


def test_a_removed_key_is_not_used_again():
    fields = "a: {type: str, arg: true, wire: note, doc: A.}"
    text = tiny(fields, event="reserved: {note: {doc: Was a note.}}")
    assert 'RET001 "a" of PING is reserved' in complaints_of(text)


def test_a_removed_event_is_not_used_again():
    text = tiny(more="retired: {PING: {doc: Was a ping.}}")
    assert "PING is retired; take a name that was never used" in complaints_of(text)


def test_versions_after_that_of_the_contract_are_refused():
    later = tiny("a: {type: str, arg: true, since: 1.3.0, doc: A.}", event="since: 2.0.0")
    assert "RET002 1.3.0 is after version 1.2.0" in complaints_of(later)
    assert "RET002 2.0.0 is after version 1.2.0" in complaints_of(later)
    last = tiny(event="reserved: {old: {doc: Was old., last: 1.2.0}}")
    assert "RET002 1.2.0 is not before version 1.2.0" in complaints_of(last)
