"""Shows the story of a run: to people, on a terminal or as plain text, and to programs."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from esper._generated.enums import RunOutcome, SeedStage
from esper._generated.run import EpochCompletedPayload
from esper.karn import phrases
from esper.karn.plain import to_plain
from esper.karn.story import RunStory, Told
from esper.karn.timeline import draw_timeline
from esper.leyline.text import printable

_MAX_WIDTH = 120
_OUTCOMES = {
    RunOutcome.COMPLETED: ("completed", "bold green"),
    RunOutcome.INTERRUPTED: ("interrupted", "bold yellow"),
    RunOutcome.FAILED: ("failed", "bold red"),
    None: ("still running, or ended without a word", "bold yellow"),
}


def render(story: RunStory, console: Console) -> None:
    """Print what came of a run: figures, a timeline, each slot's story, rollbacks, and what the log lacks."""
    width = min(console.width, _MAX_WIDTH)
    blocks: list[Text | Table] = [
        Text.assemble((printable(story.run_id), "bold"), "  ", _OUTCOMES[story.outcome]),
        _facts(story),
        *_headed("", draw_timeline(story, width=width, ascii_only=console.options.ascii_only)),
        *_headed("Slots", _slots(story)),
        *_headed("Rollbacks", _rollbacks(story)),
    ]
    for block in blocks:
        console.print(block, width=width, highlight=False)
    # In one piece, so that it can be copied.
    console.print(Text(f"\n{story.folder}"), soft_wrap=True, highlight=False)


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
        "epochs_planned": None if started is None else started.epochs,
        "epochs_completed": story.epochs_completed,
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


def _headed(title: str, blocks: list[Text] | list[Table]) -> list[Text | Table]:
    return [Text(f"\n{title}".rstrip(" "), "bold"), *blocks] if blocks else []


def _facts(story: RunStory) -> Table:
    governor, *failures = phrases.describe_governor(story)
    telemetry, *lacks = phrases.describe_telemetry(story)
    return _grid(
        [
            ("trained", Text(phrases.describe_task(story))),
            ("accuracy", Text(phrases.describe_accuracy(story))),
            ("parameters", Text(phrases.describe_parameters(story))),
            ("seeds", Text(phrases.describe_seeds(story))),
            ("governor", Text(governor)),
            *(("", Text(failure, "red")) for failure in failures),
            ("telemetry", Text(telemetry)),
            *(("", Text(lack, "yellow")) for lack in lacks),
        ]
    )


def _slots(story: RunStory) -> list[Table]:
    rows = [
        (phrases.slot_label(slot, story), Text(phrases.describe_seed(seed)))
        for slot in story.slots
        for seed in slot.seeds
    ]
    return [_grid(rows)] if rows else []


def _rollbacks(story: RunStory) -> list[Table]:
    rows = [
        ("" if told.epoch is None else f"epoch {told.epoch}", Text(phrases.describe_rollback(told)))
        for told in story.rollbacks
    ]
    return [_grid(rows)] if rows else []


def _grid(rows: list[tuple[str, Text]]) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for label, text in rows:
        grid.add_row(Text(label), text)
    return grid
