"""Draws a run as rows of characters over its epochs: accuracy, panics and rollbacks, the stages of each slot."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from rich.text import Text

from esper._generated.enums import SeedStage
from esper.karn.story import RunStory, SlotStory
from esper.leyline.text import printable

_TICK_DISTANCE = 10
_MAX_LABEL = 16
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
    """Return the rows, at most `width` characters each, and a legend; an empty list if the log has no epoch."""
    if story.last_epoch == 0:
        return []
    labels = ["epoch", "accuracy", "governor", *(slot_label(slot, story) for slot in story.slots)]
    label_width = max(map(len, labels)) + 2
    buckets = _buckets(story.last_epoch, max(1, width - label_width))
    signs = [_governor_signs(story, buckets)]
    signs += [_slot_signs(slot, buckets) for slot in story.slots]
    rows = [_ticks(buckets), _accuracy_bars(story, buckets, ascii_only=ascii_only)]
    rows += [Text.assemble(*((sign.letter, sign.style) for sign in row)) for row in signs]
    drawn = [Text(f"{label:<{label_width}}") + row for label, row in zip(labels, rows, strict=True)]
    for line in drawn:
        line.rstrip()
    return [*drawn, *_legend(signs, buckets, width)]


def slot_label(slot: SlotStory, story: RunStory) -> str:
    """Return a slot's name, with its environment if the run has several."""
    has_many_envs = len({other.env_id for other in story.slots}) > 1
    name = f"{slot.env_id}/{slot.slot_id}" if has_many_envs else slot.slot_id
    return printable(name, _MAX_LABEL)


def _buckets(num_epochs: int, max_buckets: int) -> list[range]:
    """Return the epochs that each character stands for."""
    size = ceil(num_epochs / max_buckets)
    firsts = range(1, num_epochs + 1, size)
    return [range(first, min(first + size, num_epochs + 1)) for first in firsts]


def _ticks(buckets: list[range]) -> Text:
    """Return a row with the number of the epoch at every tenth character."""
    row = ""
    for index in range(0, len(buckets), _TICK_DISTANCE):
        tick = str(buckets[index][0])
        if index + len(tick) <= len(buckets):
            row = row.ljust(index) + tick
    return Text(row, style="dim")


def _accuracy_bars(story: RunStory, buckets: list[range], *, ascii_only: bool) -> Text:
    """Return a row of bars from the run's lowest accuracy to its highest."""
    bars = _ASCII_BARS if ascii_only else _BARS
    accuracies = {
        event.epoch: event.payload.val_accuracy
        for event in story.epochs
        if event.payload.val_accuracy is not None
    }
    low, high = min(accuracies.values(), default=0.0), max(accuracies.values(), default=0.0)
    step = (high - low) / (len(bars) - 1) or 1.0
    row = Text()
    for bucket in buckets:
        measured = [accuracies[epoch] for epoch in bucket if epoch in accuracies]
        row.append(bars[round((measured[-1] - low) / step)] if measured else " ")
    return row


def _governor_signs(story: RunStory, buckets: list[range]) -> list[_Sign]:
    panics = {event.epoch for event in story.panics}
    rollbacks = {event.epoch for event in story.rollbacks}
    return [
        (
            _ROLLBACK
            if rollbacks.intersection(bucket)
            else _PANIC if panics.intersection(bucket) else _CALM
        )
        for bucket in buckets
    ]


def _slot_signs(slot: SlotStory, buckets: list[range]) -> list[_Sign]:
    """Return the stage at the end of each bucket, or PRUNED if a seed was pruned within it."""
    steps = [(step.epoch or 0, step.stage) for step in slot.steps]
    pruned = {epoch for epoch, stage in steps if stage is SeedStage.PRUNED}
    signs = []
    for bucket in buckets:
        entered = [stage for epoch, stage in steps if epoch <= bucket[-1]]
        stage = entered[-1] if entered else SeedStage.DORMANT
        signs.append(_STAGES[SeedStage.PRUNED if pruned.intersection(bucket) else stage])
    return signs


def _legend(signs: list[list[_Sign]], buckets: list[range], width: int) -> list[Text]:
    """Return the meanings of the letters that occur."""
    used = {sign for row in signs for sign in row}
    meanings = [
        Text.assemble((sign.letter, sign.style), " ", (sign.meaning, "dim"))
        for sign in dict.fromkeys([*_STAGES.values(), _PANIC, _ROLLBACK])
        if sign in used
    ]
    if len(buckets[0]) > 1:
        meanings.append(Text(f"one character is {len(buckets[0])} epochs", "dim"))
    lines: list[Text] = []
    for meaning in meanings:
        if lines and len(lines[-1]) + 2 + len(meaning) <= width:
            lines[-1].append("  ").append(meaning)
        else:
            lines.append(meaning)
    return lines
