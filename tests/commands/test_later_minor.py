"""Everything that reads a log copes with members that a later minor version of the contract has added to open enums."""

import io
import json

import pytest
from hypothesis import find
from rich.console import Console

from esper._generated.codec import encode_line
from esper._generated.fields import EVENT_FIELDS
from esper._generated.registry import OPEN_ENUMS
from esper.cli import main
from esper.nissa.hub import Hub
from esper.nissa.log import RunLog
from esper.nissa.reader import read_run
from esper.nissa.sinks.console import ConsoleSink
from esper.nissa.sinks.memory import MemorySink
from esper.nissa.sinks.verdicts import VerdictSink
from tests._generated.strategies import PAYLOADS
from tests.nissa.sample_events import emit_whole_run

FIELDS = [
    (event, field)
    for event, fields in EVENT_FIELDS.items()
    for field in fields
    if field.type.removesuffix("[]") in OPEN_ENUMS
]

UNSHOWN = ("GOVERNOR_STOPPED", "GOVERNOR_ROLLBACK")
"""Events whose text on the console has no members, or not all of them."""


@pytest.fixture
def folder(tmp_path):
    """Return the folder of a run of 24 events."""
    with Hub("a-run") as hub:
        hub.attach(RunLog(tmp_path / "a-run"))
        emit_whole_run(hub.channel(env_id=0))
    return tmp_path / "a-run"


def add_unknown_member(folder, event, field):
    """Make the log one of a later minor version, whose newest event of this kind has a new member; add one if needed."""
    (file,) = folder.glob("log/*")
    lines = [json.loads(line) for line in file.read_bytes().splitlines()]
    found = [line for line in lines if line["event"] == event]
    if not found:
        envelope = next(iter(read_run(folder)))[0]
        payload = find(PAYLOADS[event], lambda _: True)
        added = {"event": event, "seq": len(lines)}
        found = [json.loads(encode_line(envelope, payload)) | added]
        lines += found
    member = ["SLEPT"] if field.type.endswith("[]") else "SLEPT"
    found[-1]["payload"][field.wire or field.name] = member
    text = "".join(json.dumps(line | {"v": "1.99.0"}) + "\n" for line in lines)
    file.write_text(text)


def output(capsys, *arguments):
    assert main(list(arguments)) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize(("event", "field"), FIELDS, ids=[f"{e}.{f.name}" for e, f in FIELDS])
def test_every_reader_takes_an_unknown_member(folder, capsys, event, field):
    add_unknown_member(folder, event, field)

    summary = output(capsys, "summary", str(folder))
    plain = json.loads(output(capsys, "summary", str(folder), "--json", "--strict"))
    telemetry = plain["telemetry"]
    assert telemetry["num_events"] in (24, 25)
    assert telemetry["num_set_aside"] == telemetry["num_damaged"] == 0
    assert ", all valid " in output(capsys, "lint-log", str(folder))
    run_dir = str(folder.parent)
    (listed,) = json.loads(output(capsys, "runs", "--run-dir", run_dir, "--json"))["runs"]
    assert listed["state"] == ("slept" if event == "RUN_FINISHED" else "finished")
    assert listed["state"] in output(capsys, "runs", "--run-dir", run_dir)
    assert summary.startswith("a-run  slept") == (event == "RUN_FINISHED")


@pytest.mark.parametrize(("event", "field"), FIELDS, ids=[f"{e}.{f.name}" for e, f in FIELDS])
def test_every_sink_takes_an_unknown_member(folder, tmp_path, event, field):
    add_unknown_member(folder, event, field)
    file = io.StringIO()
    sinks = [ConsoleSink(Console(file=file, width=400)), MemorySink(), VerdictSink()]
    again = RunLog(tmp_path / "again")

    for envelope, payload in read_run(folder):
        for sink in (*sinks, again):
            sink.write(envelope, payload)
    again.close()

    if field.name in ("gate", "reason", "by", "cause", "actions") and event not in UNSHOWN:
        assert "SLEPT" in file.getvalue()
    assert any(b"SLEPT" in path.read_bytes() for path in tmp_path.glob("again/log/*"))
