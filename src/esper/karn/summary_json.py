"""Summarizes the story of a run for programs: `esper summary --json`."""

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any, TypedDict

from esper._generated.enums import RunOutcome, SeedStage, Severity
from esper._generated.governor import (
    GovernorClearedPayload,
    GovernorEscalatedPayload,
    GovernorPanicPayload,
    GovernorRollbackPayload,
    GovernorSnapshotFailedPayload,
    GovernorStoppedPayload,
    GovernorWatchedPayload,
)
from esper._generated.records import SeedEvidence
from esper._generated.run import (
    EpochCompletedPayload,
    HostRejuvenatedPayload,
    LoopEpochCompletedPayload,
    RunFinishedPayload,
    RunResumedPayload,
)
from esper._generated.telemetry import TelemetryRejectedPayload
from esper.karn.log_story import MetricsStory, UnknownInLog
from esper.karn.seed_story import SlotStory
from esper.karn.story import Event, RunStory
from esper.nissa.reader import DamagedLine, Gap, TornLine
from esper.nissa.writers import Overlap


class StepJson(TypedDict):
    """A stage that a seed entered."""

    epoch: int | None
    stage: SeedStage
    reason: str | None
    initiator: str | None


class SeedJson(TypedDict):
    """A seed, without its curves, which `esper query` and the report have."""

    blueprint_id: str | None
    num_params: int | None
    improvement: float | None
    contribution: float | None
    evidence: SeedEvidence | None
    steps: list[StepJson]


class SlotJson(TypedDict):
    """A slot and its seeds."""

    env_id: int
    slot_id: str
    seeds: list[SeedJson]


class CurvePointJson(TypedDict):
    """The values of an epoch."""

    epoch: int | None
    train_loss: float | None
    train_accuracy: float | None
    val_loss: float | None
    val_accuracy: float | None
    num_params: int | None
    severity: Severity | None


class ErrorJson(TypedDict):
    """The exception that ended the run."""

    type: str
    message: str | None
    place: str | None


class TelemetryJson(TypedDict):
    """The numbers of events, and everything that is wrong with the log."""

    num_events: int
    num_superseded: int
    rejected: tuple[Event[TelemetryRejectedPayload], ...]
    torn: tuple[TornLine, ...]
    damaged: tuple[DamagedLine, ...]
    num_damaged: int
    gaps: tuple[Gap, ...]
    num_gaps: int
    unknown: tuple[UnknownInLog, ...]
    num_set_aside: int
    overlaps: tuple[Overlap, ...]
    other_files: tuple[Path, ...]


class SummaryJson(TypedDict):
    """The summary of a run; a value is null if the log does not contain it."""

    run: str
    folder: Path
    outcome: RunOutcome | None
    task: str | None
    seed: int | None
    device: str | None
    epochs_planned: int | None
    epochs_completed: int | None
    resumptions: tuple[Event[RunResumedPayload], ...]
    duration_s: float | None
    metric: str
    num_test: int | None
    test_accuracy: float | None
    test_loss: float | None
    baseline_test_accuracy: float | None
    baseline_test_loss: float | None
    val_accuracy: float | None
    val_loss: float | None
    baseline_accuracy: float | None
    baseline_loss: float | None
    num_params: int | None
    num_host_params: int | None
    params_added: int | None
    num_updates: int | None
    num_flops: float | None
    num_germinated: int
    num_fossilized: int
    num_pruned: int
    num_snapshots: int
    num_skipped_steps: int
    failed_snapshots: tuple[Event[GovernorSnapshotFailedPayload], ...]
    rejuvenations: tuple[Event[HostRejuvenatedPayload], ...]
    panics: tuple[Event[GovernorPanicPayload], ...]
    cleared: tuple[Event[GovernorClearedPayload], ...]
    watched: tuple[Event[GovernorWatchedPayload], ...]
    rollbacks: tuple[Event[GovernorRollbackPayload], ...]
    escalations: tuple[Event[GovernorEscalatedPayload], ...]
    stopped: Event[GovernorStoppedPayload] | None
    slots: list[SlotJson]
    curve: list[CurvePointJson]
    metrics: MetricsStory
    error: ErrorJson | None
    telemetry: TelemetryJson


class TaggedSummaryJson(SummaryJson):
    """The summary of a run with its tags."""

    tags: Mapping[str, str | None]
    """The tags of the run, each with its note."""


def as_dict(story: RunStory) -> dict[str, Any]:
    """Return the summary as a dict of values that JSON can represent.

    Keys stay the same from version to version. A value is None if the log does not contain it; enums are given by
    name, NaN and infinities as `"NaN"`, `"Infinity"` and `"-Infinity"`, as in the run log.
    """
    started, finished = story.started, story.finished
    values: SummaryJson = {
        "run": story.run_id,
        "folder": story.folder,
        "outcome": story.outcome,
        "task": None if started is None else started.task,
        "seed": None if started is None else started.seed,
        "device": None if started is None else started.device,
        "epochs_planned": story.epochs_planned,
        "epochs_completed": story.epochs_completed,
        "resumptions": story.resumptions,
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
        "num_updates": story.num_updates,
        "num_flops": story.num_flops,
        "num_germinated": story.count_seeds(SeedStage.GERMINATED),
        "num_fossilized": story.count_seeds(SeedStage.FOSSILIZED),
        "num_pruned": story.count_seeds(SeedStage.PRUNED),
        "num_snapshots": story.num_snapshots,
        "num_skipped_steps": story.num_skipped_steps,
        "failed_snapshots": story.failed_snapshots,
        "rejuvenations": story.rejuvenations,
        "panics": story.panics,
        "cleared": story.cleared,
        "watched": story.watched,
        "rollbacks": story.rollbacks,
        "escalations": story.escalations,
        "stopped": story.stopped,
        "slots": [_slot(slot) for slot in story.slots],
        "curve": [_curve_point(event) for event in story.epochs],
        "metrics": story.metrics,
        "error": _error(finished),
        "telemetry": _telemetry(story),
    }
    plain: dict[str, Any] = to_json(values)
    return plain


def _slot(slot: SlotStory) -> SlotJson:
    """Return a slot and its seeds without curves, which `esper query` and the report have."""
    seeds: list[SeedJson] = [
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


def _error(finished: RunFinishedPayload | None) -> ErrorJson | None:
    if finished is None or finished.error_type is None:
        return None
    return {
        "type": finished.error_type,
        "message": finished.error_message,
        "place": finished.error_place,
    }


def _telemetry(story: RunStory) -> TelemetryJson:
    """Return the numbers of events, and everything that is wrong with the log."""
    return {
        "num_events": story.num_events,
        "num_superseded": story.num_superseded,
        "rejected": story.rejected,
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


def _curve_point(
    event: Event[EpochCompletedPayload] | Event[LoopEpochCompletedPayload],
) -> CurvePointJson:
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
    if isinstance(value, Event):
        # The epoch and the fields of the payload in one object; where it is in the log is left out.
        return {"epoch": value.epoch, **to_json(value.payload)}
    if isinstance(value, Mapping):
        return {key: to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    if is_dataclass(value):
        return {field.name: to_json(getattr(value, field.name)) for field in fields(value)}
    return value
