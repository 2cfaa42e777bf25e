"""The promises of log sinks, as tests: inherit from `SinkContract` in a test file, and run pytest.

    from esper.testing.sink_contract import SinkContract

    class TestMySink(SinkContract):
        sink_class = MySink

        def read_back(self, run):
            return [line.split(",")[0] for line in (run.folder / "mine.txt").read_text().splitlines()]

`read_back` returns the keys of the events that the receiver has, each as often as the receiver shows it.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import traceback
import warnings
from abc import abstractmethod
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from esper._generated.codec import encode_line
from esper._generated.enums import Resumption
from esper.nissa.hub import Hub
from esper.nissa.reader import LoggedEvent
from esper.nissa.segments import LOG_FOLDER
from esper.nissa.shipping.carrier import Carrier
from esper.nissa.shipping.config import ShipConfig
from esper.nissa.shipping.log_sink import LogSink, ShippedRun, State, event_key
from esper.testing.sample_events import make_every_event, make_series

_RUN_ID = "run"


class SinkContract:
    """The checks. Some of them let a forked child use the sink, and kill it: the module of the class must allow a fork.

    Attributes:
        sink_class: the class to check.
    """

    sink_class: ClassVar[type[LogSink]]

    @abstractmethod
    def read_back(self, run: ShippedRun) -> Sequence[str]:
        """Return the keys of the events that the receiver has of `run`, in any order."""

    def make_argument(self, folder: Path) -> str:
        """Return the argument of the sink, `ARG` in `--to NAME:ARG`; `folder` is empty and for this test alone."""
        return ""

    def key_of(self, event: LoggedEvent) -> str:
        """Return the key under which `read_back` finds an event: by default `RUN/RANK/BOOT/SEQ`."""
        return event_key(event)

    def test_the_class_describes_itself(self) -> None:
        """The class says how it resumes and what it needs, and is made without arguments."""
        assert isinstance(self.sink_class.RESUMPTION, Resumption), "RESUMPTION must be a Resumption"
        assert isinstance(self.sink_class.REQUIRES, tuple), "REQUIRES must be a tuple of modules"
        self.sink_class().close()

    def test_every_event_arrives_once(self, tmp_path: Path) -> None:
        """What was written and committed is there, and nothing else."""
        run = self._run(tmp_path)
        events = make_series(30, run_id=run.run_id)
        sink = self._opened(run, None)
        for start in range(0, 30, 10):
            sink.write(events[start : start + 10])
        sink.commit()
        sink.close()

        self._check(run, events)

    def test_it_continues_after_a_commit(self, tmp_path: Path) -> None:
        """A new object, opened with the state of the last commit, adds to what is there."""
        run = self._run(tmp_path)
        events = make_series(30, run_id=run.run_id)
        state: State | None = None
        for start in range(0, 30, 10):
            sink = self._opened(run, state)
            sink.write(events[start : start + 10])
            state = self._committed(sink)
            sink.close()

        self._check(run, events)

    def test_a_kill_before_the_first_commit_leaves_nothing_behind(self, tmp_path: Path) -> None:
        """Events that were written without a commit are written again, to a sink that is opened without a state."""
        run = self._run(tmp_path)
        events = make_series(20, run_id=run.run_id)
        self._write_and_kill(run, None, events[:10])
        sink = self._opened(run, None)
        sink.write(events)
        sink.commit()
        sink.close()

        self._check(run, events)

    def test_a_kill_between_commits_loses_and_doubles_nothing(self, tmp_path: Path) -> None:
        """Events after the last commit are written again."""
        run = self._run(tmp_path)
        events = make_series(40, run_id=run.run_id)
        state: State | None = None
        for start in range(0, 40, 10):
            self._write_and_kill(run, state, events[start : start + 5])
            sink = self._opened(run, state)
            sink.write(events[start : start + 10])
            state = self._committed(sink)
            sink.close()

        self._check(run, events)

    def test_a_commit_without_its_state_is_repeated(self, tmp_path: Path) -> None:
        """A kill may come after the commit and before its state is stored: the state before it is given again."""
        run = self._run(tmp_path)
        events = make_series(20, run_id=run.run_id)
        sink = self._opened(run, None)
        sink.write(events[:10])
        state = self._committed(sink)
        sink.write(events[10:15])
        sink.commit()
        sink.close()
        again = self._opened(run, state)
        again.write(events[10:])
        again.commit()
        again.close()

        self._check(run, events)

    def test_it_takes_every_event_of_the_contract(self, tmp_path: Path) -> None:
        """Empty values, NaN, huge numbers and hostile texts do not make it raise."""
        run = self._run(tmp_path)
        sink = self._opened(run, None)
        sink.write(make_every_event(run_id=run.run_id))
        sink.write([])
        sink.commit()
        sink.close()

    def test_clear_removes_everything_or_nothing(self, tmp_path: Path) -> None:
        """If `clear` returns True, nothing of the run is left, and all of it can be written again."""
        run = self._run(tmp_path)
        events = make_series(10, run_id=run.run_id)
        sink = self._opened(run, None)
        sink.write(events)
        sink.commit()
        sink.close()
        if not self.sink_class().clear(run):
            self._check(run, events)
            return
        assert list(self.read_back(run)) == []
        sink = self._opened(run, None)
        sink.write(events)
        sink.commit()
        sink.close()

        self._check(run, events)

    def test_failures_lose_and_double_nothing(self, tmp_path: Path) -> None:
        """Carried by Esper's own carrier, with a failure before and after many of the writes."""
        run = self._run(tmp_path)
        events = make_series(60, run_id=run.run_id)
        log = run.folder / LOG_FOLDER / "0-00f1-0000.jsonl"
        log.parent.mkdir()
        log.write_bytes(b"".join(encode_line(*event) for event in events))
        config = ShipConfig(
            batch_events=7, commit_interval_s=0.0, first_delay_s=0.0, max_failures=9
        )
        with Hub(run.run_id) as hub:
            carrier = Carrier(
                run,
                "checked",
                _failing(self.sink_class),
                config,
                channel=hub.channel(),
                follow=False,
                stop=threading.Event(),
            )
            assert carrier.carry(), "the sink must take everything once it stops failing"

        self._check(run, events)

    def _run(self, tmp_path: Path) -> ShippedRun:
        folder = tmp_path / "runs" / _RUN_ID
        folder.mkdir(parents=True)
        output = tmp_path / "argument"
        output.mkdir()
        return ShippedRun(run_id=_RUN_ID, folder=folder, argument=self.make_argument(output))

    def _write_and_kill(
        self, run: ShippedRun, state: State | None, events: Sequence[LoggedEvent]
    ) -> None:
        """Write events in a child, which is killed after that: nothing can be flushed, closed or collected."""
        with warnings.catch_warnings():
            # Python warns about a fork while there are threads; the child needs none of them.
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            try:
                self._opened(run, state).write(events)
                os.kill(os.getpid(), signal.SIGKILL)
            finally:
                traceback.print_exc()
                os._exit(1)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status), "the sink must open and take events; see above"

    def _opened(self, run: ShippedRun, state: State | None) -> LogSink:
        sink = self.sink_class()
        sink.open(run, state)
        return sink

    def _committed(self, sink: LogSink) -> State:
        """Commit, and return the state as it comes back from its file."""
        state: State = json.loads(json.dumps(sink.commit(), allow_nan=False))
        return state

    def _check(self, run: ShippedRun, events: Sequence[LoggedEvent]) -> None:
        expected = Counter(map(self.key_of, events))
        found = Counter(self.read_back(run))
        missing = expected - found
        assert not missing, f"{len(missing)} events are missing, such as {next(iter(missing))}"
        if self.sink_class.RESUMPTION is not Resumption.AT_LEAST_ONCE:
            extra = found - expected
            assert not extra, f"{len(extra)} events are there twice, such as {next(iter(extra))}"


def _failing(sink_class: type[LogSink]) -> type[LogSink]:
    """Return a class whose objects fail at every second write, before or after they have passed the events on."""

    class Failing(sink_class):  # type: ignore[misc, valid-type]  # the base is chosen at run time
        num_writes = 0

        def write(self, events: Sequence[LoggedEvent]) -> None:
            number = Failing.num_writes = Failing.num_writes + 1
            if number % 4 == 1:
                raise ConnectionError("made up: before the write")
            super().write(events)
            if number % 4 == 3:
                raise ConnectionError("made up: after the write")

    return Failing
