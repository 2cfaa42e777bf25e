"""The reader yields valid events in order and skips torn, damaged and superseded ones, or refuses damaged lines."""

import contextlib
import errno
import json
import os
import re
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from esper._generated.enums import RunOutcome
from esper._generated.run import emit_run_resumed
from esper.leyline.errors import LogError, RunNotFoundError
from esper.nissa import reader, segments
from esper.nissa.hub import Hub
from esper.nissa.log import RunLog, RunLogConfig
from esper.nissa.reader import read_run
from esper.nissa.sinks.memory import MemorySink
from tests.nissa.sample_events import (
    emit_epoch,
    emit_germination,
    emit_start,
    emit_whole_run,
    move_log,
)


def write_log(folder, number=3, *, rank=0, first_seq=0, segment_bytes=10**9):
    """Write a log of germinations and return the file that was written last."""
    with Hub("run", rank=rank, first_seq=first_seq) as hub:
        log = hub.attach(RunLog(folder, config=RunLogConfig(segment_bytes=segment_bytes)))
        for _ in range(number):
            emit_germination(hub.channel(env_id=0))
        return folder / "log" / log.position.segment


def write_more(folder, number, *, first_seq=0):
    """Write another log into `folder`, as a writer without a lock would; return its last file."""
    write_log(folder / "more", number, first_seq=first_seq)
    return move_log(folder / "more", folder)


def seqs(events):
    return [envelope.seq for envelope, _ in events]


def rewrite(file, line_number, change):
    """Apply `change` to one line of a file; it gets and returns bytes without the line end."""
    content = file.read_bytes().splitlines()
    content[line_number - 1] = change(content[line_number - 1])
    file.write_bytes(b"\n".join(content) + b"\n")


def changed(**changes):
    return lambda line: json.dumps({**json.loads(line), **changes}).encode()


def test_emitted_events_are_read_back(tmp_path):
    with Hub("run") as hub:
        hub.attach(RunLog(tmp_path))
        memory = hub.attach(MemorySink())
        emit_whole_run(hub.channel(env_id=0, strict=True))

    # NaN differs from itself, and the losses of the panic and the rollback are NaN.
    assert list(map(repr, read_run(tmp_path))) == list(map(repr, memory.events))


def test_numbers_that_json_lacks_are_read_back(tmp_path):
    with Hub("run") as hub:
        hub.attach(RunLog(tmp_path))
        emit_epoch(hub.channel(strict=True), loss=float("-inf"))

    ((_, payload),) = read_run(tmp_path)
    assert payload.val_loss == float("-inf")


def test_segments_are_joined_rank_by_rank(tmp_path):
    write_log(tmp_path, 10, rank=1, segment_bytes=900)
    write_log(tmp_path, 5, rank=0, segment_bytes=900)

    events = read_run(tmp_path)

    assert seqs(events) == [*range(5), *range(10)]
    assert events.gaps == events.torn == []


def test_events_can_be_iterated_twice(tmp_path):
    write_log(tmp_path).write_bytes(b"torn")
    events = read_run(tmp_path)

    assert seqs(events) == seqs(events) == []
    assert len(events.torn) == 1


@pytest.mark.parametrize("kept", [1, 40, -1])
def test_a_torn_last_line_is_skipped_and_reported(tmp_path, kept):
    file = write_log(tmp_path)
    whole = file.read_bytes().splitlines(True)
    file.write_bytes(b"".join(whole[:-1]) + whole[-1][:kept])

    events = read_run(tmp_path)

    assert seqs(events) == [0, 1]
    (torn,) = events.torn
    assert (torn.path, torn.line) == (file, 3)
    assert torn.num_bytes == len(whole[-1][:kept])


def test_a_block_of_nul_bytes_at_the_end_is_torn(tmp_path):
    file = write_log(tmp_path)
    file.write_bytes(file.read_bytes() + b"\0" * 4096)

    events = read_run(tmp_path)

    assert seqs(events) == [0, 1, 2]
    assert [torn.num_bytes for torn in events.torn] == [4096]


def test_an_empty_segment_has_no_events(tmp_path):
    file = write_log(tmp_path)
    file.with_name(file.name.replace("0000", "0001")).write_bytes(b"")

    assert seqs(read_run(tmp_path)) == [0, 1, 2]


BAD_LINES = pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda line: line[:50], "a line must be one JSON object, got .*malformed"),
        (lambda line: b"", "a line must be one JSON object, got .*truncated"),
        (lambda line: b"\0" * 64 + line, "a line must be one JSON object, got .*malformed"),
        (lambda line: b"\xef\xbb\xbf" + line, "a line must be one JSON object, got .*malformed"),
        (lambda line: line.replace(b"r0c0", b"r\xff\xfe0"), "a line must be one JSON object, got "),
        (lambda line: line.replace(b"r0c0", b"r\\ud800"), "a line must be one JSON object, got "),
        (lambda line: b"[" * 10_000, "a line must be one JSON object, got .*recursion"),
        (lambda line: b"[1]", r"a line must be one JSON object, got \[1\]"),
        (lambda line: line.replace(b'"alpha":0.5', b'"alpha":NaN'), "a line must be one JSON"),
        (lambda line: line.replace(b'"alpha":0.5', b'"alpha":1e999'), "a line must be one JSON"),
        (
            lambda line: line.replace(b'"alpha":0.5', b'"alpha":1.5'),
            r"alpha must be in \[0.0, 1.0\]",
        ),
        (
            lambda line: line.replace(b'"alpha":0.5', b'"alpha":"x"'),
            "alpha must be a float, got 'x'",
        ),
        (lambda line: line.replace(b'"alpha":0.5,', b""), "alpha must be there"),
        (lambda line: line.replace(b'"alpha"', b'"beta":1,"alpha"'), "beta must be a field of the"),
        (
            lambda line: line.replace(b'"alpha":0.5', b'"alpha":0.25,"alpha":0.5'),
            "a key must be there once, got alpha 2 times",
        ),
        (changed(seq=-1), r"seq must be in \[0, "),
        (changed(seq=2**63), r"seq must be in \[0, "),
        (changed(event="SEED_SOLD"), "event must be an event of the contract, got 'SEED_SOLD'"),
        (changed(v="one.2"), "v must match"),
        (changed(payload=None), "SEED_GERMINATED must be an object, got None"),
    ],
)


@BAD_LINES
def test_a_bad_line_costs_one_line(tmp_path, change, message):
    file = write_log(tmp_path)
    rewrite(file, 2, change)

    events = read_run(tmp_path)

    assert seqs(events) == [0, 2]
    assert (events.num_damaged, events.gaps) == (1, [])
    (damaged,) = events.damaged
    assert (damaged.path, damaged.line) == (file, 2)
    assert re.search(message, damaged.problem)


@BAD_LINES
def test_strictly_a_bad_line_is_refused_with_place_rule_and_remedy(tmp_path, change, message):
    file = write_log(tmp_path)
    rewrite(file, 2, change)

    with pytest.raises(LogError) as raised:
        seqs(read_run(tmp_path, strict=True))

    assert re.fullmatch(
        f"{re.escape(str(file))}:2: {message}.*; remove the line, or write a copy without it: .*",
        str(raised.value),
    )


@pytest.mark.parametrize("place", ["run", "rank", "boot", "seq", "t_wall_ns", "v"])
@pytest.mark.parametrize("line_number", [1, 2, 6])
def test_a_changed_digit_of_the_envelope_costs_one_line_at_most(tmp_path, place, line_number):
    file = write_log(tmp_path, 6)
    values = {"run": "fun", "rank": 1, "boot": "f" * 32, "seq": 2**62, "t_wall_ns": 1, "v": "9.0.0"}
    rewrite(file, line_number, changed(**{place: values[place]}))

    events = read_run(tmp_path)

    assert len({*range(6)} - set(seqs(events))) <= 1
    assert len(seqs(events)) >= 5


@pytest.mark.parametrize("is_strict", [False, True])
@pytest.mark.parametrize("version", ["1.99.0", "1.99.7"])
def test_what_a_later_minor_version_has_added_is_set_aside_and_counted(
    tmp_path, version, is_strict
):
    file = write_log(tmp_path, 5)
    payload = json.loads(file.read_bytes().splitlines()[0])["payload"]
    rewrite(file, 2, changed(v=version))
    rewrite(file, 3, changed(v=version, payload=payload | {"color": "red"}, shard=1))
    rewrite(file, 4, changed(v=version, event="SEED_SOLD", payload={"price": 3}))
    rewrite(file, 5, changed(v=version, event="SEED_SOLD", payload={"price": 4}))

    events = read_run(tmp_path, strict=is_strict)

    assert seqs(events) == [0, 1, 2]
    assert events.gaps == events.damaged == []
    assert events.num_set_aside == 2
    assert {tuple(name): count for name, count in events.unknown.items()} == {
        ("field", "SEED_GERMINATED.color"): 1,
        ("field", "line.shard"): 1,
        ("event", "SEED_SOLD"): 2,
    }


def write_later_run(folder, old, new):
    """Write the log of a run as a later minor version, with `new` in place of `old`; return how often `old` is in it."""
    with Hub("run") as hub:
        log = hub.attach(RunLog(folder))
        emit_whole_run(hub.channel(env_id=0))
        file = folder / "log" / log.position.segment
    data = file.read_bytes()
    file.write_bytes(re.sub(rb'"v":"[^"]*"', b'"v":"1.99.0"', data.replace(old, new)))
    return data.count(old)


def test_an_event_with_an_unknown_member_is_set_aside(tmp_path):
    count = write_later_run(tmp_path, b'"severity":"OK"', b'"severity":"DROWSY"')

    events = read_run(tmp_path)

    assert len(seqs(events)) == 24 - count
    assert events.num_set_aside == count > 0
    assert {tuple(name) for name in events.unknown} == {("member", "Severity.DROWSY")}


def test_an_unknown_member_of_an_open_enum_is_read(tmp_path):
    assert write_later_run(tmp_path, b'"outcome":"COMPLETED"', b'"outcome":"SLEPT"') == 1

    events = list(read_run(tmp_path))

    (outcome,) = [one.outcome for envelope, one in events if envelope.event == "RUN_FINISHED"]
    assert (type(outcome), outcome.name) == (RunOutcome, "SLEPT")


@pytest.mark.parametrize("event", ["SEED_GERMINATED", "SEED_SOLD"])
def test_a_log_of_a_later_major_version_is_refused_with_advice_to_update(tmp_path, event):
    file = write_log(tmp_path)
    for number in (1, 2, 3):
        rewrite(file, number, changed(v="2.0.0", event=event))
    message = ":1: .*it was written under contract 2.0.0 and this Esper knows .*: update Esper"

    for is_strict in (False, True):
        with pytest.raises(LogError, match=message):
            seqs(read_run(tmp_path, strict=is_strict))


def test_a_later_minor_version_that_cannot_be_read_is_named(tmp_path):
    file = write_log(tmp_path)
    rewrite(file, 2, changed(v="1.99.0", payload={}))

    with pytest.raises(LogError, match=r"written under contract 1\.99\.0 .*: update Esper"):
        seqs(read_run(tmp_path, strict=True))


def test_the_first_flaws_are_kept_and_all_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(reader, "MAX_LISTED", 2)
    file = write_log(tmp_path, 20)
    content = file.read_bytes().splitlines(True)
    content[1:4] = [b"rubbish\n"] * 3
    file.write_bytes(b"".join(content[:6] + content[7:9] + content[10:12] + content[14:]))

    events = read_run(tmp_path)

    assert len(seqs(events)) == 13
    assert (events.num_damaged, len(events.damaged)) == (3, 2)
    assert (events.num_gaps, len(events.gaps)) == (3, 2)


def test_spaces_and_other_line_ends_are_accepted(tmp_path):
    file = write_log(tmp_path)
    rewrite(file, 2, lambda line: json.dumps(json.loads(line), indent=None).encode() + b" \r")

    assert seqs(read_run(tmp_path)) == [0, 1, 2]


def test_a_line_that_is_too_long_does_not_fill_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(segments, "MAX_LINE_BYTES", 2**20)
    file = write_log(tmp_path, 1)
    with file.open("r+b") as sparse:
        sparse.truncate(200 * 2**20)
    tracemalloc.start()
    try:
        events = read_run(tmp_path)
        assert seqs(events) == [0]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert [one.problem for one in events.damaged] == [
        "a line must be at most 1048576 bytes, got more"
    ]
    assert peak < 8 * 2**20


def test_memory_does_not_grow_with_the_log(tmp_path):
    write_log(tmp_path, 20_000)
    tracemalloc.start()
    try:
        num_events = sum(1 for _ in read_run(tmp_path))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert num_events == 20_000
    assert peak < 2**20


def test_missing_events_are_reported_as_gaps(tmp_path):
    file = write_log(tmp_path, 6)
    content = file.read_bytes().splitlines(True)
    file.write_bytes(b"".join([*content[1:3], *content[5:]]))

    events = read_run(tmp_path)

    assert seqs(events) == [1, 2, 5]
    assert [(g.path, g.line, g.expected_seq, g.got_seq) for g in events.gaps] == [
        (file, 1, 0, 1),
        (file, 3, 3, 5),
    ]


def test_a_duplicate_event_is_skipped(tmp_path):
    file = write_log(tmp_path, 3)
    content = file.read_bytes().splitlines(True)
    file.write_bytes(b"".join([*content, content[1]]))

    events = read_run(tmp_path)

    assert seqs(events) == [0, 1, 2]
    assert [(g.line, g.expected_seq, g.got_seq) for g in events.gaps] == [(4, 3, 1)]


def test_a_resumed_run_supersedes_the_events_after_its_checkpoint(tmp_path):
    boots = [
        write_log(tmp_path, number, first_seq=first).name.split("-")[1]
        for number, first in [(6, 0), (4, 4), (5, 2)]
    ]

    events = read_run(tmp_path)

    read = [(envelope.boot, envelope.seq) for envelope, _ in events]
    assert read == [(boots[0], 0), (boots[0], 1), *((boots[2], seq) for seq in range(2, 7))]
    assert events.num_superseded == 8
    assert events.gaps == []


def test_a_resume_from_the_start_supersedes_every_earlier_event(tmp_path):
    write_log(tmp_path, 6)
    with Hub("run") as hub:
        hub.attach(RunLog(tmp_path / "second"))
        emit_start(hub.channel(env_id=0))
        emit_run_resumed(hub.channel(env_id=0), epochs_completed=0, epochs=3, superseded_events=6)
    move_log(tmp_path / "second", tmp_path)

    events = read_run(tmp_path)

    assert seqs(events) == [0, 1]
    assert events.num_superseded == 6


def test_a_writer_that_appends_supersedes_nothing(tmp_path):
    boots = [write_more(tmp_path, number).name.split("-")[1] for number in (6, 2, 3)]

    events = read_run(tmp_path)

    assert [(envelope.boot, envelope.seq) for envelope, _ in events] == [
        (boot, seq) for boot, number in zip(boots, (6, 2, 3), strict=True) for seq in range(number)
    ]
    assert (events.num_superseded, events.gaps, events.overlaps) == (0, [], [])


def test_writers_of_one_rank_at_the_same_time_are_all_read_and_named(tmp_path):
    with Hub("run") as first, Hub("run") as second, Hub("run", rank=1) as other:
        for hub, folder in ((first, tmp_path), (second, tmp_path / "second"), (other, tmp_path)):
            hub.attach(RunLog(folder))
        for _ in range(50):
            for hub in (first, second, other):
                emit_germination(hub.channel(env_id=0))
    move_log(tmp_path / "second", tmp_path)

    events = read_run(tmp_path)

    assert len(seqs(events)) == 150
    assert (events.num_superseded, events.gaps) == (0, [])
    (overlap,) = events.overlaps
    assert overlap.rank == 0
    assert {overlap.first, overlap.second} == set((tmp_path / "log").glob("0-*"))


def test_a_resume_continues_the_writer_before_it_and_hides_nothing_of_others(tmp_path):
    write_log(tmp_path, 6)
    write_more(tmp_path, 6)
    write_more(tmp_path, 3, first_seq=4)

    events = read_run(tmp_path)

    assert seqs(events) == [*range(6), *range(7)]
    assert events.num_superseded == 2


@pytest.mark.parametrize("changes", [{"run": "other"}, {"rank": 1}, {"boot": "ffff"}])
def test_a_line_of_another_log_is_skipped_or_refused(tmp_path, changes):
    file = write_log(tmp_path)
    rewrite(file, 2, changed(**changes))

    assert seqs(events := read_run(tmp_path)) == [0, 2]
    assert events.num_damaged == 1
    with pytest.raises(LogError, match=r":2: run, rank and boot must be .*belongs to another log"):
        seqs(read_run(tmp_path, strict=True))


def test_files_that_esper_did_not_write_are_listed_or_refused(tmp_path):
    notes = write_log(tmp_path).with_name("notes.jsonl")
    notes.write_text("")

    assert seqs(events := read_run(tmp_path)) == [0, 1, 2]
    assert events.other_files == [notes]
    with pytest.raises(LogError, match=r"must be named RANK-BOOT-SEGMENT\.jsonl"):
        read_run(tmp_path, strict=True)


def test_a_log_that_esper_did_not_write_is_refused(tmp_path):
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "events.jsonl").write_text('{"msg": "hello"}\n')

    with pytest.raises(LogError, match=r"events.jsonl: .* must be named RANK-BOOT-SEGMENT.jsonl"):
        read_run(tmp_path)


def test_a_log_that_esper_did_not_write_has_no_events_under_a_valid_name(tmp_path):
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "0-ab-0000.jsonl").write_text('{"msg": "hello"}\n')

    assert seqs(events := read_run(tmp_path)) == []
    assert events.num_damaged == 1
    with pytest.raises(LogError, match=r"0-ab-0000.jsonl:1: payload must be there, got a line"):
        seqs(read_run(tmp_path, strict=True))


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_a_path_that_is_not_a_file_is_refused_without_waiting(tmp_path, make):
    (tmp_path / "log").mkdir()
    make(tmp_path / "log" / "0-ab-0000.jsonl")

    with pytest.raises(LogError, match="must be a regular file, not a folder or a pipe; move it"):
        seqs(read_run(tmp_path))


def test_a_file_that_the_disk_cannot_read_is_refused(tmp_path):
    (tmp_path / "log").mkdir()
    # A regular file whose first bytes cannot be read, as on a failing disk: the address 0 of a process is never mapped.
    (tmp_path / "log" / "0-ab-0000.jsonl").symlink_to("/proc/self/mem")

    with pytest.raises(
        LogError, match=r"jsonl: a log file must be readable, got Input/output error; "
    ):
        seqs(read_run(tmp_path))


def test_a_log_folder_that_cannot_be_listed_is_refused(tmp_path, monkeypatch):
    (tmp_path / "log").mkdir()
    monkeypatch.setattr(Path, "iterdir", refuse)

    with pytest.raises(LogError, match="log: a run log must be readable, got Permission denied; "):
        read_run(tmp_path)


def refuse(path):
    raise PermissionError(errno.EACCES, "Permission denied", str(path))


def test_a_folder_without_a_log_is_not_a_run(tmp_path):
    with pytest.raises(
        RunNotFoundError, match=r"must have a folder named log, but .* has no such folder"
    ):
        read_run(tmp_path)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200, deadline=None
)
@given(data=st.data())
def test_a_damaged_file_is_read(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("run")
    file = write_log(folder, 2)
    content = bytearray(file.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    file.write_bytes(content)

    events = read_run(folder)
    read = seqs(events)
    # A damaged byte may also be a line end, or make a version a later one.
    assert len(read) == len(set(read))
    with contextlib.suppress(LogError):
        assert seqs(read_run(folder, strict=True)) == read
