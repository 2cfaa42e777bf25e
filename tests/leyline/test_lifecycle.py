"""Transitions between the stages of a seed."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esper._generated.enums import SeedStage
from esper.leyline.lifecycle import (
    FOLLOWING_STAGES,
    has_seed,
    is_active,
    is_failure,
    is_undecided,
    may_follow,
    next_stage,
)


def names(predicate) -> set[str]:
    return {stage.name for stage in SeedStage if predicate(stage)}


def test_every_stage_has_its_following_stages():
    assert set(FOLLOWING_STAGES) == set(SeedStage)


def test_a_seed_advances_from_stage_to_stage_until_it_is_a_fossil():
    stages = [SeedStage.DORMANT]
    while (following := next_stage(stages[-1])) is not None:
        stages.append(following)

    assert [stage.name for stage in stages] == [
        "DORMANT",
        "GERMINATED",
        "TRAINING",
        "BLENDING",
        "HOLDING",
        "FOSSILIZED",
    ]


def test_a_pruned_seeds_slot_cools_down_until_it_is_empty():
    stages = [SeedStage.PRUNED]
    while stages[-1] is not SeedStage.DORMANT:
        (following,) = FOLLOWING_STAGES[stages[-1]]
        stages.append(following)

    assert [stage.name for stage in stages] == ["PRUNED", "EMBARGOED", "RESETTING", "DORMANT"]


@pytest.mark.parametrize(
    ("predicate", "stages"),
    [
        (has_seed, {"GERMINATED", "TRAINING", "BLENDING", "HOLDING", "FOSSILIZED"}),
        (is_undecided, {"GERMINATED", "TRAINING", "BLENDING", "HOLDING"}),
        (is_active, {"TRAINING", "BLENDING", "HOLDING", "FOSSILIZED"}),
        (is_failure, {"PRUNED", "EMBARGOED", "RESETTING"}),
    ],
)
def test_predicates_hold_for_these_stages(predicate, stages):
    assert names(predicate) == stages


@pytest.mark.parametrize("stage", [stage for stage in SeedStage if is_undecided(stage)])
def test_every_undecided_seed_can_be_pruned(stage):
    assert may_follow(stage, SeedStage.PRUNED)


@given(st.lists(st.sampled_from(SeedStage), min_size=1))
def test_no_walk_leaves_a_fossil_or_returns_to_a_seed_without_a_germination(walk):
    visited = [SeedStage.DORMANT]
    for stage in walk:
        if may_follow(visited[-1], stage):
            visited.append(stage)

    assert SeedStage.UNKNOWN not in visited
    assert SeedStage.FOSSILIZED not in visited[:-1]
    for before, after in pairwise(visited):
        if not has_seed(before) and has_seed(after):
            assert (before, after) == (SeedStage.DORMANT, SeedStage.GERMINATED)
