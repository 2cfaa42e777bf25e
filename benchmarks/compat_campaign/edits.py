"""The edits by which drawn contracts differ, one function each; every edit brings the fields that it changes."""

from collections.abc import Callable
from typing import Any

from benchmarks.compat_campaign.drawing import EVENTS, Draft, Plain, fields_of, section_of
from benchmarks.compat_campaign.records import PATTERNS

Edit = Callable[[Draft], None]
EDITS: dict[str, Edit] = {}
"""All edits, by name."""

_INT: Plain = {"type": "int", "unit": "1"}
_FLOAT: Plain = {"type": "float", "unit": "1"}
_STR: Plain = {"type": "str"}


def edit(function: Edit) -> Edit:
    """Add a function to the table of edits."""
    EDITS[function.__name__] = function
    return function


def _both(
    draft: Draft, old: Plain, new: Plain, step: Plain | None = None, owner: str = ""
) -> tuple[str, str]:
    """Add a field to both contracts; return its owner and name. In `step`, KEY stands for its key."""
    owner = owner or draft.owner()
    name = draft.name()
    captured = f"their_{name}" if draft.rng.random() < 0.3 else ""
    draft.put(draft.old, owner, name, old, captured=captured)
    draft.put(draft.new, owner, name, new, captured=captured)
    if step is not None:
        draft.cure(owner, name, {k: name if v == "KEY" else v for k, v in step.items()})
    return owner, name


def _maybe(draft: Draft, share: float, keys: Plain) -> Plain:
    return keys if draft.rng.random() < share else {}


@edit
def add_field(draft: Draft) -> None:
    owner, name = draft.owner(), draft.name()
    keys = {**_INT, **_maybe(draft, 0.6, {"missing": 1}), **_maybe(draft, 0.6, {"default": 1})}
    draft.put(draft.new, owner, name, keys)
    draft.cure(owner, name, {"fill": draft.rng.choice([1, 1, 1, "q"])})


@edit
def add_optional_field(draft: Draft) -> None:
    kind = draft.rng.choice(
        [{**_INT, "missing": 1, "default": 1}, {"type": "str{}", "missing": {}, "default": {}}]
    )
    draft.put(draft.new, draft.owner(), draft.name(), kind)


@edit
def add_limited_field(draft: Draft) -> None:
    owner, name = draft.owner(), draft.name()
    draft.put(draft.new, owner, name, {**_INT, "range": [0, 5], "default": 1})
    draft.cure(owner, name, {"fill": draft.rng.choice([5, 6, 1.5, "a", None])})


@edit
def add_captured_field(draft: Draft) -> None:
    owner, name = draft.rng.choice(EVENTS), draft.name()
    known = {"ALPHA": "ready", "BETA": "shade"}[owner]
    kind = {"ALPHA": {"type": "bool"}, "BETA": {"type": "Shade"}}[owner]
    keys: Plain = {**kind, **_maybe(draft, 0.7, {"missing": {"ALPHA": True, "BETA": "RED"}[owner]})}
    attribute = draft.rng.choice([known, f"their_{name}"])
    draft.put(draft.new, owner, name, keys, captured=attribute)


@edit
def add_from_record(draft: Draft) -> None:
    owner, name = draft.owner(), draft.name()
    draft.put(
        draft.new,
        owner,
        name,
        {"type": "Point", "nullable": True, "missing": None, "default": None},
    )


@edit
def remove_field(draft: Draft) -> None:
    owner, name = draft.owner(), draft.name()
    keys = {
        **_INT,
        **_maybe(draft, 0.4, {"missing": 1}),
        **_maybe(draft, 0.5, {"deprecated": "D."}),
    }
    draft.put(draft.old, owner, name, keys)
    if draft.rng.random() < 0.6:
        section_of(draft.new, owner).setdefault("reserved", {})[name] = {"doc": "D."}


@edit
def take_field_away(draft: Draft) -> None:
    """The field is removed, and an upcast gives its value to another one."""
    owner, name, other = draft.owner(), draft.name(), draft.name()
    draft.put(draft.old, owner, name, {**_INT, "deprecated": "D."})
    draft.put(draft.new, owner, other, {**_FLOAT, "default": 0.5})
    draft.cure(owner, other, {"convert": name, "factor": 2.0})


@edit
def rename_field(draft: Draft) -> None:
    owner, name, other = draft.owner(), draft.name(), draft.name()
    draft.put(draft.old, owner, name, _STR)
    way: Plain = draft.rng.choice([{"wire": name}, {"aliases": [name]}, {}, {}])
    declared = _maybe(draft, 0.7, {"renamed_from": name})
    draft.put(draft.new, owner, other, {**_STR, **way, **declared})
    if not way:
        draft.cure(owner, other, {"move": draft.rng.choice([name, name, name, f"{name}_typo"])})


@edit
def change_key(draft: Draft) -> None:
    draft_keys = draft.rng.choice([{"wire": "other"}, {"wire": "other", "aliases": ["KEY"]}])
    owner, name = draft.owner(), draft.name()
    keys = {k: [name] if v == ["KEY"] else v for k, v in draft_keys.items()}
    keys = {k: f"{name}_{v}" if v == "other" else v for k, v in keys.items()}
    missing = _maybe(draft, 0.3, {"missing": 1})
    draft.put(draft.old, owner, name, {**_INT, **missing})
    draft.put(draft.new, owner, name, {**_INT, **missing, **keys})
    if "aliases" not in keys:
        draft.cure(owner, keys["wire"], {"move": name})


@edit
def change_aliases(draft: Draft) -> None:
    owner, name = draft.owner(), draft.name()
    sides = [{**_INT, "aliases": [f"{name}_old"]}, _INT]
    draft.rng.shuffle(sides)
    draft.put(draft.old, owner, name, sides[0])
    draft.put(draft.new, owner, name, sides[1])
    if "aliases" in sides[0]:
        draft.cure(owner, name, {"move": f"{name}_old"})


@edit
def add_null(draft: Draft) -> None:
    _both(draft, _INT, {**_INT, "nullable": True})


@edit
def remove_null(draft: Draft) -> None:
    step = draft.rng.choice(
        [{"fill": 0}, {"fill": 0}, {"convert": "KEY", "clamp": [0, 9]}, {"fill": "a"}]
    )
    _both(draft, {**_INT, "nullable": True}, _INT, step)


def _change_type(draft: Draft, kinds: list[tuple[Plain, Plain, Plain | None]]) -> None:
    _both(draft, *draft.rng.choice(kinds))


@edit
def widen_type(draft: Draft) -> None:
    _change_type(draft, [
        (_INT, _FLOAT, None), ({"type": "Color"}, _STR, None), ({"type": "Shade"}, _STR, None),
        ({**_INT, "type": "int{}"}, {**_FLOAT, "type": "float{}"}, None), ({"type": "Color[]"}, {"type": "str[]"}, None),
    ])  # fmt: skip


@edit
def narrow_type(draft: Draft) -> None:
    clamp: Plain = {"convert": "KEY", "clamp": [0, 9], "round": True}
    only_round: Plain = {"convert": "KEY", "round": True}
    names: Plain = {"convert": "KEY", "values": {"a": "GREEN"}, "otherwise": "RED"}
    vain: Plain = {"convert": "KEY", "values": {"a": "GREEN"}}
    _change_type(draft, [
        (_FLOAT, _INT, clamp), (_FLOAT, _INT, only_round), (_STR, {"type": "Color"}, names), (_STR, {"type": "Color"}, vain),
        ({"type": "str[]"}, {"type": "Color[]"}, names), (_STR, {"type": "Shade"}, names),
        ({**_FLOAT, "range": [0, 3]}, _INT, only_round),
    ])  # fmt: skip


@edit
def change_type(draft: Draft) -> None:
    flag: Plain = {"type": "bool"}
    fixed: Plain = {"fill": True}
    _change_type(draft, [
        (_STR, flag, fixed), (flag, _INT, None), (_INT, _STR, None), ({"type": "Point"}, {"type": "Leg"}, None),
        (_STR, {"type": "Point"}, None), ({"type": "str[]"}, {"type": "bool[]"}, None),
        (flag, _STR, {"convert": "KEY", "values": {"a": "b"}}), ({"type": "Color"}, flag, {"convert": "KEY", "values": {"RED": True, "GREEN": False}}),
    ])  # fmt: skip


@edit
def change_cardinality(draft: Draft) -> None:
    kinds: list[Plain] = [_STR, {"type": "str[]"}, {"type": "str{}"}, {"type": "str[]{}"}]
    old, new = draft.rng.sample(kinds, 2)
    _both(draft, old, new)


@edit
def change_range(draft: Draft) -> None:
    ranges: list[Any] = [[0, 9], [0, 5], [2, 9], [None, 9], [0, None], [-3, 4]]
    old, new = draft.rng.sample(ranges, 2)
    kind = draft.rng.choice(
        [_INT, _FLOAT, {**_INT, "type": "int[]"}, {**_FLOAT, "type": "float{}"}]
    )
    ends: Any = draft.rng.choice([new, new, new, [new[0], None], [-9, 99]])
    _both(draft, {**kind, "range": old}, {**kind, "range": new}, {"convert": "KEY", "clamp": ends})


@edit
def change_length(draft: Draft) -> None:
    lengths: list[Any] = [[0, 5], [0, 3], [1, 5], [None, 3], [2, None]]
    old, new = draft.rng.sample(lengths, 2)
    kind: Plain = draft.rng.choice(
        [_STR, {"type": "bool[]"}, {"type": "str{}"}, {"type": "str", "pattern": PATTERNS[1]}]
    )
    _both(draft, {**kind, "length": old}, {**kind, "length": new})


@edit
def change_pattern(draft: Draft) -> None:
    old, new = draft.rng.sample([None, *PATTERNS], 2)
    kind = draft.rng.choice([_STR, {"type": "str[]"}])
    keys = [{**kind, **({"pattern": one} if one else {})} for one in (old, new)]
    step: Plain = {
        "convert": "KEY",
        "values": {},
        "otherwise": draft.rng.choice(["abc", "z9", "123"]),
    }
    _both(draft, keys[0], keys[1], step)


@edit
def change_nonfinite(draft: Draft) -> None:
    kind = {**_FLOAT, "nullable": True}
    old, new = draft.rng.sample(["error", "null", "string"], 2)
    step: Plain = {"convert": "KEY", "values": {"NaN": None, "Infinity": None, "-Infinity": None}}
    _both(
        draft,
        {**kind, "nonfinite": old},
        {**kind, "nonfinite": new},
        step if old == "string" else None,
    )


@edit
def change_default(draft: Draft) -> None:
    owner, _ = _both(draft, {**_INT, "default": 1}, {**_INT, "default": 2})
    _revise(draft, owner)


@edit
def change_missing(draft: Draft) -> None:
    step = {"fill": draft.rng.choice([1, 1, 3])}
    _both(draft, {**_INT, "missing": 1}, {**_INT, "missing": 2}, step)


@edit
def remove_defaults(draft: Draft) -> None:
    old = draft.rng.choice([{"default": 1}, {"missing": 1}, {"default": 1, "missing": 1}])
    _both(draft, {**_INT, **old}, _INT, {"fill": 1})


@edit
def add_defaults(draft: Draft) -> None:
    new = draft.rng.choice([{"default": 1}, {"missing": 1}, {"default": 1, "missing": 1}])
    _both(draft, _INT, {**_INT, **new})


@edit
def change_unit(draft: Draft) -> None:
    new = {**_FLOAT, "unit": "ms"}
    _both(draft, {**_FLOAT, "unit": "s"}, new, {"convert": "KEY", "factor": 1000.0})


@edit
def change_capture(draft: Draft) -> None:
    owner, name = draft.rng.choice(EVENTS), draft.name()
    known = {"ALPHA": "ready", "BETA": "shade"}[owner]
    kind = {"ALPHA": {"type": "bool"}, "BETA": {"type": "Shade"}}[owner]
    default = _maybe(draft, 0.3, {"default": {"ALPHA": True, "BETA": "RED"}[owner]})
    captured = ["", known, f"their_{name}", f"our_{name}"]
    old, new = draft.rng.sample(captured, 2)
    draft.put(draft.old, owner, name, {**kind, **default}, captured=old)
    draft.put(draft.new, owner, name, {**kind, **default}, captured=new)
    _revise(draft, owner)


@edit
def change_phase(draft: Draft) -> None:
    owner = draft.rng.choice(EVENTS)
    key = draft.rng.choice(["phase", "reduce"])
    _both(draft, _INT, {**_INT, key: "after"}, owner=owner)
    _revise(draft, owner)


@edit
def change_group(draft: Draft) -> None:
    """A field that was always captured is captured while an attribute is true, or the other way round."""
    owner, name = draft.rng.choice(EVENTS), draft.name()
    keys = {"type": "bool", "default": False, "doc": "D.", "from": f"their_{name}"}
    guard = {"ALPHA": "ready", "BETA": f"has_{name}"}[owner]
    sides = [draft.old, draft.new]
    draft.rng.shuffle(sides)
    fields_of(sides[0], owner)[name] = dict(keys)
    # ALPHA has no other guard, and an attribute cannot be a guard and a value.
    sides[1].setdefault("groups", {})[f"group_{name}"] = {
        "doc": "D.", "when": f"has_{name}" if guard == "ready" else guard, "fields": {name: dict(keys)},
    }  # fmt: skip
    sides[1]["events"][owner].setdefault("include", []).append(f"group_{name}")


def _revise(draft: Draft, owner: str) -> None:
    if owner in EVENTS and draft.rng.random() < 0.4:
        draft.new["events"][owner] |= {"revision": 2, "note": "It is new."}


@edit
def change_order(draft: Draft) -> None:
    owner = draft.owner()
    for _ in range(2):
        _both(draft, _INT, _INT, owner=owner)
    fields = fields_of(draft.new, owner)
    names = list(fields)
    for name in reversed(names):
        fields[name] = fields.pop(name)


@edit
def lower_stability(draft: Draft) -> None:
    owner = draft.owner()
    if draft.rng.random() < 0.5:
        section_of(draft.old, owner)["stability"] = "stable"
        section_of(draft.new, owner)["stability"] = draft.rng.choice(["beta", "development"])
        return
    _, name = _both(draft, _INT, _INT, owner=owner)
    section_of(draft.old, owner)["stability"] = section_of(draft.new, owner)["stability"] = "stable"
    fields_of(draft.new, owner)[name]["stability"] = "beta"


@edit
def deprecate(draft: Draft) -> None:
    if draft.rng.random() < 0.5:
        draft.new["events"][draft.rng.choice(EVENTS)]["deprecated"] = "D."
    else:
        _both(draft, _INT, {**_INT, "deprecated": "D."})


@edit
def lower_promise(draft: Draft) -> None:
    """A promise is lowered, and a change makes use of it."""
    owner = draft.rng.choice(EVENTS)
    draft.old["events"][owner].pop("promise", None)
    draft.new["events"][owner]["promise"] = {"wire": "none", "source": "none"}
    name = draft.name()
    draft.put(draft.old, owner, name, _STR)
    section_of(draft.new, owner).setdefault("reserved", {})[name] = {"doc": "D."}


@edit
def move_field(draft: Draft) -> None:
    name = draft.name()
    places = [("ALPHA", name), ("Point", f"spot.{name}")]
    draft.rng.shuffle(places)
    (old_owner, old_path), (new_owner, new_path) = places
    draft.put(draft.old, old_owner, name, {"type": "bool"})
    draft.put(draft.new, new_owner, name, {"type": "bool"})
    draft.steps.append(("ALPHA", new_path, {"move": old_path}))
    if new_owner == "Point":
        draft.steps.append(("BETA", f"legs[].end.{name}", {"fill": True}))


def _event(name: str, fields: Plain | None = None, **keys: Any) -> Plain:
    payload = name.title().replace("_", "") + "Payload"
    own = {
        "what": {"type": "str", "arg": True, "doc": "D."},
        "size": {**_INT, "arg": True, "doc": "D."},
    }
    return {"doc": "D.", "family": "first", "payload": payload, "fields": fields or own, **keys}


@edit
def add_event(draft: Draft) -> None:
    name = draft.name("NEW").upper()
    draft.new["events"][name] = _event(name)


@edit
def remove_event(draft: Draft) -> None:
    name = draft.name("GONE").upper()
    keys = _maybe(draft, 0.5, {"deprecated": "D."})
    draft.old["events"][name] = _event(name, **keys)
    if draft.rng.random() < 0.6:
        draft.new["retired"] = {**draft.new.get("retired", {}), name: {"doc": "D."}}
    other = draft.name("KEPT").upper()
    for side in (draft.old, draft.new):
        side["events"][other] = _event(
            other,
            {"what": {"type": "str", "arg": True, "doc": "D."}},
            reserved={"size": {"doc": "D."}},
        )
    draft.becomes[name] = draft.rng.choice([other, other, "ALPHA"])


@edit
def rename_event(draft: Draft) -> None:
    name, other = draft.name("WAS").upper(), draft.name("IS").upper()
    draft.old["events"][name] = _event(name)
    draft.new["events"][other] = _event(other, **_maybe(draft, 0.7, {"renamed_from": name}))
    draft.becomes[name] = other


@edit
def retire_event(draft: Draft) -> None:
    name = draft.name("OUT").upper()
    keys = _maybe(draft, 0.5, {"deprecated": "D."})
    draft.old["events"][name] = _event(name, **keys)
    draft.new["events"][name] = _event(name, retired=draft.new["version"], **keys)


@edit
def change_cadence(draft: Draft) -> None:
    event = draft.rng.choice(EVENTS)
    draft.old["events"][event]["cadence"] = "once an epoch"
    draft.new["events"][event]["cadence"] = "once a step"


@edit
def change_class(draft: Draft) -> None:
    event = draft.rng.choice(EVENTS)
    key, value = draft.rng.choice(
        [("payload", "OtherPayload"), ("family", None), ("source", "OtherSource")]
    )
    other = {"ALPHA": "second", "BETA": "first"}[event]
    draft.new["events"][event][key] = value or other
    # The family that loses its event keeps another one.
    for side in (draft.old, draft.new):
        side["events"]["FIRST"] = _event("FIRST")
        side["events"]["SECOND"] = _event("SECOND", family="second")


@edit
def add_to_envelope(draft: Draft) -> None:
    keys = _maybe(draft, 0.6, {"missing": 1}) | _maybe(draft, 0.6, {"default": 1})
    draft.new["envelope"]["fields"][draft.name("key")] = {**_INT, "doc": "D.", **keys}


@edit
def remove_from_envelope(draft: Draft) -> None:
    keys = _maybe(draft, 0.5, {"missing": 1})
    draft.old["envelope"]["fields"][draft.name("key")] = {**_INT, "doc": "D.", **keys}


@edit
def change_envelope(draft: Draft) -> None:
    name = draft.name("key")
    kinds: list[Plain] = [
        {**_INT, "range": [0, 5]},
        {**_INT, "range": [0, 9]},
        {**_FLOAT, "range": [0, 5]},
        {**_INT, "range": [0, 5], "nullable": True},
    ]
    for side, keys in zip((draft.old, draft.new), draft.rng.sample(kinds, 2), strict=True):
        side["envelope"]["fields"][name] = {**keys, "doc": "D."}


@edit
def add_context(draft: Draft) -> None:
    name = draft.name("context")
    place = draft.rng.choice(["payload", "envelope"])
    keys = {**_INT, "doc": "D.", "default": 0, "place": place, **_maybe(draft, 0.6, {"missing": 0})}
    draft.new["context"][name] = keys
    if place == "payload":
        draft.new["events"]["BETA"].setdefault("context", []).append(name)


@edit
def drop_context(draft: Draft) -> None:
    """An event is written without a value of the context that it had."""
    name = draft.name("context")
    keys = {
        **_INT,
        "doc": "D.",
        "default": 0,
        "place": "payload",
        **_maybe(draft, 0.5, {"missing": 0}),
    }
    for side in (draft.old, draft.new):
        side["context"][name] = dict(keys)
    draft.old["events"]["BETA"].setdefault("context", []).append(name)


def _enum(draft: Draft, *members: str, is_open: bool = False) -> str:
    """Add an enum to both contracts and a field of each owner that holds it; return its name."""
    name = draft.name("Enum").title()
    for side in (draft.old, draft.new):
        numbered = {one: {"value": number, "doc": "D."} for number, one in enumerate(members)}
        side["enums"][name] = {"doc": "D.", "open": is_open, "members": numbered}
    suffix = draft.rng.choice(["", "[]", "{}"])
    _both(draft, {"type": name + suffix}, {"type": name + suffix})
    return name


@edit
def add_member(draft: Draft) -> None:
    name = _enum(draft, "RED", "BLUE", is_open=draft.rng.random() < 0.5)
    draft.new["enums"][name]["members"]["NEWER"] = {"value": 9, "doc": "D."}


@edit
def remove_member(draft: Draft) -> None:
    name = _enum(draft, "RED", "BLUE", is_open=draft.rng.random() < 0.3)
    del draft.new["enums"][name]["members"]["BLUE"]
    _cure_members(draft, {"BLUE": "RED"})


@edit
def rename_member(draft: Draft) -> None:
    name = _enum(draft, "RED", "BLUE")
    members = draft.new["enums"][name]["members"]
    members["AZURE"] = members.pop("BLUE")
    _cure_members(draft, {"BLUE": draft.rng.choice(["AZURE", "AZURE", "TEAL"])})


def _cure_members(draft: Draft, names: dict[str, str]) -> None:
    owner, field = next(
        (owner, name)
        for owner in ("ALPHA", "BETA", "Point", "Leg")
        for name, keys in reversed(fields_of(draft.new, owner).items())
        if keys["type"].startswith("Enum")
    )
    draft.cure(owner, field, {"convert": field, "values": names})


@edit
def renumber_member(draft: Draft) -> None:
    name = _enum(draft, "RED", "BLUE")
    draft.new["enums"][name]["members"]["BLUE"]["value"] = 7


@edit
def change_openness(draft: Draft) -> None:
    name = _enum(draft, "RED", "BLUE")
    side = draft.rng.choice([draft.old, draft.new])
    side["enums"][name]["open"] = True


@edit
def rename_class(draft: Draft) -> None:
    if draft.rng.random() < 0.5:
        old = _enum(draft, "RED", "BLUE")
        kind = "enums"
    else:
        old, kind = draft.name("Record").title(), "records"
        for side in (draft.old, draft.new):
            side["records"][old] = {"doc": "D.", "fields": {"x": {**_INT, "doc": "D."}}}
        _both(draft, {"type": old}, {"type": old})
    name = draft.name("Named").title()
    draft.new[kind][name] = {
        **draft.new[kind].pop(old),
        **_maybe(draft, 0.7, {"renamed_from": old}),
    }
    for owner in (*draft.new["records"], *draft.new["events"]):
        for keys in fields_of(draft.new, owner).values():
            keys["type"] = keys["type"].replace(old, name)


@edit
def remove_class(draft: Draft) -> None:
    draft.old["enums"][draft.name("Extra").title()] = {
        "doc": "D.",
        "members": {"ONE": {"value": 1, "doc": "D."}},
    }


@edit
def add_class(draft: Draft) -> None:
    draft.new["records"][draft.name("Extra").title()] = {
        "doc": "D.",
        "fields": {"x": {**_INT, "doc": "D."}},
    }


@edit
def change_owner(draft: Draft) -> None:
    draft.new["owner"] = "somebody else"


@edit
def forget_reserved(draft: Draft) -> None:
    """A name of an earlier release is no longer reserved."""
    owner, name = draft.owner(), draft.name()
    section_of(draft.old, owner).setdefault("reserved", {})[name] = {"doc": "D."}
    _use_reserved(draft, owner, name)


@edit
def reuse_name(draft: Draft) -> None:
    """A name that was reserved is given to another field."""
    owner, name = draft.owner(), draft.name()
    section_of(draft.old, owner).setdefault("reserved", {})[name] = {"doc": "D."}
    draft.put(draft.new, owner, name, {"type": "str", "missing": "b", "default": "b"})
    _use_reserved(draft, owner, name)


def _use_reserved(draft: Draft, owner: str, name: str) -> None:
    def make_first(first: Plain) -> None:
        section_of(first, owner)["reserved"].pop(name)
        draft.put(first, owner, name, _STR)

    draft.make_first = make_first


@edit
def reuse_event(draft: Draft) -> None:
    """The name of a retired event is given to another one."""
    name = draft.name("AGAIN").upper()
    draft.old["retired"] = {**draft.old.get("retired", {}), name: {"doc": "D."}}
    draft.new["events"][name] = _event(name)

    def make_first(first: Plain) -> None:
        first["retired"].pop(name)
        first["events"][name] = _event(name)

    draft.make_first = make_first


@edit
def forget_retired(draft: Draft) -> None:
    """The name of a retired event is no longer reserved."""
    draft.old["retired"] = {
        **draft.old.get("retired", {}),
        draft.name("PAST").upper(): {"doc": "D."},
    }


@edit
def forget_member(draft: Draft) -> None:
    """A reserved member of an enum is forgotten, or its name or number is used again."""
    name = _enum(draft, "RED", "BLUE")
    draft.old["enums"][name]["reserved"] = {"FORMER": {"value": 5, "doc": "D."}}
    again = draft.rng.choice(
        [None, {"FORMER": {"value": 6, "doc": "D."}}, {"OTHER": {"value": 5, "doc": "D."}}]
    )
    if again:
        draft.new["enums"][name]["members"] |= again

    def make_first(first: Plain) -> None:
        first["enums"][name]["members"] |= first["enums"][name].pop("reserved")

    draft.make_first = make_first


@edit
def edit_released_upcast(draft: Draft) -> None:
    owner, name = draft.rng.choice(EVENTS), draft.name()
    for side in (draft.old, draft.new):
        draft.put(side, owner, name, _INT)
    for side, value in ((draft.old, 1), (draft.new, 2)):
        steps = {"fields": {name: {"fill": value}}}
        side["upcasts"] = {"1.0.0": {"doc": "D.", "events": {owner: steps}}}
    draft.make_first = lambda first: first["events"][owner]["fields"].pop(name)
