"""The run log writes whole lines, one process per file, before an emission helper returns."""

import json
import re
import threading

import pytest

from esper._generated.codec import decode_line
from esper.leyline.errors import LogError
from esper.nissa.hub import Hub
from esper.nissa.log import LogPosition, RunLog, RunLogConfig
from esper.nissa.sinks.memory import MemorySink
from tests.nissa.sample_events import emit_germination, emit_snapshot


def log_files(folder):
    return sorted((folder / "log").iterdir())


def log_lines(folder):
    return [line for file in log_files(folder) for line in file.read_bytes().splitlines(True)]


def test_an_event_is_on_the_disk_when_the_helper_returns(tmp_path):
    with Hub("run") as hub:
        hub.attach(RunLog(tmp_path))
        emit_germination(hub.channel(env_id=0))

        (line,) = log_lines(tmp_path)

    envelope, payload = decode_line(line)
    assert envelope.event == "SEED_GERMINATED"
    assert payload.env_id == 0


def test_a_line_has_the_documented_keys_in_order(tmp_path):
    with Hub("run", rank=3) as hub:
        hub.attach(RunLog(tmp_path))
        emit_germination(hub.channel(env_id=0, epoch=2))

    (file,) = log_files(tmp_path)
    assert re.fullmatch(r"3-[0-9a-f]+-0000\.jsonl", file.name)
    line = json.loads(file.read_text())
    assert list(line) == [
        "seq",
        "t_wall_ns",
        "t_mono_ns",
        "run",
        "rank",
        "boot",
        "epoch",
        "event",
        "v",
        "payload",
    ]
    assert line["payload"]["env_id"] == 0


def test_a_full_segment_is_followed_by_the_next(tmp_path):
    with Hub("run") as hub:
        log = hub.attach(RunLog(tmp_path, config=RunLogConfig(segment_bytes=1000)))
        for _ in range(10):
            emit_germination(hub.channel())
        position = log.position

    files = log_files(tmp_path)
    assert [file.name[-10:] for file in files] == [f"{i:04d}.jsonl" for i in range(len(files))]
    assert len(files) > 2
    assert all(file.stat().st_size < 1500 for file in files)
    seqs = [json.loads(line)["seq"] for line in log_lines(tmp_path)]
    assert seqs == list(range(10))
    assert position.segment == files[-1].name


def test_the_position_is_after_the_last_event(tmp_path):
    with Hub("run", first_seq=40) as hub:
        log = hub.attach(RunLog(tmp_path))
        assert log.position is None
        emit_germination(hub.channel())
        emit_snapshot(hub.channel())
        position = log.position

    (file,) = log_files(tmp_path)
    assert position == LogPosition(segment=file.name, num_bytes=file.stat().st_size, next_seq=42)


def test_a_resumed_process_opens_the_next_segment(tmp_path):
    with Hub("run") as hub:
        first = hub.attach(RunLog(tmp_path))
        emit_germination(hub.channel())
        position = first.position
    with Hub("run", first_seq=position.next_seq) as hub:
        hub.attach(RunLog(tmp_path))
        emit_germination(hub.channel())

    names = [file.name for file in log_files(tmp_path)]
    assert {name[-9:-6] for name in names} == {"000", "001"}
    assert len({name.split("-")[1] for name in names}) == 2


def test_each_rank_writes_its_own_files(tmp_path):
    with Hub("run", rank=0) as zero, Hub("run", rank=1) as one:
        for hub in (zero, one):
            hub.attach(RunLog(tmp_path))
            emit_germination(hub.channel())

    assert sorted(file.name.split("-")[0] for file in log_files(tmp_path)) == ["0", "1"]


def events(number=1):
    """Return events as a hub passes them to its sinks."""
    with Hub("run") as hub:
        memory = hub.attach(MemorySink())
        for _ in range(number):
            emit_germination(hub.channel(env_id=0))
    return memory.events


def test_a_log_accepts_events_of_one_hub(tmp_path):
    log = RunLog(tmp_path)
    log.write(*events()[0])

    with pytest.raises(ValueError, match=r"a log must have one hub, got .*; make a log for each"):
        log.write(*events()[0])


def test_a_closed_log_refuses_events(tmp_path):
    log = RunLog(tmp_path)
    log.close()
    log.close()

    with pytest.raises(
        ValueError, match="written to an open log, but this one is closed; make a new log"
    ):
        log.write(*events()[0])


def test_a_line_that_is_too_long_for_readers_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("esper.nissa.log.MAX_LINE_BYTES", 100)

    with pytest.raises(ValueError, match="a log line must be at most 100 bytes, got "):
        RunLog(tmp_path).write(*events()[0])


def test_sync_and_close_can_be_called_from_another_thread(tmp_path):
    with Hub("run") as hub:
        log = hub.attach(RunLog(tmp_path))
        channel = hub.channel()
        emitter = threading.Thread(target=lambda: [emit_germination(channel) for _ in range(200)])
        emitter.start()
        while emitter.is_alive():
            assert log.sync()
        emitter.join()
    log.close()

    assert len(log_lines(tmp_path)) == 200


def test_a_folder_that_cannot_be_created_is_refused(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(
        LogError, match=r"folder must be writable, got .*/file/log \(Not a directory"
    ):
        RunLog(tmp_path / "file")
