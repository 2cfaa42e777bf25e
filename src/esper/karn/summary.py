"""Shows the story of a run: to people, on a terminal or as plain text, and to programs."""

from __future__ import annotations

import textwrap
from typing import Any

from rich.console import Console
from rich.text import Text

from esper._generated.enums import RunOutcome, SeedStage
from esper._generated.run import EpochCompletedPayload
from esper.karn import phrases
from esper.karn.plain import to_plain
from esper.karn.story import RunStory, Told
from esper.karn.timeline import draw_timeline
from esper.leyline.text import printable

_Entry = tuple[str, str, str]
"""A label, a text and the style of the text."""

_MAX_WIDTH = 120
_MIN_COLUMN = 20
_MAX_PATH = 4096
_OUTCOMES = {
    RunOutcome.COMPLETED: ("completed", "bold green"),
    RunOutcome.INTERRUPTED: ("interrupted", "bold yellow"),
    RunOutcome.FAILED: ("failed", "bold red"),
    RunOutcome.STOPPED: ("stopped by the governor", "bold red"),
    None: ("still running, or ended without a word", "bold yellow"),
}


def render(story: RunStory, console: Console) -> None:
    """Print what came of a run: figures, a timeline, each slot's story, rollbacks, and what the log lacks."""
    width = min(console.width, _MAX_WIDTH)
    sections = [
        [_title(story), *_hang(_facts(story), width)],
        draw_timeline(story, width=width, ascii_only=console.options.ascii_only),
        _headed("Slots", _hang(_seeds(story), width)),
        _headed("Rollbacks", _hang(_rollbacks(story), width)),
        [Text(printable(str(story.folder), _MAX_PATH))],
    ]
    # Without a wrap of its own, so that the path can be copied in one piece.
    text = Text("\n\n").join(Text("\n").join(section) for section in sections if section)
    console.print(text, highlight=False, soft_wrap=True)


def as_dict(story: RunStory) -> dict[str, Any]:
    """Return what came of a run in values that JSON can hold; None stands for what is not known."""
    started, finished = story.started, story.finished
    values = {
        "run": story.run_id,
        "folder": story.folder,
        "outcome": story.outcome,
        "task": None if started is None else started.task,
        "seed": None if started is None else started.seed,
        "device": None if started is None else started.device,
        "epochs_planned": story.epochs_planned,
        "epochs_completed": story.epochs_completed,
        "resumptions": [_told(told) for told in story.resumptions],
        "duration_s": None if finished is None else finished.duration_s,
        "val_accuracy": story.grown_accuracy,
        "baseline_accuracy": story.host_accuracy,
        "num_params": story.num_params,
        "num_host_params": story.num_host_params,
        "params_added": story.params_added,
        "num_germinated": story.count_seeds(SeedStage.GERMINATED),
        "num_fossilized": story.count_seeds(SeedStage.FOSSILIZED),
        "num_pruned": story.count_seeds(SeedStage.PRUNED),
        "num_snapshots": story.num_snapshots,
        "num_skipped_steps": story.num_skipped_steps,
        "failed_snapshots": [_told(told) for told in story.failed_snapshots],
        "panics": [_told(told) for told in story.panics],
        "rollbacks": [_told(told) for told in story.rollbacks],
        "escalations": [_told(told) for told in story.escalations],
        "stopped": None if story.stopped is None else _told(story.stopped),
        "slots": story.slots,
        "curve": [_curve_point(told) for told in story.epochs],
        "telemetry": {
            "num_events": story.num_events,
            "num_superseded": story.num_superseded,
            "rejected": [_told(told) for told in story.rejected],
            "torn": story.torn,
            "gaps": story.gaps,
        },
    }
    return {key: to_plain(value) for key, value in values.items()}


def _told(told: Told[Any]) -> dict[str, Any]:
    return {"epoch": told.epoch, **to_plain(told.payload)}


def _curve_point(told: Told[EpochCompletedPayload]) -> dict[str, Any]:
    payload = told.payload
    return {
        "epoch": told.epoch,
        "train_loss": payload.train_loss,
        "train_accuracy": payload.train_accuracy,
        "val_loss": payload.val_loss,
        "val_accuracy": payload.val_accuracy,
        "num_params": payload.num_params,
        "severity": payload.severity,
    }


def _title(story: RunStory) -> Text:
    return Text.assemble((printable(story.run_id), "bold"), "  ", _OUTCOMES[story.outcome])


def _facts(story: RunStory) -> list[_Entry]:
    governor, *failures = phrases.describe_governor(story)
    telemetry, *lacks = phrases.describe_telemetry(story)
    return [
        ("trained", phrases.describe_task(story), ""),
        ("accuracy", phrases.describe_accuracy(story), ""),
        ("parameters", phrases.describe_parameters(story), ""),
        ("seeds", phrases.describe_seeds(story), ""),
        ("governor", governor, ""),
        *(("", failure, "red") for failure in failures),
        ("telemetry", telemetry, ""),
        *(("", lack, "yellow") for lack in lacks),
    ]


def _seeds(story: RunStory) -> list[_Entry]:
    return [
        (phrases.slot_label(slot, story), phrases.describe_seed(seed), "")
        for slot in story.slots
        for seed in slot.seeds
    ]


def _rollbacks(story: RunStory) -> list[_Entry]:
    return [
        ("" if told.epoch is None else f"epoch {told.epoch}", phrases.describe_rollback(told), "")
        for told in story.rollbacks
    ]


def _headed(title: str, lines: list[Text]) -> list[Text]:
    return [Text(title, "bold"), *lines] if lines else []


def _hang(entries: list[_Entry], width: int) -> list[Text]:
    """Return the texts in one column and their labels before it."""
    indent = max((len(label) for label, _, _ in entries), default=0) + 2
    lines = []
    for label, text, style in entries:
        column = max(width - indent, _MIN_COLUMN)
        wrapped = textwrap.wrap(text, column, break_on_hyphens=False) or [""]
        first, *rest = [Text(line, style) for line in wrapped]
        lines.append(Text.assemble((f"{label:<{indent}}", "dim"), first))
        lines += [Text.assemble(" " * indent, line) for line in rest]
    return lines
