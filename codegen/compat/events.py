"""Rules about events that go, come back, or are called otherwise."""

from collections.abc import Iterator

from ..contract.model import Event
from .contract_diff import Scene
from .impact import EVERYBODY, NOTHING, Break
from .modes import Mode, mode_of
from .rule import Change, Rule, Upcastable

_LIKENESS = 0.7


def _find_removed(scene: Scene) -> Iterator[Change]:
    suspects = {old.name for old, _ in _find_suspects(scene)}
    retired = {one.name: one for one in scene.new.retired}
    for event in scene.gone:
        if event.name in suspects:
            continue
        becomes, _ = scene.steps.follow(event.name)
        is_announced = event.deprecated is not None and event.name in retired
        yield Change(
            subject=event.name,
            span=retired[event.name].span if event.name in retired else scene.at("events"),
            what="the event is gone",
            mode=_mode(scene, event),
            settled=Break.SOURCE if is_announced else NOTHING,
            upcasts=(Upcastable(event.name, "becomes: ...", becomes != event.name),),
        )


def _find_undeclared_renames(scene: Scene) -> Iterator[Change]:
    for old, new in _find_suspects(scene):
        yield Change(
            subject=new.name,
            span=new.span,
            what=f"looks like {old.name}, which is gone; say renamed_from: {old.name}",
            mode=_mode(scene, old),
        )


def _find_renamed(scene: Scene) -> Iterator[Change]:
    for pair in scene.event_pairs:
        if pair.old.name == pair.new.name:
            continue
        becomes, _ = scene.steps.follow(pair.old.name)
        is_given = becomes == pair.new.name
        yield Change(
            subject=pair.new.name,
            span=pair.new.at("renamed_from"),
            what=f"{pair.old.name} -> {pair.new.name}",
            mode=pair.mode,
            upcasts=(Upcastable(pair.old.name, f"becomes: {pair.new.name}", is_given),),
        )


def _find_added(scene: Scene) -> Iterator[Change]:
    suspects = {new.name for _, new in _find_suspects(scene)}
    for event in scene.come:
        if event.name not in suspects:
            yield Change(
                subject=event.name, span=event.span, what="a new event", mode=_mode(scene, event)
            )


def _find_suspects(scene: Scene) -> Iterator[tuple[Event, Event]]:
    """Pair events that are gone, and not declared so, with new ones that have most of their fields."""
    retired = {one.name for one in scene.new.retired}
    for old in scene.gone:
        likeness = {new.name: _compare(old, new) for new in scene.come}
        best = max(scene.come, key=lambda new: likeness[new.name], default=None)
        if best and likeness[best.name] >= _LIKENESS and old.name not in retired:
            yield old, best


def _compare(old: Event, new: Event) -> float:
    """Return the share of fields that two events have in common."""
    fields = [{(one.wire, str(one.type)) for one in event.fields} for event in (old, new)]
    return len(fields[0] & fields[1]) / max(1, *(len(one) for one in fields))


def _mode(scene: Scene, event: Event) -> Mode:
    return mode_of(event, scene.new, event.stability)


RULES: tuple[Rule[Scene], ...] = (
    Rule(
        id="EVT001",
        name="EVENT_REMOVED",
        find=_find_removed,
        breaks=Break.WIRE_B | Break.SOURCE,
        why="logs hold records of it, which nobody could read any more",
        ways=(
            "deprecate it for a release, then say retired: with a version; readers stay, its helper goes",
            "deprecate it for a release, move its name to the section retired, and let an upcast make"
            " another event of its records",
        ),
        by_upcast=Break.WIRE_B,
    ),
    Rule(
        id="EVT002",
        name="EVENT_RENAMED_UNDECLARED",
        find=_find_undeclared_renames,
        breaks=EVERYBODY,
        why="whether an event is new or an old one under a new name cannot be inferred",
        ways=(
            "say renamed_from: in the new event",
            "put the old name into the section retired if it is another event",
        ),
    ),
    Rule(
        id="EVT003",
        name="EVENT_RENAMED",
        find=_find_renamed,
        breaks=EVERYBODY,
        why="old readers do not know the new name, and callers the new helper",
        by_upcast=Break.WIRE_B,
        by_major=Break.WIRE_F | Break.SOURCE,
    ),
    Rule(
        id="EVT010",
        name="EVENT_ADDED",
        find=_find_added,
        why="old readers skip events that they do not know",
        bump="minor",
    ),
)
"""Rules about the events of two contracts."""
