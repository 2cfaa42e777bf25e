"""The checks for authors of log sinks accept a correct sink, and each finds the fault that it is for."""

import pytest

from esper.testing.sample_events import make_every_event
from esper.testing.sink_contract import SinkContract
from tests.nissa.shipping.file_sinks import LinesSink


class TestLinesSink(SinkContract):
    """A correct sink."""

    sink_class = LinesSink

    def read_back(self, run):
        path = run.folder / "lines.txt"
        return [line.split()[0] for line in path.read_text().splitlines()] if path.exists() else []


class Doubling(LinesSink):
    """Does not cut its file back."""

    def open(self, run, state):
        path = run.folder / "lines.txt"
        super().open(run, {"size": path.stat().st_size if path.exists() else 0})


class Losing(LinesSink):
    """Keeps what it was given last to itself."""

    def write(self, events):
        super().write(events[:-1])


class Forgetful(LinesSink):
    """Starts over whenever it is opened."""

    def open(self, run, state):
        super().open(run, None)


class Picky(LinesSink):
    """Does not take every event."""

    def write(self, events):
        try:
            assert all(envelope.event == "METRICS_LOGGED" for envelope, _ in events)
        except AssertionError:
            self.close()
            raise
        super().write(events)


class Pretending(LinesSink):
    """Says that it has removed everything."""

    def clear(self, run):
        return True


class Demanding(LinesSink):
    """Needs an argument to be made."""

    def __init__(self, place):
        self.place = place


@pytest.mark.parametrize(
    ("sink_class", "check"),
    [
        (Doubling, "test_a_kill_before_the_first_commit_leaves_nothing_behind"),
        (Doubling, "test_a_kill_between_commits_loses_and_doubles_nothing"),
        (Doubling, "test_a_commit_without_its_state_is_repeated"),
        (Doubling, "test_failures_lose_and_double_nothing"),
        (Losing, "test_every_event_arrives_once"),
        (Forgetful, "test_it_continues_after_a_commit"),
        (Picky, "test_it_takes_every_event_of_the_contract"),
        (Pretending, "test_clear_removes_everything_or_nothing"),
    ],
)
def test_a_faulty_sink_is_found_out(sink_class, check, tmp_path):
    contract = TestLinesSink()
    contract.sink_class = sink_class

    with pytest.raises(AssertionError):
        getattr(contract, check)(tmp_path)


def test_a_sink_that_needs_an_argument_to_be_made_is_found_out():
    contract = TestLinesSink()
    contract.sink_class = Demanding

    with pytest.raises(TypeError):
        contract.test_the_class_describes_itself()


def test_the_sample_has_every_event_and_every_field():
    from esper._generated.registry import EVENTS

    assert {envelope.event for envelope, _ in make_every_event()} == set(EVENTS)
