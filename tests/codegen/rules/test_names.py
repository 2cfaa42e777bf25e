"""A name is unique, has no other meaning in the generated code, and is not easily confused with another."""

import pytest

from tests.codegen.tiny import complaints_of, rules_of, tiny


def text(name):
    return f"{name}: {{type: str, arg: true, doc: A text.}}"


def enum(name, *members):
    listed = ", ".join(f"{one}: {{value: {value}, doc: A.}}" for value, one in enumerate(members))
    return f"  {name}: {{doc: An enum., members: {{{listed}}}}}\n"


@pytest.mark.parametrize(
    "name",
    [
        "class",
        "from",
        "match",
        "type",
        "int",
        "str",
        "list",
        "property",
        "self",
        "channel",
        "source",
        "draft",
        "payload",
        "error",
        "wire",
        "dataclass",
        "json",
        "inf",
        "re",
        "check_str",
        "set_field",
        "show",
    ],
)
def test_a_field_cannot_have_a_name_with_another_meaning(name):
    complaint = f'"{name}" already means something in'
    assert complaint in complaints_of(tiny(text(name)))
    assert f"keep the key with wire: {name}" in complaints_of(tiny(text(name)))


@pytest.mark.parametrize(
    "name",
    [
        *("count", "index", "mro", "name", "value", "replace", "cls", "to_dict"),
        *("id", "hash", "input", "print", "format", "dir"),
        *("credits", "license", "help", "exit", "copyright", "quit"),
    ],
)
def test_a_field_may_have_a_name_without_another_meaning(name):
    assert not rules_of(tiny(text(name)))


@pytest.mark.parametrize("attribute", ["class", "from", "match"])
def test_a_captured_attribute_is_not_a_keyword(attribute):
    fields = f"note: {{type: str, from: {attribute}, doc: A.}}"
    assert f'"{attribute}" is a keyword of Python' in complaints_of(
        tiny(fields, event="source: Pinger")
    )


@pytest.mark.parametrize(
    "name",
    [
        "None",
        "True",
        "ValueError",
        "Exception",
        "Any",
        "Protocol",
        "IntEnum",
        "Struct",
        "Payload",
        "Channel",
        "Context",
        "Envelope",
        "ContractError",
        "FieldInfo",
        "LineWire",
        "NonFinite",
    ],
)
@pytest.mark.parametrize("kind", ["enum", "payload", "source"])
def test_a_class_cannot_have_a_name_with_another_meaning(kind, name):
    texts = {
        "enum": tiny(more=f"enums:\n{enum(name, 'A')}"),
        "payload": tiny().replace("PingPayload", name),
        "source": tiny("note: {type: str, from: note, doc: A.}", event=f"source: {name}"),
    }
    assert f'"{name}" already means something in' in complaints_of(texts[kind])


@pytest.mark.parametrize(
    ("more", "name"),
    [
        (f"enums:\n{enum('PingPayload', 'A')}", "PingPayload"),
        ("records:\n  Ping: {doc: A., fields: {note: {type: str, doc: A.}}}", "PingWire"),
        (f"enums:\n{enum('Other', 'A')}records:\n  Other: {{doc: A., fields: {{}}}}", "Other"),
        ("records:\n  Line: {doc: A., fields: {}}", "Line"),
    ],
)
def test_two_definitions_cannot_have_the_same_name(more, name):
    complaints = complaints_of(tiny(more=more))
    assert f'"{name}"' in complaints
    assert "NAM002" in complaints


@pytest.mark.parametrize("family", ["checks", "codec", "enums", "registry", "import", "main_wire"])
def test_a_family_cannot_be_a_module_that_every_package_has(family):
    text = tiny().replace("{main:", f"{{{family}:").replace("family: main", f"family: {family}")
    assert f'the family "{family}" cannot be a module of that name' in complaints_of(text)


def test_a_source_belongs_to_one_family():
    pinger = "source: Pinger"
    two = tiny("note: {type: str, from: note, doc: A.}", event=pinger)
    two = two.replace("{main: {doc: Everything.}}", "{main: {doc: All.}, rest: {doc: More.}}")
    two += (
        "  PONG: {doc: A., family: rest, payload: PongPayload, source: Pinger,"
        " fields: {note: {type: str, from: note, doc: A.}}}\n"
    )
    assert 'source "Pinger" is used in the families main, rest' in complaints_of(two)


def test_an_event_has_a_field_once():
    group = "groups:\n  extra: {doc: A., when: is_new, fields: {note: {type: str, default: '', from: n, doc: A.}}}"
    text_ = tiny(event="source: Pinger\ninclude: [extra]", more=group)
    assert 'NAM004 PING has the field "note" twice' in complaints_of(text_)
    context = "context:\n  env: {type: int, unit: '1', default: 0, place: payload, doc: A.}"
    twice = tiny(event="context: [env, env]", more=context)
    assert 'NAM004 PING has the field "env" twice' in complaints_of(twice)


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        (f"enums:\n{enum('URLId', 'A')}{enum('UrlId', 'A')}", '"UrlId" is easily confused with "URLId"'),
        (f"enums:\n{enum('Color', 'DARK_RED', 'DARKRED')}", '"DARKRED" is easily confused with "DARK_RED"'),
        ("records:\n  R: {doc: A., fields: {a_b: {type: str, doc: A.}, ab: {type: str, doc: A.}}}",
         '"ab" is easily confused with "a_b"'),
    ],
)  # fmt: skip
def test_names_that_look_alike_are_refused(more, complaint):
    assert f"NAM005 {complaint}" in complaints_of(tiny(more=more))


@pytest.mark.parametrize(
    "fields",
    [
        "a: {type: str, arg: true, wire: x y, doc: A.}\nb: {type: str, arg: true, wire: x y, doc: A.}",
        "a: {type: str, arg: true, wire: b, doc: A.}\nb: {type: str, arg: true, doc: A.}",
        "a: {type: str, arg: true, aliases: [b], doc: A.}\nb: {type: str, arg: true, doc: A.}",
    ],
)
def test_a_key_on_the_wire_belongs_to_one_field(fields):
    assert "NAM006 the key" in complaints_of(tiny(fields))


def test_a_field_has_each_of_its_aliases_once():
    fields = "a: {type: str, arg: true, aliases: [b, c, b], doc: A.}"
    assert 'NAM006 a has the key "b" twice' in complaints_of(tiny(fields))


@pytest.mark.parametrize("key", ["event", "v"])
def test_the_keys_that_every_line_has_are_not_declared(key):
    text_ = tiny().replace('{seq: {type: int, unit: "1"', f"{{{key}: {{type: str")
    assert f'NAM006 every line has the key "{key}" already' in complaints_of(text_)


@pytest.mark.parametrize("key", ["event", "v", "seq"])
def test_the_context_does_not_replace_a_key_of_the_envelope(key):
    more = f"context: {{{key}: {{type: str, default: x, place: envelope, doc: A key.}}}}\n"
    assert f'NAM006 every line has the key "{key}" already' in complaints_of(tiny(more=more))


def test_no_field_of_the_envelope_has_the_key_of_the_payload():
    text_ = tiny().replace("{seq: {type: int,", "{seq: {wire: payload, type: int,")
    assert 'NAM006 the key "payload" already belongs to the payload' in complaints_of(text_)
