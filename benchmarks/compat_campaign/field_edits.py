"""Edits of fields by which drawn contracts differ, one function each; every edit brings the fields that it changes."""

from collections.abc import Callable
from typing import Any

from benchmarks.compat_campaign.drawing import EVENTS, Draft, Plain, fields_of, section_of
from benchmarks.compat_campaign.records import PATTERNS

Edit = Callable[[Draft], None]
EDITS: dict[str, Edit] = {}
"""All edits, by name."""

INT: Plain = {"type": "int", "unit": "1"}
FLOAT: Plain = {"type": "float", "unit": "1"}
STR: Plain = {"type": "str"}


def edit(function: Edit) -> Edit:
    """Add a function to the table of edits."""
    EDITS[function.__name__] = function
    return function


def both(
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


def maybe(draft: Draft, share: float, keys: Plain) -> Plain:
    return keys if draft.rng.random() < share else {}


@edit
def add_field(draft: Draft) -> None:
    owner, name = draft.owner(), draft.name()
    keys = {**INT, **maybe(draft, 0.6, {"missing": 1}), **maybe(draft, 0.6, {"default": 1})}
    draft.put(draft.new, owner, name, keys)
    draft.cure(owner, name, {"fill": draft.rng.choice([1, 1, 1, "q"])})


@edit
def add_optional_field(draft: Draft) -> None:
    kind = draft.rng.choice(
        [{**INT, "missing": 1, "default": 1}, {"type": "str{}", "missing": {}, "default": {}}]
    )
    draft.put(draft.new, draft.owner(), draft.name(), kind)


@edit
def add_limited_field(draft: Draft) -> None:
    owner, name = draft.owner(), draft.name()
    draft.put(draft.new, owner, name, {**INT, "range": [0, 5], "default": 1})
    draft.cure(owner, name, {"fill": draft.rng.choice([5, 6, 1.5, "a", None])})


@edit
def add_captured_field(draft: Draft) -> None:
    owner, name = draft.rng.choice(EVENTS), draft.name()
    known = {"ALPHA": "ready", "BETA": "shade"}[owner]
    kind = {"ALPHA": {"type": "bool"}, "BETA": {"type": "Shade"}}[owner]
    keys: Plain = {**kind, **maybe(draft, 0.7, {"missing": {"ALPHA": True, "BETA": "RED"}[owner]})}
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
        **INT,
        **maybe(draft, 0.4, {"missing": 1}),
        **maybe(draft, 0.5, {"deprecated": "D."}),
    }
    draft.put(draft.old, owner, name, keys)
    if draft.rng.random() < 0.6:
        section_of(draft.new, owner).setdefault("reserved", {})[name] = {"doc": "D."}


@edit
def take_field_away(draft: Draft) -> None:
    """The field is removed, and an upcast gives its value to another one."""
    owner, name, other = draft.owner(), draft.name(), draft.name()
    draft.put(draft.old, owner, name, {**INT, "deprecated": "D."})
    draft.put(draft.new, owner, other, {**FLOAT, "default": 0.5})
    draft.cure(owner, other, {"convert": name, "factor": 2.0})


@edit
def rename_field(draft: Draft) -> None:
    owner, name, other = draft.owner(), draft.name(), draft.name()
    draft.put(draft.old, owner, name, STR)
    way: Plain = draft.rng.choice([{"wire": name}, {"aliases": [name]}, {}, {}])
    declared = maybe(draft, 0.7, {"renamed_from": name})
    draft.put(draft.new, owner, other, {**STR, **way, **declared})
    if not way:
        draft.cure(owner, other, {"move": draft.rng.choice([name, name, name, f"{name}_typo"])})


@edit
def change_key(draft: Draft) -> None:
    draft_keys = draft.rng.choice([{"wire": "other"}, {"wire": "other", "aliases": ["KEY"]}])
    owner, name = draft.owner(), draft.name()
    keys = {k: [name] if v == ["KEY"] else v for k, v in draft_keys.items()}
    keys = {k: f"{name}_{v}" if v == "other" else v for k, v in keys.items()}
    missing = maybe(draft, 0.3, {"missing": 1})
    draft.put(draft.old, owner, name, {**INT, **missing})
    draft.put(draft.new, owner, name, {**INT, **missing, **keys})
    if "aliases" not in keys:
        draft.cure(owner, keys["wire"], {"move": name})


@edit
def change_aliases(draft: Draft) -> None:
    owner, name = draft.owner(), draft.name()
    sides = [{**INT, "aliases": [f"{name}_old"]}, INT]
    draft.rng.shuffle(sides)
    draft.put(draft.old, owner, name, sides[0])
    draft.put(draft.new, owner, name, sides[1])
    if "aliases" in sides[0]:
        draft.cure(owner, name, {"move": f"{name}_old"})


@edit
def add_null(draft: Draft) -> None:
    both(draft, INT, {**INT, "nullable": True})


@edit
def remove_null(draft: Draft) -> None:
    step = draft.rng.choice(
        [{"fill": 0}, {"fill": 0}, {"convert": "KEY", "clamp": [0, 9]}, {"fill": "a"}]
    )
    both(draft, {**INT, "nullable": True}, INT, step)


def _change_type(draft: Draft, kinds: list[tuple[Plain, Plain, Plain | None]]) -> None:
    both(draft, *draft.rng.choice(kinds))


@edit
def widen_type(draft: Draft) -> None:
    _change_type(draft, [
        (INT, FLOAT, None), ({"type": "Color"}, STR, None), ({"type": "Shade"}, STR, None),
        ({**INT, "type": "int{}"}, {**FLOAT, "type": "float{}"}, None), ({"type": "Color[]"}, {"type": "str[]"}, None),
    ])  # fmt: skip


@edit
def narrow_type(draft: Draft) -> None:
    clamp: Plain = {"convert": "KEY", "clamp": [0, 9], "round": True}
    only_round: Plain = {"convert": "KEY", "round": True}
    names: Plain = {"convert": "KEY", "values": {"a": "GREEN"}, "otherwise": "RED"}
    vain: Plain = {"convert": "KEY", "values": {"a": "GREEN"}}
    _change_type(draft, [
        (FLOAT, INT, clamp), (FLOAT, INT, only_round), (STR, {"type": "Color"}, names), (STR, {"type": "Color"}, vain),
        ({"type": "str[]"}, {"type": "Color[]"}, names), (STR, {"type": "Shade"}, names),
        ({**FLOAT, "range": [0, 3]}, INT, only_round),
    ])  # fmt: skip


@edit
def change_type(draft: Draft) -> None:
    flag: Plain = {"type": "bool"}
    fixed: Plain = {"fill": True}
    _change_type(draft, [
        (STR, flag, fixed), (flag, INT, None), (INT, STR, None), ({"type": "Point"}, {"type": "Leg"}, None),
        (STR, {"type": "Point"}, None), ({"type": "str[]"}, {"type": "bool[]"}, None),
        (flag, STR, {"convert": "KEY", "values": {"a": "b"}}), ({"type": "Color"}, flag, {"convert": "KEY", "values": {"RED": True, "GREEN": False}}),
    ])  # fmt: skip


@edit
def change_cardinality(draft: Draft) -> None:
    kinds: list[Plain] = [STR, {"type": "str[]"}, {"type": "str{}"}, {"type": "str[]{}"}]
    old, new = draft.rng.sample(kinds, 2)
    both(draft, old, new)


@edit
def change_range(draft: Draft) -> None:
    ranges: list[Any] = [[0, 9], [0, 5], [2, 9], [None, 9], [0, None], [-3, 4]]
    old, new = draft.rng.sample(ranges, 2)
    kind = draft.rng.choice([INT, FLOAT, {**INT, "type": "int[]"}, {**FLOAT, "type": "float{}"}])
    ends: Any = draft.rng.choice([new, new, new, [new[0], None], [-9, 99]])
    both(draft, {**kind, "range": old}, {**kind, "range": new}, {"convert": "KEY", "clamp": ends})


@edit
def change_length(draft: Draft) -> None:
    lengths: list[Any] = [[0, 5], [0, 3], [1, 5], [None, 3], [2, None]]
    old, new = draft.rng.sample(lengths, 2)
    kind: Plain = draft.rng.choice(
        [STR, {"type": "bool[]"}, {"type": "str{}"}, {"type": "str", "pattern": PATTERNS[1]}]
    )
    both(draft, {**kind, "length": old}, {**kind, "length": new})


@edit
def change_pattern(draft: Draft) -> None:
    old, new = draft.rng.sample([None, *PATTERNS], 2)
    kind = draft.rng.choice([STR, {"type": "str[]"}])
    keys = [{**kind, **({"pattern": one} if one else {})} for one in (old, new)]
    step: Plain = {
        "convert": "KEY",
        "values": {},
        "otherwise": draft.rng.choice(["abc", "z9", "123"]),
    }
    both(draft, keys[0], keys[1], step)


@edit
def change_nonfinite(draft: Draft) -> None:
    kind = {**FLOAT, "nullable": True}
    old, new = draft.rng.sample(["error", "null", "string"], 2)
    step: Plain = {"convert": "KEY", "values": {"NaN": None, "Infinity": None, "-Infinity": None}}
    both(
        draft,
        {**kind, "nonfinite": old},
        {**kind, "nonfinite": new},
        step if old == "string" else None,
    )


@edit
def change_default(draft: Draft) -> None:
    owner, _ = both(draft, {**INT, "default": 1}, {**INT, "default": 2})
    _revise(draft, owner)


@edit
def change_missing(draft: Draft) -> None:
    step = {"fill": draft.rng.choice([1, 1, 3])}
    both(draft, {**INT, "missing": 1}, {**INT, "missing": 2}, step)


@edit
def remove_defaults(draft: Draft) -> None:
    old = draft.rng.choice([{"default": 1}, {"missing": 1}, {"default": 1, "missing": 1}])
    both(draft, {**INT, **old}, INT, {"fill": 1})


@edit
def add_defaults(draft: Draft) -> None:
    new = draft.rng.choice([{"default": 1}, {"missing": 1}, {"default": 1, "missing": 1}])
    both(draft, INT, {**INT, **new})


@edit
def change_unit(draft: Draft) -> None:
    new = {**FLOAT, "unit": "ms"}
    both(draft, {**FLOAT, "unit": "s"}, new, {"convert": "KEY", "factor": 1000.0})


@edit
def change_capture(draft: Draft) -> None:
    owner, name = draft.rng.choice(EVENTS), draft.name()
    known = {"ALPHA": "ready", "BETA": "shade"}[owner]
    kind = {"ALPHA": {"type": "bool"}, "BETA": {"type": "Shade"}}[owner]
    default = maybe(draft, 0.3, {"default": {"ALPHA": True, "BETA": "RED"}[owner]})
    captured = ["", known, f"their_{name}", f"our_{name}"]
    old, new = draft.rng.sample(captured, 2)
    draft.put(draft.old, owner, name, {**kind, **default}, captured=old)
    draft.put(draft.new, owner, name, {**kind, **default}, captured=new)
    _revise(draft, owner)


@edit
def change_phase(draft: Draft) -> None:
    owner = draft.rng.choice(EVENTS)
    key = draft.rng.choice(["phase", "reduce"])
    both(draft, INT, {**INT, key: "after"}, owner=owner)
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
        both(draft, INT, INT, owner=owner)
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
    _, name = both(draft, INT, INT, owner=owner)
    section_of(draft.old, owner)["stability"] = section_of(draft.new, owner)["stability"] = "stable"
    fields_of(draft.new, owner)[name]["stability"] = "beta"


@edit
def deprecate(draft: Draft) -> None:
    if draft.rng.random() < 0.5:
        draft.new["events"][draft.rng.choice(EVENTS)]["deprecated"] = "D."
    else:
        both(draft, INT, {**INT, "deprecated": "D."})


@edit
def lower_promise(draft: Draft) -> None:
    """A promise is lowered, and a change makes use of it."""
    owner = draft.rng.choice(EVENTS)
    draft.old["events"][owner].pop("promise", None)
    draft.new["events"][owner]["promise"] = {"wire": "none", "source": "none"}
    name = draft.name()
    draft.put(draft.old, owner, name, STR)
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
