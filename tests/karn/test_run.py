"""The story that a log is folded into."""

import pytest

from esper._generated.enums import RunOutcome, SeedStage
from esper.karn.run import read_story
from esper.leyline.errors import LogError
from esper.nissa.hub import Hub
from esper.nissa.log import RunLog
from tests.nissa.teller import (
    Seed,
    emit_seed_germinated,
    tell_end,
    tell_epoch,
    tell_fossil,
    tell_germination,
    tell_pruning,
    tell_stage,
    tell_start,
    tell_whole_run,
)


def story_of(folder, tell):
    with Hub("run-1") as hub:
        hub.attach(RunLog(folder))
        tell(hub.channel(env_id=0))
    return read_story(folder)


def test_a_whole_run(tmp_path):
    story = story_of(tmp_path, tell_whole_run)

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


def test_a_slot_tells_the_lives_of_its_seeds(tmp_path):
    def tell(channel):
        tell_germination(channel, "r0c0", "norm")
        channel.advance(epoch=3)
        tell_pruning(channel, "r0c0", reason="no gain")
        tell_stage(channel, "r0c0", "PRUNED", "EMBARGOED")
        channel.advance(epoch=9)
        tell_germination(channel, "r0c0", "conv_small")

    (slot,) = story_of(tmp_path, tell).slots

    first, second = slot.seeds
    assert [(step.epoch, step.stage.name, step.reason) for step in first.steps] == [
        (None, "GERMINATED", None),
        (3, "PRUNED", "no gain"),
        (3, "EMBARGOED", None),
    ]
    assert first.improvement == 1.5
    assert (second.blueprint_id, second.stage) == ("conv_small", SeedStage.GERMINATED)
    assert second.improvement is None


def test_slots_without_a_seed_are_told_in_the_host_s_order(tmp_path):
    def tell(channel):
        tell_start(channel, slot_ids=("a", "b", "c"))
        tell_germination(channel, "c")

    assert [(slot.slot_id, len(slot.seeds)) for slot in story_of(tmp_path, tell).slots] == [
        ("a", 0),
        ("b", 0),
        ("c", 1),
    ]


def test_environments_are_kept_apart(tmp_path):
    def tell(channel):
        for env_id in (0, 1):
            tell_germination(channel.bind(env_id=env_id), "r0c0")

    slots = story_of(tmp_path, tell).slots

    assert [(slot.env_id, len(slot.seeds)) for slot in slots] == [(0, 1), (1, 1)]


def test_a_run_without_an_end_shows_its_newest_epoch(tmp_path):
    def tell(channel):
        tell_start(channel)
        for epoch, accuracy in ((1, 80.0), (2, 85.0)):
            channel.advance(epoch=epoch)
            tell_epoch(channel, accuracy=accuracy, num_params=1100)

    story = story_of(tmp_path, tell)

    assert story.outcome is None
    assert (story.grown_accuracy, story.host_accuracy) == (85.0, None)
    assert (story.epochs_completed, story.params_added) == (2, 100)


def test_a_run_that_went_on_after_its_end_has_not_ended(tmp_path):
    def tell(channel):
        tell_end(channel)
        tell_epoch(channel)

    assert story_of(tmp_path, tell).outcome is None


def test_a_seed_whose_germination_is_missing_is_told_all_the_same(tmp_path):
    (slot,) = story_of(tmp_path, lambda channel: tell_fossil(channel, "r0c0")).slots

    (seed,) = slot.seeds
    assert (seed.blueprint_id, seed.num_params) == ("conv_small", None)
    assert seed.stage is SeedStage.FOSSILIZED


def test_what_was_rejected_is_part_of_the_story(tmp_path):
    story = story_of(tmp_path, lambda channel: emit_seed_germinated(channel, Seed(alpha=2.0)))

    assert [told.payload.field for told in story.rejected] == ["alpha"]


def test_an_empty_log_tells_no_story(tmp_path):
    (tmp_path / "log").mkdir()

    with pytest.raises(
        LogError, match=r"a run log must hold an event, got none in .*; start another"
    ):
        read_story(tmp_path)
