"""`esper lint-log`, run as a user runs it."""

import json

import pytest

from esper.cli import main
from esper.nissa.hub import Hub
from esper.nissa.log import RunLog
from tests.nissa.teller import tell_germination, tell_whole_run


@pytest.fixture
def folder(tmp_path):
    """Return the folder of a run with a valid log of four events."""
    with Hub("a-run") as hub:
        hub.attach(RunLog(tmp_path / "a-run"))
        for _ in range(4):
            tell_germination(hub.channel(env_id=0))
    return tmp_path / "a-run"


def damage(folder):
    """Damage the second and third line of the log, both in the same way."""
    (file,) = folder.glob("log/*")
    lines = file.read_text().splitlines(keepends=True)
    broken = [line.replace('"params":148', '"params":-1,"size":148') for line in lines[1:3]]
    file.write_text(lines[0] + "".join(broken) + lines[3])
    return file


def test_a_valid_log(tmp_path, capsys):
    with Hub("a-run") as hub:
        hub.attach(RunLog(tmp_path / "a-run"))
        tell_whole_run(hub.channel(env_id=0))

    assert main(["lint-log", "latest", "--run-dir", str(tmp_path)]) == 0

    assert "all valid (contract 1." in capsys.readouterr().out


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


def test_flaws_for_programs(folder, capsys):
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


def test_a_hostile_log_cannot_write_to_the_terminal(folder, capsys):
    (file,) = folder.glob("log/*")
    file.write_text(file.read_text().replace('"env_id"', '"\\u001b[2J\\n"'))

    assert main(["lint-log", str(folder)]) == 1

    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert r"SEED_GERMINATED.\x1b[2J\n must be a field" in out


def test_a_run_that_is_not_there(tmp_path, capsys):
    assert main(["lint-log", "nowhere", "--run-dir", str(tmp_path)]) == 2

    assert 'no run "nowhere"' in capsys.readouterr().err
