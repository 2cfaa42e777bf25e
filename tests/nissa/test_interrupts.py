"""An exception of a signal handler in the middle of an emission reaches the user and leaves no gap and no repeat."""

import functools
import gc
import random
import signal

import pytest

from esper.leyline.interrupts import raised_by_signal_handler
from esper.nissa.hub import Hub
from esper.nissa.hub_config import HubConfig
from esper.nissa.log import RunLog, RunLogConfig
from esper.nissa.reader import read_run
from esper.nissa.sink import SynchronousSink
from esper.nissa.sinks.memory import MemorySink
from tests.nissa.sample_events import emit_germination


class Stop(BaseException):
    """Raised by a handler; not an Exception."""


class Late(Exception):  # noqa: N818 - as short as the built-in ones
    """Raised by a handler; an Exception."""


class Collector:
    """A sink that keeps numbers; the hub queues its events."""

    def __init__(self):
        self.seqs = []

    def write(self, envelope, payload):
        self.seqs.append(envelope.seq)

    def close(self):
        pass


@pytest.fixture
def on_alarm():
    """Return a function that sets the handler of SIGALRM until the test ends."""
    previous = signal.getsignal(signal.SIGALRM)
    # Python drops what a handler raises while a callback of the garbage collector runs, and Hypothesis has one.
    gc.disable()
    yield functools.partial(signal.signal, signal.SIGALRM)
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, previous)
    gc.enable()


@pytest.mark.parametrize("error", [Stop, Late, TimeoutError, ValueError, KeyboardInterrupt])
def test_interrupts_leave_no_gap_and_reach_the_user(tmp_path, on_alarm, error):
    num_raised = num_caught = num_acknowledged = 0

    def handler(signum, frame):
        nonlocal num_raised
        num_raised += 1
        if num_raised % 2:
            emit_germination(channel)
        raise error

    on_alarm(handler)
    rng = random.Random(0)
    config = RunLogConfig(segment_bytes=20_000, check_interval_s=0)
    with Hub("run", config=HubConfig(queue_size=10**6)) as hub:
        hub.attach(RunLog(tmp_path, config=config))
        memory, queued = hub.attach(MemorySink()), hub.attach(Collector())
        channel = hub.channel()
        while num_raised < 300:
            try:
                signal.setitimer(signal.ITIMER_REAL, rng.uniform(1e-6, 3e-4))
                for _ in range(20):
                    emit_germination(channel)
                    num_acknowledged += 1
                signal.setitimer(signal.ITIMER_REAL, 0)
            except error:
                num_caught += 1
        assert channel.num_rejected == 0
    events = read_run(tmp_path)

    assert num_caught == num_raised
    numbers = list(range(hub.stats.num_sent))
    assert len(numbers) >= num_acknowledged
    assert [envelope.seq for envelope, _ in events] == numbers
    assert (events.gaps, events.torn) == ([], [])
    assert [envelope.seq for envelope, _ in memory.events] == queued.seqs == numbers
    assert all((one.num_written, one.num_missed) == (len(numbers), 0) for one in hub.stats.sinks)


class Alarming(SynchronousSink):
    """A sink in whose `write` the signal arrives the first time."""

    def __init__(self):
        self.seqs = []

    def write(self, envelope, payload):
        self.seqs.append(envelope.seq)
        if len(self.seqs) == 1:
            signal.raise_signal(signal.SIGALRM)

    def close(self):
        pass


def test_a_sink_is_called_again_with_the_event_in_which_it_was_interrupted(on_alarm):
    def handler(*_):
        raise Late

    on_alarm(handler)
    with Hub("run") as hub:
        sink = hub.attach(Alarming())
        with pytest.raises(Late):
            emit_germination(hub.channel())
        emit_germination(hub.channel())
        (stats,) = hub.stats.sinks

    assert sink.seqs == [0, 0, 1]
    assert (stats.num_written, stats.num_failed) == (2, 0)


class Handler:
    """Signal handlers of several kinds."""

    def method(self, signum, frame):
        raise Late

    def __call__(self, *arguments):
        raise Late

    def with_more(self, more, signum, frame):
        raise Late


def interrupted(handler):
    """Return the exception that comes out of code in which the signal arrives."""
    signal.signal(signal.SIGALRM, handler)
    try:
        signal.raise_signal(signal.SIGALRM)
    except BaseException as error:
        return error


@pytest.mark.parametrize(
    "handler",
    [
        Handler().method,
        Handler(),
        functools.partial(Handler().with_more, 1),
        lambda *_: (_ for _ in ()).throw(Late),
        signal.default_int_handler,
    ],
    ids=["method", "object", "partial", "lambda", "default"],
)
def test_every_kind_of_handler_is_recognised(on_alarm, handler):
    assert raised_by_signal_handler(interrupted(handler))


def test_exceptions_of_other_code_are_not_taken_for_those_of_a_handler():
    def fail(*arguments):
        raise ValueError("no")

    def call():
        fail(1, [], object())

    for function in (fail, call):
        with pytest.raises(ValueError, match="no") as caught:
            function()
        assert not raised_by_signal_handler(caught.value)
