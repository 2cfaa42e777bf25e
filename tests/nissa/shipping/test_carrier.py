"""The carrier commits, tries again after failures, and writes what it does into a log of its own."""

import csv
import json
import shutil

import pytest

from esper._generated.enums import Resumption
from esper._generated.telemetry import SinkFailedPayload, SinkStartedPayload, SinkStatsPayload
from esper.leyline.errors import LogError, UsageError
from esper.nissa.hub import Hub
from esper.nissa.log import RunLog
from esper.nissa.log_sinks.csv_files import CsvSink
from esper.nissa.reader import read_run
from esper.nissa.rewind import rewind
from esper.nissa.shipping.carrier import Carrier
from esper.nissa.shipping.config import ShipConfig
from esper.nissa.shipping.log_sink import ShippedRun, event_key
from esper.nissa.shipping.progress_file import Progress, ProgressFile
from esper.nissa.sinks.memory import MemorySink
from tests.nissa.sample_events import emit_epoch, emit_start, emit_whole_run
from tests.nissa.shipping.file_sinks import HopelessSink, LinesSink, RaisingSink, StubbornSink

FAST = {"first_delay_s": 0.0, "max_delay_s": 0.0, "poll_interval_s": 0.01, "batch_events": 3}


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "run"
    with Hub("run") as hub:
        hub.attach(RunLog(folder))
        emit_whole_run(hub.channel(env_id=0))
    return folder


def carry(folder, sink_class=LinesSink, *, follow=False, **settings):
    """Carry the run; return whether all is carried, and the payloads that the carrier emitted."""
    with Hub("run") as hub:
        memory = hub.attach(MemorySink())
        run = ShippedRun(run_id="run", folder=folder)
        config = ShipConfig(**(FAST | settings))
        carrier = Carrier(run, "lines", sink_class, config, channel=hub.channel(), follow=follow)
        is_finished = carrier.carry()
    return is_finished, [payload for _, payload in memory.events]


def keys(folder):
    return sorted(line.split()[0] for line in (folder / "lines.txt").read_text().splitlines())


def logged(folder):
    return sorted(map(event_key, read_run(folder)))


def test_a_run_is_carried_whole_and_later_calls_add_nothing(folder):
    assert carry(folder)[0]
    assert carry(folder)[0]

    assert keys(folder) == logged(folder)


class ThirdWriteFailsSink(LinesSink):
    """Fails at the third write of each object."""

    num_writes = 0

    def write(self, events):
        self.num_writes += 1
        if self.num_writes == 3:
            raise ConnectionError("the third one")
        super().write(events)


def test_a_sink_that_always_fails_after_some_writes_gets_on(folder):
    is_finished, _ = carry(folder, ThirdWriteFailsSink, commit_interval_s=3600.0, max_failures=3)

    assert is_finished
    assert keys(folder) == logged(folder)


class FolderRemovedSink(CsvSink):
    """Loses its run's folder, of which only the log is made again, after its second commit."""

    num_commits = 0

    def write(self, events):
        super().write(events)
        if FolderRemovedSink.num_commits == 2:
            FolderRemovedSink.num_commits += 1
            log = self.folder.with_name("log-of-run")
            (self.folder / "log").rename(log)
            shutil.rmtree(self.folder)
            self.folder.mkdir()
            log.rename(self.folder / "log")

    def open(self, run, state):
        super().open(run, state)
        self.folder = run.folder

    def commit(self):
        FolderRemovedSink.num_commits += 1
        return super().commit()


def test_events_that_were_removed_with_the_folder_are_carried_again(folder, monkeypatch):
    monkeypatch.setattr(FolderRemovedSink, "num_commits", 0)

    is_finished, payloads = carry(folder, FolderRemovedSink, commit_interval_s=0.0)

    assert is_finished
    assert FolderRemovedSink.num_commits > 3
    (failure,) = (one for one in payloads if isinstance(one, SinkFailedPayload))
    assert "FileNotFoundError" in failure.message
    rows = [
        row
        for path in (folder / "csv").glob("*.csv")
        for row in csv.DictReader(path.read_text().splitlines())
    ]
    seqs = sorted(int(row["seq"]) for row in rows)
    assert seqs == [envelope.seq for envelope, _ in read_run(folder)]


def test_a_position_is_not_stored_after_its_folder_was_removed(tmp_path):
    file = ProgressFile(tmp_path, "lines")
    file.hold()
    file.save(Progress(num_written=1))
    shutil.rmtree(tmp_path / "ship")
    with pytest.raises(FileNotFoundError):
        file.save(Progress(num_written=2))
    file.folder.mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match="was removed, and made again"):
        file.save(Progress(num_written=2))
    assert file.load().num_written == 0

    file.hold()
    file.save(Progress(num_written=3))
    file.release()

    assert file.load().num_written == 3


def test_the_header_holds_the_settings_and_the_counts_say_how_far_it_is(folder):
    _, payloads = carry(folder, min_level="info", sample={"SEED_*": 0.0})
    total = len(logged(folder))

    started, *_, stats = payloads
    assert isinstance(started, SinkStartedPayload)
    assert (started.sink, started.resumption, started.from_event) == (
        "lines",
        Resumption.OFFSETS,
        0,
    )
    assert (started.min_level, started.samples, started.batch_events) == (
        "info",
        {"SEED_*": 0.0},
        3,
    )
    assert isinstance(stats, SinkStatsPayload)
    assert stats.num_written == len(keys(folder)) < total
    assert stats.num_written + stats.num_left_out == total
    assert stats.num_bytes == sum(path.stat().st_size for path in (folder / "log").iterdir())
    assert (stats.waiting_bytes, stats.lag_s, stats.is_finished) == (0, 0.0, True)
    assert carry(folder)[1][0].from_event == total


def test_a_failure_is_reported_and_the_batch_is_carried_again(folder):
    is_finished, payloads = carry(folder, RaisingSink)

    (failure,) = (payload for payload in payloads if isinstance(payload, SinkFailedPayload))
    assert is_finished
    assert failure.message == "ConnectionError: no network"
    assert keys(folder) == logged(folder)
    assert payloads[-1].num_failures == 1


def test_a_sink_that_always_fails_is_given_up_once_the_run_has_ended(folder):
    is_finished, payloads = carry(folder, HopelessSink, max_failures=3)

    failures = [one for one in payloads if isinstance(one, SinkFailedPayload)]
    assert not is_finished
    assert [one.failures_in_a_row for one in failures] == [1, 2, 3]
    assert payloads[-1].waiting_bytes > 0
    assert payloads[-1].num_written == 0
    assert carry(folder, LinesSink)[0]
    assert keys(folder) == logged(folder)


def test_waits_grow_and_are_bounded(folder, monkeypatch):
    waits = []
    monkeypatch.setattr(Carrier, "_wait", lambda self, delay_s: waits.append(delay_s))

    carry(folder, HopelessSink, max_failures=9, first_delay_s=1.0, max_delay_s=8.0)

    for wait, longest in zip(waits, [1, 2, 4, 8, 8, 8, 8, 8], strict=True):
        assert longest / 2 <= wait <= longest


def test_what_the_user_must_correct_is_not_tried_again(folder):
    class Refusing(LinesSink):
        num_opened = 0

        def open(self, run, state):
            Refusing.num_opened += 1
            raise UsageError("the argument must be a folder")

    with pytest.raises(UsageError, match="must be a folder"):
        carry(folder, Refusing)
    assert Refusing.num_opened == 1


def resume(folder):
    """Write a run of two epochs, whose second epoch is trained again; carry it before and after that."""

    def first_process():
        with Hub("run") as hub:
            log = hub.attach(RunLog(folder))
            channel = hub.channel(env_id=0)
            emit_start(channel)
            emit_epoch(channel, accuracy=1.0)
            log.sync()
            position = log.position
            emit_epoch(channel, accuracy=2.0)
        return position

    def second_process(position):
        rewind(folder, position)
        with Hub("run", first_seq=position.next_seq) as hub:
            hub.attach(RunLog(folder))
            emit_epoch(hub.channel(env_id=0), accuracy=3.0)

    return first_process, second_process


def test_after_a_resume_the_sink_has_only_events_that_count(tmp_path):
    first_process, second_process = resume(tmp_path)
    position = first_process()
    assert carry(tmp_path)[0]

    second_process(position)
    assert carry(tmp_path)[0]

    assert keys(tmp_path) == logged(tmp_path)
    assert len(keys(tmp_path)) == 3


def test_a_sink_that_cannot_take_back_gets_the_new_events_beside_the_old_ones(tmp_path):
    first_process, second_process = resume(tmp_path)
    position = first_process()
    assert carry(tmp_path, StubbornSink)[0]

    second_process(position)
    assert carry(tmp_path, StubbornSink)[0]

    assert set(logged(tmp_path)) < set(keys(tmp_path))
    assert len(keys(tmp_path)) == 4


def test_a_damaged_position_is_refused_with_the_remedy(folder):
    carry(folder)
    (folder / "ship" / "lines" / "position.json").write_text("{")

    with pytest.raises(LogError, match="to carry the whole log again"):
        carry(folder)


def test_the_position_and_the_state_are_one_file(folder):
    carry(folder)

    stored = json.loads((folder / "ship" / "lines" / "position.json").read_text())
    assert stored["state"] == {"size": (folder / "lines.txt").stat().st_size}
    assert stored["position"]["num_events"] == len(logged(folder))


def test_a_run_whose_process_is_gone_without_a_word_ends(tmp_path):
    with Hub("run") as hub:
        hub.attach(RunLog(tmp_path))
        emit_start(hub.channel(env_id=0))

    assert carry(tmp_path, follow=True, end_grace_s=0.0)[0]
    assert len(keys(tmp_path)) == 1
