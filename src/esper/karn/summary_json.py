"""Summarizes the story of a run for programs: `esper summary --json`."""

import math
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from esper._generated.enums import SeedStage
from esper._generated.run import (
    EpochCompletedPayload,
    LoopEpochCompletedPayload,
    RunFinishedPayload,
)
from esper.karn.seed_story import SlotStory
from esper.karn.story import Event, RunStory


def as_dict(story: RunStory) -> dict[str, Any]:
    """Return the summary as a dict of values that JSON can represent.

    Keys stay the same from version to version. A value is None if the log does not contain it; enums are given by
    name, NaN and infinities as `"NaN"`, `"Infinity"` and `"-Infinity"`, as in the run log.
    """
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
        "resumptions": _flatten_all(story.resumptions),
        "duration_s": None if finished is None else finished.duration_s,
        "metric": story.metric,
        "num_test": story.num_test,
        "test_accuracy": story.test_accuracy,
        "test_loss": None if finished is None else finished.test_loss,
        "baseline_test_accuracy": story.host_test_accuracy,
        "baseline_test_loss": None if finished is None else finished.baseline_test_loss,
        "val_accuracy": story.grown_accuracy,
        "val_loss": None if finished is None else finished.val_loss,
        "baseline_accuracy": story.host_accuracy,
        "baseline_loss": None if finished is None else finished.baseline_loss,
        "num_params": story.num_params,
        "num_host_params": story.num_host_params,
        "params_added": story.params_added,
        "num_germinated": story.count_seeds(SeedStage.GERMINATED),
        "num_fossilized": story.count_seeds(SeedStage.FOSSILIZED),
        "num_pruned": story.count_seeds(SeedStage.PRUNED),
        "num_snapshots": story.num_snapshots,
        "num_skipped_steps": story.num_skipped_steps,
        "failed_snapshots": _flatten_all(story.failed_snapshots),
        "rejuvenations": _flatten_all(story.rejuvenations),
        "panics": _flatten_all(story.panics),
        "cleared": _flatten_all(story.cleared),
        "watched": _flatten_all(story.watched),
        "rollbacks": _flatten_all(story.rollbacks),
        "escalations": _flatten_all(story.escalations),
        "stopped": None if story.stopped is None else _flatten(story.stopped),
        "slots": [_slot(slot) for slot in story.slots],
        "curve": [_curve_point(event) for event in story.epochs],
        "metrics": story.metrics,
        "error": _error(finished),
        "telemetry": _telemetry(story),
    }
    return {key: to_json(value) for key, value in values.items()}


def _slot(slot: SlotStory) -> dict[str, Any]:
    """Return a slot and its seeds without curves, which `esper query` and the report have."""
    seeds = [
        {
            "blueprint_id": seed.blueprint_id,
            "num_params": seed.num_params,
            "improvement": seed.improvement,
            "contribution": seed.contribution,
            "evidence": seed.evidence,
            "steps": [
                {
                    "epoch": step.epoch,
                    "stage": step.stage,
                    "reason": step.reason,
                    "initiator": step.initiator,
                }
                for step in seed.steps
            ],
        }
        for seed in slot.seeds
    ]
    return {"env_id": slot.env_id, "slot_id": slot.slot_id, "seeds": seeds}


def _error(finished: RunFinishedPayload | None) -> dict[str, Any] | None:
    if finished is None or finished.error_type is None:
        return None
    return {
        "type": finished.error_type,
        "message": finished.error_message,
        "place": finished.error_place,
    }


def _telemetry(story: RunStory) -> dict[str, Any]:
    """Return the numbers of events, and everything that is wrong with the log."""
    return {
        "num_events": story.num_events,
        "num_superseded": story.num_superseded,
        "rejected": _flatten_all(story.rejected),
        "torn": story.torn,
        "damaged": story.damaged,
        "num_damaged": story.num_damaged,
        "gaps": story.gaps,
        "num_gaps": story.num_gaps,
        "unknown": story.unknown,
        "num_set_aside": story.num_set_aside,
        "overlaps": story.overlaps,
        "other_files": story.other_files,
    }


def _flatten_all(events: tuple[Event[Any], ...]) -> list[dict[str, Any]]:
    return [_flatten(event) for event in events]


def _flatten(event: Event[Any]) -> dict[str, Any]:
    """Return the epoch and the payload's fields in one dict."""
    return {"epoch": event.epoch, **to_json(event.payload)}


def _curve_point(
    event: Event[EpochCompletedPayload] | Event[LoopEpochCompletedPayload],
) -> dict[str, Any]:
    payload = event.payload
    return {
        "epoch": event.epoch,
        "train_loss": payload.train_loss,
        "train_accuracy": payload.train_accuracy,
        "val_loss": payload.val_loss,
        "val_accuracy": payload.val_accuracy,
        "num_params": payload.num_params,
        "severity": payload.severity,
    }


def to_json(value: object) -> Any:
    """Return `value` as dicts, lists, strings, numbers and None."""
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, dict):
        return {key: to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    if is_dataclass(value):
        return {field.name: to_json(getattr(value, field.name)) for field in fields(value)}
    return value
