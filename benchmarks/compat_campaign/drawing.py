"""Draws pairs of contracts: an old one, and a new one that differs from it by random edits."""

import random
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field

from benchmarks.compat_campaign.packages import Plain
from benchmarks.compat_campaign.records import PATTERNS

EVENTS = ("ALPHA", "BETA")
"""The events of every contract; edits may add others."""
OWNERS = (*EVENTS, "Point", "Leg")
"""The owners of fields that edits change: two events and two records."""
_PLACES = {
    "ALPHA": (("ALPHA", ""),),
    "BETA": (("BETA", ""),),
    # The paths at which payloads hold the records.
    "Point": (("ALPHA", "spot"), ("BETA", "legs[].end")),
    "Leg": (("BETA", "legs[]"),),
}
_PROMISES = (
    {}, {}, {}, {}, {"wire": "backward"}, {"wire": "forward"}, {"source": "minor"}, {"source": "none"},
    {"wire": "none"}, {"wire": "none", "source": "none"},
)  # fmt: skip


@dataclass
class Draft:
    """A pair that edits are applied to; `old` and `new` have the form of the contract file."""

    rng: random.Random
    old: Plain
    new: Plain
    make_first: Callable[[Plain], None] | None = None
    """Turns a copy of `old` into an earlier release, 0.9.0, where an edit is about records of it."""
    names: list[str] = field(default_factory=list)
    """The edits that were applied."""
    steps: list[tuple[str, str, Plain]] = field(default_factory=list)
    """Steps of upcasts that let new readers read old records: event, path and step."""
    becomes: dict[str, str] = field(default_factory=dict)
    num_names: int = 0

    @property
    def first(self) -> Plain | None:
        """The release before `old`; None where no edit is about it."""
        if self.make_first is None:
            return None
        first = deepcopy(self.old)
        first["version"] = "0.9.0"
        first.pop("upcasts", None)
        self.make_first(first)
        return first

    def name(self, prefix: str = "x") -> str:
        """Return a name that nothing else has."""
        self.num_names += 1
        return f"{prefix}{'abcdefghjkmnpqrstuvwxyz'[self.num_names % 23]}{self.num_names}"

    def owner(self) -> str:
        """Draw an owner of fields."""
        return self.rng.choice(OWNERS)

    def put(self, side: Plain, owner: str, name: str, keys: Plain, *, captured: str = "") -> None:
        """Add a field; one of an event is an argument, or is captured from an attribute of the source."""
        keys = {"doc": "D.", **keys}
        if owner in EVENTS:
            keys = {**keys, "from": captured} if captured else {**keys, "arg": True}
        fields_of(side, owner)[name] = keys

    def cure(self, owner: str, key: str, step: Plain) -> None:
        """Note a step that makes the value under `key`; old paths in it are relative to the owner."""
        for event, prefix in _PLACES[owner]:
            full = {
                name: _join(prefix, value) if name in ("move", "convert") else value
                for name, value in step.items()
            }
            self.steps.append((event, _join(prefix, key), full))


def fields_of(side: Plain, owner: str) -> Plain:
    """Return the fields of an event or a record."""
    section = side["events"] if owner in side["events"] else side["records"]
    fields: Plain = section[owner]["fields"]
    return fields


def section_of(side: Plain, owner: str) -> Plain:
    """Return an event or a record."""
    section: Plain = side["events"] if owner in side["events"] else side["records"]
    found: Plain = section[owner]
    return found


def base(rng: random.Random) -> Plain:
    """Draw a contract of version 1.0.0."""
    unit = {"unit": "1"}
    contract: Plain = {
        "version": "1.0.0",
        "owner": "o",
        "units": {"ms": {"doc": "D."}, "s": {"doc": "D."}},
        "enums": {
            "Color": {"doc": "D.", "members": {"RED": _member(1), "GREEN": _member(2)}},
            "Shade": {
                "doc": "D.",
                "open": True,
                "members": {"RED": _member(1), "DARK": _member(2)},
            },
        },
        "envelope": {"doc": "D.", "fields": {"seq": {"type": "int", "doc": "D.", **unit}}},
        "context": {"env": {"type": "int", "doc": "D.", "default": 0, "place": "payload", **unit}},
        "families": {"first": {"doc": "D."}, "second": {"doc": "D."}},
        "records": {
            "Point": {"doc": "D.", "fields": {"x": {"type": "float", "doc": "D.", **unit}}},
            "Leg": {
                "doc": "D.",
                "fields": {
                    "end": {"type": "Point", "doc": "D."},
                    "tag": {"type": "str", "doc": "D."},
                },
            },
        },
        "events": {
            "ALPHA": {
                "doc": "D.",
                "family": "first",
                "payload": "AlphaPayload",
                "source": "AlphaSource",
                "context": ["env"],
                "fields": {
                    "spot": {"type": "Point", "arg": True, "doc": "D."},
                    "hue": {"type": "Color", "from": "hue", "doc": "D."},
                    "ready": {"type": "bool", "from": "ready", "doc": "D."},
                },
            },
            "BETA": {
                "doc": "D.",
                "family": "second",
                "payload": "BetaPayload",
                "source": "BetaSource",
                "fields": {
                    "legs": {"type": "Leg[]", "arg": True, "doc": "D."},
                    "shade": {"type": "Shade", "from": "shade", "doc": "D."},
                },
            },
        },
    }
    for event in EVENTS:
        contract["events"][event] |= {"stability": rng.choice(["stable"] * 4 + ["beta"])}
        promise = rng.choice(_PROMISES)
        if promise:
            contract["events"][event]["promise"] = dict(promise)
    _add_fields(rng, contract)
    return contract


def draw(seed: int, edits: dict[str, Callable[[Draft], None]], first: str = "") -> Draft:
    """Draw a pair: in most of them one edit, in the others two or three.

    `first` names the first edit; by default, each edit takes its turn.
    """
    rng = random.Random(seed)
    old = base(rng)
    draft = Draft(rng, old, deepcopy(old))
    draft.new["version"] = rng.choice(["1.1.0"] * 11 + ["2.0.0"] * 8 + ["1.0.1", "1.0.0"])
    names = list(edits)
    for name in (
        first or names[seed % len(names)],
        *rng.sample(names, rng.choice([0, 0, 0, 0, 1, 2])),
    ):
        if name not in draft.names:
            edits[name](draft)
            draft.names.append(name)
    _add_upcasts(draft)
    return draft


def _add_fields(rng: random.Random, contract: Plain) -> None:
    for index, owner in enumerate(OWNERS):
        for number in range(rng.randint(0, 2)):
            name = f"base{number}"
            keys = {"doc": "D.", **rng.choice(_KINDS)}
            if owner in EVENTS:
                keys |= rng.choice([{"arg": True}, {"from": f"their_{index}_{number}"}])
            fields_of(contract, owner)[name] = keys


_KINDS: tuple[Plain, ...] = (
    {"type": "int", "unit": "1", "range": [0, 9]},
    {"type": "int", "unit": "ms", "nullable": True},
    {"type": "float", "unit": "s", "nonfinite": "string"},
    {"type": "float", "unit": "1", "range": [-1.5, None], "missing": 0.5, "default": 0.5},
    {"type": "str", "pattern": PATTERNS[1], "length": [1, 6]},
    {"type": "str", "aliases": ["formerly"], "missing": "a"},
    {"type": "bool[]", "length": [0, 3]},
    {"type": "Color{}"},
    {"type": "Shade[]", "missing": [], "default": []},
    {"type": "str", "nullable": True, "missing": None, "wire": "the key"},
)


def _add_upcasts(draft: Draft) -> None:
    """Add some of the steps that old records need; a few of them are spoilt."""
    rng = draft.rng
    if draft.new["version"] in ("1.0.0", "1.0.1") or rng.random() < 0.3:
        return
    events: dict[str, Plain] = {}
    for event, path, step in draft.steps:
        if rng.random() < 0.85:
            events.setdefault(event, {"fields": {}})["fields"][path] = step
    for event, new in draft.becomes.items():
        if rng.random() < 0.8:
            events.setdefault(event, {"fields": {}})["becomes"] = new
    if events:
        upcasts = draft.new.setdefault("upcasts", {})
        upcasts[draft.new["version"]] = {"doc": "D.", "events": events}


def _member(number: int) -> Plain:
    return {"value": number, "doc": "D."}


def _join(prefix: str, key: str) -> str:
    return f"{prefix}.{key}" if prefix else key
