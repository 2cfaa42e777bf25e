"""The TypeScript types describe a line; the tests read the text and do not run a compiler."""

import re

import pytest

from codegen.targets import typescript

_INTERFACE = re.compile(r"export interface (\w+)(?:<[^>]+>)? \{\n(.*?)^\}", re.M | re.S)
_PROPERTY = re.compile(r'  readonly (?:(\w+)|"([^"]+)")(\??): (.+);')
_MEMBERS = re.compile(r"export type (\w+) =\n((?:  \| .+\n)+)")


def read_interfaces(text):
    """Return the properties of every interface: types by keys, with a question mark after optional keys."""
    return {
        name: {
            (bare or quoted) + mark: type_
            for bare, quoted, mark, type_ in _PROPERTY.findall(re.sub(r"/\*\*.*?\*/", "", body))
        }
        for name, body in _INTERFACE.findall(text)
    }


def read_unions(text):
    return {
        name: [line.strip(" |;") for line in members.splitlines()]
        for name, members in _MEMBERS.findall(text)
    }


def test_every_event_is_a_line(generated):
    lines = read_unions(generated.read("telemetry.ts"))["Line"]
    events = generated.contract.events
    assert lines == [f'Envelope<"{event.name}", {event.payload}>' for event in events]


def test_every_field_is_a_property(generated):
    interfaces = read_interfaces(generated.read("telemetry.ts"))
    for event in generated.contract.events:
        keys = [key for one in event.fields for key in (one.wire, *one.aliases)]
        assert [key.rstrip("?") for key in interfaces[event.payload]] == keys
    for record in generated.contract.records:
        assert [key.rstrip("?") for key in interfaces[record.name]] == [
            one.wire for one in record.fields
        ]


def test_every_member_is_a_name(generated):
    unions = read_unions(generated.read("telemetry.ts"))
    for enum in generated.contract.enums:
        names = [f'"{member.name}"' for member in enum.members]
        # A later minor version may add a member to any enum.
        assert unions[enum.name] == [*names, "(string & {})"]


@pytest.mark.parametrize(
    ("key", "type_"),
    [
        ("event", "string"),
        ("odd key *", "number"),
        ("old?", "number | null"),
        ("older?", "number | null"),
        ("grown?", "readonly string[]"),
        ("maybe?", "boolean | null"),
        ("numbers?", "{ readonly [key: string]: number }"),
        ("lines", "readonly Line2[]"),
        ("path", "Point | null"),
        ("where", "string | null"),
    ],
)
def test_a_property_has_the_type_of_its_value(everything, key, type_):
    assert read_interfaces(everything.read("telemetry.ts"))["AllSaidPayload"][key] == type_


def test_numbers_in_lists_and_maps_may_be_not_finite(everything):
    interfaces = read_interfaces(everything.read("telemetry.ts"))
    assert interfaces["Point"]["across"] == "number | NonFinite"
    assert interfaces["Plain"]["by_name"] == "{ readonly [key: string]: number | NonFinite }"
    assert interfaces["PlainSaidPayload"]["table"] == "readonly (readonly number[])[]"


def test_the_envelope_is_discriminated_by_its_event(everything):
    envelope = read_interfaces(everything.read("telemetry.ts"))["Envelope"]
    assert (envelope["event"], envelope["payload"]) == ("TEvent", "TPayload")
    assert envelope["w.h/o"] == "string"


def test_no_text_of_the_contract_ends_a_comment(everything):
    comments = re.findall(r"/\*\*(.*)\*/$", everything.read("telemetry.ts"), re.M)
    assert any("*\\/ ends nothing" in comment for comment in comments)
    assert not [comment for comment in comments if "*/" in comment]


def test_the_names_that_are_always_exported_are_reserved(everything):
    text = everything.read("telemetry.ts")
    assert set(typescript.NAMES) == {
        name for name in typescript.NAMES if re.search(rf"export \w+ {name}\b", text)
    }
