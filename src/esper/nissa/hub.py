"""The hub: numbers every event of a process and delivers it to the sinks.

Training must neither wait for a reader nor fail because of one. The run log is written in the emitting thread, because
bytes that `write(2)` has taken outlive the process. Every other sink has a queue and a thread of its own.
"""

from __future__ import annotations

import atexit
import os
import secrets
import threading
import time
from collections import deque
from typing import Any, NoReturn, Self, TypeVar, final
from weakref import WeakSet, finalize

from esper._generated.channel import Context, Payload
from esper._generated.checks import ContractError
from esper._generated.envelope import Envelope
from esper._generated.telemetry import TelemetryRejectedPayload
from esper.leyline.channel import TelemetryChannel
from esper.nissa.delivery import Delivery, DirectDelivery, GuardedSink, QueuedDelivery
from esper.nissa.hub_config import HubConfig, HubStats
from esper.nissa.joining import HubHandle, lock_unused_rank
from esper.nissa.log import RunLog
from esper.nissa.numbering import envelope_maker
from esper.nissa.rejections import RejectionWarnings
from esper.nissa.sink import EventOrigin, Sink, SynchronousSink, check_sink
from esper.nissa.stderr import warn

_SinkT = TypeVar("_SinkT", bound=Sink)


@final
class Hub:
    """Numbers the events of one process and delivers them to its sinks.

        with Hub("my-run") as hub:
            hub.attach(RunLog(Path("runs/my-run")))
            channel = hub.channel(env_id=0)

    Leave the `with` block, or call `close`, at the end of the run; a hub that is still open is closed when the interpreter
    exits, or when nothing refers to it any more. Event numbers have no gaps. Emitting is safe from any thread and from
    signal handlers. An exception that a signal handler raises while an event is delivered comes out of the emission helper
    once the event has been delivered. While no sink is attached, `listening` is False on every channel, and emission
    helpers return at once.

    Emitting blocks while synchronous sinks (`RunLog`, `MemorySink`) process the event, which takes microseconds. Other
    sinks get it from a queue; an event that finds a queue full is dropped for that sink and counted in `stats`. A sink
    that raises never affects training or other sinks.

    Attributes:
        run_id: id of the run, written with every event.
        rank: rank of this process, written with every event.
        boot: random id of this hub; it differs from those of earlier processes of the same run.
    """

    def __init__(
        self,
        run_id: str,
        *,
        rank: int = 0,
        first_seq: int = 0,
        config: HubConfig | None = None,
    ) -> None:
        """Make a hub for the events of `run_id` in process `rank`, numbered from `first_seq`.

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
        self._numbered: tuple[tuple[Context, Payload], Envelope] | None = None
        self._rejections = RejectionWarnings()
        self._deliveries: tuple[Delivery, ...] = ()
        self._finalizer = finalize(self, _release, ())
        self._channels: WeakSet[TelemetryChannel] = WeakSet()
        # Reentrant, because a signal handler may emit while its own thread is delivering.
        self._lock = threading.RLock()
        self._make_envelope = envelope_maker(run_id, rank, self.boot)
        # Raises here, rather than in the middle of training, if an argument breaks the contract.
        self._make_envelope(first_seq, None, "RUN_STARTED")
        _HUBS.add(self)

    @classmethod
    def join(cls, handle: HubHandle, *, rank: int | None = None) -> Hub:
        """Return a hub for another process of a run, such as a spawned child: `with Hub.join(handle) as hub:`.

        It writes files of its own into the log of the same run, under `rank`; when that is None, under one from 1,000,000
        that nobody has used.

        Raises:
            LogError: the log cannot be written, or `rank` has a writer or events already.
            OSError: the run's folder is gone or cannot be written.
        """
        lock = None
        if rank is None:
            lock, rank = lock_unused_rank(handle.run_folder)
        hub = cls(handle.run_id, rank=rank, config=handle.config)
        try:
            hub.attach(RunLog(handle.run_folder, config=handle.log_config))
        finally:
            if lock is not None:
                lock.release()
        return hub

    def handle(self) -> HubHandle:
        """Return the value that another process of the run passes to `Hub.join`; it can be pickled.

            multiprocessing.get_context("spawn").Process(target=work, args=(hub.handle(),))

        Raises:
            ValueError: no `RunLog` is attached.
        """
        for delivery in self._deliveries:
            log = delivery.sink.sink
            if isinstance(log, RunLog):
                return HubHandle(
                    run_id=self.run_id,
                    run_folder=log.run_folder,
                    config=self._config,
                    log_config=log.config,
                )
        raise ValueError(
            "a hub must have a log before another process can join its run; attach a RunLog first"
        )

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a hub belongs to one process; pass hub.handle() to the other one, and call Hub.join(handle) there"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def next_seq(self) -> int:
        """Number of the next event; pass it as `first_seq` to the hub of the process that resumes the run."""
        return self._next_seq

    @property
    def stats(self) -> HubStats:
        """Counts of the events so far."""
        return HubStats(
            num_sent=self._next_seq - self._first_seq,
            num_lost=self._num_lost,
            num_rejected=self._rejections.num_rejected,
            sinks=tuple(delivery.stats for delivery in self._deliveries),
        )

    def channel(self, *, strict: bool = False, **context: Any) -> TelemetryChannel:
        """Return a channel to this hub with `context` bound, such as `hub.channel(env_id=0)`.

        A strict channel raises at the place of emission if an event breaks the contract; tests use it. Other channels
        count such events and emit TELEMETRY_REJECTED.

        Raises:
            ContractError: a value of `context` breaks the contract.
            TypeError: the context has no such field.
        """
        return TelemetryChannel(self, Context(rank=self.rank, **context), strict=strict)

    def attach(self, sink: _SinkT) -> _SinkT:
        """Deliver every event from now on to `sink` and close it with the hub; return `sink`.

        Raises:
            LogError: the sink is a `RunLog` whose folder has another writer or holds events of an earlier one.
            ValueError: the hub is closed or has the sink already, or `sink` is not a sink.
        """
        check_sink(sink)
        with self._lock:
            if self._is_closed:
                raise ValueError(
                    "a sink must be attached to an open hub, but this one is closed; make a new hub"
                )
            if any(delivery.sink.sink is sink for delivery in self._deliveries):
                raise ValueError(
                    f"a sink must be attached once, got the same {type(sink).__name__} again; make another"
                )
            self._settle()
            if isinstance(sink, SynchronousSink):
                self._open(sink)
            deliveries = (*self._deliveries, self._make_delivery(sink))
            # False sorts before True: synchronous sinks first, each kind in the order of attachment.
            self._set_deliveries(
                tuple(sorted(deliveries, key=lambda one: isinstance(one, QueuedDelivery)))
            )
        return sink

    def detach(self, sink: Sink) -> None:
        """Stop delivering to `sink`, wait until it has processed its queue, and close it.

        Blocks for at most `close_timeout_s`; events that are then still queued are not processed.

        Raises:
            ValueError: the sink is not attached.
        """
        with self._lock:
            found = [one for one in self._deliveries if one.sink.sink is sink]
            if not found:
                raise ValueError(
                    "a sink must be attached before it is detached, but this"
                    f" {type(sink).__name__} is not; attach it first"
                )
            self._set_deliveries(tuple(one for one in self._deliveries if one not in found))
        found[0].close(self._deadline())

    def connect(self, channel: TelemetryChannel) -> None:
        """Keep the channel's `listening` up to date from now on; called by every new channel."""
        with self._lock:
            self._channels.add(channel)
            channel.listening = bool(self._deliveries)

    def deliver(self, context: Context, payload: Payload) -> None:
        """Number one event and deliver it to the sinks; called by channels.

        Raises:
            BaseException: a signal handler raised it; the event has been delivered.
        """
        if type(payload) is TelemetryRejectedPayload:
            self._rejections.show(payload)
        with self._lock:
            if self._is_delivering:
                # A sink or a signal handler emitted while this same thread is delivering. `_deliver_backlog` delivers
                # the event next, so that numbers stay in order.
                self._backlog.append((context, payload))
                return
            self._is_delivering = True
            try:
                self._backlog.append((context, payload))
                self._deliver_backlog()
            except BaseException:
                # Raised by a signal handler. What has been begun is completed first: it has a number already.
                self._deliver_backlog()
                raise
            finally:
                self._is_delivering = False

    def flush(self, timeout_s: float) -> bool:
        """Wait until every sink has processed the events emitted so far; return False after `timeout_s` seconds.

        This does not flush files to the disk; `RunLog.sync` does.
        """
        deadline = time.monotonic() + timeout_s
        self._settle()
        return all(delivery.flush(deadline) for delivery in self._deliveries)

    def close(self) -> None:
        """Wait until the sinks have processed their queues, and close them; warn about sinks that missed events.

        Blocks for at most `close_timeout_s` seconds. Events emitted later are lost and counted, and the first of them
        prints a warning. Further calls do nothing.
        """
        with self._lock:
            if not self._finalizer.alive:
                return
            self._settle()
            self._is_closed = True
        deadline = self._deadline()
        for delivery in self._deliveries:
            delivery.close(deadline)
        # An interrupt in the loop leaves it alive: the next call, or the exit of the interpreter, closes the rest.
        if self._finalizer.detach() is None:
            return
        for stats in self.stats.sinks:
            if stats.num_missed:
                num_events = stats.num_written + stats.num_missed
                warn(f"{stats.name} missed {stats.num_missed} of {num_events} events")

    def _settle(self) -> None:
        """Deliver events that a second interrupt has left in the backlog."""
        with self._lock:
            if self._backlog and not self._is_delivering:
                self._is_delivering = True
                try:
                    self._deliver_backlog()
                finally:
                    self._is_delivering = False

    def _deliver_backlog(self) -> None:
        """Deliver all events that wait, in order. After an interrupt, another call continues where this one was.

        An event stays in the backlog until every sink has it, and keeps its envelope, by which a sink recognises an event
        that it was given before the interrupt.
        """
        backlog = self._backlog
        while backlog:
            event = backlog[0]
            context, payload = event
            if self._is_closed:
                backlog.popleft()
                self._count_lost(payload)
                continue
            numbered = self._numbered
            if numbered is None or numbered[0] is not event:
                try:
                    envelope = self._make_envelope(self._next_seq, context.epoch, payload.EVENT)
                except ContractError:
                    backlog.popleft()
                    raise
                self._numbered = (event, envelope)
            else:
                envelope = numbered[1]
            for delivery in self._deliveries:
                delivery.write(envelope, payload)
            self._next_seq = envelope.seq + 1
            backlog.popleft()

    def _open(self, sink: SynchronousSink) -> None:
        """Let the sink prepare for this hub, whose numbers it may move on."""
        origin = EventOrigin(
            run_id=self.run_id,
            rank=self.rank,
            boot=self.boot,
            first_seq=self._first_seq,
            next_seq=self._next_seq,
        )
        next_seq = sink.open(origin)
        if next_seq != self._next_seq:
            self._first_seq = self._next_seq = next_seq

    def _count_lost(self, payload: Payload) -> None:
        self._num_lost += 1
        if self._num_lost == 1:
            warn(
                f"{payload.EVENT} and later events of run {self.run_id} are lost:"
                " they were emitted after the hub was closed"
            )

    def _make_delivery(self, sink: Sink) -> Delivery:
        if isinstance(sink, SynchronousSink):
            return DirectDelivery(GuardedSink(sink, max_failures=None, has_thread=False))
        guarded = GuardedSink(sink, max_failures=self._config.max_failures, has_thread=True)
        return QueuedDelivery(guarded, queue_size=self._config.queue_size)

    def _set_deliveries(self, deliveries: tuple[Delivery, ...]) -> None:
        self._deliveries = deliveries
        # For the case that nothing refers to the hub any more. At the exit of the interpreter `_close_all` waits instead.
        self._finalizer.detach()
        self._finalizer = finalize(self, _release, deliveries)
        self._finalizer.atexit = False
        for channel in self._channels:
            channel.listening = bool(self._deliveries)

    def _deadline(self) -> float:
        return time.monotonic() + self._config.close_timeout_s

    def _close_in_child(self) -> None:
        """Close this copy of the hub in a forked child: the log belongs to the parent, and threads are not copied."""
        self._lock = threading.RLock()
        self._is_delivering = False
        self._is_closed = True
        self._deliveries = ()
        self._finalizer.detach()


_HUBS: WeakSet[Hub] = WeakSet()
"""The hubs of this process, which a forked child and the exit of the interpreter have to close."""


def _release(deliveries: tuple[Delivery, ...]) -> None:
    """Have the sinks of a hub that is gone closed, without waiting: this may run in the middle of anything."""
    for delivery in deliveries:
        delivery.release()


def _close_all() -> None:
    for hub in list(_HUBS):
        hub.close()


def _close_all_in_child() -> None:
    for hub in _HUBS:
        hub._close_in_child()


atexit.register(_close_all)
os.register_at_fork(after_in_child=_close_all_in_child)
