"""The generated channel appends events to a file and reads them back, whatever happens to file and process."""

import errno
import importlib
import itertools
import logging
import multiprocessing
import os
import subprocess
import sys
import threading
import time

import pytest

from tests.codegen.tiny import findings_of, tiny

ENVELOPE = """\
    seq: {type: int, unit: "1", range: [0, null], stamp: sequence, doc: Number of the line.}
    at_ns: {type: int, unit: "1", stamp: unix_ns, doc: Time.}
    at_ms: {type: int, unit: "1", stamp: unix_ms, doc: Time.}
    at_s: {type: float, unit: "1", stamp: unix_s, doc: Time.}
    whole_s: {type: int, unit: "1", stamp: unix_s, doc: Time.}
    ticks: {type: int, unit: "1", stamp: monotonic_ns, doc: Clock.}
    pid: {type: int, unit: "1", stamp: process_id, doc: Process.}
    writer: {type: str, length: [1, 16], stamp: writer, doc: Writer.}
    path: {type: str, doc: Given by the user of the channel.}
    os: {type: str, default: linux, doc: Given by the user of the channel.}
    rank: {type: int, unit: "1", default: 0, doc: Given by the user of the channel.}
"""
CONTEXT = "context: {run: {type: str, default: none_yet, place: envelope, doc: The run.}}\n"


def with_envelope(fields: str = ENVELOPE) -> str:
    head, _, rest = tiny(more=CONTEXT).partition("envelope:")
    families = rest[rest.index("families:") :]
    return f"{head}envelope:\n  doc: What a line says.\n  fields:\n{fields}{families}"


@pytest.fixture
def pings(project):
    """The package generated from tiny.yaml with every stamp."""
    project.generate(with_envelope(), "--no-format")
    importlib.invalidate_caches()
    return importlib.import_module("pings")


@pytest.fixture
def writer(pings):
    return importlib.import_module("pings.writer")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "log" / "pings.jsonl"


def read(writer, path):
    return list(writer.read_lines(path))


def test_events_are_written_with_stamps_and_read_back(pings, writer, path):
    before = time.time_ns()
    with writer.JsonLinesChannel(path, path_="a", os_="mac") as channel:
        pings.emit_ping(channel, note="one")
        channel.context = pings.Context(run="r1")
        pings.emit_ping(channel, note="two")

    (first, one), (second, two) = read(writer, path)
    assert (one.note, two.note) == ("one", "two")
    assert (first.seq, second.seq) == (0, 1)
    assert (first.run, second.run) == ("none_yet", "r1")
    assert (first.path, first.os, first.rank, first.pid) == ("a", "mac", 0, os.getpid())
    assert before <= first.at_ns <= second.at_ns <= time.time_ns()
    assert first.at_ms == pytest.approx(before // 10**6, abs=60_000)
    assert first.at_s == pytest.approx(before / 10**9, abs=60)
    assert first.whole_s == pytest.approx(before // 10**9, abs=60)
    assert first.ticks <= second.ticks
    assert first.writer == second.writer
    assert (channel.num_written, channel.num_lost, channel.listening) == (2, 0, False)


def test_a_line_is_in_the_file_when_the_helper_returns(pings, writer, path):
    channel = writer.JsonLinesChannel(path, path_="a", sync=True)
    pings.emit_ping(channel, note="one")

    assert len(read(writer, path)) == 1
    channel.close()


def test_an_event_that_breaks_the_contract_is_counted_and_reported_once(
    pings, writer, path, caplog
):
    caplog.set_level(logging.WARNING, "pings")
    with writer.JsonLinesChannel(path, path_="a") as channel:
        for _ in range(3):
            pings.emit_ping(channel, note=3)

    assert (channel.num_written, channel.num_lost) == (0, 3)
    assert caplog.messages == [
        "an event PING is lost: ContractError: note must be a str, got 3 (int)"
    ]


def test_a_strict_channel_raises_where_the_event_is_emitted(pings, writer, path):
    channel = writer.JsonLinesChannel(path, path_="a", strict=True)
    with channel, pytest.raises(pings.ContractError, match="note must be a str, got 3"):
        pings.emit_ping(channel, note=3)


def test_a_fixed_value_that_breaks_the_contract_is_refused_when_the_channel_is_opened(
    pings, writer, path
):
    with pytest.raises(pings.ContractError, match="path must be a str, got 7"):
        writer.JsonLinesChannel(path, path_=7)

    assert not path.exists()


def test_fixed_values_of_every_type_are_checked(project, path):
    record = "records: {Spot: {doc: S., fields: {at: {type: str, doc: A.}}}}\n"
    fields = """\
    seq: {type: int, unit: "1", stamp: sequence, doc: N.}
    spot: {type: Spot, doc: S.}
    tags: {type: "str[]", default: [], doc: T.}
    sizes: {type: "float{}", unit: "1", default: {}, doc: S.}
    is_new: {type: bool, nullable: true, default: null, doc: I.}
    level: {type: float, unit: "1", nullable: true, range: [0, 1], default: null, doc: L.}
"""
    project.generate(
        with_envelope(fields).replace("families:", record + "families:"), "--no-format"
    )
    pings, writer = project.load("__init__"), project.load("writer")
    spot = project.load("records").Spot(at="a")
    for wrong in ({"tags": "a"}, {"sizes": {"a": "b"}}, {"is_new": 1}, {"level": 2}, {"spot": 1}):
        with pytest.raises(ValueError, match=f"^{next(iter(wrong))}.* must be"):
            writer.JsonLinesChannel(path, **{"spot": spot} | wrong)
    with writer.JsonLinesChannel(path, spot=spot, tags=["a"], sizes={"a": 1}) as channel:
        pings.emit_ping(channel, note="one")

    ((envelope, _),) = read(writer, path)
    assert (envelope.tags, envelope.sizes, envelope.level) == (("a",), {"a": 1.0}, None)


def test_a_payload_of_another_contract_is_counted_and_reported(pings, writer, path, caplog):
    class JobStarted:
        EVENT = "JOB_STARTED"

    class PingPayload(pings.PingPayload):
        pass

    with writer.JsonLinesChannel(path, path_="a") as channel:
        channel.send(JobStarted())
        channel.send(PingPayload(note="one"))
        channel.context = None
        pings.emit_ping(channel, note="two")

    assert (channel.num_written, channel.num_lost) == (0, 3)
    assert caplog.messages[:2] == [
        "an event JOB_STARTED is lost: TypeError: JobStarted is not of this contract",
        "an event PING is lost: TypeError: PingPayload is not of this contract",
    ]
    assert "AttributeError" in caplog.messages[2]


def test_every_lost_event_leaves_a_gap_in_the_numbers(pings, writer, path):
    with writer.JsonLinesChannel(path, path_="a") as channel:
        for note in ("one", 3, "\udc00", "four"):
            pings.emit_ping(channel, note=note)

    assert [envelope.seq for envelope, _ in read(writer, path)] == [0, 3]


def test_losses_are_reported_once_for_each_field(project, path, caplog):
    fields = """\
a: {type: str, arg: true, doc: A.}
b: {type: "str[]", arg: true, doc: B.}
c: {type: str, from: c, doc: C.}
"""
    project.generate(tiny(fields, event="source: Thing"), "--no-format")
    pings, writer = project.load("__init__"), project.load("writer")
    thing = type("Thing", (), {"c": "c"})()
    with writer.JsonLinesChannel(path, seq=0) as channel:
        pings.emit_ping(channel, thing, a=1, b=[])
        pings.emit_ping(channel, thing, a=2, b=[])
        pings.emit_ping(channel, thing, a="a", b=["b", 1])
        pings.emit_ping(channel, thing, a="a", b=[2])
        pings.emit_ping(channel, object(), a="a", b=[])

    assert channel.num_lost == 5
    reasons = [one.partition("lost: ")[2] for one in caplog.messages]
    assert [one.partition(" must")[0] for one in reasons] == [
        "ContractError: a",
        "ContractError: b[1]",
        "AttributeError: 'object' object has no attribute 'c'",
    ]


def test_helpers_use_the_default_of_a_map(project, path):
    project.generate(
        tiny('tags: {type: "str{}", arg: true, default: {}, doc: T.}\n'
             'more: {type: "int{}", unit: "1", nullable: true, arg: true, default: null, doc: M.}'),
        "--no-format",
    )  # fmt: skip
    pings, writer = project.load("__init__"), project.load("writer")
    with writer.JsonLinesChannel(path, seq=0, strict=True) as channel:
        pings.emit_ping(channel)
        pings.emit_ping(channel, tags={"a": "b"})
        pings.emit_ping(channel)

    assert [payload.tags for _, payload in read(writer, path)] == [{}, {"a": "b"}, {}]


def test_after_closing_helpers_do_nothing_and_a_direct_call_is_refused(pings, writer, path):
    channel = writer.JsonLinesChannel(path, path_="a", strict=True)
    channel.close()
    channel.close()
    pings.emit_ping(channel, note="one")

    with pytest.raises(RuntimeError, match="the channel is closed"):
        channel.send(pings.PingPayload(note="one"))


def test_a_file_that_ends_inside_a_line_is_continued_on_the_next(pings, writer, path):
    path.parent.mkdir()
    path.write_bytes(b'{"seq":0,"at_')
    with writer.JsonLinesChannel(path, path_="a") as channel:
        pings.emit_ping(channel, note="one")
    damaged = []

    ((envelope, _),) = writer.read_lines(path, damaged=damaged)

    assert envelope.seq == 0
    assert [one.number for one in damaged] == [1]
    assert "a line must be one JSON object" in str(damaged[0].error)


def test_a_damaged_line_is_an_error_with_its_number(pings, writer, path):
    path.parent.mkdir()
    path.write_bytes(b"\n{}\n")

    with pytest.raises(pings.ContractError) as caught:
        read(writer, path)

    assert caught.value.__notes__ == [f"line 2 of {path}"]


class FullDisk:
    """A file on a disk that has room for some more bytes."""

    def __init__(self, file, room):
        self._file = file
        self.room = room

    def write(self, data):
        if not self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = self._file.write(data[: self.room])
        self.room -= written
        return written

    def __getattr__(self, name):
        return getattr(self._file, name)


def test_a_full_disk_costs_the_lines_that_did_not_fit(pings, writer, path, caplog):
    channel = writer.JsonLinesChannel(path, path_="a")
    pings.emit_ping(channel, note="one")
    channel._file = disk = FullDisk(channel._file, 10)
    pings.emit_ping(channel, note="half")
    pings.emit_ping(channel, note="not at all")
    disk.room = 10_000
    pings.emit_ping(channel, note="again")
    channel.close()

    damaged = []
    found = [(line.seq, one.note) for line, one in writer.read_lines(path, damaged=damaged)]
    assert found == [(0, "one"), (3, "again")]
    assert (len(damaged), channel.num_lost) == (1, 2)
    assert "only 10 of" in caplog.messages[0]


def test_half_a_line_of_another_channel_costs_no_line_of_this_one(pings, writer, path):
    channel = writer.JsonLinesChannel(path, path_="a")
    pings.emit_ping(channel, note="one")
    with writer.JsonLinesChannel(path, path_="b") as other:
        other._file = FullDisk(other._file, 10)
        pings.emit_ping(other, note="half")
    pings.emit_ping(channel, note="two")
    pings.emit_ping(channel, note="three")
    channel.close()

    damaged = []
    assert [one.note for _, one in writer.read_lines(path, damaged=damaged)] == [
        "one",
        "two",
        "three",
    ]
    assert len(damaged) == 1


def test_closing_a_channel_raises_nothing_in_the_threads_that_emit(pings, writer, path, caplog):
    raised = []

    def emit():
        try:
            while channel.listening:
                pings.emit_ping(channel, note="x")
        except Exception as error:
            raised.append(error)

    for _ in range(20):
        channel = writer.JsonLinesChannel(path, path_="a")
        threads = [threading.Thread(target=emit) for _ in range(4)]
        for thread in threads:
            thread.start()
        time.sleep(0.001)
        channel.close()
        for thread in threads:
            thread.join()

    assert raised == []
    assert all("the channel is closed" in one for one in caplog.messages), caplog.messages


def test_the_handler_of_a_signal_may_close_the_channel_in_the_middle_of_an_event(
    pings, writer, path, caplog
):
    channel = writer.JsonLinesChannel(path, path_="a")
    write = channel._file.write
    channel._file = FullDisk(channel._file, 10_000)
    channel._file.write = lambda line: (channel.close(), write(line))
    pings.emit_ping(channel, note="one")

    assert (channel.num_written, channel.num_lost) == (0, 1)
    assert "closed file" in caplog.messages[0]


def test_a_line_that_never_ends_is_not_read_to_its_end(pings, writer, path):
    with writer.JsonLinesChannel(path, path_="a") as channel:
        pings.emit_ping(channel, note="one")
    with path.open("r+b") as file:
        file.truncate(2**28)
        file.seek(2**28)
        file.write(b"\n")
    with writer.JsonLinesChannel(path, path_="a") as channel:
        pings.emit_ping(channel, note="two")
    damaged = []

    assert [one.note for _, one in writer.read_lines(path, damaged=damaged)] == ["one", "two"]
    assert [one.number for one in damaged] == [2]
    assert "a line must have at most 67108864 bytes" in str(damaged[0].error)


def test_threads_share_a_channel(pings, writer, path):
    with writer.JsonLinesChannel(path, path_="a") as channel:
        threads = [
            threading.Thread(target=lambda: [pings.emit_ping(channel, note="x") for _ in range(50)])
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert [line.seq for line, _ in read(writer, path)] == list(range(200))


def send_in_child(pings, channel):
    try:
        channel.send(pings.PingPayload(note="child"))
    except RuntimeError as error:
        os._exit(0 if "open another one" in str(error) else 1)
    os._exit(2)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_process_is_refused_and_the_parent_goes_on(pings, writer, path):
    with writer.JsonLinesChannel(path, path_="a", strict=True) as channel:
        child = multiprocessing.get_context("fork").Process(
            target=send_in_child, args=(pings, channel)
        )
        child.start()
        child.join()
        pings.emit_ping(channel, note="parent")

    assert child.exitcode == 0
    assert [one.note for _, one in read(writer, path)] == ["parent"]


def test_lines_of_processes_that_append_to_one_file_are_not_mixed(pings, writer, path, project):
    code = (
        "import sys, pings, pings.writer\n"
        "with pings.writer.JsonLinesChannel(sys.argv[1], path_=sys.argv[2]) as channel:\n"
        "    for _ in range(200): pings.emit_ping(channel, note='x' * 300)\n"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code, str(path), name], cwd=project.folder)
        for name in "ab"
    ]
    assert [one.wait() for one in running] == [0, 0]

    lines = sorted((line.path, line.seq) for line, _ in read(writer, path))
    assert lines == list(itertools.product("ab", range(200)))


def test_a_channel_satisfies_the_protocol_of_the_package(pings, project, tmp_path):
    check = tmp_path / "check.py"
    check.write_text(
        "from pings import Channel\nfrom pings.writer import JsonLinesChannel\n"
        "channel: Channel = JsonLinesChannel('x', path_='a')\n"
    )
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--cache-dir", "cache"]

    ran = subprocess.run([*command, check], cwd=project.folder, capture_output=True, text=True)

    assert ran.returncode == 0, ran.stdout


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("type: str, stamp: sequence", "the stamp sequence is int, and x is str"),
        ("type: int, unit: '1', stamp: writer", "the stamp writer is str, and x is int"),
        ("type: int, unit: '1', range: [1, null], stamp: sequence", "the stamp sequence can be any number from 0"),
        ("type: int, unit: '1', range: [0, 9], stamp: unix_ms", "the stamp unix_ms can be any number from 0"),
        ("type: str, length: [0, 8], stamp: writer", "the stamp writer is a text of 16 hexadecimal digits"),
        ("type: str, stamp: now", "stamp must be one of sequence, unix_ns"),
    ],
)  # fmt: skip
def test_a_key_that_does_not_allow_its_stamp_is_found(field, message):
    findings = findings_of(with_envelope(f"    x: {{{field}, doc: A key.}}\n"))

    assert any(message in one.message for one in findings), list(findings)


@pytest.mark.parametrize("name", ["Damaged", "JsonLinesChannel"])
def test_a_contract_cannot_define_the_names_of_the_channel(name):
    record = f"records: {{{name}: {{doc: A record., fields: {{a: {{type: str, doc: A text.}}}}}}}}"
    field = f"one: {{type: {name}, arg: true, doc: A record.}}"

    assert "NAM002" in [one.rule for one in findings_of(tiny(field, more=record))]


def test_a_family_cannot_be_called_like_the_module_of_the_channel():
    text = tiny().replace("{main:", "{writer:").replace("family: main", "family: writer")

    assert "NAM003" in [one.rule for one in findings_of(text)]
