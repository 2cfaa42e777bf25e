"""The snapshots that are kept: the newest and older ones, each place renewed more slowly than the one before it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from esper.tolaria.snapshots.store import Snapshot


class Ring:
    """Keeps snapshots of several ages.

    The first place takes every new snapshot. What it drives out moves on to the next place if the one there has
    proved itself and is old enough to move on as well; otherwise it goes. So of the snapshots that have proved
    themselves one is always left.
    """

    def __init__(self, ages: Sequence[int]) -> None:
        """Keep one snapshot, and another for each of `ages`, after so many snapshots each place takes a younger one."""
        self._ages = tuple(ages)
        self._places: list[Snapshot] = []

    def __len__(self) -> int:
        """Return the number of snapshots kept."""
        return len(self._places)

    @property
    def newest(self) -> Snapshot | None:
        """The newest snapshot; None before the first."""
        return self._places[0] if self._places else None

    @property
    def newest_first(self) -> tuple[Snapshot, ...]:
        """The snapshots kept."""
        return tuple(self._places)

    def add(self, snapshot: Snapshot, *, has_proved: Callable[[Snapshot], bool]) -> None:
        """Take in the newest snapshot."""
        moving = snapshot
        for place, limit in enumerate((0, *self._ages)):
            if place == len(self._places):
                self._places.append(moving)
                return
            present = self._places[place]
            age = snapshot.info.snapshot_id - present.info.snapshot_id
            if place and not has_proved(present):
                if has_proved(moving):
                    self._places[place] = moving
                return
            if place and age <= limit:
                return
            if place == len(self._ages) > 0 and not has_proved(moving):
                # What it would drive out here has proved itself, and would be gone.
                return
            self._places[place], moving = moving, present

    def restore(self, newest_first: Sequence[Snapshot]) -> None:
        """Keep what `newest_first` returned in an earlier life, and nothing else."""
        self._places = list(newest_first)

    def drop(self, snapshot: Snapshot) -> None:
        """Give up one snapshot."""
        self._places = [kept for kept in self._places if kept is not snapshot]

    def bring_back(self, snapshot: Snapshot) -> None:
        """Take in one that had been given up, where its age belongs, even if there are too many then."""
        self._places.append(snapshot)
        self._places.sort(key=lambda kept: kept.info.snapshot_id, reverse=True)

    def trim(self, merit: Callable[[Snapshot], Any]) -> None:
        """Give up those of least merit, but not the newest, until there are not too many."""
        while len(self._places) > 1 + len(self._ages):
            self.drop(min(self._places[1:], key=merit))

    def drop_newer(self, snapshot: Snapshot) -> None:
        """Give up those taken after `snapshot`: the future they came from is not going to happen."""
        limit = snapshot.info.snapshot_id
        self._places = [kept for kept in self._places if kept.info.snapshot_id <= limit]
