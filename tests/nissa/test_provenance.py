"""The header of a run says where it comes from, without secrets, and without waiting for git."""

import subprocess
import sys
import threading

import pytest

import esper
from esper._generated.run import LoopStartedPayload, RunResumedPayload, RunStartedPayload
from esper.nissa import git_state
from esper.nissa.git_state import GitState
from esper.nissa.provenance import describe_provenance


class NoGit:
    """A state of git that is not known."""

    commit = None
    is_dirty = None

    def wait(self, timeout_s):
        """Return at once."""


def describe(config=(), **changes):
    values = {"seeds": {}, "data_hashes": {}, "num_threads": 1, "accelerators": []} | changes
    return describe_provenance(NoGit(), config=dict(config), **values)


def git(folder, *words):
    settings = ("-c", "user.name=a", "-c", "user.email=a@b.org", "-c", "commit.gpgsign=false")
    done = subprocess.run(
        ["git", "-C", folder, *settings, *words], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "-q")
    (folder / "file").write_text("1")
    git(folder, "add", "file")
    git(folder, "commit", "-q", "-m", "first")
    return folder


def test_git_says_the_commit_and_whether_files_have_been_changed(repository, tmp_path):
    clean = GitState((tmp_path, repository))
    clean.wait(60)
    (repository / "file").write_text("2")
    dirty = GitState((repository,))
    dirty.wait(60)

    head = git(repository, "rev-parse", "HEAD")
    assert (clean.commit, clean.is_dirty) == (head, False)
    assert (dirty.commit, dirty.is_dirty) == (head, True)


def test_a_folder_without_a_repository_has_no_commit(tmp_path):
    state = GitState((tmp_path, tmp_path / "missing"))
    state.wait(60)

    assert (state.commit, state.is_dirty) == (None, None)


def test_nobody_waits_for_a_git_that_hangs(tmp_path, monkeypatch):
    may_end = threading.Event()
    monkeypatch.setattr(git_state, "_git", lambda *_: may_end.wait(60) and None)

    state = GitState((tmp_path,))
    state.wait(0.01)

    assert state._thread.is_alive()
    assert state.commit is None
    may_end.set()
    state._thread.join()


def test_a_git_that_takes_too_long_is_killed(tmp_path, monkeypatch):
    program = tmp_path / "git"
    program.write_text("#!/bin/sh\nexec sleep 600\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(git_state, "_COMMAND_TIMEOUT_S", 0.05)

    state = GitState((tmp_path,))
    state.wait(60)

    assert not state._thread.is_alive()
    assert state.commit is None


def test_the_command_line_has_no_secrets(monkeypatch):
    monkeypatch.setattr(sys, "orig_argv", ["python", "train.py", "--api-key", "abc", "--lr=0.1"])

    assert describe().command == ("python", "train.py", "--api-key", "***", "--lr=0.1")


def test_the_configuration_is_flat_texts_without_secrets():
    config = {"optimizer": {"lr": 0.1, "name": "adam"}, "db": {"password": "x"}, "sizes": [1, 2]}

    assert describe(config).config == {
        "optimizer.lr": "0.1",
        "optimizer.name": "adam",
        "db.password": "***",
        "sizes": "[1,2]",
    }


def test_a_large_header_stays_where_lists_of_runs_read_it(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "orig_argv", ["python", *["\x1b\udcff" * 500] * 500])
    config = {f"name {number}": "\x01é" * 200 for number in range(3000)}

    with esper.start_run(tmp_path, "large", config=config) as run:
        pass

    line = next(run.folder.glob("log/*.jsonl")).read_bytes().splitlines()[0]
    assert len(line) < 16 * 2**10
    header = next(iter(esper.read_run(run.folder)))[1]
    assert isinstance(header, LoopStartedPayload)
    assert header.provenance is not None
    assert 0 < len(header.provenance.config) < 3000
    assert 0 < len(header.provenance.command) < 501


def test_a_run_of_esper_s_loop_has_it_at_each_start_and_its_baseline_is_a_run(tmp_path):
    settings = esper.RunSettings(epochs=1, seed=3)
    story = esper.run_task(
        esper.get_task("digits"), settings, policy=esper.HeuristicPolicy(), run_dir=tmp_path
    )
    esper.resume_run(story.folder, policy=esper.HeuristicPolicy(), epochs=2)

    events = [payload for _, payload in esper.read_run(story.folder)]
    started = next(one for one in events if isinstance(one, RunStartedPayload))
    resumed = next(one for one in events if isinstance(one, RunResumedPayload))
    assert started.provenance is not None
    assert resumed.provenance is not None
    assert started.provenance.seeds["run"] == "3"
    assert started.provenance.config["epochs"] == "1"
    assert resumed.provenance.config["epochs"] == "2"
    assert set(started.provenance.data_hashes) == {"training", "validation", "test"}
    assert resumed.provenance.data_hashes == started.provenance.data_hashes
    assert [one.EVENT for one in events[-2:]] == ["HUB_STATS", "RUN_FINISHED"]
    counts = events[-2]
    assert counts.num_accepted == counts.num_written
    assert (counts.num_lost, counts.num_waiting, counts.num_rejected) == (0, 0, 0)

    baseline = [payload.EVENT for _, payload in esper.read_run(story.folder / "baseline")]
    assert (baseline[0], baseline[-1]) == ("RUN_STARTED", "RUN_FINISHED")
    assert baseline.count("EPOCH_COMPLETED") == 2
    assert esper.read_story(story.folder / "baseline").outcome.name == "COMPLETED"


def test_an_own_loop_names_its_data(tmp_path):
    with esper.start_run(tmp_path, "run", data_hashes={"train": "00ff"}):
        pass

    assert esper.read_story(tmp_path / "run").started.provenance.data_hashes == {"train": "00ff"}


@pytest.mark.parametrize("hashes", ["00ff", {"train": 255}, {1: "00ff"}])
def test_hashes_that_are_not_texts_by_name_are_refused(hashes, tmp_path):
    with pytest.raises(esper.UsageError, match="data_hashes must"):
        esper.start_run(tmp_path, "run", data_hashes=hashes)
    assert list(tmp_path.iterdir()) == []
