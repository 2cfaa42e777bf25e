"""`esper lint-log`, called as a command."""

import json
import re

import pytest

from esper._generated.codec import decode_line
from esper.cli import main
from esper.nissa.hub import Hub
from esper.nissa.log import RunLog
from esper.nissa.reader import read_run
from tests.nissa.sample_events import emit_germination, emit_whole_run


@pytest.fixture
def folder(tmp_path):
    """Return the folder of a valid run of four events."""
    with Hub("a-run") as hub:
        hub.attach(RunLog(tmp_path / "a-run"))
        for _ in range(4):
            emit_germination(hub.channel(env_id=0))
    return tmp_path / "a-run"


def damage(folder):
    """Make the second and third line of a run invalid in the same way; return the file."""
    (file,) = folder.glob("log/*")
    lines = file.read_text().splitlines(keepends=True)
    broken = [line.replace('"params":148', '"params":-1,"size":148') for line in lines[1:3]]
    file.write_text(lines[0] + "".join(broken) + lines[3])
    return file


def test_a_valid_log(tmp_path, capsys):
    with Hub("a-run") as hub:
        hub.attach(RunLog(tmp_path / "a-run"))
        emit_whole_run(hub.channel(env_id=0))

    assert main(["lint-log", "latest", "--run-dir", str(tmp_path)]) == 0

    assert re.fullmatch(r"24 lines, all valid \(contract 1\.\d+\.\d+\)\n", capsys.readouterr().out)


def test_each_flaw_has_its_place_and_each_kind_its_count(folder, capsys):
    file = damage(folder)

    assert main(["lint-log", str(folder)]) == 1

    *places, total, first, second = capsys.readouterr().out.splitlines()
    assert len(places) == 4
    assert places[0].startswith(f"{file}:2: out_of_range: SEED_GERMINATED.params must be in [0, ")
    assert places[3] == (
        f"{file}:3: unknown: SEED_GERMINATED.size must be a field of the contract, got 'size'"
    )
    assert total == "4 lines, 4 flaws:"
    assert [first.split(), second.split()] == [
        ["2", "out_of_range", "SEED_GERMINATED.params"],
        ["2", "unknown", "SEED_GERMINATED.size"],
    ]


def test_flaws_as_json(folder, capsys):
    file = damage(folder)

    assert main(["lint-log", str(folder), "--json"]) == 1

    document = json.loads(capsys.readouterr().out)
    assert document["num_lines"] == 4
    assert document["groups"][1] == {
        "kind": "unknown",
        "subject": "SEED_GERMINATED.size",
        "count": 2,
    }
    assert document["flaws"][1] == {
        "path": str(file),
        "line": 2,
        "kind": "unknown",
        "event": "SEED_GERMINATED",
        "field": "size",
        "message": "must be a field of the contract, got 'size'",
    }


def test_escape_sequences_in_a_log_are_not_printed(folder, capsys):
    (file,) = folder.glob("log/*")
    file.write_text(file.read_text().replace('"env_id"', '"\\u001b[2J\\n"'))

    assert main(["lint-log", str(folder)]) == 1

    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert r"SEED_GERMINATED.\x1b[2J\n must be a field" in out


def test_a_copy_without_the_damaged_lines(folder, tmp_path, capsys):
    file = damage(folder)
    lines = file.read_bytes().splitlines(True)
    file.write_bytes(b"".join(lines) + b'{"seq":')
    copy = tmp_path / "copy"

    assert main(["lint-log", str(folder), "--salvage", str(copy)]) == 1

    assert f"2 lines copied to {copy}, 3 left out" in capsys.readouterr().out.splitlines()
    assert (copy / "log" / file.name).read_bytes() == lines[0] + lines[3]
    assert [envelope.seq for envelope, _ in read_run(copy, strict=True)] == [0, 3]


def test_a_copy_is_not_written_over_another_log(folder, tmp_path, capsys):
    assert main(["lint-log", str(folder), "--salvage", str(folder)]) == 2

    assert "a copy must go to a new folder, but " in capsys.readouterr().err


def test_a_copy_that_cannot_be_written_is_an_error(folder, tmp_path, capsys):
    (tmp_path / "file").write_text("")

    assert main(["lint-log", str(folder), "--salvage", str(tmp_path / "file" / "copy")]) == 2

    assert "a copy must be writable, got " in capsys.readouterr().err


def test_a_copy_as_json(folder, tmp_path, capsys):
    damage(folder)

    assert main(["lint-log", str(folder), "--json", "--salvage", str(tmp_path / "copy")]) == 1

    document = json.loads(capsys.readouterr().out)
    assert document["salvage"] == {
        "folder": str(tmp_path / "copy"),
        "num_lines": 2,
        "num_left_out": 2,
    }


def write_as(folder, version):
    """Make a run one that `version` of the contract wrote, with new fields, an event and a member."""
    (file,) = folder.glob("log/*")
    text = re.sub('"v":"[^"]*"', f'"v":"{version}"', file.read_text())
    lines = text.splitlines(keepends=True)
    lines[0] = lines[0].replace('"params"', '"color":"red","params"')
    lines[1] = lines[1].replace("SEED_GERMINATED", "SEED_SOLD")
    file.write_text("".join(lines))


UNKNOWN = r"1 field, 1 event unknown to contract [\d.]+: SEED_SOLD, SEED_GERMINATED\.color"


def test_all_readers_agree_about_a_later_minor_version(folder, capsys):
    write_as(folder, "1.99.0")
    (file,) = folder.glob("log/*")

    assert [decode_line(line)[0].seq for line in file.read_bytes().splitlines()] == [0, 1, 2, 3]
    assert main(["lint-log", str(folder)]) == 0
    assert re.search(rf"^4 lines, all valid .*\n{UNKNOWN}$", capsys.readouterr().out, re.MULTILINE)
    assert main(["summary", str(folder)]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert re.search(rf"3 events {UNKNOWN} 1 event left out because of unknown names", shown)
    assert main(["summary", str(folder), "--strict", "--json"]) == 0
    telemetry = json.loads(capsys.readouterr().out)["telemetry"]
    assert telemetry["unknown"] == [
        {"kind": "event", "name": "SEED_SOLD", "count": 1},
        {"kind": "field", "name": "SEED_GERMINATED.color", "count": 1},
    ]
    assert telemetry["num_set_aside"] == 1
    assert main(["lint-log", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["unknown"] == telemetry["unknown"]


def test_all_readers_agree_about_a_later_major_version(folder, capsys):
    write_as(folder, "2.0.0")

    assert main(["lint-log", str(folder)]) == 1
    assert "      4  newer  v" in capsys.readouterr().out
    for options in ([], ["--strict"]):
        assert main(["summary", str(folder), *options]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert "it was written under contract 2.0.0 and this Esper knows 1." in line


def test_a_damaged_line_is_left_out_of_the_summary_and_refused_strictly(folder, capsys):
    file = damage(folder)

    assert main(["summary", str(folder)]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "2 events 2 damaged lines left out:" in shown
    assert f"{file.name}:2: size must be a field of" in shown
    assert main(["summary", str(folder), "--strict"]) == 2
    assert f"{file.name}:2: size must be a field of" in capsys.readouterr().err


def test_a_log_without_a_valid_line_has_no_summary(folder, capsys):
    (file,) = folder.glob("log/*")
    file.write_bytes(b"rubbish\n" * 3)

    assert main(["summary", str(folder)]) == 2

    assert "but 3 damaged lines, the first: " in capsys.readouterr().err


def test_an_unknown_run(tmp_path, capsys):
    assert main(["lint-log", "nowhere", "--run-dir", str(tmp_path)]) == 2

    assert 'no run "nowhere"' in capsys.readouterr().err
