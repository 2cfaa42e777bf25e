"""Hypothesis strategies for contracts: valid ones that use every feature, and broken ones."""

import json
from copy import deepcopy

from hypothesis import strategies as st

NAMES = [
    "a",
    "b2",
    "b10",
    "slot_id",
    "count",
    "index",
    "mro",
    "name",
    "value",
    "cls",
    "to_dict",
    "x_y",
]
TEXTS = [
    "A plain sentence.",
    'Quotes "" and """ here "',
    "A backslash \\ at the end \\",
    "{{ 7 * 7 }} {% raw %} ${x} %s",
    "*/ --> </script> `|` '; DROP TABLE lines; --",
    "\\N{BULLET} \\x \\u0041 \N{SNOWMAN} \N{GREEK SMALL LETTER MU}",
    "long " * 60 + "end.",
]
NUMBERS = [0, 1, -1, 7, 255, 2**31, 2**53, -(2**62)]
FLOATS = [0.0, -0.0, 0.5, -1.25, 100.0, 12345.678]
PATTERNS = ["[a-z]{3}", "a|b+", "[0-9a-f]*", r"x\.[0-9]{1,2}"]
TYPES = ["int", "float", "bool", "str", "Color", "Shade", "Point", "Path"]

texts = st.sampled_from(TEXTS)


@st.composite
def values(draw, name, allow_records=True):
    """Draw the keys of a value of some type; its defaults are valid."""
    type_ = draw(st.sampled_from(TYPES if allow_records else TYPES[:6]))
    suffix = draw(st.sampled_from(["", "", "", "[]", "{}", "[][]", "[]{}"]))
    keys = {"type": type_ + suffix, "doc": draw(texts)}
    if type_ in ("int", "float"):
        keys["unit"] = draw(st.sampled_from(["1", "ms", "%"]))
        keys["range"] = draw(st.sampled_from([None, [None, None], [-5, None], [None, 900], [0, 0]]))
    if type_ == "float":
        keys["nonfinite"] = draw(st.sampled_from(["error", "string", "null"]))
    if type_ == "str":
        keys["pattern"] = draw(st.none() | st.sampled_from(PATTERNS))
    if suffix or type_ == "str":
        keys["length"] = draw(st.sampled_from([None, [0, 5], [None, 9], [0, None]]))
    keys["nullable"] = draw(st.booleans())
    if keys.get("nonfinite") == "null":
        keys["nullable"] = True
        keys["nonfinite"] = "string" if suffix else "null"
    for key in ("default", "missing"):
        if draw(st.booleans()):
            put_in(draw, keys, key, type_, suffix)
    if draw(st.booleans()):
        keys["wire"] = f"{draw(st.sampled_from(['key of', '@', 'K']))} {name}"
    if draw(st.integers(0, 4)) == 0:
        keys["aliases"] = [f"old_{name}"]
    keys["deprecated"] = draw(st.none() | texts)
    return {key: value for key, value in keys.items() if value is not None}


def put_in(draw, keys, key, type_, suffix):
    """Add a valid `default` or `missing`, or nothing if there is no simple one for the type."""
    if keys["nullable"]:
        keys[key] = None
    elif suffix.endswith("{}"):
        keys[key] = {}
    elif suffix:
        keys[key] = []
    elif type_ == "bool":
        keys[key] = draw(st.booleans())
    elif type_ in ("Color", "Shade"):
        keys[key] = "RED"
    elif type_ in ("int", "float"):
        keys[key] = 0
    elif type_ == "str" and "pattern" not in keys:
        keys[key] = draw(st.sampled_from(["", "abc", "a'\"\\"]))


@st.composite
def fields(draw, *, is_captured):
    """Draw some fields; those of an event are captured, those of a record are not."""
    named = {}
    for name in draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=5)):
        keys = draw(values(name))
        if is_captured:
            keys |= draw(st.sampled_from([{"arg": True}, {"from": f"their_{name}"}]))
        named[name] = keys
    return named


@st.composite
def events(draw, number):
    """Draw an event."""
    event = {
        "doc": draw(texts),
        "family": draw(st.sampled_from(["first", "second"])),
        "payload": f"Event{number}Payload",
        "fields": draw(fields(is_captured=True)),
        "context": draw(st.sampled_from([[], ["env"]])),
        "include": draw(st.sampled_from([[], ["extra"]])),
        "deprecated": draw(st.none() | texts),
    }
    is_read = event["include"] or any("from" in one for one in event["fields"].values())
    if is_read:
        event["source"] = f"Source{number}"
    return {key: value for key, value in event.items() if value not in (None, [])}


@st.composite
def contracts(draw):
    """Draw a valid contract, as plain values."""
    members = {"RED": {"value": 1, "doc": draw(texts)}, "GREEN_2": {"value": 7, "doc": draw(texts)}}
    inner = {
        name: draw(values(name, allow_records=False))
        for name in draw(st.sets(st.sampled_from(NAMES)))
    }
    return {
        "version": draw(st.sampled_from(["0.1.0", "1.0.0", "12.34.56"])),
        "owner": draw(texts),
        "units": {"ms": {"doc": draw(texts)}, "%": {"doc": draw(texts)}},
        "enums": {
            "Color": {"doc": draw(texts), "members": members},
            "Shade": {
                "doc": draw(texts),
                "open": draw(st.booleans()),
                "members": members,
                "reserved": {"BLUE": {"value": 3, "doc": draw(texts)}},
            },
        },
        "envelope": {
            "doc": draw(texts),
            "fields": {"seq": {"type": "int", "unit": "1", "doc": draw(texts), "range": [0, None]}},
        },
        "context": {
            "env": {
                "type": "int",
                "unit": "1",
                "doc": draw(texts),
                "default": -1,
                "place": "payload",
            },
            "host": {"type": "str", "doc": draw(texts), "default": "", "place": "envelope"},
        },
        "groups": {
            "extra": {
                "doc": draw(texts),
                "when": "has_extra",
                "fields": {
                    "extra": {
                        "type": "bool",
                        "doc": draw(texts),
                        "default": False,
                        "from": "their_extra",
                    }
                },
            }
        },
        "records": {
            "Point": {"doc": draw(texts), "fields": inner},
            "Path": {
                "doc": draw(texts),
                "fields": {
                    "points": {"type": "Point[]", "doc": draw(texts)},
                    "end": {"type": "Point", "doc": "A."},
                },
            },
        },
        "families": {"first": {"doc": draw(texts)}, "second": {"doc": draw(texts)}},
        "events": {f"EVENT_{n}": draw(events(n)) for n in range(draw(st.integers(1, 3)))},
    }


WRONG = [
    None, True, 0, -1, 2**63 - 1, 0.5, "", " ", "int", "str[]{}", "Color", "Nope", "Point", "class",
    "from", "self", "print", "None", "Channel", "Payload", "EVENT_0", "Event0Payload", "a\u200bb",
    "\u202e", "\x00", "x" * 3000, "s\u0435ed", "\uff41", "__init__", "a-b", "1a", "[a", "(a+)+", "9.9.9",
    "; import os", 'x """ + f() + """', [], [1], [1, 0], [None, 2], ["a", "a"], {}, {"a": 1}, {"": 1},
    [[[[[[]]]]]],
]  # fmt: skip
KEYS = [
    "type",
    "doc",
    "from",
    "arg",
    "default",
    "when",
    "fields",
    "carry",
    "omit",
    "nope",
    "a",
    "A",
    "1",
]


def places(plain, path=()):
    """Yield the path of every key in a contract."""
    if isinstance(plain, dict):
        for key, value in plain.items():
            yield (*path, key)
            yield from places(value, (*path, key))


@st.composite
def broken_contracts(draw):
    """Draw a contract in which up to three keys or values are replaced, removed, added or renamed."""
    contract = deepcopy(draw(contracts()))
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(list(places(contract))))
        owner = contract
        for key in path[:-1]:
            owner = owner[key]
        change = draw(st.sampled_from(["replace", "remove", "add", "rename"]))
        wrong = deepcopy(draw(st.sampled_from(WRONG)))
        if change == "replace":
            owner[path[-1]] = wrong
        elif change == "add":
            owner[draw(st.sampled_from(KEYS))] = wrong
        else:
            removed = owner.pop(path[-1])
            if change == "rename":
                owner[str(draw(st.sampled_from(KEYS + WRONG[5:20])))] = removed
        if not contract:
            break
    return contract


def to_yaml(contract):
    """Return a contract as JSON, which is unambiguous YAML."""
    return json.dumps(contract, ensure_ascii=False, indent=1)
