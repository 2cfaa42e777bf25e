"""A run in one line of a list: its state and figures, read from both ends of its log."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from esper.leyline.errors import EsperError, LogError
from esper.leyline.failure import Failure
from esper.leyline.text import printable, printable_message
from esper.nissa.run_edges import (
    EPOCH_EVENTS,
    START_EVENTS,
    PlainEvent,
    RunEdges,
    is_running,
    read_edges,
)
from esper.nissa.tags import read_tags

STATES = ("running", "finished", "interrupted", "stopped", "failed", "crashed", "unreadable")
"""`crashed` is a run whose end is not in the log although no process trains it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOverview:
    """The values of a run that lists show; None where the log does not have one."""

    id: str
    folder: Path
    state: str
    """One of `STATES`, or the name, in lower case, of an outcome that a later minor version of the contract has added."""
    reason: str | None
    """Why the run failed, was stopped, or cannot be read."""
    started_ns: int | None
    """Time of the first event, in nanoseconds since 1970."""
    task: str | None
    seed: int | None
    epochs_completed: int
    epochs_planned: int | None
    host_test_accuracy: float | None
    """Of the host alone on the test samples, in percent."""
    test_accuracy: float | None
    """Of the grown network on the test samples, in percent."""
    host_accuracy: float | None
    """Of the host alone on the validation samples, in percent."""
    grown_accuracy: float | None
    """Of the grown network on the validation samples, in percent; of the latest epoch if the run has not finished."""
    num_fossils: int
    """Fossils in the network after the latest epoch."""
    num_params: int | None
    """Parameters of the grown network."""
    num_resumptions: int
    num_bytes: int
    """Size of the folder: log, checkpoints and network."""
    tags: tuple[str, ...] | None
    """The names of its tags; None if they cannot be read."""


def read_overview(folder: Path) -> RunOverview:
    """Return the overview of the run in `folder`; one that cannot be read has the state `unreadable` and the reason."""
    try:
        edges = read_edges(folder)
        reason = None
    except EsperError as error:
        edges = RunEdges(first=(), last=(), num_resumptions=0)
        reason = printable_message(str(error))
    started = _last_payload(edges.first, *START_EVENTS)
    resumed = _last_payload(edges.last, "RUN_RESUMED")
    finished = _finish(edges.last)
    epochs = [event for event in edges.last if event.event in EPOCH_EVENTS]
    epoch = epochs[-1].payload if epochs else {}
    state, reason = ("unreadable", reason) if reason else _state(folder, finished, edges.last)
    completed = max((event.epoch or 0 for event in epochs), default=0)
    return RunOverview(
        id=folder.name,
        folder=folder,
        state=state,
        reason=reason,
        started_ns=edges.first[0].t_wall_ns if edges.first else None,
        task=_text(started, "task"),
        seed=_int(started, "seed"),
        epochs_completed=_int(finished, "epochs_completed")
        or completed
        or _int(resumed, "epochs_completed")
        or 0,
        epochs_planned=_int(resumed, "epochs") or _int(started, "epochs"),
        host_test_accuracy=_float(finished, "baseline_test_accuracy"),
        test_accuracy=_float(finished, "test_accuracy"),
        host_accuracy=_float(finished, "baseline_accuracy"),
        grown_accuracy=_float(finished if finished else epoch, "val_accuracy"),
        num_fossils=_count_fossils(edges.last),
        num_params=_num_params(started, finished if finished else epoch),
        num_resumptions=edges.num_resumptions,
        num_bytes=_size(folder),
        tags=_tags(folder),
    )


def _tags(folder: Path) -> tuple[str, ...] | None:
    try:
        return tuple(read_tags(folder))
    except LogError:
        return None


def _finish(events: Iterable[PlainEvent]) -> Mapping[str, Any]:
    """Return the payload of the run's end; empty if it has not ended, or has been resumed since."""
    finished: Mapping[str, Any] = {}
    for event in events:
        if event.event == "RUN_FINISHED":
            finished = event.payload
        elif event.event in (*START_EVENTS, "RUN_RESUMED", *EPOCH_EVENTS):
            finished = {}
    return finished


def _state(
    folder: Path, finished: Mapping[str, Any], events: Iterable[PlainEvent]
) -> tuple[str, str | None]:
    """Return the state with its reason."""
    if not finished:
        return ("running" if is_running(folder) else "crashed"), None
    outcome = (_text(finished, "outcome") or "completed").lower()
    state = "finished" if outcome == "completed" else outcome
    if state == "failed":
        return state, _failure(finished)
    if state == "stopped":
        return state, _text(_last_payload(events, "GOVERNOR_STOPPED"), "message")
    return state, None


def _failure(finished: Mapping[str, Any]) -> str | None:
    kind, message, place = (finished.get(f"error_{name}") for name in ("type", "message", "place"))
    if not isinstance(kind, str):
        return None
    failure = Failure(
        type=kind,
        message=message if isinstance(message, str) else "",
        place=place if isinstance(place, str) else None,
    )
    return str(failure)


def _num_params(started: Mapping[str, Any], latest: Mapping[str, Any]) -> int | None:
    number = _int(latest, "num_params")
    # The end of a run of the user's own loop has 0 where the number is not known.
    return None if number == 0 and _int(started, "num_host_params") is None else number


def _count_fossils(events: Iterable[PlainEvent]) -> int:
    """Return the fossils after the latest epoch and those that it has brought."""
    num_fossils = 0
    for event in events:
        if event.event in EPOCH_EVENTS:
            seeds = event.payload.get("seeds")
            seeds = seeds if isinstance(seeds, list) else []
            num_fossils = sum(
                isinstance(seed, dict) and seed.get("stage") == "FOSSILIZED" for seed in seeds
            )
        elif event.event == "SEED_FOSSILIZED":
            num_fossils += 1
    return num_fossils


def _last_payload(events: Iterable[PlainEvent], *names: str) -> Mapping[str, Any]:
    return next((one.payload for one in reversed(tuple(events)) if one.event in names), {})


def _text(payload: Mapping[str, Any], name: str) -> str | None:
    value = payload.get(name)
    return printable(value) if isinstance(value, str) else None


def _int(payload: Mapping[str, Any], name: str) -> int | None:
    value = payload.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _float(payload: Mapping[str, Any], name: str) -> float | None:
    value = payload.get(name)
    return float(value) if isinstance(value, int | float) and abs(value) <= 100 else None


def _size(folder: Path) -> int:
    """Return the bytes of all files below `folder`; those that cannot be seen count nothing."""
    total = 0
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    total += _size(Path(entry.path))
                else:
                    total += entry.stat(follow_symlinks=False).st_size
    except OSError:
        return total
    return total
