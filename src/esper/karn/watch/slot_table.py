"""The table of environments and slots: stage, amplitude, gradient and evidence of the newest seed of each."""

from __future__ import annotations

from dataclasses import dataclass

from rich.text import Text

from esper._generated.enums import SeedStage
from esper._generated.records import SeedEvidence
from esper.karn.seed_story import SeedStory, SlotStory
from esper.karn.story import RunStory
from esper.karn.timeline import slot_labels
from esper.karn.watch.cells import Column, draw_row, draw_titles
from esper.karn.watch.texts import MISSING, draw_bar, show_number
from esper.leyline.text import printable

WIDE = 110
"""Characters from which the table has further columns."""
STAGE_STYLES = {
    SeedStage.UNKNOWN: "dim",
    SeedStage.DORMANT: "dim",
    SeedStage.GERMINATED: "bold",
    SeedStage.TRAINING: "blue",
    SeedStage.BLENDING: "yellow",
    SeedStage.HOLDING: "cyan",
    SeedStage.FOSSILIZED: "green",
    SeedStage.PRUNED: "red",
    SeedStage.EMBARGOED: "dim",
    SeedStage.RESETTING: "dim",
}
_NARROW_COLUMNS = (
    Column("slot", 9),
    Column("blueprint", 10),
    Column("stage", 14),
    Column("alpha", 10),
    Column("gradient", 8),
    Column("evidence (nats)", 0),
)
_WIDE_COLUMNS = (
    Column("slot", 13),
    Column("blueprint", 14),
    Column("stage", 14),
    Column("alpha", 15),
    Column("gradient", 8),
    Column("params", 9, is_right=True),
    Column("seeds", 5, is_right=True),
    Column("evidence: nats [interval] price", 0),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotRow:
    """A slot with its name."""

    label: str
    """Safe to show; with the environment if there are several."""
    slot: SlotStory


def make_rows(story: RunStory) -> tuple[SlotRow, ...]:
    """Return the slots of a run, in the order of the network."""
    labels = slot_labels(story.slots)
    return tuple(
        SlotRow(label=label, slot=slot) for label, slot in zip(labels, story.slots, strict=True)
    )


def draw_slot_titles(width: int) -> Text:
    """Return the row of titles of the table."""
    return draw_titles(_columns(width), width)


def draw_slot(row: SlotRow, width: int) -> Text:
    """Return the row of a slot."""
    seed, columns = row.slot.seed, _columns(width)
    stage = row.slot.stage
    if seed is None:
        empty = [Text(MISSING, "dim")] * (len(columns) - 2)
        return draw_row(
            columns, [Text(row.label), *empty[:1], Text("empty", "dim"), *empty[1:]], width
        )
    if stage is SeedStage.DORMANT:
        # Its last seed is gone; the detail has it.
        name = MISSING if seed.blueprint_id is None else printable(seed.blueprint_id, 40)
        gone = [Text(row.label), Text(name, "dim"), Text("empty again", "dim")]
        return draw_row(columns, [*gone, *[Text(MISSING, "dim")] * (len(columns) - 3)], width)
    values = [
        Text(row.label),
        _text(None if seed.blueprint_id is None else printable(seed.blueprint_id, 40)),
        Text(describe_stage(seed), STAGE_STYLES.get(stage, "")),
        draw_alpha(seed, bar_width=10 if width >= WIDE else 5),
        draw_gradient(seed),
    ]
    if width >= WIDE:
        values += [_text(_show_params(seed)), Text(f"{row.slot.num_seeds:,}")]
    values.append(draw_evidence(seed, is_wide=width >= WIDE))
    return draw_row(columns, values, width)


def describe_stage(seed: SeedStory) -> str:
    """Return the stage in lower case, with the epochs completed in it if the log has them."""
    name = seed.stage.name.lower()
    status = seed.status
    if status is None or status.stage is not seed.stage or status.epochs_in_stage is None:
        return name
    return f"{name} {status.epochs_in_stage}e"


def newest_alpha(seed: SeedStory) -> float | None:
    """Return the newest amplitude of a seed; None if the log does not have it."""
    if seed.alpha is not None and seed.alpha.last is not None:
        return seed.alpha.last
    return None if seed.status is None else seed.status.alpha


def newest_evidence(seed: SeedStory) -> SeedEvidence | None:
    """Return the newest comparison of the losses with and without a seed; None if not measured."""
    return seed.evidences[-1].evidence if seed.evidences else seed.evidence


def draw_alpha(seed: SeedStory, *, bar_width: int) -> Text:
    """Return the newest amplitude as a bar and a number."""
    alpha = newest_alpha(seed)
    if alpha is None:
        return _text(None)
    bar = draw_bar(alpha, bar_width)
    return Text.assemble((bar, "green" if alpha >= 1 else "yellow"), f" {alpha:.2f}")


def draw_gradient(seed: SeedStory) -> Text:
    """Return the newest ratio of the gradient norm to the host's; with `!` and the number of bad measurements."""
    ratio = None if seed.gradient is None else seed.gradient.last
    num_bad = seed.num_vanishing + seed.num_exploding
    if not num_bad:
        return _text(None if ratio is None else f"{ratio:.3g}")
    style = "red" if seed.num_exploding else "yellow"
    return Text(f"{MISSING if ratio is None else f'{ratio:.3g}'} !{num_bad}", style)


def draw_evidence(seed: SeedStory, *, is_wide: bool) -> Text:
    """Return the newest difference in loss with its interval; green if it is above the price of the seed, red below."""
    evidence = newest_evidence(seed)
    if evidence is None:
        if seed.counterfactuals is not None and seed.counterfactuals.last is not None:
            return Text(f"{seed.counterfactuals.last:+.2f} pp without it")
        return _text(None)
    low, high, price = evidence.low, evidence.high, evidence.price
    style = ""
    if low is not None and high is not None and price is not None:
        style = "green" if low > price else "red" if high < price else ""
    digits = "+.4f" if is_wide else "+.3f"
    bounds = ",".join(MISSING if bound is None else f"{bound:{digits}}" for bound in (low, high))
    difference = MISSING if evidence.difference is None else f"{evidence.difference:{digits}}"
    text = f"{difference} [{bounds}]"
    return Text(f"{text} {show_number(price)}" if is_wide else text, style)


def _show_params(seed: SeedStory) -> str | None:
    return None if seed.num_params is None else f"{seed.num_params:,}"


def _text(value: str | None) -> Text:
    return Text(MISSING, "dim") if value is None else Text(value)


def _columns(width: int) -> tuple[Column, ...]:
    return _WIDE_COLUMNS if width >= WIDE else _NARROW_COLUMNS
