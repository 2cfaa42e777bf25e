"""Applies upcasts to sets of objects, as the generated package applies them to the payloads of old records."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby

from ..contract.promises import Step
from ..contract.wire_paths import have_common
from .value_sets import (
    Slot,
    Slots,
    ValueSet,
    clamped,
    map_leaves,
    renamed,
    rounded,
    scaled,
    set_of,
)

_INFINITY = float("inf")


@dataclass(frozen=True, slots=True)
class _Taken:
    """The values that were taken from a path, and whether every object had one."""

    values: ValueSet
    is_always: bool


def rewrite(slots: Slots, steps: Iterable[Step]) -> Slots:
    """Return the slots of objects after the steps of one upcast."""
    split = sorted(((split_path(step.path), step) for step in steps), key=lambda one: one[0][0])
    for prefix, group in groupby(split, key=lambda one: one[0][0]):
        found = [(path, step) for (_, path), step in group]
        slots = _inside(slots, _parts(prefix), partial(_rewrite_object, steps=found))
    return slots


def remove_keys(slots: Slots, prefix: str, keys: Iterable[str]) -> Slots:
    """Return the slots of objects after keys are removed from the objects at `prefix`."""
    wanted = list(keys)

    def remove(inner: Slots) -> Slots:
        for key in wanted:
            inner, _ = _take(inner, key.split("."))
        return inner

    return _inside(slots, _parts(prefix), remove)


def split_path(path: str) -> tuple[str, str]:
    """Split a path after its last bracket into the path of the objects and the keys in each of them."""
    match = re.fullmatch(r"(.*[\]}])\.([^\]}]+)", path)
    return (match[1], match[2]) if match else ("", path)


def convert(values: ValueSet, step: Step) -> ValueSet:
    """Return a set after the conversions of a step."""
    names = step.values.value if step.values is not None else None
    if isinstance(names, Mapping):
        values = map_leaves(values, lambda one: renamed(one, names, step.otherwise))
    if step.factor is not None or step.offset is not None:
        factor = 1.0 if step.factor is None else float(step.factor)
        offset = float(step.offset or 0.0)
        values = map_leaves(values, lambda one: scaled(one, factor, offset))
    if step.clamp is not None:
        low = -_INFINITY if step.clamp.low is None else step.clamp.low
        high = _INFINITY if step.clamp.high is None else step.clamp.high
        values = map_leaves(values, lambda one: clamped(one, low, high))
    return map_leaves(values, rounded) if step.round else values


def _rewrite_object(slots: Slots, steps: list[tuple[str, Step]]) -> Slots:
    groups: dict[str, list[tuple[str, Step]]] = {}
    for path, step in steps:
        groups.setdefault(_common_parent(slots, path, step), []).append((path, step))
    own = groups.pop("", [])
    touched = [one for path, step in own for one in (path, _source_of(step)) if one]
    for parent in groups:
        others = [one for one in groups if one != parent]
        if any(have_common(parent, one) for one in (*touched, *others)):
            return _rewrite_keys(slots, steps)
    for parent, group in groups.items():
        start = len(parent) + 1
        inner = [(path[start:], _below(step, parent)) for path, step in group]
        slots = _inside(slots, parent.split("."), partial(_rewrite_keys, steps=inner))
    return _rewrite_keys(slots, own)


def _source_of(step: Step) -> str:
    """Return the old path of a step inside the object that it changes; empty if it has none."""
    return split_path(step.move or step.convert or "")[1]


def _common_parent(slots: Slots, path: str, step: Step) -> str:
    """Return the object within which a step works; empty if it leaves that object, or may have to create it."""
    parent = path.rpartition(".")[0]
    if step.fill is not None:
        return parent if parent and _is_always(slots, parent.split(".")) else ""
    source = _source_of(step)
    return parent if source.rpartition(".")[0] == parent else ""


def _is_always(slots: Slots, keys: list[str]) -> bool:
    """Return whether there is always an object at a path of keys."""
    first, *rest = keys
    index = _find(slots, first)
    if index is None or slots[index].is_optional or len(slots[index].choices) > 1:
        return False
    values = slots[index].choices[first]
    is_object = values.slots is not None and replace(values, slots=None) == ValueSet()
    return is_object and (not rest or _is_always(values.slots or (), rest))


def _below(step: Step, parent: str) -> Step:
    """Return a step whose old path is relative to `parent`."""
    if step.fill is not None:
        return step
    source = _source_of(step)[len(parent) + 1 :]
    if step.move is not None:
        return replace(step, move=source)
    return replace(step, convert=source)


def _rewrite_keys(slots: Slots, steps: list[tuple[str, Step]]) -> Slots:
    sources = [one for _, step in steps if (one := _source_of(step))]
    renames = _exclusive_renames(slots, steps, sources)
    old: dict[str, _Taken] = {}
    for source in dict.fromkeys(sources):
        if source not in renames:
            slots, old[source] = _take(slots, source.split("."))
    slots = tuple(_rename(slot, renames) for slot in slots)
    for path, step in steps:
        keys = path.split(".")
        source = _source_of(step)
        if step.fill is not None:
            slots = _fill(slots, keys, set_of(step.fill.value))
        elif source in old:
            taken = old[source]
            slots = _put(slots, keys, convert(taken.values, step), taken.is_always)
    return slots


def _exclusive_renames(
    slots: Slots, steps: list[tuple[str, Step]], sources: list[str]
) -> dict[str, tuple[str, Step]]:
    """Return the steps that only rename a key of a slot with several keys, by its old name.

    The object still has exactly one of these keys afterwards, which taking and putting would not show.
    """
    renames: dict[str, tuple[str, Step]] = {}
    targets = {path for path, _ in steps}
    for path, step in steps:
        source = _source_of(step)
        is_flat = "." not in source + path and sources.count(source) == 1
        slot = next((one for one in slots if source in one.choices and len(one.choices) > 1), None)
        others = [one for one in slots if path in one.choices and one is not slot]
        if slot and is_flat and not others and source not in targets - {source}:
            renames[source] = (path, step)
    return renames


def _rename(slot: Slot, renames: Mapping[str, tuple[str, Step]]) -> Slot:
    choices: dict[str, ValueSet] = {}
    for key, values in slot.choices.items():
        if key in renames and len(slot.choices) > 1:
            path, step = renames[key]
            key, values = path, convert(values, step)
        choices[key] = choices[key] | values if key in choices else values
    return replace(slot, choices=choices)


def _take(slots: Slots, keys: list[str]) -> tuple[Slots, _Taken]:
    """Remove the values at a path of keys; return the rest and the values."""
    first, *rest = keys
    index = _find(slots, first)
    if index is None:
        return slots, _Taken(ValueSet(), False)
    slot = slots[index]
    values = slot.choices[first]
    is_always = len(slot.choices) == 1 and not slot.is_optional
    if not rest:
        left = {key: one for key, one in slot.choices.items() if key != first}
        kept = (Slot(left, is_optional=True),) if left else ()
        return (*slots[:index], *kept, *slots[index + 1 :]), _Taken(values, is_always)
    if values.slots is None:
        return slots, _Taken(ValueSet(), False)
    inner, taken = _take(values.slots, rest)
    is_object = replace(values, slots=None, entries=None) == ValueSet()
    choices = {**slot.choices, first: replace(values, slots=inner)}
    slots = (*slots[:index], replace(slot, choices=choices), *slots[index + 1 :])
    return slots, _Taken(taken.values, taken.is_always and is_always and is_object)


def _put(slots: Slots, keys: list[str], values: ValueSet, is_always: bool) -> Slots:
    """Set values at a path of keys, and create missing objects on the path."""
    if values == ValueSet():
        return slots
    first, *rest = keys
    index = _find(slots, first)
    before = None if index is None else slots[index]
    others = slots if index is None else (*slots[:index], *slots[index + 1 :])
    if rest:
        return _put_inside(others, before, first, rest, values, is_always)
    if before is None:
        return (*others, Slot({first: values}, is_optional=not is_always))
    if len(before.choices) > 1:
        # The old value is under this key or another one; now it may be under both.
        left = {key: one for key, one in before.choices.items() if key != first}
        others = (*others, Slot(left, is_optional=True))
    if is_always:
        return (*others, Slot({first: values}))
    return (*others, Slot({first: before.choices[first] | values}, is_optional=before.is_optional))


def _put_inside(
    others: Slots,
    before: Slot | None,
    first: str,
    rest: list[str],
    values: ValueSet,
    is_always: bool,
) -> Slots:
    if before is None:
        inner = _put((), rest, values, is_always=True)
        return (*others, Slot({first: ValueSet(slots=inner)}, is_optional=not is_always))
    found = before.choices[first]
    if found.slots is None:
        return (*others, before)
    inner = _put(found.slots, rest, values, is_always)
    is_optional = before.is_optional
    if before.is_optional and is_always:
        # Where the object was missing, it has only the new key.
        inner = tuple(
            one if rest[0] in one.choices else replace(one, is_optional=True) for one in inner
        )
        is_optional = False
    choices = {**before.choices, first: replace(found, slots=inner)}
    return (*others, Slot(choices, is_optional=is_optional))


def _fill(slots: Slots, keys: list[str], value: ValueSet) -> Slots:
    slots, taken = _take(slots, keys)
    values = replace(taken.values, null=False)
    if taken.values.null or not taken.is_always:
        values |= value
    return _put(slots, keys, values, is_always=True)


def _find(slots: Slots, key: str) -> int | None:
    return next((index for index, slot in enumerate(slots) if key in slot.choices), None)


def _parts(path: str) -> list[str]:
    return re.findall(r"\[\]|\{\}|[^.\[\]{}]+", path)


def _inside(slots: Slots, parts: list[str], change: Callable[[Slots], Slots]) -> Slots:
    """Apply a change to the objects at a path, where [] means every item of a list and {} every value of a map."""
    if not parts:
        return change(slots)
    first, *rest = parts
    index = _find(slots, first)
    if index is None:
        return slots
    slot = slots[index]
    choices = {**slot.choices, first: _in_value(slot.choices[first], rest, change)}
    return (*slots[:index], replace(slot, choices=choices), *slots[index + 1 :])


def _in_value(values: ValueSet, parts: list[str], change: Callable[[Slots], Slots]) -> ValueSet:
    if not parts:
        return values if values.slots is None else replace(values, slots=change(values.slots))
    first, *rest = parts
    if first == "[]":
        if values.items is None:
            return values
        return replace(values, items=(_in_value(values.items[0], rest, change), values.items[1]))
    if first == "{}":
        if values.entries is None:
            return values
        return replace(
            values, entries=(_in_value(values.entries[0], rest, change), values.entries[1])
        )
    return (
        values
        if values.slots is None
        else replace(values, slots=_inside(values.slots, parts, change))
    )


def has_path(slots: Slots, path: str) -> bool:
    """Return whether some of the objects have a value at a path."""
    prefix, keys = split_path(path)
    found: list[bool] = []

    def look(inner: Slots) -> Slots:
        _, taken = _take(inner, keys.split("."))
        found.append(taken.values != ValueSet())
        return inner

    _inside(slots, _parts(prefix), look)
    return any(found)
