"""Which snapshots are kept and gone back to, and whose memory is whose."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from esper.tolaria.snapshots.retention import SnapshotKeeper
from tests.tolaria.networks import store_for


class Kept:
    """A keeper over a single weight, and what it was at each snapshot."""

    def __init__(self, *, ages=(1, 3, 8), probation_steps=0) -> None:
        self.model = nn.Linear(1, 1)
        self.store = store_for(self.model)
        self.keeper = SnapshotKeeper(self.store, ages=ages, probation_steps=probation_steps)
        self.saved: dict[int, float] = {}

    def take(self, vouched_loss: float | None = None) -> None:
        """Take a step and a snapshot."""
        self.keeper.note_step(is_healthy=True)
        with torch.no_grad():
            self.model.weight += 1.0
        snapshot = self.keeper.take(step=0, detectors=(), vouched_loss=vouched_loss)
        self.saved[snapshot.info.snapshot_id] = self.model.weight.item()

    def go_back(self, **choice) -> int:
        """Go back, and return the number of the snapshot."""
        way = self.keeper.find_way_back(**{"goes_further": False, **choice})
        way.put_back_tensors({})
        self.keeper.settle(way.snapshot)
        return way.snapshot.info.snapshot_id

    @property
    def snapshots(self) -> list:
        aside = self.keeper._aside
        return [*self.keeper._ring.newest_first, *([aside] if aside else [])]


@given(st.lists(st.one_of(st.floats(0.0, 1.0), st.none(), st.booleans()), max_size=60))
def test_every_snapshot_holds_what_was_saved_in_memory_of_its_own(course):
    kept = Kept()
    for event in [0.5, *course]:
        if isinstance(event, bool):
            number = kept.go_back(goes_further=event, to_best=not event)
            assert kept.model.weight.item() == kept.saved[number]
        else:
            kept.take(event)

        vaults = [snapshot.vault for snapshot in kept.snapshots]
        assert len({id(vault) for vault in (*vaults, *kept.store._free)}) <= 6
        assert len({id(vault) for vault in vaults}) == len(vaults)
        for snapshot in kept.snapshots:
            assert snapshot.vault.view("weight").item() == kept.saved[snapshot.info.snapshot_id]
            assert snapshot.vault.is_intact()


def test_the_best_is_looked_for_before_there_are_too_many():
    kept = Kept(ages=(1, 3))
    for loss in (0.1, 0.3, 0.2):
        kept.take(loss)
    assert kept.go_back(goes_further=True) == 1
    kept.take(0.4)

    assert kept.go_back(to_best=True) == 0


def test_what_was_set_aside_is_there_when_all_others_are_corrupt():
    kept = Kept()
    for loss in (0.5, 0.4, 0.3):
        kept.take(loss)
    assert kept.go_back(goes_further=True) == 1
    for snapshot in kept.keeper._ring.newest_first:
        snapshot.vault.view("weight")[0] += 1
    corrupt: list[int] = []

    way = kept.keeper.find_way_back(goes_further=False, tell_corrupt=corrupt.append)

    assert way.snapshot.info.snapshot_id == 2
    assert corrupt == [1, 0]


def test_another_copy_of_proved_weights_has_proved_itself():
    kept = Kept(probation_steps=5)
    for _ in range(8):
        kept.take()
    number = kept.go_back()
    copy = kept.keeper.take(step=0, detectors=(), vouched_loss=None)

    assert copy.info.snapshot_id > number
    assert kept.keeper.has_proved(copy)


def test_another_copy_of_weights_keeps_what_a_check_has_found():
    kept = Kept()
    for loss in (0.3, 0.2):
        kept.take(loss)
    kept.go_back()
    checked = kept.keeper.take(step=0, detectors=(), vouched_loss=0.4)
    copy = kept.keeper.take(step=0, detectors=(), vouched_loss=None)

    assert checked.was_restored
    assert (copy.was_restored, copy.vouched_loss) == (True, 0.4)


def test_loading_again_and_again_takes_no_more_memory():
    kept = Kept()
    for _ in range(8):
        kept.take(0.5)
    for _ in range(5):
        kept.keeper.load_state_dict(kept.keeper.state_dict())
        kept.take(0.5)

        assert len(kept.store._free) <= 2
