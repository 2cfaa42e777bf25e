"""Every field has one origin, and an attribute of a source has one type in all events."""

import pytest

from tests.codegen.tiny import complaints_of, tiny

GROUP = (
    "groups:\n  extra: {{doc: A., when: {when}, fields: {{more: {{type: str, {keys} doc: A.}}}}}}"
)
SOURCE = "source: Pinger"


@pytest.mark.parametrize(
    ("fields", "event", "complaint"),
    [
        ("a: {type: str, doc: A.}", "", 'CAP001 "a" does not say where it comes from'),
        (
            "a: {type: str, from: a, arg: true, doc: A.}",
            SOURCE,
            "from the source and from the caller",
        ),
        ("a: {type: str, from: a, doc: A.}", "", "CAP002 PING captures a but has no source"),
        (
            "a: {type: str, arg: true, doc: A.}",
            SOURCE,
            "CAP002 PING has a source but captures nothing",
        ),
    ],
)
def test_a_field_comes_from_one_place(fields, event, complaint):
    assert complaint in complaints_of(tiny(fields, event=event))


def test_a_groups_field_has_a_default_and_a_source():
    event = f"{SOURCE}\ninclude: [extra]"
    without = tiny(event=event, more=GROUP.format(when="is_new", keys="from: more,"))
    assert '"more" has no default for when is_new is false; add default:' in complaints_of(without)
    argued = tiny(event=event, more=GROUP.format(when="is_new", keys="arg: true, default: '',"))
    assert 'CAP003 "more" of a group cannot come from the caller' in complaints_of(argued)


def test_an_attribute_has_one_type():
    text = tiny("a: {type: str, from: thing, doc: A.}", event=SOURCE)
    text += (
        "  PONG: {doc: A., family: main, payload: PongPayload, source: Pinger,"
        " fields: {b: {type: bool, from: thing, doc: A.}}}\n"
    )
    assert "CAP004 Pinger.thing is str in PING and bool in PONG" in complaints_of(text)


def test_a_guard_cannot_be_captured_as_well():
    event = f"{SOURCE}\ninclude: [extra]"
    more = GROUP.format(when="thing", keys="from: more, default: '',")
    text = tiny("a: {type: str, from: thing, doc: A.}", event=event, more=more)
    assert "CAP004 Pinger.thing is str in PING and a guard in PING" in complaints_of(text)


def test_the_context_has_defaults_and_is_stamped_where_it_is_placed():
    context = "context:\n  env: {{type: int, unit: '1', {keys} doc: A.}}"
    bare = tiny(more=context.format(keys="place: payload,"))
    assert '"env" has no default for when no value is bound; add default:' in complaints_of(bare)
    twice = tiny(event="context: [env]", more=context.format(keys="place: envelope, default: 0,"))
    assert '"env" is on the envelope of every event; remove it here' in complaints_of(twice)
    given = tiny(
        "env: {type: int, unit: '1', arg: true, doc: A.}",
        more=context.format(keys="place: payload, default: 0,"),
    )
    assert '"env" is bound to the channel, not given by the caller' in complaints_of(given)
