"""A hub that is never closed is closed when nothing refers to it, or when the interpreter exits."""

import gc
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from esper.nissa.hub import Hub
from esper.nissa.hub_config import HubConfig
from esper.nissa.log import RunLog
from esper.nissa.sink import SynchronousSink
from esper.nissa.sinks.memory import MemorySink
from tests.nissa.sample_events import emit_germination

ROOT = Path(__file__).parents[2]


class Collector:
    """A sink that keeps numbers; the hub queues its events."""

    def __init__(self):
        self.seqs = []
        self.num_closed = 0

    def write(self, envelope, payload):
        self.seqs.append(envelope.seq)

    def close(self):
        self.num_closed += 1


def wait_until(condition):
    deadline = time.monotonic() + 20
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert condition()


def test_hubs_that_nothing_refers_to_leave_no_threads_and_no_descriptors(tmp_path):
    gc.collect()
    num_threads, num_open = threading.active_count(), len(os.listdir("/dev/fd"))
    sinks = []
    for number in range(100):
        hub = Hub("run")
        hub.attach(RunLog(tmp_path / str(number)))
        sinks.append(hub.attach(Collector()))
        emit_germination(hub.channel())
    del hub

    wait_until(lambda: threading.active_count() == num_threads)
    assert len(os.listdir("/dev/fd")) == num_open
    assert all(sink.seqs == [0] and sink.num_closed == 1 for sink in sinks)


def test_a_hub_lives_as_long_as_a_channel():
    sink = Collector()
    hub = Hub("run")
    hub.attach(sink)
    channel = hub.channel()
    del hub

    emit_germination(channel)
    del channel

    wait_until(lambda: sink.num_closed == 1)
    assert sink.seqs == [0]


def test_a_hub_that_is_open_at_exit_processes_its_queues(tmp_path):
    script = """
import sys, time
from esper.nissa.hub import Hub
from tests.nissa.sample_events import emit_germination
class Slow:
    def write(self, envelope, payload):
        time.sleep(0.001)
        print(envelope.seq)
    def close(self):
        print("closed", flush=True)
hub = Hub("run")
hub.attach(Slow())
for _ in range(100):
    emit_germination(hub.channel())
"""
    ran = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)

    assert ran.stdout.split() == [*map(str, range(100)), "closed"]
    assert ran.stderr == ""


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit, BaseException])
def test_a_queued_sink_that_raises_anything_is_closed(error, capsys):
    class Broken(Collector):
        """A sink that raises."""

        def write(self, envelope, payload):
            raise error("no")

        def close(self):
            super().close()
            raise error("no")

    with Hub("run") as hub:
        memory, broken = hub.attach(MemorySink()), hub.attach(Broken())
        for _ in range(3):
            emit_germination(hub.channel())
        assert hub.flush(timeout_s=10)
        _, stats = hub.stats.sinks

    assert len(memory.events) == 3
    assert broken.num_closed == 1
    assert (stats.num_failed, stats.num_dropped, stats.num_waiting) == (1, 2, 0)
    assert not stats.is_open
    assert capsys.readouterr().err.splitlines() == [
        f"telemetry: Broken is closed after {error.__name__}; training and the other sinks go on;"
        f" the last failure: {error.__name__}: no",
        "telemetry: Broken missed 3 of 3 events",
    ]


@pytest.mark.parametrize("error", [SystemExit, GeneratorExit])
def test_a_synchronous_sink_does_not_end_the_process(error, capsys):
    class Broken(SynchronousSink):
        """A sink that raises."""

        def write(self, envelope, payload):
            raise error("no")

        def close(self):
            raise error("no")

    with Hub("run") as hub:
        hub.attach(Broken())
        emit_germination(hub.channel())
        (stats,) = hub.stats.sinks

    assert not stats.is_open
    assert f"Broken is closed after {error.__name__}" in capsys.readouterr().err


def test_closing_can_be_completed_after_an_interrupt():
    class Hanging(Collector):
        """A sink that waits until it is released."""

        released = threading.Event()

        def write(self, envelope, payload):
            self.released.wait(60)
            super().write(envelope, payload)

    hub = Hub("run", config=HubConfig(close_timeout_s=0.05))
    first, second = hub.attach(Hanging()), hub.attach(Collector())
    emit_germination(hub.channel())
    join = threading.Thread.join

    def interrupt(thread, timeout=None):
        threading.Thread.join = join
        raise KeyboardInterrupt

    threading.Thread.join = interrupt
    with pytest.raises(KeyboardInterrupt):
        hub.close()
    first.released.set()
    hub.close()

    wait_until(lambda: first.num_closed == second.num_closed == 1)
