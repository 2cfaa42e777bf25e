"""Turns events into the spans of a trace: a run, its epochs, and the lives of its seeds with their stages.

A collector takes a span when it has ended, so the beginnings are kept until then, in the state of the sink. Every id follows
from the run, the writer and what began, so a span that is sent again has the id that it had.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from typing import Any, final

from esper._generated.enums import RunOutcome
from esper._generated.lifecycle import (
    SeedFossilizedPayload,
    SeedGerminatedPayload,
    SeedPrunedPayload,
    SeedStageChangedPayload,
)
from esper._generated.run import (
    EpochCompletedPayload,
    LoopEpochCompletedPayload,
    RunFinishedPayload,
)
from esper.nissa.log_sinks.plain_values import plain_fields, run_settings
from esper.nissa.reader import LoggedEvent
from esper.nissa.run_edges import START_EVENTS
from esper.nissa.shipping.log_sink import event_key
from esper.nissa.shipping.series import find_env

_NO_END = "the process ended without RUN_FINISHED"
_MAX_SPAN_EVENTS = 128
"""Events of a span, as many as OpenTelemetry allows by default."""


@dataclass(slots=True, kw_only=True)
class Span:
    """A span, as far as it is known."""

    name: str
    span_id: str
    parent_id: str | None
    rank: int
    boot: str
    env: int
    start_ns: int
    end_ns: int
    attributes: dict[str, Any]
    error: str | None = None
    """Description of the failure; None if there is none."""
    events: list[tuple[str, int, dict[str, Any]]] = field(default_factory=list)
    """Name, time and attributes of each event in it."""


@final
class SpanTracker:
    """Keeps the spans of a run that have begun, and returns those that end."""

    def __init__(self, run_id: str, state: dict[str, Any] | None) -> None:
        """Continue with `state`, which `state_dict` returned."""
        self.trace_id = _digest(f"trace/{run_id}", 16)
        self._run_id = run_id
        plain = state or {"root": None, "ended": [], "runs": {}, "seeds": {}}
        self._root: str | None = plain["root"]
        self._ended = set(plain["ended"])
        self._runs = {key: _restored(one) for key, one in plain["runs"].items()}
        self._seeds = {key: _restored(one) for key, one in plain["seeds"].items()}

    def state_dict(self) -> dict[str, Any]:
        """Return the spans that have begun, as JSON."""
        return {
            "root": self._root,
            "ended": sorted(self._ended),
            "runs": {key: asdict(one) for key, one in self._runs.items()},
            "seeds": {key: asdict(one) for key, one in self._seeds.items()},
        }

    def span_of(self, event: LoggedEvent) -> str:
        """Return the id of the span that an event belongs to: its epoch, or its run before the first."""
        epoch = event[0].epoch
        key = _writer_key(event)
        return self._run_span_id(key) if not epoch else self._epoch_span_id(key, epoch)

    def take(self, event: LoggedEvent) -> list[Span]:
        """Take the next event, and return the spans that end with it."""
        payload = event[1]
        key = _writer_key(event)
        ended = []
        if key not in self._ended:
            ended += self._take_run(key, event)
        if isinstance(payload, EpochCompletedPayload | LoopEpochCompletedPayload):
            ended.append(self._epoch(key, event, payload.duration_s))
        elif isinstance(
            payload,
            SeedGerminatedPayload
            | SeedStageChangedPayload
            | SeedFossilizedPayload
            | SeedPrunedPayload,
        ):
            ended += self._take_seed(event, payload.slot_id)
        return ended

    def unfinished(self) -> list[Span]:
        """Return the spans that would end if no process of the run wrote any more."""
        for span in self._runs.values():
            span.error = _NO_END
        return [*self._open_seeds(), *self._runs.values()]

    def _take_run(self, key: str, event: LoggedEvent) -> list[Span]:
        """Begin or continue the run of a process in an environment, or end it."""
        envelope, payload = event
        ended = []
        if key not in self._runs:
            ended += self._end_earlier(envelope.rank, envelope.boot, envelope.t_wall_ns)
            if self._root is None and envelope.rank == 0:
                self._root = key
            self._runs[key] = self._new_run(key, event)
        run = self._runs[key]
        run.end_ns = max(run.end_ns, envelope.t_wall_ns)
        if envelope.event in START_EVENTS:
            run.attributes |= run_settings(event)
        if isinstance(payload, RunFinishedPayload):
            ended += self._end_run(key, event, payload)
        return ended

    def _take_seed(self, event: LoggedEvent, slot_id: str) -> list[Span]:
        """Begin the life of a seed, add a stage to it, or end it."""
        envelope, payload = event
        ended = []
        # Without the process: a seed lives on when another one resumes the run.
        slot = f"{envelope.rank}/{find_env(event) or 0}/{slot_id}"
        if isinstance(payload, SeedGerminatedPayload):
            if slot in self._seeds:
                ended.append(self._seeds[slot])
            self._seeds[slot] = Span(
                name="seed",
                span_id=_digest(f"seed/{event_key(event)}", 8),
                parent_id=self._run_span_id(_writer_key(event)),
                rank=envelope.rank,
                boot=envelope.boot,
                env=find_env(event) or 0,
                start_ns=envelope.t_wall_ns,
                end_ns=envelope.t_wall_ns,
                attributes=plain_fields(event),
            )
            return ended
        seed = self._seeds.get(slot)
        if seed is None:
            return ended
        seed.end_ns = max(seed.end_ns, envelope.t_wall_ns)
        if isinstance(payload, SeedStageChangedPayload):
            if len(seed.events) < _MAX_SPAN_EVENTS:
                details = plain_fields(event)
                seed.events.append((payload.to_stage.name, envelope.t_wall_ns, details))
            return ended
        seed.attributes |= plain_fields(event)
        seed.attributes["outcome"] = envelope.event.removeprefix("SEED_")
        ended.append(self._seeds.pop(slot))
        return ended

    def _epoch(self, key: str, event: LoggedEvent, duration_s: float) -> Span:
        envelope = event[0]
        attributes = {**plain_fields(event), "epoch": envelope.epoch or 0}
        return Span(
            name="epoch",
            span_id=self._epoch_span_id(key, envelope.epoch or 0),
            parent_id=self._run_span_id(key),
            rank=envelope.rank,
            boot=envelope.boot,
            env=find_env(event) or 0,
            start_ns=max(0, envelope.t_wall_ns - round(min(duration_s, 1e9) * 1e9)),
            end_ns=envelope.t_wall_ns,
            attributes=attributes,
        )

    def _new_run(self, key: str, event: LoggedEvent) -> Span:
        envelope = event[0]
        is_root = key == self._root
        return Span(
            name="run",
            span_id=self._run_span_id(key),
            parent_id=None if is_root else _digest(f"root/{self._run_id}", 8),
            rank=envelope.rank,
            boot=envelope.boot,
            env=find_env(event) or 0,
            start_ns=envelope.t_wall_ns,
            end_ns=envelope.t_wall_ns,
            attributes={},
        )

    def _end_run(self, key: str, event: LoggedEvent, payload: RunFinishedPayload) -> list[Span]:
        """End a run, and the lives of seeds that go no further."""
        run = self._runs.pop(key)
        self._ended.add(key)
        run.attributes |= plain_fields(event)
        is_complete = payload.outcome is RunOutcome.COMPLETED
        run.error = None if is_complete else f"{payload.outcome.name} {payload.error_type or ''}"
        seeds = [one for one in self._open_seeds() if (one.rank, one.env) == (run.rank, run.env)]
        if is_complete:
            self._seeds = {slot: one for slot, one in self._seeds.items() if one not in seeds}
        return [*seeds, run]

    def _end_earlier(self, rank: int, boot: str, start_ns: int) -> list[Span]:
        """End the runs of processes of a rank that another one, which started at `start_ns`, has replaced."""
        ended = []
        for key, run in list(self._runs.items()):
            if run.rank == rank and run.boot != boot and run.start_ns <= start_ns:
                run.error = _NO_END
                ended.append(self._runs.pop(key))
                self._ended.add(key)
        return ended

    def _open_seeds(self) -> list[Span]:
        return [self._open_seed(seed) for seed in self._seeds.values()]

    def _open_seed(self, seed: Span) -> Span:
        """Return a seed that lives on, as it is now."""
        seed.attributes["outcome"] = "ALIVE"
        return seed

    def _run_span_id(self, key: str) -> str:
        is_root = key == self._root
        return _digest(f"root/{self._run_id}" if is_root else f"run/{self._run_id}/{key}", 8)

    def _epoch_span_id(self, key: str, epoch: int) -> str:
        return _digest(f"epoch/{self._run_id}/{key}/{epoch}", 8)


def _writer_key(event: LoggedEvent) -> str:
    return f"{event[0].rank}/{event[0].boot}/{find_env(event) or 0}"


def _digest(text: str, num_bytes: int) -> str:
    """Return an id as hexadecimal digits, never the invalid one of zeros only."""
    return hashlib.sha256(f"esper/{text}".encode()).hexdigest()[: 2 * num_bytes]


def _restored(plain: dict[str, Any]) -> Span:
    events = [(name, t_ns, details) for name, t_ns, details in plain["events"]]
    return Span(**{**plain, "events": events})
