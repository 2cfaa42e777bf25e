"""A story is built from the events of a log."""

import pytest

from esper._generated.enums import RunOutcome, SeedStage
from esper.karn.run import read_story
from esper.leyline.errors import LogError
from esper.nissa.hub import Hub
from esper.nissa.log import RunLog
from tests.nissa.sample_events import (
    Seed,
    emit_end,
    emit_epoch,
    emit_fossil,
    emit_germination,
    emit_pruning,
    emit_seed_germinated,
    emit_stage_change,
    emit_start,
    emit_whole_run,
)


def story_of(folder, emit):
    with Hub("run-1") as hub:
        hub.attach(RunLog(folder))
        emit(hub.channel(env_id=0))
    return read_story(folder)


def test_a_whole_run(tmp_path):
    story = story_of(tmp_path, emit_whole_run)

    assert story.run_id == "run-1"
    assert story.outcome is RunOutcome.COMPLETED
    assert (story.started.task, story.started.seed) == ("digits", 3)
    assert (story.host_accuracy, story.grown_accuracy) == (92.0, 95.5)
    assert (story.num_host_params, story.num_params, story.params_added) == (1000, 1148, 148)
    assert (story.epochs_completed, story.last_epoch, len(story.epochs)) == (8, 8, 8)
    assert [story.count_seeds(stage) for stage in (SeedStage.GERMINATED, SeedStage.PRUNED)] == [
        2,
        1,
    ]
    assert (len(story.panics), story.num_snapshots, len(story.rollbacks)) == (1, 1, 1)
    assert story.rollbacks[0].epoch == 6
    assert story.torn == story.gaps == story.rejected == ()


def test_a_slot_has_the_stages_of_all_its_seeds(tmp_path):
    def emit(channel):
        emit_germination(channel, "r0c0", "norm")
        channel.advance(epoch=3)
        emit_pruning(channel, "r0c0", reason="no gain")
        emit_stage_change(channel, "r0c0", "PRUNED", "EMBARGOED")
        channel.advance(epoch=9)
        emit_germination(channel, "r0c0", "conv_small")

    (slot,) = story_of(tmp_path, emit).slots

    first, second = slot.seeds
    assert [(step.epoch, step.stage.name, step.reason) for step in first.steps] == [
        (None, "GERMINATED", None),
        (3, "PRUNED", "no gain"),
        (3, "EMBARGOED", None),
    ]
    assert first.improvement == 1.5
    assert (second.blueprint_id, second.stage) == ("conv_small", SeedStage.GERMINATED)
    assert second.improvement is None


def test_slots_without_a_seed_are_included_in_the_order_of_the_host(tmp_path):
    def emit(channel):
        emit_start(channel, slot_ids=("a", "b", "c"))
        emit_germination(channel, "c")

    assert [(slot.slot_id, len(slot.seeds)) for slot in story_of(tmp_path, emit).slots] == [
        ("a", 0),
        ("b", 0),
        ("c", 1),
    ]


def test_slots_of_different_environments_are_kept_apart(tmp_path):
    def emit(channel):
        for env_id in (0, 1):
            emit_germination(channel.bind(env_id=env_id), "r0c0")

    slots = story_of(tmp_path, emit).slots

    assert [(slot.env_id, len(slot.seeds)) for slot in slots] == [(0, 1), (1, 1)]


def test_an_unfinished_run_has_the_figures_of_its_latest_epoch(tmp_path):
    def emit(channel):
        emit_start(channel)
        for epoch, accuracy in ((1, 80.0), (2, 85.0)):
            channel.advance(epoch=epoch)
            emit_epoch(channel, accuracy=accuracy, num_params=1100)

    story = story_of(tmp_path, emit)

    assert story.outcome is None
    assert (story.grown_accuracy, story.host_accuracy) == (85.0, None)
    assert (story.epochs_completed, story.params_added) == (2, 100)


def test_a_run_that_was_resumed_after_its_end_has_not_ended(tmp_path):
    def emit(channel):
        emit_end(channel)
        emit_epoch(channel)

    assert story_of(tmp_path, emit).outcome is None


def test_a_seed_whose_germination_is_missing_is_included(tmp_path):
    (slot,) = story_of(tmp_path, lambda channel: emit_fossil(channel, "r0c0")).slots

    (seed,) = slot.seeds
    assert (seed.blueprint_id, seed.num_params) == ("conv_small", 148)
    assert seed.stage is SeedStage.FOSSILIZED


def test_rejected_events_are_part_of_the_story(tmp_path):
    story = story_of(tmp_path, lambda channel: emit_seed_germinated(channel, Seed(alpha=2.0)))

    assert [event.payload.field for event in story.rejected] == ["alpha"]


def test_an_empty_log_is_refused(tmp_path):
    (tmp_path / "log").mkdir()

    with pytest.raises(
        LogError, match=r"no events in the run log of .*: the run ended before its first event"
    ):
        read_story(tmp_path)
