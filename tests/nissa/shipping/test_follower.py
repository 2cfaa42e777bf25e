"""A follower returns each event of a log once, however the log grows and wherever reading stops."""

import json
import shutil
from pathlib import Path

import pytest

from esper.nissa import segments
from esper.nissa.hub import Hub
from esper.nissa.log import RunLog, RunLogConfig
from esper.nissa.reader import RunEvents, read_run
from esper.nissa.rewind import rewind
from esper.nissa.shipping import follower as follower_module
from esper.nissa.shipping.follower import LogFollower, LogPosition
from tests.nissa.sample_events import emit_epoch, emit_start, emit_whole_run

RECORDED = Path(__file__).parents[2] / "golden" / "runs"


def read_all(follower, max_events=1000):
    """Read until there is nothing new."""
    events = []
    while batch := follower.read(max_events):
        assert len(batch) <= max_events
        events += batch
    return events


def as_texts(events):
    return sorted(repr(event) for event in events)


def write_run(folder, **config):
    with Hub(folder.name) as hub:
        hub.attach(RunLog(folder, config=RunLogConfig(**config)))
        emit_whole_run(hub.channel(env_id=0))


@pytest.mark.parametrize(
    "run", sorted(path for path in RECORDED.iterdir() if path.is_dir()), ids=lambda path: path.name
)
def test_logs_of_earlier_versions_are_read_as_the_reader_does(run):
    assert as_texts(read_all(LogFollower(run), 7)) == as_texts(read_run(run))


@pytest.mark.parametrize("max_events", [1, 3, 1000])
def test_a_log_of_many_files_and_ranks_is_read_whole_and_in_order(tmp_path, max_events):
    for rank in (0, 3):
        with Hub("run", rank=rank) as hub:
            hub.attach(RunLog(tmp_path, config=RunLogConfig(segment_bytes=2000)))
            emit_whole_run(hub.channel(env_id=rank))

    events = read_all(LogFollower(tmp_path), max_events)

    assert as_texts(events) == as_texts(read_run(tmp_path))
    for rank in (0, 3):
        seqs = [envelope.seq for envelope, _ in events if envelope.rank == rank]
        assert seqs == list(range(len(seqs)))


def test_reading_continues_from_a_stored_position_wherever_it_stopped(tmp_path):
    write_run(tmp_path, segment_bytes=2000)
    expected = as_texts(read_run(tmp_path))

    for count in range(len(expected)):
        first = LogFollower(tmp_path)
        events = first.read(count)
        stored = json.loads(json.dumps(first.position.to_json()))
        events += read_all(LogFollower(tmp_path, LogPosition.from_json(stored)))
        assert as_texts(events) == expected


def test_events_are_read_as_they_are_written(tmp_path):
    follower = LogFollower(tmp_path)
    assert follower.read(10) == []
    with Hub("run") as hub:
        hub.attach(RunLog(tmp_path))
        channel = hub.channel(env_id=0)
        emit_start(channel)
        assert [envelope.event for envelope, _ in follower.read(10)] == ["RUN_STARTED"]
        assert follower.read(10) == []
        emit_epoch(channel)
        assert [envelope.event for envelope, _ in follower.read(10)] == ["EPOCH_COMPLETED"]
        assert follower.waiting_bytes == 0


def test_a_line_that_is_not_finished_is_left_for_later(tmp_path):
    write_run(tmp_path)
    (path,) = (tmp_path / "log").iterdir()
    content = path.read_bytes()
    path.write_bytes(content[:-10])
    follower = LogFollower(tmp_path)
    events = read_all(follower)
    assert 0 < follower.waiting_bytes < len(content)

    path.write_bytes(content)

    assert len(follower.read(10)) == 1
    assert len(events) + 1 == len(list(read_run(tmp_path)))


def test_damaged_lines_are_counted_and_hide_no_others(tmp_path):
    write_run(tmp_path)
    (path,) = (tmp_path / "log").iterdir()
    lines = path.read_bytes().splitlines(keepends=True)
    huge = json.loads(lines[3]) | {"seq": 2**62}
    damaged = [*lines[:3], b"{}\n", json.dumps(huge).encode() + b"\n", lines[2], *lines[3:]]
    path.write_bytes(b"".join(damaged))
    follower = LogFollower(tmp_path)

    events = read_all(follower, 2)

    seqs = [envelope.seq for envelope, _ in events]
    assert sorted(seqs) == [*range(len(lines)), 2**62]
    assert follower.position.num_damaged == 1


def test_flaws_are_described_as_by_the_reader(tmp_path, monkeypatch):
    for module in (follower_module, segments):
        monkeypatch.setattr(module, "MAX_LINE_BYTES", 4000)
    write_run(tmp_path)
    (path,) = (tmp_path / "log").iterdir()
    lines = path.read_bytes().splitlines(keepends=True)
    foreign = json.dumps(json.loads(lines[3]) | {"run": "another"}).encode() + b"\n"
    flaws = RunEvents(tmp_path, lenient=True)
    follower = LogFollower(tmp_path, flaws=flaws)

    path.write_bytes(b"".join(lines[:3]) + b"x" * 20_000)
    for _ in range(3):
        read_all(follower)
        assert flaws.num_damaged == 0
    path.write_bytes(b"".join((*lines[:3], b"x" * 20_000, b"\n", foreign, b"{}\n", *lines[3:])))
    read_all(follower)

    expected = read_run(tmp_path)
    list(expected)
    assert flaws.num_damaged == expected.num_damaged == follower.position.num_damaged == 3
    assert flaws.damaged == expected.damaged
    assert flaws.num_lines == expected.num_lines


def test_a_resumed_run_replaces_events(tmp_path):
    folder = tmp_path / "run"
    with Hub("run") as hub:
        log = hub.attach(RunLog(folder))
        channel = hub.channel(env_id=0)
        emit_start(channel)
        log.sync()
        position = log.position
        emit_epoch(channel)
    follower = LogFollower(folder)
    assert len(read_all(follower)) == 2
    assert not follower.is_superseded

    rewind(folder, position)
    with Hub("run", first_seq=position.next_seq) as hub:
        hub.attach(RunLog(folder))
        emit_epoch(hub.channel(env_id=0), accuracy=50.0)

    assert follower.read(10) == []
    assert follower.is_superseded
    follower.accept()
    ((_, payload),) = read_all(follower)
    assert payload.train_accuracy == 50.0
    assert not follower.is_superseded
    assert len(read_all(LogFollower(folder))) == 2


def test_a_log_that_is_gone_for_a_moment_is_waited_for(tmp_path):
    write_run(tmp_path)
    follower = LogFollower(tmp_path)
    events = read_all(follower, 4)
    shutil.move(tmp_path / "log", tmp_path / "moved")
    assert follower.read(10) == []
    assert not follower.is_superseded

    shutil.move(tmp_path / "moved", tmp_path / "log")

    assert follower.read(10) == []
    assert len(events) == len(list(read_run(tmp_path)))
