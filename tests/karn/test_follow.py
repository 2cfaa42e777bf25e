"""Following a run gives the same story as reading it, whatever the pieces in which its log appears."""

import random
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from esper.karn import fold_state, follow
from esper.karn.follow import RunFollower
from esper.karn.run import RunFold, read_story
from esper.leyline.errors import LogError
from esper.nissa.reader import RunEvents
from esper.nissa.run_lock import Role, RunLock
from tests.karn.example_run import example_lines, write_example_run

DAMAGED = b'{"seq":1,"damaged\n'


def fold_afresh(folder):
    """Return the story without a follower and without kept state."""
    events = RunEvents(folder, lenient=True)
    fold = RunFold()
    fold.extend(events)
    return fold.build(events, is_alive=follow.find_life(folder))


def shown(story):
    """Return a story as text, because NaN differs from itself."""
    return repr(story)


@pytest.fixture
def saving(monkeypatch):
    """Keep the state of every run, however short."""
    monkeypatch.setattr(follow, "_SAVE_EVENTS", 1)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=10, deadline=None
)
@given(seed=st.integers(0, 2**32), is_kept=st.booleans())
def test_neither_pieces_nor_the_order_of_writers_matter(tmp_path_factory, seed, is_kept):
    """Rank 0 is resumed in the middle; a line is damaged, one is twice, and the files grow by any number of bytes."""
    chance = random.Random(seed)
    files = {}
    for name, lines in example_lines().items():
        place = chance.randrange(10, len(lines))
        changed = [*lines[:place], DAMAGED, lines[place - 1], *lines[place:]]
        files[name] = b"".join(changed)
    folder = tmp_path_factory.mktemp("run")
    (folder / "log").mkdir()
    follower = RunFollower(folder)
    first, second, other = sorted(files, key=lambda name: (name[0], name[-6]))
    done = dict.fromkeys(files, 0)
    while any(done[name] < len(files[name]) for name in files):
        # A process that resumes a run starts once the one before it has ended.
        growing = [first if done[first] < len(files[first]) else second, other]
        name = chance.choice(growing)
        size = chance.choice([1, 300, 5000, 40_000])
        with (folder / "log" / name).open("ab") as file:
            file.write(files[name][done[name] : done[name] + size])
        done[name] = min(done[name] + size, len(files[name]))
        if chance.random() < 0.15:
            if is_kept:
                follower = RunFollower(folder)
            with suppress(LogError), pytest.MonkeyPatch.context() as patch:
                patch.setattr(follow, "_SAVE_EVENTS", 1 if is_kept else 10**6)
                follower.poll()

    assert shown(follower.poll()) == shown(fold_afresh(folder))


def test_only_new_events_are_read(tmp_path):
    lines = example_lines()
    folder = write_example_run(tmp_path / "run")
    last = sorted(lines)[-1]
    whole = (folder / "log" / last).read_bytes()
    (folder / "log" / last).write_bytes(b"".join(lines[last][:-3]))
    follower = RunFollower(folder)

    before = follower.poll()
    num_before = follower.num_read
    follower.poll()
    assert not follower.has_changed
    (folder / "log" / last).write_bytes(whole)
    after = follower.poll()

    assert (after.num_events - before.num_events, follower.num_read - num_before) == (3, 3)
    assert (follower.has_changed, follower.num_restarts) == (True, 0)


def test_a_resumed_run_is_read_again(tmp_path):
    """The log of the process that died reaches beyond the checkpoint from which the next one goes on."""
    lines = example_lines()
    folder = write_example_run(tmp_path / "run")
    resumed = folder / "log" / "0-b2-0001.jsonl"
    resumed.unlink()
    follower = RunFollower(folder)
    before = follower.poll()
    resumed.write_bytes(b"".join(lines[resumed.name]))

    after = follower.poll()

    assert (len(before.resumptions), len(after.resumptions), follower.num_restarts) == (0, 1, 1)
    assert shown(after) == shown(fold_afresh(folder))


def test_the_state_of_a_run(tmp_path):
    ended = write_example_run(tmp_path / "ended")
    going = write_example_run(tmp_path / "going", is_finished=False)
    assert (read_story(ended).state, read_story(going).state) == ("ended", "unknown")

    lock = RunLock.acquire(going, Role.LOG)
    assert RunFollower(going).poll().state == "running"
    lock.release()

    follower = RunFollower(going)
    assert (follower.poll().state, follower.poll().progress.seconds_left) == ("died", None)


def test_a_kept_state_gives_the_same_story_without_reading_the_log(tmp_path, saving):
    folder = write_example_run(tmp_path / "run")
    whole = shown(fold_afresh(folder))
    RunFollower(folder).poll()

    follower = RunFollower(folder)

    assert shown(follower.poll()) == whole
    assert follower.num_read == 0


def rewrite(folder):
    path = next((folder / "log").iterdir())
    path.write_bytes(path.read_bytes().replace(b'"damaged"', b'"another"') + b"")


def drop_a_line(folder):
    path = sorted((folder / "log").iterdir())[0]
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))


def damage(folder):
    path = folder / follow.STATE_FILE
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(folder):
    path = folder / follow.STATE_FILE
    path.write_bytes(path.read_bytes()[:-9])


def link(folder):
    path = folder / follow.STATE_FILE
    path.rename(folder / "other")
    path.symlink_to("other")


@pytest.mark.parametrize("spoil", [rewrite, drop_a_line, damage, cut, link])
def test_a_stale_or_damaged_state_is_ignored(tmp_path, saving, spoil):
    folder = write_example_run(tmp_path / "run")
    RunFollower(folder).poll()
    spoil(folder)

    follower = RunFollower(folder)
    story = follower.poll()

    assert follower.num_read == story.num_events
    assert shown(story) == shown(fold_afresh(folder))


def test_a_state_of_another_version_is_ignored(tmp_path, saving, monkeypatch):
    folder = write_example_run(tmp_path / "run")
    RunFollower(folder).poll()
    monkeypatch.setattr(fold_state, "_FORMAT", "another")

    follower = RunFollower(folder)
    follower.poll()

    assert follower.num_read > 0


def test_a_short_run_leaves_no_state(tmp_path):
    folder = write_example_run(tmp_path / "run")
    read_story(folder)
    assert not (folder / follow.STATE_FILE).exists()
