"""Runs are created, listed and found by their folders."""

import errno
import os
import re
from pathlib import Path

import pytest

from esper.leyline.errors import RunNotFoundError
from esper.nissa.runs import create_run, list_runs, resolve


def make_runs(root, *names):
    for name in names:
        (root / name / "log").mkdir(parents=True)


OLD = "20261120-080000-digits-s0-aaaa"
NEW = "20261122-143000-digits-s1-3f2a"


@pytest.fixture
def root(tmp_path):
    make_runs(tmp_path, NEW, OLD)
    return tmp_path


def test_an_id_holds_time_task_and_seed(tmp_path):
    folder = create_run(tmp_path / "runs", task="digits", seed=3)

    assert folder.is_dir()
    assert re.fullmatch(r"\d{8}-\d{6}-digits-s3-[0-9a-f]{4}", folder.name)


@pytest.mark.parametrize(
    ("task", "shown"), [("CIFAR 10/x", "cifar-10-x"), ("../../etc", "etc"), ("数字", "run")]
)
def test_any_task_name_gives_an_id_of_plain_characters(tmp_path, task, shown):
    folder = create_run(tmp_path, task=task, seed=0)

    assert folder.parent == tmp_path
    assert f"-{shown}-s0-" in folder.name


def test_two_runs_never_share_a_folder(tmp_path, monkeypatch):
    suffixes = iter(["aaaa", "aaaa", "bbbb"] * 9)
    monkeypatch.setattr("secrets.token_hex", lambda _: next(suffixes))

    first, second = (create_run(tmp_path, task="digits", seed=0) for _ in range(2))

    assert first != second


def test_a_root_that_cannot_be_written_raises_os_error(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(OSError, match="File exists"):
        create_run(tmp_path / "file", task="digits", seed=0)


def test_only_runs_are_listed_and_the_newest_first(root):
    (root / "notes").mkdir()
    (root / "todo.txt").write_text("")

    assert [folder.name for folder in list_runs(root)] == [NEW, OLD]


def test_a_name_of_the_users_own_has_the_age_of_its_log(root):
    make_runs(root, "best")
    for path in (root / "best" / "log", root / "best"):
        os.utime(path, (1_795_250_000, 1_795_250_000))  # 2026-11-21

    assert [folder.name for folder in list_runs(root)] == [NEW, "best", OLD]

    os.utime(root / "best" / "log", (1_795_600_000, 1_795_600_000))
    assert resolve("latest", root).name == "best"


def test_a_time_beyond_the_calendar_is_the_oldest(root, monkeypatch):
    make_runs(root, "best")
    monkeypatch.setattr("esper.nissa.runs._changed_ns", lambda _: 2**70)

    assert [folder.name for folder in list_runs(root)] == [NEW, OLD, "best"]


def test_a_root_that_cannot_be_listed_is_refused(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", refuse)

    with pytest.raises(RunNotFoundError, match=r"must be readable, got .* \(Permission denied\); "):
        list_runs(tmp_path)


def test_a_root_that_does_not_exist_holds_no_runs(tmp_path):
    assert list_runs(tmp_path / "runs") == []


@pytest.mark.parametrize("run", [NEW, "20261122", "latest"])
def test_a_run_is_found_by_id_by_prefix_and_as_latest(root, run):
    assert resolve(run, root) == root / NEW


def test_a_run_is_found_by_its_path(root, tmp_path):
    assert resolve(str(root / OLD), tmp_path / "elsewhere") == root / OLD


def test_a_whole_id_wins_over_a_prefix(root):
    make_runs(root, f"{NEW}-copy")

    assert resolve(NEW, root) == root / NEW


def test_an_ambiguous_prefix_is_refused(root):
    message = f'ambiguous run id "2026": it matches {NEW}, {OLD}; give more of the id'

    with pytest.raises(RunNotFoundError, match=message):
        resolve("2026", root)


def test_a_misspelt_id_is_answered_with_similar_ids(root):
    misspelt = NEW.replace("143000", "143001")

    with pytest.raises(RunNotFoundError, match=f'no run "{misspelt}" in .*; there are: {NEW}'):
        resolve(misspelt, root)


def test_a_misspelt_latest_is_answered_with_latest(root):
    with pytest.raises(RunNotFoundError, match=r'no run "lates" in .*; there are: latest$'):
        resolve("lates", root)


@pytest.mark.parametrize("run", ["", "x", "../..", "\0"])
def test_an_unknown_run_is_answered_with_the_existing_runs(root, run):
    with pytest.raises(RunNotFoundError, match=f"there are: {NEW}, {OLD}"):
        resolve(run, root)


@pytest.mark.parametrize("run", ["\n", "\x1b[2J"])
def test_escape_sequences_in_a_name_are_not_printed(root, run):
    with pytest.raises(RunNotFoundError) as raised:
        resolve(run, root)

    assert str(raised.value).isprintable()


def test_a_message_names_only_some_of_many_runs(tmp_path):
    make_runs(tmp_path, *(f"20261122-{number:06d}-digits-s0-0000" for number in range(30)))

    with pytest.raises(RunNotFoundError, match=r"000029-.* and 25 more$"):
        resolve("x", tmp_path)


@pytest.mark.parametrize("run", ["latest", "x"])
def test_without_runs_the_message_says_how_to_start_one(tmp_path, run):
    message = (
        f'no run "{run}"; there are no runs in .*: start one with esper train, or name another'
    )

    with pytest.raises(RunNotFoundError, match=message):
        resolve(run, tmp_path)
