"""`esper gc` removes the runs that it has listed, only after a yes, and never a live run or another folder."""

import json
import os
import sys

import pytest

from esper.cli import main
from esper.nissa import removal
from esper.nissa.hub import Hub
from esper.nissa.log import RunLog
from esper.nissa.removal import find_obstacle
from esper.nissa.run_lock import Role, RunLock
from tests.nissa.sample_events import emit_start, emit_whole_run

DAY = 86400


@pytest.fixture
def root(tmp_path):
    """Return a folder with three finished runs, whose logs were written 1, 20 and 40 days ago."""
    for name, age in (
        ("20260103-000000-new", 1),
        ("20260102-000000-mid", 20),
        ("20260101-000000-old", 40),
    ):
        write(tmp_path / "runs" / name, age=age)
    return tmp_path / "runs"


def write(folder, *, age, emit=emit_whole_run):
    with Hub(folder.name) as hub:
        hub.attach(RunLog(folder))
        emit(hub.channel(env_id=0))
    make_older(folder, age)


def make_older(folder, age):
    for path in [*(folder / "log").iterdir(), folder / "log"]:
        stat = path.stat()
        os.utime(path, (stat.st_atime, stat.st_mtime - age * DAY))


def names(root):
    return sorted(path.name[16:] for path in root.iterdir())


def collect(capsys, root, *arguments):
    assert main(["gc", "--run-dir", str(root), *arguments]) == 0
    return capsys.readouterr().out


def test_without_remove_nothing_is_removed(root, capsys):
    printed = collect(capsys, root, "--older-than", "30d")

    assert "20260101-000000-old" in printed
    assert "20260102-000000-mid" not in printed
    assert "nothing was removed; to remove them: --remove" in printed
    assert names(root) == ["mid", "new", "old"]


@pytest.mark.parametrize(
    ("arguments", "left"),
    [
        (["--older-than", "30d"], ["mid", "new"]),
        (["--older-than", "2w"], ["new"]),
        (["--keep", "1"], ["new"]),
        (["--keep", "0"], []),
        (["--keep", "1", "--older-than", "720h"], ["mid", "new"]),
        (["--larger-than", "1B"], []),
        (["--larger-than", "1.5 GiB"], ["mid", "new", "old"]),
        (["--larger-than", "1kb", "--keep", "2"], ["mid", "new"]),
    ],
)
def test_runs_that_fit_all_conditions_are_removed(root, capsys, arguments, left):
    collect(capsys, root, *arguments, "--yes")

    assert names(root) == left


@pytest.mark.parametrize(
    ("answer", "left"), [("y", ["new"]), ("", ["mid", "new", "old"]), (None, ["mid", "new", "old"])]
)
def test_remove_asks(root, capsys, monkeypatch, answer, left):
    asked = []

    def ask(question):
        asked.append(question)
        if answer is None:
            raise EOFError
        return answer

    monkeypatch.setattr("builtins.input", ask)
    monkeypatch.setattr(sys, "stdin", type("Terminal", (), {"isatty": lambda self: True})())

    collect(capsys, root, "--keep", "1", "--remove")

    assert asked[0].startswith("remove 2 runs, ")
    assert names(root) == left


def test_remove_needs_a_terminal_or_a_yes(root, capsys):
    assert main(["gc", "--run-dir", str(root), "--keep", "1", "--remove"]) == 2
    assert "give --yes" in capsys.readouterr().err


def test_runs_that_are_in_use_are_kept(root, capsys):
    with Hub("sink") as hub:
        hub.attach(RunLog(root / "20260102-000000-mid" / "ship" / "csv"))
        lock = RunLock.acquire(root / "20260101-000000-old", Role.TRAINING)
        document = json.loads(collect(capsys, root, "--keep", "0", "--yes", "--json"))
        lock.release()

    assert document["kept"] == {
        "20260101-000000-old": "running",
        "20260102-000000-mid": "being shipped",
    }
    assert document["removed"] == ["20260103-000000-new"]
    assert names(root) == ["mid", "old"]


def test_a_run_that_starts_after_the_list_is_kept(root, capsys, monkeypatch):
    monkeypatch.setattr(removal, "is_running", lambda folder: False)
    lock = RunLock.acquire(root / "20260101-000000-old", Role.TRAINING)

    assert main(["gc", "--run-dir", str(root), "--keep", "2", "--yes"]) == 1

    lock.release()
    assert "20260101-000000-old is kept: running" in capsys.readouterr().err
    assert names(root) == ["mid", "new", "old"]


def test_tagged_runs_are_kept_unless_asked_for(root, capsys):
    main(["tag", str(root / "20260101-000000-old"), "good"])
    (root / "20260102-000000-mid" / "tags.json").write_text("damaged")

    assert "(tagged good)" in collect(capsys, root, "--keep", "0", "--yes")
    assert names(root) == ["mid", "old"]
    collect(capsys, root, "--keep", "0", "--yes", "--tagged")
    assert names(root) == []


def test_other_folders_and_links_are_kept(root, tmp_path, capsys):
    (root / "project" / "log").mkdir(parents=True)
    (root / "project" / "log" / "app.jsonl").write_text("{}\n")
    write(tmp_path / "elsewhere", age=90)
    (root / "link").symlink_to(tmp_path / "elsewhere")
    (root / "inner").mkdir()
    (root / "inner" / "log").symlink_to(tmp_path / "elsewhere" / "log")
    (root / "20260101-000000-old" / "data").symlink_to(tmp_path / "elsewhere")

    document = json.loads(collect(capsys, root, "--keep", "0", "--yes", "--json"))

    assert len(document["removed"]) == 3
    assert sorted(path.name for path in root.iterdir()) == ["inner", "link", "project"]
    assert any((tmp_path / "elsewhere" / "log").iterdir())


def test_a_run_without_an_end_may_go_on_unlocked(tmp_path):
    write(tmp_path / "a", age=0, emit=emit_start)
    assert find_obstacle(tmp_path / "a") == "without an end, and written in the last ten minutes"

    make_older(tmp_path / "a", 1)
    assert find_obstacle(tmp_path / "a") is None


def test_the_rest_after_a_kill_is_removed_the_next_time(root, capsys):
    (root / ".esper-removed" / "0123456789abcdef" / "log").mkdir(parents=True)
    (root / ".esper-removed" / "mine").write_text("")

    collect(capsys, root, "--keep", "0", "--yes")

    assert [str(path.relative_to(root)) for path in root.rglob("*")] == [
        ".esper-removed",
        ".esper-removed/mine",
    ]
