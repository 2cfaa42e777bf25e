"""The hub: numbers every event and passes it to the sinks, the log first.

Training must never wait for a reader or suffer from one. The run log is written in the thread that emits, because
what `write(2)` has taken survives the process; every other sink has a thread and a queue of its own.
"""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Any, Self, TypeVar
from weakref import WeakSet

from esper._generated.channel import Context, Payload
from esper._generated.envelope import Envelope, make_envelope
from esper.leyline.channel import TelemetryChannel
from esper.nissa.guard import Guard
from esper.nissa.notice import say
from esper.nissa.outlet import DirectOutlet, Outlet, QueuedOutlet, SinkStats
from esper.nissa.sink import Immediate, Sink

_SinkT = TypeVar("_SinkT", bound=Sink)


@dataclass(frozen=True, slots=True, kw_only=True)
class HubConfig:
    """How much a hub bears before it lets a sink go."""

    queue_size: int = 4096
    """Events that may wait for a sink; a vectorised step emits some hundred at once."""
    max_failures: int = 10
    """Failures in a row that close a sink; the run log and the memory sink are never closed for theirs."""
    close_timeout_s: float = 5.0
    """Seconds that all sinks together get to finish when the hub closes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HubStats:
    """What a hub has carried."""

    num_sent: int
    """Events numbered and passed to the sinks."""
    num_lost: int
    """Events that came after the hub was closed."""
    sinks: tuple[SinkStats, ...]


class Hub:
    """Carries the events of one process to its sinks; leave its `with` block, or call `close`, at the end of the run.

    Events are numbered without gaps. `listening` of every channel is kept current: with no sink attached, emitting
    costs next to nothing. Emitting is safe from any thread and from signal handlers.
    """

    def __init__(
        self,
        run_id: str,
        *,
        rank: int = 0,
        first_seq: int = 0,
        config: HubConfig | None = None,
    ) -> None:
        """Prepare to carry the events of `run_id` from process `rank`, numbered from `first_seq`.

        Raises:
            ValueError: an argument breaks the contract.
        """
        self.run_id = run_id
        self.rank = rank
        self.boot = secrets.token_hex(8)
        self._config = config or HubConfig()
        self._first_seq = first_seq
        self._next_seq = first_seq
        self._num_lost = 0
        self._is_closed = False
        self._is_delivering = False
        self._backlog: deque[tuple[Context, Payload]] = deque()
        self._outlets: tuple[Outlet, ...] = ()
        self._channels: WeakSet[TelemetryChannel] = WeakSet()
        # Reentrant, because a signal handler may emit while its own thread is delivering.
        self._lock = threading.RLock()
        # An envelope that breaks the contract is refused here, rather than in the middle of training.
        self._envelope(None, "RUN_STARTED")
        _HUBS.add(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def next_seq(self) -> int:
        """Number of the next event; a resumed run's hub takes it as `first_seq`."""
        return self._next_seq

    @property
    def stats(self) -> HubStats:
        """What the hub has carried so far."""
        return HubStats(
            num_sent=self._next_seq - self._first_seq,
            num_lost=self._num_lost,
            sinks=tuple(outlet.stats for outlet in self._outlets),
        )

    def channel(self, *, strict: bool = False, **context: Any) -> TelemetryChannel:
        """Return a channel into this hub, with `context` bound: `hub.channel(env_id=0)`.

        A strict channel raises what fails its check where it is emitted, as tests want it.
        """
        return TelemetryChannel(self, Context(rank=self.rank, **context), strict=strict)

    def attach(self, sink: _SinkT) -> _SinkT:
        """Pass every later event to `sink`, which the hub closes in the end; return the sink.

        Raises:
            ValueError: the hub is closed, or has the sink already.
        """
        with self._lock:
            if self._is_closed:
                raise ValueError(
                    "a sink must be attached to an open hub, got a closed one; make another"
                )
            if any(outlet.guard.sink is sink for outlet in self._outlets):
                raise ValueError(
                    f"a sink must be attached once, got this {type(sink).__name__} again; make another"
                )
            outlets = (*self._outlets, self._outlet(sink))
            # False sorts before True: immediate sinks first, each kind in the order of attachment.
            self._outlets = tuple(sorted(outlets, key=lambda o: isinstance(o, QueuedOutlet)))
            self._tell_channels()
        return sink

    def detach(self, sink: Sink) -> None:
        """Let `sink` finish what is queued for it and close it.

        Raises:
            ValueError: the hub does not have the sink.
        """
        with self._lock:
            found = [outlet for outlet in self._outlets if outlet.guard.sink is sink]
            if not found:
                raise ValueError(
                    f"a sink must be attached to be detached, got this {type(sink).__name__}; attach it first"
                )
            self._outlets = tuple(outlet for outlet in self._outlets if outlet not in found)
            self._tell_channels()
        found[0].close(self._deadline())

    def connect(self, channel: TelemetryChannel) -> None:
        """Keep the channel's `listening` current from now on."""
        with self._lock:
            self._channels.add(channel)
            channel.listening = bool(self._outlets)

    def deliver(self, context: Context, payload: Payload) -> None:
        """Number one event and pass it to the sinks."""
        with self._lock:
            if self._is_delivering:
                # A sink or a signal handler has emitted while this very thread delivers. The loop below comes to
                # it, so that numbers stay in order.
                self._backlog.append((context, payload))
                return
            self._is_delivering = True
            try:
                self._pass_on(context, payload)
                while self._backlog:
                    self._pass_on(*self._backlog.popleft())
            finally:
                self._is_delivering = False

    def flush(self, timeout_s: float) -> bool:
        """Wait until every sink has taken what was emitted so far; return whether all have."""
        deadline = time.monotonic() + timeout_s
        return all(outlet.flush(deadline) for outlet in self._outlets)

    def close(self) -> None:
        """Let the sinks finish, within `close_timeout_s`, and close them; say which of them missed events.

        Later events are lost, which is said once. Closing again does nothing.
        """
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
        deadline = self._deadline()
        for outlet in self._outlets:
            outlet.close(deadline)
        for stats in self.stats.sinks:
            if stats.num_missed:
                num_events = stats.num_written + stats.num_missed
                say(f"{stats.name} missed {stats.num_missed} of {num_events} events")

    def _pass_on(self, context: Context, payload: Payload) -> None:
        if self._is_closed:
            self._lose(payload)
            return
        envelope = self._envelope(context.epoch, payload.EVENT)
        self._next_seq += 1
        for outlet in self._outlets:
            outlet.write(envelope, payload)

    def _envelope(self, epoch: int | None, event: str) -> Envelope:
        return make_envelope(
            seq=self._next_seq,
            t_wall_ns=time.time_ns(),
            t_mono_ns=time.monotonic_ns(),
            run=self.run_id,
            rank=self.rank,
            boot=self.boot,
            epoch=epoch,
            event=event,
        )

    def _lose(self, payload: Payload) -> None:
        self._num_lost += 1
        if self._num_lost == 1:
            say(
                f"{payload.EVENT} and later events of run {self.run_id} are lost:"
                " the hub must be open when they are emitted"
            )

    def _outlet(self, sink: Sink) -> Outlet:
        if isinstance(sink, Immediate):
            return DirectOutlet(Guard(sink, max_failures=None))
        guard = Guard(sink, max_failures=self._config.max_failures)
        return QueuedOutlet(guard, queue_size=self._config.queue_size)

    def _tell_channels(self) -> None:
        for channel in self._channels:
            channel.listening = bool(self._outlets)

    def _deadline(self) -> float:
        return time.monotonic() + self._config.close_timeout_s

    def _forget_parent(self) -> None:
        """Close this copy of a hub in a forked child: its log belongs to the parent, its threads do not exist."""
        self._lock = threading.RLock()
        self._is_delivering = False
        self._is_closed = True
        self._outlets = ()


_HUBS: WeakSet[Hub] = WeakSet()
"""The hubs of this process, for the sake of forked children."""


def _forget_parents() -> None:
    for hub in _HUBS:
        hub._forget_parent()


os.register_at_fork(after_in_child=_forget_parents)
