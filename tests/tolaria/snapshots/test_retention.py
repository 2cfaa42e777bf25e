"""Tests of which snapshots are kept, which one a rollback restores, and that each has memory of its own."""

from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from esper._generated.enums import EscalationAction
from esper.tolaria.snapshots.retention import SnapshotKeeper
from esper.tolaria.snapshots.snapshots_by_age import SnapshotsByAge
from esper.tolaria.snapshots.store import SnapshotContext
from tests.tolaria.networks import store_for

NEWEST = EscalationAction.NEWEST_SNAPSHOT
OLDER = EscalationAction.OLDER_SNAPSHOT
BEST = EscalationAction.BEST_SNAPSHOT


def numbered(number: int) -> SimpleNamespace:
    """Return a stand-in for a snapshot with the only attribute that `SnapshotsByAge` reads."""
    return SimpleNamespace(info=SimpleNamespace(snapshot_id=number))


def numbers(by_age: SnapshotsByAge) -> list[int]:
    return [kept.info.snapshot_id for kept in by_age.newest_first]


def filled(count: int, *, ages=(2, 8), is_trusted=lambda kept: True) -> SnapshotsByAge:
    by_age = SnapshotsByAge(ages)
    for number in range(count):
        by_age.add(numbered(number), is_trusted=is_trusted)
    return by_age


def test_older_places_take_a_new_snapshot_less_often():
    history = [numbers(filled(count)) for count in range(1, 14)]

    assert history[:4] == [[0], [1, 0], [2, 0], [3, 2, 0]]
    assert history[-1] == [12, 10, 6]


def test_keeps_the_newest_and_one_for_each_age():
    assert len(filled(100, ages=(1, 5, 25))) == 4
    assert len(filled(100, ages=())) == 1


@given(st.integers(1, 60), st.integers(1, 20))
def test_a_trusted_snapshot_is_always_kept(count, trust_after):
    by_age = SnapshotsByAge((2, 8))
    for number in range(count):
        newest = number - trust_after
        by_age.add(numbered(number), is_trusted=lambda kept, to=newest: kept.info.snapshot_id <= to)

    oldest = numbers(by_age)[-1]
    assert count - 1 - oldest >= min(trust_after, count - 1)


@given(st.sets(st.integers(0, 30)), st.sampled_from([(1,), (2, 8), (1, 3, 8)]))
def test_a_trusted_snapshot_is_not_discarded_for_one_that_is_not(trusted, ages):
    by_age = SnapshotsByAge(ages)
    for number in range(30):
        had_one = bool(set(numbers(by_age)) & trusted)
        by_age.add(numbered(number), is_trusted=lambda kept: kept.info.snapshot_id in trusted)
        assert not had_one or set(numbers(by_age)) & trusted


@pytest.mark.parametrize(("to", "left"), [(3, [3, 2, 0]), (2, [2, 0]), (0, [0])])
def test_discards_snapshots_newer_than_a_given_one(to, left):
    by_age = filled(4)

    by_age.discard_newer(numbered(to))

    assert numbers(by_age) == left


def test_discards_a_single_snapshot():
    by_age = filled(4)

    by_age.discard(by_age.newest_first[1])

    assert numbers(by_age) == [3, 0]


def test_inserts_a_snapshot_where_its_age_belongs_and_trims_the_least_worthy():
    by_age = filled(4)
    by_age.discard_newer(numbered(2))

    by_age.insert(numbered(3))
    by_age.insert(numbered(1))

    assert numbers(by_age) == [3, 2, 1, 0]

    by_age.trim(lambda kept: kept.info.snapshot_id != 2)

    assert numbers(by_age) == [3, 1, 0]


class Kept:
    """A network with a keeper of its snapshots, and the value of its weight in each snapshot."""

    def __init__(self, *, ages=(1, 3, 8), trust_after_steps=0) -> None:
        self.model = nn.Linear(1, 1)
        self.store = store_for(self.model)
        self.keeper = SnapshotKeeper(
            self.store, older_ages=ages, trust_after_steps=trust_after_steps
        )
        self.saved: dict[int, float] = {}

    def take(self, validated_loss: float | None = None) -> None:
        """Take a step and a snapshot."""
        self.keeper.note_step(is_healthy=True)
        with torch.no_grad():
            self.model.weight += 1.0
        snapshot = self.take_again(validated_loss)
        self.saved[snapshot.info.snapshot_id] = self.model.weight.item()

    def take_again(self, validated_loss: float | None = None):
        """Take a snapshot without a step before it."""
        return self.keeper.take(SnapshotContext(step=0, validated_loss=validated_loss))

    def roll_back(self, target=NEWEST) -> int:
        """Restore a snapshot and return its number."""
        plan = self.keeper.plan_restore(target)
        plan.restore_tensors({})
        self.keeper.note_rollback(plan.snapshot)
        return plan.snapshot.info.snapshot_id


@given(st.lists(st.one_of(st.floats(0.0, 1.0), st.none(), st.booleans()), max_size=60))
def test_every_snapshot_holds_the_saved_weights_in_memory_of_its_own(course):
    kept = Kept()
    for event in [0.5, *course]:
        if isinstance(event, bool):
            number = kept.roll_back(OLDER if event else BEST)
            assert kept.model.weight.item() == kept.saved[number]
        else:
            kept.take(event)

        snapshots = kept.keeper.snapshots
        assert len(snapshots) + kept.store.num_free_buffers <= 6
        assert len({id(snapshot.buffers) for snapshot in snapshots}) == len(snapshots)
        for snapshot in snapshots:
            assert snapshot.buffers.view("weight").item() == kept.saved[snapshot.info.snapshot_id]
            assert snapshot.buffers.is_intact()


def test_the_best_snapshot_is_chosen_before_surplus_ones_are_discarded():
    kept = Kept(ages=(1, 3))
    for loss in (0.1, 0.3, 0.2):
        kept.take(loss)
    assert kept.roll_back(OLDER) == 1
    kept.take(0.4)

    assert kept.roll_back(BEST) == 0


def test_the_fallback_is_restored_when_all_other_snapshots_are_corrupt():
    kept = Kept()
    for loss in (0.5, 0.4, 0.3):
        kept.take(loss)
    assert kept.roll_back(OLDER) == 1
    *others, fallback = kept.keeper.snapshots
    for snapshot in others:
        snapshot.buffers.view("weight")[0] += 1
    corrupt: list[int] = []

    plan = kept.keeper.plan_restore(NEWEST, report_corrupt=corrupt.append)

    assert plan.snapshot is fallback
    assert corrupt == [1, 0]


def test_the_fallback_is_discarded_on_request():
    kept = Kept()
    for loss in (0.5, 0.4, 0.3):
        kept.take(loss)
    kept.roll_back(OLDER)

    kept.keeper.discard_fallback()

    assert [snapshot.info.snapshot_id for snapshot in kept.keeper.snapshots] == [1, 0]
    assert kept.store.num_free_buffers == 1


def test_another_copy_of_trusted_weights_is_trusted():
    kept = Kept(trust_after_steps=5)
    for _ in range(8):
        kept.take()
    number = kept.roll_back()
    copy = kept.take_again()

    assert copy.info.snapshot_id > number
    assert kept.keeper.is_trusted(copy)


def test_another_copy_of_weights_keeps_their_validated_loss():
    kept = Kept()
    for loss in (0.3, 0.2):
        kept.take(loss)
    kept.roll_back()
    validated = kept.take_again(0.4)
    copy = kept.take_again()

    assert validated.context.was_restored
    assert (copy.context.was_restored, copy.context.validated_loss) == (True, 0.4)


def test_loading_again_and_again_takes_no_more_memory():
    kept = Kept()
    for _ in range(8):
        kept.take(0.5)
    for _ in range(5):
        kept.keeper.load_state_dict(kept.keeper.state_dict())
        kept.take(0.5)

        assert kept.store.num_free_buffers <= 2
