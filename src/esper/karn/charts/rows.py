"""Turns runs into the rows that charts draw: plain dicts with finite numbers and printable names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from esper._generated.enums import SeedStage
from esper.karn.seed_story import SeedStory, SlotStory
from esper.karn.series import Axis, Series
from esper.karn.story import RunStory
from esper.leyline.text import printable

Row = dict[str, Any]
Stories = RunStory | Sequence[RunStory]
"""A run, or several to be compared."""

MAX_NAME: Final = 48
"""Characters of a name in a chart; names come from logs and may have any length."""
NOT_IN_LOG: Final = "not in the log"

_KINDS: Final = (
    "stage change",
    "rejuvenation",
    "snapshot",
    "suspicion cleared",
    "rollback",
    "NaN or infinite",
)
_MAX_MARKS = 400


def as_runs(stories: Stories) -> tuple[RunStory, ...]:
    """Return the runs as a tuple."""
    return (stories,) if isinstance(stories, RunStory) else tuple(stories)


def name_runs(stories: Sequence[RunStory]) -> tuple[str, ...]:
    """Return a name for each run, all different: its id, with a number if another run has the same one."""
    names: list[str] = []
    for story in stories:
        name = printable(story.run_id, MAX_NAME)
        number = 2
        unique = name
        while unique in names:
            unique, number = f"{name} ({number})", number + 1
        names.append(unique)
    return tuple(names)


def short_unit(unit: str) -> str:
    """Return the symbol of a unit of the contract; bytes are shown as GiB, and must be converted."""
    return {"percent": "%", "bytes": "GiB", "celsius": "°C"}.get(unit, unit)


def with_unit(name: str, unit: str | None) -> str:
    """Return the title of an axis: the name, with its unit in brackets."""
    return name if unit is None else f"{name} [{short_unit(unit)}]"


def points_of(series: Series) -> Iterator[tuple[int, float]]:
    """Yield the finite points of a curve."""
    for x, y in zip(series.x, series.y, strict=True):
        if y is not None:
            yield x, y


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotRow:
    """A slot with the label that charts give it."""

    label: str
    slot: SlotStory
    run: str
    """Name of its run."""


def slots_of(stories: Sequence[RunStory]) -> tuple[SlotRow, ...]:
    """Return the slots of the runs with labels that differ: environment and run are named where there are several."""
    names = name_runs(stories)
    found = []
    for name, story in zip(names, stories, strict=True):
        has_many_envs = len({slot.env_id for slot in story.slots}) > 1
        for slot in story.slots:
            label = printable(slot.slot_id, MAX_NAME)
            label = f"env {slot.env_id} {label}" if has_many_envs else label
            label = f"{name} {label}" if len(names) > 1 else label
            found.append(SlotRow(label=label, slot=slot, run=name))
    return tuple(found)


def name_seed(seed: SeedStory) -> str:
    """Return the blueprint of a seed, or a placeholder if the log does not have it."""
    return "seed" if seed.blueprint_id is None else printable(seed.blueprint_id, MAX_NAME)


def event_marks(story: RunStory, axis: Axis, curves: Sequence[Series] = ()) -> list[Row]:
    """Return the events that charts of curves mark, each with kind, place and a text; the place is an epoch or a step.

    Of a kind with more than 400 events, every second, third, ... is left out. Events without a place are left out.
    """
    governor = story.governor
    marks: dict[str, list[tuple[int | None, str]]] = {kind: [] for kind in _KINDS}
    is_epoch = axis == "epoch"
    for row in slots_of((story,)):
        for step in row.slot.steps:
            name = STAGE_WORDS.get(step.stage, step.stage.name.lower())
            marks["stage change"].append(
                (step.epoch if is_epoch else step.step, f"{row.label}: {name}")
            )
    if is_epoch:
        marks["rejuvenation"] += _trial_epochs(story)
    for snapshot in governor.snapshots:
        place = snapshot.epoch if is_epoch else snapshot.payload.step
        marks["snapshot"].append((place, f"snapshot {snapshot.payload.snapshot_id}"))
    for cleared in governor.cleared:
        place = cleared.epoch if is_epoch else cleared.payload.step
        reason = NOT_IN_LOG if cleared.payload.reason is None else cleared.payload.reason.name
        marks["suspicion cleared"].append((place, f"suspicion of {reason} cleared"))
    for rollback in governor.rollbacks:
        place = rollback.epoch if is_epoch else rollback.payload.from_step
        reason = NOT_IN_LOG if rollback.payload.reason is None else rollback.payload.reason.name
        marks["rollback"].append((place, f"rollback: {reason}"))
    for curve in curves:
        for mark in curve.marks:
            marks["NaN or infinite"].append(
                (mark.x, f"{printable(curve.name, MAX_NAME)} is {mark.value}")
            )
    rows: list[Row] = []
    for kind, places in marks.items():
        known = [(place, text) for place, text in places if place is not None]
        stride = -(-len(known) // _MAX_MARKS) or 1
        rows += [{"x": place, "kind": kind, "text": text} for place, text in known[::stride]]
    return rows


def _trial_epochs(story: RunStory) -> list[tuple[int | None, str]]:
    """Return the epochs of each rejuvenation's trial, whose losses are higher for a while; of a long one the first 50."""
    found: list[tuple[int | None, str]] = []
    for event in story.rejuvenations:
        is_kept, end = event.payload.is_kept, event.epoch
        start = end if event.payload.after_epoch is None else event.payload.after_epoch + 1
        result = NOT_IN_LOG if is_kept is None else "kept" if is_kept else "not kept"
        if start is not None and end is not None:
            epochs = range(min(start, end), end + 1)[:50]
            found += [(epoch, f"rejuvenation on trial, result: {result}") for epoch in epochs]
    return found


STAGE_WORDS: Final[Mapping[SeedStage, str]] = {
    SeedStage.UNKNOWN: "unknown stage",
    SeedStage.DORMANT: "slot empty again",
    SeedStage.GERMINATED: "germinated",
    SeedStage.TRAINING: "training",
    SeedStage.BLENDING: "blending",
    SeedStage.HOLDING: "holding",
    SeedStage.FOSSILIZED: "fossilized",
    SeedStage.PRUNED: "pruned",
    SeedStage.EMBARGOED: "cooling down",
    SeedStage.RESETTING: "resetting",
}
