"""The state of a run as one JSON object: what the view shows, for scripts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypedDict

from esper._generated.enums import SeedStage, Severity
from esper._generated.records import SeedEvidence
from esper.karn.seed_story import SlotStory
from esper.karn.series import Series
from esper.karn.story import RunStory
from esper.karn.summary_json import to_json
from esper.karn.watch.problems import describe_problems
from esper.karn.watch.slot_table import newest_alpha, newest_evidence
from esper.karn.watch.source import RunState


class _EmptySlotJson(TypedDict):
    """The values that every slot has."""

    env_id: int
    slot_id: str
    stage: SeedStage
    num_seeds: int


class WatchedSlotJson(_EmptySlotJson, total=False):
    """A slot with its newest seed, whose values are absent if it never had one."""

    blueprint_id: str | None
    num_params: int | None
    alpha: float | None
    grad_ratio: float | None
    num_vanishing: int
    num_exploding: int
    evidence: SeedEvidence | None


class WatchedGovernorJson(TypedDict):
    """The verdict of the governor and what it has done."""

    verdict: Severity | None
    num_alarms: int
    num_cleared: int
    num_rollbacks: int
    num_snapshots: int
    num_skipped_steps: int


class _StoryJson(TypedDict, total=False):
    """The values that a run has once its log has an event."""

    state: Literal["ended", "running", "died", "unknown"]
    epoch: int
    epochs_planned: int | None
    seconds_left: float | None
    last_event_ns: int
    num_events: int
    num_params: int | None
    newest: dict[str, float | None]
    slots: list[WatchedSlotJson]
    governor: WatchedGovernorJson
    problems: list[str]


class WatchJson(_StoryJson):
    """The state of a run now; the values of its log are absent as long as that has no event."""

    run: str
    folder: Path
    health: str
    reason: str
    problem: str | None


def as_dict(state: RunState) -> dict[str, Any]:
    """Return the state as a dict of values that JSON can represent.

    A value is None if the log does not have it; enums are given by name, NaN and infinities as texts.
    """
    story = state.story
    values: WatchJson = {
        "run": state.folder.name if story is None else story.run_id,
        "folder": state.folder,
        "health": state.health.word,
        "reason": state.health.reason,
        "problem": state.problem,
    }
    return {**to_json(values), **({} if story is None else to_json(_story(story)))}


def _story(story: RunStory) -> _StoryJson:
    verdict = story.governor.newest_verdict
    return {
        "state": story.state,
        "epoch": story.progress.epoch,
        "epochs_planned": story.progress.epochs_planned,
        "seconds_left": story.progress.seconds_left,
        "last_event_ns": story.progress.last_event_ns,
        "num_events": story.num_events,
        "num_params": story.num_params,
        "newest": {
            **_newest(story.losses),
            **_newest(story.metric_series),
            **_newest(story.learning_rates),
        },
        "slots": [_slot(slot) for slot in story.slots],
        "governor": {
            "verdict": verdict,
            "num_alarms": story.num_panics,
            "num_cleared": story.num_cleared,
            "num_rollbacks": story.num_rollbacks,
            "num_snapshots": story.num_snapshots,
            "num_skipped_steps": story.num_skipped_steps,
        },
        "problems": list(describe_problems(story)),
    }


def _newest(curves: Mapping[str, Series]) -> dict[str, float | None]:
    return {name: curve.last for name, curve in curves.items()}


def _slot(slot: SlotStory) -> WatchedSlotJson:
    seed = slot.seed
    values: WatchedSlotJson = {
        "env_id": slot.env_id,
        "slot_id": slot.slot_id,
        "stage": slot.stage,
        "num_seeds": slot.num_seeds,
    }
    if seed is None:
        return values
    return {
        **values,
        "blueprint_id": seed.blueprint_id,
        "num_params": seed.num_params,
        "alpha": newest_alpha(seed),
        "grad_ratio": None if seed.gradient is None else seed.gradient.last,
        "num_vanishing": seed.num_vanishing,
        "num_exploding": seed.num_exploding,
        "evidence": newest_evidence(seed),
    }
