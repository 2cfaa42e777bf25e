"""The hub delivers every event in order, and no sink can block training or make it fail."""

import os
import signal
import threading
import time

import pytest

from esper._generated.lifecycle import SeedGerminatedPayload
from esper.nissa.hub import Hub
from esper.nissa.hub_config import HubConfig
from esper.nissa.sink import SynchronousSink
from esper.nissa.sinks.memory import MemorySink
from tests.nissa.sample_events import emit_fossil, emit_germination

SHORT = HubConfig(queue_size=5, max_failures=3, close_timeout_s=0.2)


class Collector:
    """A sink that keeps its events; the hub queues them."""

    def __init__(self):
        self.events = []
        self.num_closed = 0

    def write(self, envelope, payload):
        self.events.append((envelope, payload))

    def close(self):
        self.num_closed += 1


class SynchronousCollector(Collector, SynchronousSink):
    """A sink that keeps its events; the hub calls it in the emitting thread."""


class Broken(Collector):
    """A sink that raises."""

    def write(self, envelope, payload):
        raise RuntimeError("no such table")

    def close(self):
        super().close()
        raise RuntimeError("cannot close")


class Hanging(Collector):
    """A sink that waits until it is released."""

    def __init__(self):
        super().__init__()
        self.released = threading.Event()

    def write(self, envelope, payload):
        self.released.wait(60)
        super().write(envelope, payload)


def emit(channel, number=1):
    for _ in range(number):
        emit_germination(channel)


def seqs(sink):
    return [envelope.seq for envelope, _ in sink.events]


def test_envelopes_hold_number_origin_and_time():
    with Hub("run-1", rank=2) as hub:
        sink = hub.attach(MemorySink())
        channel = hub.channel(env_id=0)
        emit(channel)
        channel.advance(epoch=4)
        emit(channel)

    (first, _), (second, payload) = sink.events
    assert [first.seq, second.seq] == [0, 1]
    assert (second.run, second.rank, second.boot) == ("run-1", 2, hub.boot)
    assert [first.epoch, second.epoch] == [None, 4]
    assert second.event == payload.EVENT == "SEED_GERMINATED"
    assert second.t_mono_ns >= first.t_mono_ns
    assert abs(second.t_wall_ns - time.time_ns()) < 60e9


def test_the_hub_of_a_resumed_run_continues_the_numbers():
    with Hub("run") as first:
        sink = first.attach(MemorySink())
        emit(first.channel(), 3)
    with Hub("run", first_seq=first.next_seq) as second:
        second.attach(sink)
        emit(second.channel())

    assert seqs(sink) == [0, 1, 2, 3]
    assert second.stats.num_sent == 1
    assert first.boot != second.boot


def test_threads_share_one_sequence_without_gaps():
    with Hub("run") as hub:
        sink = hub.attach(MemorySink())
        threads = [threading.Thread(target=emit, args=(hub.channel(), 200)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert seqs(sink) == list(range(800))


def test_a_channel_listens_while_there_is_a_sink():
    with Hub("run") as hub:
        early = hub.channel()
        assert not early.listening
        sink = hub.attach(MemorySink())
        bound = early.bind(env_id=1)
        assert early.listening
        assert bound.listening
        hub.detach(sink)
        assert not early.listening
        assert not bound.listening


def test_a_sink_attached_later_gets_later_events():
    with Hub("run") as hub:
        hub.attach(MemorySink())
        emit(hub.channel())
        late = hub.attach(MemorySink())
        emit(hub.channel())

    assert seqs(late) == [1]


def test_a_detached_sink_processes_its_queue_and_is_closed():
    with Hub("run") as hub:
        sink = hub.attach(Collector())
        emit(hub.channel(), 3)
        hub.detach(sink)

        assert seqs(sink) == [0, 1, 2]
        assert sink.num_closed == 1


def test_the_memory_sink_returns_payloads_by_type():
    with Hub("run") as hub:
        sink = hub.attach(MemorySink())
        emit(hub.channel(), 2)
        emit_fossil(hub.channel())

    assert len(sink.payloads) == 4
    assert [type(payload) for payload in sink.of(SeedGerminatedPayload)] == [
        SeedGerminatedPayload
    ] * 2


def test_a_queued_sink_gets_every_event_in_order_and_is_closed_once():
    with Hub("run") as hub:
        sink = hub.attach(Collector())
        emit(hub.channel(), 800)
    hub.close()

    assert seqs(sink) == list(range(800))
    assert sink.num_closed == 1


def test_flush_waits_for_queued_sinks():
    with Hub("run", config=SHORT) as hub:
        sink = hub.attach(Hanging())
        emit(hub.channel())
        assert not hub.flush(timeout_s=0.01)
        sink.released.set()
        assert hub.flush(timeout_s=10)
        assert seqs(sink) == [0]


def test_a_sink_that_raises_affects_no_other_sink_and_is_closed_after_some_failures(capsys):
    with Hub("run", config=SHORT) as hub:
        broken, memory = hub.attach(Broken()), hub.attach(MemorySink())
        emit(hub.channel(), 4)
        assert hub.flush(timeout_s=10)
        emit(hub.channel())
        assert hub.flush(timeout_s=10)
        _, stats = hub.stats.sinks

    assert seqs(memory) == [0, 1, 2, 3, 4]
    assert (stats.num_written, stats.num_failed, stats.num_dropped) == (0, 3, 2)
    assert not stats.is_open
    assert broken.num_closed == 1
    warnings = capsys.readouterr().err.splitlines()
    assert warnings == [
        "telemetry: Broken is closed after 3 failures in a row; training and the other sinks go on;"
        " the last failure: RuntimeError: no such table",
        "telemetry: Broken missed 5 of 5 events",
    ]


def test_failures_between_successes_do_not_close_a_sink(capsys):
    class Moody(Collector):
        """A sink that raises on two of three events."""

        def write(self, envelope, payload):
            if envelope.seq % 3:
                raise RuntimeError("not now")
            super().write(envelope, payload)

    with Hub("run", config=SHORT) as hub:
        sink = hub.attach(Moody())
        for _ in range(9):
            emit(hub.channel())
            hub.flush(timeout_s=10)

    assert seqs(sink) == [0, 3, 6]
    assert "Moody missed 6 of 9 events" in capsys.readouterr().err


def test_a_synchronous_sink_is_never_closed_for_its_failures(capsys):
    class Forgetful(SynchronousCollector):
        """A sink that raises on its first 20 events."""

        def write(self, envelope, payload):
            if envelope.seq < 20:
                raise RuntimeError("not yet")
            super().write(envelope, payload)

    with Hub("run", config=SHORT) as hub:
        sink = hub.attach(Forgetful())
        emit(hub.channel(), 21)

    assert seqs(sink) == [20]
    assert capsys.readouterr().err == "telemetry: Forgetful missed 20 of 21 events\n"


def test_a_sink_that_hangs_blocks_neither_training_nor_other_sinks(capsys):
    started = time.monotonic()
    with Hub("run", config=SHORT) as hub:
        hanging, memory = hub.attach(Hanging()), hub.attach(MemorySink())
        emit(hub.channel(), 10)

    assert time.monotonic() - started < 2
    assert seqs(memory) == list(range(10))
    stats = hub.stats.sinks[1]
    assert stats.num_dropped + stats.num_waiting == 10
    assert stats.num_dropped in (4, 5)
    assert capsys.readouterr().err == "telemetry: Hanging missed 10 of 10 events\n"
    hanging.released.set()


def test_events_after_closing_are_lost_and_warned_about_once(capsys):
    hub = Hub("run-1")
    sink = hub.attach(MemorySink())
    channel = hub.channel()
    hub.close()
    hub.close()

    emit(channel, 3)

    assert sink.events == []
    assert hub.stats.num_lost == 3
    assert capsys.readouterr().err == (
        "telemetry: SEED_GERMINATED and later events of run run-1 are lost:"
        " they were emitted after the hub was closed\n"
    )


def test_a_sink_can_emit_without_deadlock_and_events_stay_in_order():
    class Echo(SynchronousCollector):
        """Emits a fossil for every germination."""

        def write(self, envelope, payload):
            super().write(envelope, payload)
            if isinstance(payload, SeedGerminatedPayload):
                emit_fossil(channel)

    with Hub("run") as hub:
        echo, memory = hub.attach(Echo()), hub.attach(MemorySink())
        channel = hub.channel()
        emit(channel, 2)

    assert seqs(echo) == seqs(memory) == list(range(6))


def test_a_signal_handler_can_emit():
    with Hub("run") as hub:
        sink = hub.attach(MemorySink())
        channel = hub.channel()
        previous = signal.signal(signal.SIGALRM, lambda *_: emit(channel))
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
        try:
            emit(channel, 3000)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, previous)

    assert seqs(sink) == list(range(len(sink.events)))
    assert len(sink.events) > 3000


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_neither_writes_nor_hangs(capfd):
    with Hub("run") as hub:
        sink = hub.attach(MemorySink())
        queued = hub.attach(Collector())
        channel = hub.channel()
        emit(channel)
        child = os.fork()
        if child == 0:
            emit(channel)
            hub.close()
            os._exit(0 if hub.stats.num_sent == 1 else 1)
        _, status = os.waitpid(child, 0)
        emit(channel)

    assert os.waitstatus_to_exitcode(status) == 0
    assert seqs(sink) == seqs(queued) == [0, 1]
    assert "after the hub was closed" in capfd.readouterr().err


def test_channels_without_a_reference_are_garbage_collected():
    hub = Hub("run")
    hub.channel()

    assert len(hub._channels) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"run_id": ""}, "run must have 1 to 128 characters, got 0"),
        ({"run_id": "run", "rank": -1}, r"rank must be in \[0, 2147483647\], got -1"),
        ({"run_id": "run", "first_seq": -1}, r"seq must be in \[0, .*\], got -1"),
    ],
)
def test_a_hub_with_arguments_that_break_the_contract_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Hub(**arguments)


def test_a_sink_is_attached_once_and_to_an_open_hub():
    with Hub("run") as hub:
        sink = hub.attach(MemorySink())
        with pytest.raises(ValueError, match="got the same MemorySink again; make another"):
            hub.attach(sink)
        with pytest.raises(ValueError, match="but this Collector is not; attach it first"):
            hub.detach(Collector())
    with pytest.raises(
        ValueError, match="must be attached to an open hub, but this one is closed; make"
    ):
        hub.attach(MemorySink())
