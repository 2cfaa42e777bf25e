"""Events of several writers make one story, in whatever order their lines arrive."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from esper._generated.enums import RunOutcome, SeedStage
from esper._generated.run import emit_run_resumed
from esper.karn.run import RunFold, read_story
from esper.nissa.hub import Hub
from esper.nissa.log import RunLog
from esper.nissa.reader import read_run
from tests.nissa.sample_events import (
    emit_end,
    emit_epoch,
    emit_fossil,
    emit_germination,
    emit_pruning,
    emit_rollback,
    emit_stage_change,
    emit_start,
    emit_whole_run,
    move_log,
)


def write(folder, *emitters, rank=0, first_seq=0):
    """Write a log with the events of each emitter, all from one writer."""
    with Hub("run", rank=rank, first_seq=first_seq) as hub:
        hub.attach(RunLog(folder))
        for emit in emitters:
            emit(hub.channel(env_id=0))


def emit_begin(channel):
    emit_start(channel)
    emit_germination(channel)
    emit_stage_change(channel, "r0c0", "GERMINATED", "TRAINING")
    channel.advance(epoch=1)
    emit_epoch(channel)
    emit_stage_change(channel, "r0c0", "HOLDING", "FOSSILIZED")


def emit_rest(channel):
    emit_run_resumed(channel, epochs_completed=1, epochs=8, superseded_events=1)
    channel.advance(epoch=2)
    emit_fossil(channel)
    emit_germination(channel)
    emit_end(channel)


@pytest.fixture
def folder(tmp_path):
    """Return a run of four writers: rank 0, then resumed; rank 1 and a spawned process at the same time."""
    hubs = {
        "first": Hub("run"),
        "spawned": Hub("run"),
        "other rank": Hub("run", rank=1),
    }
    for name, hub in hubs.items():
        hub.attach(RunLog(tmp_path / name))
    emit_germination(hubs["spawned"].channel(env_id=7), "own")
    emit_begin(hubs["first"].channel(env_id=0))
    emit_whole_run(hubs["other rank"].channel(env_id=1))
    emit_pruning(hubs["spawned"].channel(env_id=7), "own")
    emit_rollback(hubs["spawned"].channel(env_id=7))
    for name, hub in hubs.items():
        hub.close()
        move_log(tmp_path / name, tmp_path)
    return tmp_path


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None
)
@given(data=st.data())
def test_any_order_of_the_lines_of_different_writers_gives_the_same_story(folder, data):
    events = read_run(folder)
    queues = {}
    for envelope, payload in events:
        queues.setdefault(envelope.boot, []).append((envelope, payload))
    boots = [boot for boot, queue in queues.items() for _ in queue]
    fold = RunFold()
    for boot in data.draw(st.permutations(boots)):
        fold.add(*queues[boot].pop(0))

    # NaN differs from itself.
    assert repr(fold.build(events)) == repr(read_story(folder))


def test_the_lowest_rank_tells_the_course_of_the_run(folder):
    story = read_story(folder)

    assert (story.outcome, len(story.epochs), story.num_events) == (None, 1, 5 + 5 + 24)
    assert (len(story.rollbacks), len(story.panics)) == (2, 2)
    assert [(slot.env_id, slot.slot_id, len(slot.seeds)) for slot in story.slots] == [
        (0, "r0c0", 1),
        (0, "r0c1", 0),
        (7, "own", 1),
        (1, "r0c0", 1),
        (1, "r0c1", 1),
    ]
    assert len(story.overlaps) == 1


def test_a_resumed_run_goes_on_with_the_seeds_of_the_process_before_it(tmp_path):
    write(tmp_path, emit_begin)
    write(tmp_path, emit_rest, first_seq=5)

    story = read_story(tmp_path)

    assert story.outcome is RunOutcome.COMPLETED
    assert story.overlaps == ()
    first, second = story.slots[0].seeds
    assert [step.stage.name for step in first.steps] == ["GERMINATED", "TRAINING", "FOSSILIZED"]
    assert (first.num_params, first.improvement) == (148, 1.5)
    assert second.stage is SeedStage.GERMINATED


def test_a_second_run_in_the_same_folder_has_its_own_seeds(tmp_path):
    write(tmp_path, emit_begin)
    write(tmp_path / "second", emit_begin)
    move_log(tmp_path / "second", tmp_path)

    story = read_story(tmp_path)

    assert (story.num_events, story.num_superseded) == (10, 0)
    assert len(story.slots[0].seeds) == 2
