"""Draws a run as rows of characters over its epochs: accuracy, panics and rollbacks, the stages of each slot."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil

from rich.text import Text

from esper._generated.enums import SeedStage
from esper.karn.seed_story import SlotStory
from esper.karn.story import RunStory
from esper.leyline.text import pluralize, printable

_TICK_DISTANCE = 10
_MAX_LABEL = 16
_MAX_ROWS = 32
"""Slots that get a row; a run may have thousands."""
_BARS = "▁▂▃▄▅▆▇█"
_ASCII_BARS = "01234567"


@dataclass(frozen=True, slots=True)
class _Sign:
    """A character of the timeline, its meaning in the legend, and its style."""

    letter: str
    meaning: str
    style: str


_COOLING = _Sign("-", "cooling down", "dim")
_STAGES = {
    SeedStage.UNKNOWN: _Sign("?", "unknown", "dim"),
    SeedStage.DORMANT: _Sign(".", "empty", "dim"),
    SeedStage.GERMINATED: _Sign("g", "germinated", "black on white"),
    SeedStage.TRAINING: _Sign("T", "training", "white on blue"),
    SeedStage.BLENDING: _Sign("B", "blending", "black on yellow"),
    SeedStage.HOLDING: _Sign("H", "holding", "black on cyan"),
    SeedStage.FOSSILIZED: _Sign("F", "fossilized", "black on green"),
    SeedStage.PRUNED: _Sign("x", "pruned", "white on red"),
    SeedStage.EMBARGOED: _COOLING,
    SeedStage.RESETTING: _COOLING,
}
_CALM = _Sign(" ", "", "")
_PANIC = _Sign("!", "panic", "black on yellow")
_ROLLBACK = _Sign("R", "rollback", "white on red")


def draw_timeline(story: RunStory, *, width: int, ascii_only: bool) -> list[Text]:
    """Return the rows, at most `width` characters each, and a legend; an empty list if nothing is known by epoch.

    The time that this takes depends on the number of events, never on the epochs that they name.
    """
    if story.last_epoch == 0 or not story.has_epochs:
        return []
    slots = story.slots[:_MAX_ROWS]
    labels = ["epoch", "accuracy", "governor", *slot_labels(slots)]
    label_width = max(map(len, labels)) + 2
    buckets = _Buckets.divide(story.last_epoch, max(1, width - label_width))
    signs = [_governor_signs(story, buckets)]
    signs += [_slot_signs(slot, buckets) for slot in slots]
    rows = [_ticks(buckets), _accuracy_bars(story, buckets, ascii_only=ascii_only)]
    rows += [Text.assemble(*((sign.letter, sign.style) for sign in row)) for row in signs]
    if not rows[1].plain.strip():
        # An accuracy that the log does not have gets no row.
        del labels[1], rows[1]
    if not any(row.plain.strip() for row in rows[1:]):
        return []
    drawn = [Text(f"{label:<{label_width}}") + row for label, row in zip(labels, rows, strict=True)]
    for line in drawn:
        line.rstrip()
    if num_left_out := len(story.slots) - len(slots):
        drawn.append(Text(f"and {pluralize(num_left_out, 'more slot')}", "dim"))
    return [*drawn, *_legend(signs, buckets, width)]


def slot_labels(slots: Sequence[SlotStory]) -> list[str]:
    """Return the name of each slot, with its environment if they belong to several."""
    has_many_envs = len({slot.env_id for slot in slots}) > 1
    names = [f"{slot.env_id}/{slot.slot_id}" if has_many_envs else slot.slot_id for slot in slots]
    return [printable(name, _MAX_LABEL) for name in names]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Buckets:
    """The epochs of a run, divided evenly over the characters of a row."""

    count: int
    """Number of characters."""
    size: int
    """Epochs that one character stands for."""

    @classmethod
    def divide(cls, num_epochs: int, max_count: int) -> _Buckets:
        """Return the smallest buckets, at most `max_count`, that hold `num_epochs` epochs."""
        size = ceil(num_epochs / max_count)
        return cls(count=ceil(num_epochs / size), size=size)

    def find(self, epochs: Iterable[int | None]) -> set[int]:
        """Return the indices of the buckets that contain any of `epochs`; None and 0 are in no bucket."""
        return {(epoch - 1) // self.size for epoch in epochs if epoch}


def _ticks(buckets: _Buckets) -> Text:
    """Return a row with the number of the epoch at every tenth character."""
    row = ""
    for index in range(0, buckets.count, _TICK_DISTANCE):
        tick = str(index * buckets.size + 1)
        # A number of many digits reaches into the place of the next one, which is then left out.
        if len(row) < index or not row:
            row = row.ljust(index) + tick if index + len(tick) <= buckets.count else row
    return Text(row, style="dim")


def _accuracy_bars(story: RunStory, buckets: _Buckets, *, ascii_only: bool) -> Text:
    """Return a row of bars from the run's lowest accuracy to its highest."""
    bars = _ASCII_BARS if ascii_only else _BARS
    accuracies = {
        event.epoch: event.payload.val_accuracy
        for event in story.epochs
        if event.epoch and event.payload.val_accuracy is not None
    }
    low, high = min(accuracies.values(), default=0.0), max(accuracies.values(), default=0.0)
    step = (high - low) / (len(bars) - 1) or 1.0
    # The accuracy of a bucket is that of its latest epoch.
    latest = {(epoch - 1) // buckets.size: accuracies[epoch] for epoch in sorted(accuracies)}
    row = [" "] * buckets.count
    for index, accuracy in latest.items():
        # Rounding of tiny steps can lead beyond the last bar.
        row[index] = bars[min(round((accuracy - low) / step), len(bars) - 1)]
    return Text("".join(row))


def _governor_signs(story: RunStory, buckets: _Buckets) -> list[_Sign]:
    panics = buckets.find(event.epoch for event in story.panics)
    rollbacks = buckets.find(event.epoch for event in story.rollbacks)
    return [
        _ROLLBACK if index in rollbacks else _PANIC if index in panics else _CALM
        for index in range(buckets.count)
    ]


def _slot_signs(slot: SlotStory, buckets: _Buckets) -> list[_Sign]:
    """Return the stage at the end of each bucket, or PRUNED if a seed was pruned within it."""
    stages: dict[int, SeedStage] = {}
    pruned = set()
    latest = 0
    for step in slot.steps:
        # Steps are in the order of their events; an epoch below an earlier one does not move a step back.
        latest = max(latest, step.epoch or 0)
        index = max(latest - 1, 0) // buckets.size
        stages[index if latest else -1] = step.stage
        if step.stage is SeedStage.PRUNED and latest:
            pruned.add(index)
    signs = []
    stage = stages.get(-1, SeedStage.DORMANT)
    for index in range(buckets.count):
        stage = stages.get(index, stage)
        signs.append(_STAGES[SeedStage.PRUNED if index in pruned else stage])
    return signs


def _legend(signs: list[list[_Sign]], buckets: _Buckets, width: int) -> list[Text]:
    """Return the meanings of the letters that occur."""
    used = {sign for row in signs for sign in row}
    meanings = [
        Text.assemble((sign.letter, sign.style), " ", (sign.meaning, "dim"))
        for sign in dict.fromkeys([*_STAGES.values(), _PANIC, _ROLLBACK])
        if sign in used
    ]
    if buckets.size > 1:
        meanings.append(Text(f"one character is {buckets.size:,} epochs", "dim"))
    lines: list[Text] = []
    for meaning in meanings:
        if lines and len(lines[-1]) + 2 + len(meaning) <= width:
            lines[-1].append("  ").append(meaning)
        else:
            lines.append(meaning)
    return lines
