"""The snapshots that are kept, and which of them to go back to.

A snapshot is on probation until enough healthy steps have followed it: damage shows only some steps after it is done.
One that was taken right behind a healthy check of the same weights needs none, nor does any in a loop that reports no
steps, because nothing could be waited for.

Whoever goes back gives up what was taken later. But of what had proved itself the best is set aside until the trouble is
over: if going further back does not help, the snapshot was not to blame. The best is the one with the least loss, or where
nothing was checked, the most trained. A loss from before seeds were pruned flatters; once a snapshot has been gone back to
and checked again, its loss is known. So the one to end with is chosen from those, as long as there are any.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from esper._generated.enums import SeedStage
from esper.leyline.errors import SnapshotError
from esper.tolaria.snapshots.restore import CorruptSnapshotError, Restoration
from esper.tolaria.snapshots.ring import Ring
from esper.tolaria.snapshots.serialization import from_record, to_record
from esper.tolaria.snapshots.store import Snapshot, SnapshotStore


class SnapshotKeeper:
    """Takes, keeps and finds snapshots.

    Attributes:
        next_id: number of the next snapshot.
    """

    def __init__(self, store: SnapshotStore, *, ages: Sequence[int], probation_steps: int) -> None:
        """Keep what `store` takes in a ring of `ages`."""
        self.next_id = 0
        self._store = store
        self._ring = Ring(ages)
        self._aside: Snapshot | None = None
        self._probation_steps = probation_steps
        self._num_healthy_steps = 0
        self._progress = 0
        self._is_stepping = False
        self._has_moved = True
        self._is_back = False

    @property
    def newest(self) -> Snapshot | None:
        """The newest snapshot; None before the first."""
        return self._ring.newest

    @property
    def lacks_fossil(self) -> bool:
        """Whether a seed has fossilised that the newest snapshot does not know."""
        newest = self._ring.newest
        if newest is None:
            return False
        inventory = newest.inventory
        fossil, known = SeedStage.FOSSILIZED, inventory.fossils
        # A plain loop, because this is asked before every step.
        for path, slot in inventory.slots.items():
            if slot.stage is fossil and path not in known:
                return True
        return False

    @property
    def has_older(self) -> bool:
        """Whether it is possible to go further back than to the first choice."""
        return self._start(True) > self._start(False)

    def note_step(self, *, is_healthy: bool) -> None:
        """Note that a step was taken, and whether anything was wrong with it."""
        self._is_stepping = self._has_moved = True
        self._is_back = False
        self._num_healthy_steps += is_healthy
        self._progress += 1

    def has_proved(self, snapshot: Snapshot) -> bool:
        """Return whether `snapshot` is off probation."""
        if snapshot.vouched_loss is not None:
            return True
        if not self._is_stepping:
            return not snapshot.is_doubtful
        return self._num_healthy_steps - snapshot.num_healthy_steps >= self._probation_steps

    def take(
        self,
        *,
        step: int,
        detectors: tuple[Mapping[str, Any], ...],
        vouched_loss: float | None,
        is_doubtful: bool = False,
    ) -> Snapshot:
        """Take a snapshot and keep it; `vouched_loss` is that of a healthy check of these very weights.

        It `is_doubtful` when the last loss was anomalous.

        Raises:
            NotFiniteError: something is not finite.
            SnapshotError: it cannot be copied. Either way the ones that are kept stay.
        """
        # A loop that reports no steps is taken to have gone one further.
        progress = self._progress if self._is_stepping else self._progress + 1
        snapshot = self._store.take(
            snapshot_id=self.next_id,
            step=step,
            num_healthy_steps=self._num_healthy_steps,
            progress=progress,
            detectors=detectors,
            vouched_loss=vouched_loss,
            is_doubtful=is_doubtful,
        )
        self.next_id += 1
        self._progress = progress
        before = self._ring.newest_first
        newest = self.newest
        if self._is_stepping and newest is not None and not self._has_moved:
            # While steps are skipped the network stays what it is; copies of it must not drive out all older ones.
            self._ring.drop(newest)
            snapshot = replace(snapshot, num_healthy_steps=newest.num_healthy_steps)
            if vouched_loss is None:
                snapshot = replace(
                    snapshot,
                    vouched_loss=newest.vouched_loss,
                    was_restored=newest.was_restored,
                )
            else:
                snapshot = replace(snapshot, was_restored=self._is_back)
        self._has_moved = False
        self._ring.add(snapshot, has_proved=self.has_proved)
        self._release(before)
        return snapshot

    def find_way_back(
        self,
        *,
        goes_further: bool,
        to_best: bool = False,
        is_last: bool = False,
        tell_corrupt: Callable[[int], None] = lambda number: None,
    ) -> Restoration:
        """Return a validated way back; the numbers of corrupt snapshots that are given up on the way go to `tell_corrupt`.

        It leads to the newest snapshot that has proved itself, or if it `goes_further`, to the next older one, or `to_best`
        that ever had; if it `is_last`, there will be no other try. A corrupt one is given up for the next older, and if
        there is none, for the next newer.

        Raises:
            SnapshotError: there is no sound snapshot, or the host has been rebuilt; the model is untouched.
        """
        num_corrupt = 0
        if to_best:
            self._bring_back()
        while self._ring.newest_first or self._bring_back():
            kept = self._ring.newest_first
            snapshot = kept[self._best(is_last) if to_best else self._start(goes_further)]
            try:
                return Restoration(snapshot, self._store.inventory(), others=kept)
            except CorruptSnapshotError:
                num_corrupt += 1
                tell_corrupt(snapshot.info.snapshot_id)
                self._ring.drop(snapshot)
                self._store.release(snapshot)
        raise SnapshotError(
            f"there must be a sound snapshot to go back to, got {num_corrupt} corrupt and no other;"
            " take one while the network is healthy"
        )

    def find_way_to_start(self) -> Restoration | None:
        """Return the way back to the newest snapshot if no step has been taken since; None if one has, or it is corrupt."""
        newest = self.newest
        if newest is None or self._has_moved:
            return None
        with suppress(SnapshotError):
            return Restoration(newest, self._store.inventory(), others=self._ring.newest_first)
        return None

    def settle(self, snapshot: Snapshot) -> None:
        """Note that the run has gone back to `snapshot`; those taken after it are given up or set aside."""
        before = (*self._ring.newest_first, *([self._aside] if self._aside else []))
        self._ring.drop_newer(snapshot)
        self._ring.trim(_merit_so_far)
        self._has_moved = False
        self._is_back = True
        self._progress = snapshot.progress
        kept = self._ring.newest_first
        given_up = [one for one in before if one not in kept and self.has_proved(one)]
        self._aside = max(given_up, key=_merit_so_far, default=None)
        self._release(before)

    def forget_aside(self) -> None:
        """Note that the trouble is over, so that what was set aside is not needed any more."""
        if self._aside is not None:
            self._store.release(self._aside)
            self._aside = None

    def state_dict(self) -> dict[str, Any]:
        """Return everything that is kept, in tensors and plain types; the tensors are the snapshots' own."""
        aside = self._aside
        return {
            "snapshots": [to_record(kept) for kept in self._ring.newest_first],
            "aside": None if aside is None else to_record(aside),
            "next_id": self.next_id,
            "num_healthy_steps": self._num_healthy_steps,
            "progress": self._progress,
            "is_stepping": self._is_stepping,
            "has_moved": self._has_moved,
            "is_back": self._is_back,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Keep what `state_dict` returned, in memory of its own, and nothing else.

        Raises:
            SnapshotError: the snapshots are not of this model; nothing has been changed.
        """
        now = self._store.inventory()
        slots = now.slots
        recalled = [from_record(kept, slots) for kept in state["snapshots"]]
        for snapshot in recalled[:1]:
            Restoration(snapshot, now)
        aside = None if state["aside"] is None else from_record(state["aside"], slots)
        self._ring.restore(recalled)
        self._aside = aside
        self.next_id = state["next_id"]
        self._num_healthy_steps = state["num_healthy_steps"]
        self._progress = state["progress"]
        self._is_stepping = state["is_stepping"]
        self._has_moved = state["has_moved"]
        self._is_back = state["is_back"]

    def _bring_back(self) -> bool:
        """Take what was set aside back among the others; return whether there was anything."""
        if self._aside is None:
            return False
        self._ring.bring_back(self._aside)
        self._aside = None
        return True

    def _start(self, goes_further: bool) -> int:
        """Return the place of the snapshot to go back to, counted from the newest."""
        places = [
            place for place, kept in enumerate(self._ring.newest_first) if self.has_proved(kept)
        ]
        # When none has proved itself, the oldest is the least likely to be damaged.
        last = len(self._ring) - 1
        return min(places[0] + goes_further, last) if places else last

    def _best(self, is_last: bool) -> int:
        """Return the place of the best of the snapshots that have proved themselves, or of all if none has."""
        kept = self._ring.newest_first
        return max(
            range(len(kept)),
            key=lambda place: (self.has_proved(kept[place]), _merit(kept[place], is_last=is_last)),
        )

    def _release(self, before: Sequence[Snapshot]) -> None:
        """Give back the memory of the snapshots that were kept `before`, each named once, and no longer are."""
        for snapshot in before:
            if all(kept is not snapshot for kept in (*self._ring.newest_first, self._aside)):
                self._store.release(snapshot)


def _merit(snapshot: Snapshot, *, is_last: bool) -> tuple[bool, float, int]:
    """Return what makes a snapshot better than another to go on with, or if it `is_last`, to end with."""
    loss = math.inf if snapshot.vouched_loss is None else snapshot.vouched_loss
    return is_last and snapshot.was_restored, -loss, snapshot.progress


def _merit_so_far(snapshot: Snapshot) -> tuple[bool, float, int]:
    return _merit(snapshot, is_last=False)
