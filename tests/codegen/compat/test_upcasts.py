"""Upcasts: records of older versions are read as records of this one."""

import json

import pytest

from tests.codegen.compat.zoo import contract_yaml, decoder, generate, release, run

BEFORE = """\
title: {type: str, arg: true, doc: T.}
weight: {type: float, unit: s, arg: true, doc: W.}
count: {type: float, unit: s, arg: true, doc: C.}
state: {type: str, arg: true, doc: S.}
states: {type: "str[]", arg: true, doc: S.}
hint: {type: str, nullable: true, arg: true, doc: H.}
secret: {type: str, arg: true, deprecated: D., doc: S.}
"""
AFTER = """\
caption: {type: str, renamed_from: title, arg: true, doc: T.}
weight: {type: float, unit: steps, range: [0, 10], arg: true, doc: W.}
count: {type: int, unit: s, arg: true, doc: C.}
state: {type: Mood, arg: true, doc: S.}
states: {type: "Mood[]", arg: true, doc: S.}
hint: {type: str, arg: true, doc: H.}
origin: {type: str, arg: true, doc: O.}
"""
UPCAST = """\
upcasts:
  2.0.0:
    doc: Say it better.
    events:
      FED:
        fields:
          caption: {move: title}
          weight: {convert: weight, factor: 2, offset: 1, clamp: [0, 10]}
          count: {convert: count, clamp: [0, 1000], round: true}
          state: {convert: state, values: {calm: CALM}}
          states: {convert: states, values: {calm: CALM, wild: CALM}, otherwise: CALM}
          hint: {fill: none given}
          origin: {fill: here}
          "meals[].price": {convert: "meals[].cost", factor: 100}
"""
SECRET = "reserved: {secret: {doc: S.}}"
COST = "cost: {type: float, unit: s, doc: C.}"
PRICE = "price: {type: float, unit: s, wire: price, renamed_from: cost, doc: C.}"
NEW = {"fields": AFTER, "top": UPCAST, "event": SECRET, "meal": PRICE}
OLD = {
    "name": "Rex",
    "mood": "CALM",
    "meals": [{"food": "hay", "cost": 1.5}],
    "title": "T",
    "weight": 3.0,
    "count": 2.6,
    "state": "calm",
    "states": ["calm", "whatever"],
    "hint": None,
    "secret": "psst",
    "cage": 7,
}


def line(payload, version="1.0.0", event="FED", **envelope):
    """Return a line of a log."""
    return json.dumps(
        {"seq": 1, "event": event, "v": version, "payload": payload, **envelope}
    ).encode()


@pytest.fixture(scope="module")
def decode(tmp_path_factory):
    """Return the reader of version 2.0.0, which knows how to read 1.0.0."""
    folder = tmp_path_factory.mktemp("zoo")
    generate(folder, contract_yaml("2.0.0", **NEW))
    return decoder(folder)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("caption", "T"),
        ("weight", 7.0),
        ("count", 3),
        ("hint", "none given"),
        ("origin", "here"),
        ("name", "Rex"),
        ("cage", 7),
    ],
)
def test_an_old_record_is_upcast(decode, field, value):
    _, payload = decode(line(OLD))
    assert getattr(payload, field) == value


def test_texts_become_members_even_inside_lists(decode):
    _, payload = decode(line(OLD))
    assert payload.state.name == "CALM"
    assert [state.name for state in payload.states] == ["CALM", "CALM"]


def test_steps_reach_every_item_of_a_list(decode):
    _, payload = decode(line(OLD))
    assert [meal.price for meal in payload.meals] == [150.0]


def test_a_converted_number_is_moved_into_its_bounds(decode):
    _, payload = decode(line(OLD | {"weight": 1000.0}))
    assert payload.weight == 10.0


@pytest.mark.parametrize("count", ["1e308", "1" * 400, "-1e308"])
def test_a_number_that_is_too_large_is_refused(tmp_path, count):
    step = "{convert: num, factor: 1.0e+300, round: true}"
    top = f"upcasts: {{2.0.0: {{doc: D., events: {{FED: {{fields: {{num: {step}}}}}}}}}}}"
    fields = 'num: {type: int, unit: "1", arg: true, doc: N.}'
    generate(tmp_path, contract_yaml("2.0.0", top=top, fields=fields))
    old = line({"name": "Rex", "mood": "CALM", "meals": [], "cage": 1, "num": 0})
    with pytest.raises(ValueError, match="num must be"):
        decoder(tmp_path)(old.replace(b'"num": 0', f'"num": {count}'.encode()))


def test_the_line_keeps_the_version_that_wrote_it(decode):
    envelope, _ = decode(line(OLD))
    assert (envelope.v, envelope.event) == ("1.0.0", "FED")


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        ({key: OLD[key] for key in OLD if key != "title"}, "caption must be there"),
        (OLD | {"weight": "much"}, "weight must be a float"),
        (OLD | {"state": "upset"}, "state must be one of CALM"),
        (OLD | {"extra": 1}, "extra must be a field of the contract"),
        (OLD | {"meals": [1]}, "must be an object"),
        (OLD | {"meals": {"a": {}}}, "meals must be"),
        ([], "FED must be an object"),
    ],
)
def test_errors_in_an_old_record_are_reported(decode, payload, message):
    with pytest.raises(ValueError, match=message):
        decode(line(payload))


def test_records_of_this_version_are_not_upcast(decode):
    with pytest.raises(ValueError, match="price must be there, got Meal without it"):
        decode(line(OLD, "2.0.0"))


def test_golden_records_of_the_old_version_are_read_by_the_new_one(tmp_path):
    assert release(tmp_path, contract_yaml(fields=BEFORE, meal=COST))[0] == 0
    code, out = release(tmp_path, contract_yaml("2.0.0", **NEW))
    assert code == 1
    assert "SPC009 WIRE-B  FED.state: in upcast records, state: it may be a text that" in out
    top = UPCAST.replace("state, values: {calm: CALM}", "state, values: {}, otherwise: CALM")
    code, out = release(tmp_path, contract_yaml("2.0.0", **NEW | {"top": top}))
    assert code == 0, out
    decode = decoder(tmp_path)
    golden = (tmp_path / "history" / "1.0.0.jsonl").read_bytes().splitlines()
    assert {decode(record)[0].v for record in golden} == {"1.0.0"}


@pytest.mark.parametrize("version", ["2.0.1", "2.9.0"])
def test_fields_of_a_later_minor_version_are_ignored(decode, version):
    payload = {
        "name": "Rex",
        "mood": "CALM",
        "meals": [{"food": "hay", "price": 1.0, "later": 1}],
        "caption": "C",
        "weight": 1.0,
        "count": 1,
        "state": "CALM",
        "states": [],
        "hint": "",
        "origin": "",
        "cage": 1,
    }
    _, read = decode(line(payload | {"later": True}, version, later=None))
    assert read.caption == "C"
    with pytest.raises(ValueError, match="later must be a field of the contract, got 'later'"):
        decode(line(payload | {"later": True}, "2.0.0"))


def test_a_later_major_version_is_refused(decode):
    with pytest.raises(ValueError, match=r"v must be of contract 2 or an older one, got 3\.0\.0"):
        decode(line(OLD, "3.0.0"))


def test_an_event_is_upcast_through_several_names(tmp_path):
    top = """\
upcasts:
  2.0.0: {doc: Call it eaten., events: {LUNCHED: {becomes: EATEN, fields: {name: {move: who}}}}}
  3.0.0: {doc: Call it fed., events: {EATEN: {becomes: FED, fields: {cage: {fill: 3}}}}}
"""
    generate(tmp_path, contract_yaml("3.0.0", top=top))
    envelope, payload = decoder(tmp_path)(
        line({"who": "Rex", "mood": "CALM", "meals": []}, "1.0.0", "LUNCHED")
    )
    assert (envelope.event, payload.name, payload.cage) == ("FED", "Rex", 3)


def test_steps_may_swap_two_fields(tmp_path):
    top = "upcasts: {2.0.0: {doc: Swap., events: {FED: {fields: {a: {move: b}, b: {move: a}}}}}}"
    fields = "a: {type: str, arg: true, doc: A.}\nb: {type: str, arg: true, doc: B.}"
    generate(tmp_path, contract_yaml("2.0.0", top=top, fields=fields))
    old = {"name": "Rex", "mood": "CALM", "meals": [], "cage": 1, "a": "1", "b": "2"}
    _, payload = decoder(tmp_path)(line(old))
    assert (payload.a, payload.b) == ("2", "1")


def test_a_retired_event_is_read_but_cannot_be_emitted(tmp_path):
    generate(tmp_path, contract_yaml("2.0.0", event="deprecated: D.\nretired: 2.0.0"))
    old = {"name": "Rex", "mood": "CALM", "meals": [], "cage": 1}
    assert decoder(tmp_path)(line(old))[1].name == "Rex"
    code = (tmp_path / "zoo" / "_generated" / "zoo.py").read_text()
    assert "class FedPayload" in code
    assert "def emit_fed" not in code
    assert "class Animal" not in code


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("fill: 1, move: a", "UPC001 a step is one of move, fill and convert, got move and fill"),
        ("round: true", "UPC001 a step needs one of move, fill and convert"),
        ("convert: a", "UPC001 convert must say how; add factor, offset, round, clamp or values"),
        ("convert: a, clamp: [5, 0]", "UPC001 clamp must not end before it begins, got [5, 0]"),
        ("move: a, factor: 2", "UPC001 factor belongs to convert"),
        ("convert: a, values: [1]", "UPC001 values must be a mapping of old texts to new values"),
        ('move: "a[].b"', "UPC002 a[].b and name must lie in the same lists and maps"),
    ],
)
def test_an_invalid_step_is_refused(tmp_path, step, message):
    top = f"upcasts: {{1.0.0: {{doc: D., events: {{FED: {{fields: {{name: {{{step}}}}}}}}}}}}}"
    (tmp_path / "zoo.yaml").write_text(contract_yaml(top=top))
    code, out, _ = run(tmp_path, "validate", "zoo.yaml")
    assert code == 2
    assert message in out


@pytest.mark.parametrize(
    ("top", "message"),
    [
        ("upcasts: {2.0.0: {doc: D., events: {}}}", "UPC003 2.0.0 is after version 1.0.0"),
        (
            "upcasts: {1.0.0: {doc: D., events: {ATE: {becomes: DINED}}}}",
            "UPC003 ATE becomes DINED, which is not an event; name an event of the contract",
        ),
        (
            "upcasts: {1.0.0: {doc: D., events: {FEED: {fields: {name: {fill: a}}}}}}",
            "UPC003 FEED is not an event, and does not become one; did you mean",
        ),
        (
            "upcasts: {1.0.0: {doc: D., events: {ATE: {becomes: EATEN}, EATEN: {becomes: FED}}}}",
            "UPC003 ATE becomes EATEN, which is not an event",
        ),
        (
            'exemptions: {FLD001 FED: {until: "2026-02-30", why: W.}}',
            "EXM001 until must be a day of the calendar, got 2026-02-30",
        ),
        (
            "exemptions: {FLD001 FED: {until: tomorrow, why: W.}}",
            "FORM005 until must be a day like",
        ),
    ],
)
def test_invalid_upcasts_and_exemptions_are_refused(tmp_path, top, message):
    (tmp_path / "zoo.yaml").write_text(contract_yaml(top=top))
    code, out, _ = run(tmp_path, "validate", "zoo.yaml")
    assert code == 2
    assert message in out


def test_an_upcast_may_lead_to_an_event_that_was_retired_later(tmp_path):
    upcasts = "upcasts: {1.0.0: {doc: D., events: {ATE: {becomes: DINED}, DINED: {fields: {x: {fill: a}}}}}}"
    top = f"{upcasts}\nretired: {{DINED: {{doc: It has dined.}}}}"
    (tmp_path / "zoo.yaml").write_text(contract_yaml(top=top))
    code, out, _ = run(tmp_path, "validate", "zoo.yaml")
    # Only units that nothing uses are reported, as warnings.
    assert (code, "UPC" in out) == (1, False)


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ("revision: 0", "REV001 revisions count from 1, got 0"),
        ("revision: 2", "REV001 revision 2 of FED does not say what it changed; add note:"),
    ],
)
def test_a_revision_needs_a_note(tmp_path, event, message):
    (tmp_path / "zoo.yaml").write_text(contract_yaml(event=event))
    code, out, _ = run(tmp_path, "validate", "zoo.yaml")
    assert code == 2
    assert message in out


def test_reserved_fields_of_a_carried_record_are_ignored_in_old_records(tmp_path):
    event = "EATEN: {doc: E., family: zoo, payload: EatenPayload, source: Animal, carry: Meal}"
    generate(tmp_path, contract_yaml("2.0.0", events=event, record="reserved: {cost: {doc: C.}}"))
    decode = decoder(tmp_path)
    assert decode(line({"food": "hay", "cost": 1.5}, "1.0.0", "EATEN"))[1].food == "hay"
    with pytest.raises(ValueError, match="cost must be a field of the contract"):
        decode(line({"food": "hay", "cost": 1.5}, "2.0.0", "EATEN"))
