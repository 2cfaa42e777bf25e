"""Keeps the newest snapshot and some older ones, each in a place of its own, so that memory is bounded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from esper.tolaria.snapshots.store import Snapshot


class SnapshotsByAge:
    """Keeps the newest snapshot and some older ones, each in a place of its own.

    Every new snapshot takes the first place, and the one that was there moves on to the next place if that is free or its
    snapshot is old enough to move on as well; otherwise the moving snapshot is discarded. In two cases trust decides
    instead: a snapshot that is not trusted gives up its place to a trusted one, and to no other; and a snapshot in the last
    place gives it up to a trusted one only. So once a snapshot is trusted, a trusted one is always kept.
    """

    def __init__(self, older_ages: Sequence[int]) -> None:
        """Keep the newest snapshot and one more for each of `older_ages`.

        Args:
            older_ages: for each further place, rising, the age up to which a snapshot keeps the place: the number of
                snapshots taken since.
        """
        self._older_ages = tuple(older_ages)
        self._places: list[Snapshot] = []

    def __len__(self) -> int:
        """Return the number of snapshots kept."""
        return len(self._places)

    @property
    def newest(self) -> Snapshot | None:
        """The snapshot that was added last; None if there is none."""
        return self._places[0] if self._places else None

    @property
    def newest_first(self) -> tuple[Snapshot, ...]:
        """The snapshots kept, newest first."""
        return tuple(self._places)

    def add(self, snapshot: Snapshot, *, is_trusted: Callable[[Snapshot], bool]) -> None:
        """Add the newest snapshot and discard those that have no place any more."""
        moving = snapshot
        for place, limit in enumerate((0, *self._older_ages)):
            if place == len(self._places):
                self._places.append(moving)
                return
            present = self._places[place]
            age = snapshot.info.snapshot_id - present.info.snapshot_id
            if place and not is_trusted(present):
                if is_trusted(moving):
                    self._places[place] = moving
                return
            if place and age <= limit:
                return
            if place == len(self._older_ages) > 0 and not is_trusted(moving):
                # The trusted snapshot in the last place would be discarded for one that is not trusted.
                return
            self._places[place], moving = moving, present

    def replace_all(self, newest_first: Sequence[Snapshot]) -> None:
        """Keep exactly `newest_first`."""
        self._places = list(newest_first)

    def discard(self, snapshot: Snapshot) -> None:
        """Discard one snapshot."""
        self._places = [kept for kept in self._places if kept is not snapshot]

    def discard_newer(self, snapshot: Snapshot) -> None:
        """Discard the snapshots that were taken after `snapshot`."""
        limit = snapshot.info.snapshot_id
        self._places = [kept for kept in self._places if kept.info.snapshot_id <= limit]

    def insert(self, snapshot: Snapshot) -> None:
        """Insert a snapshot in the order of age, even if there are more snapshots than places then."""
        self._places.append(snapshot)
        self._places.sort(key=lambda kept: kept.info.snapshot_id, reverse=True)

    def trim(self, merit: Callable[[Snapshot], Any]) -> None:
        """Discard the snapshots of least `merit`, but never the newest, until each has a place."""
        while len(self._places) > 1 + len(self._older_ages):
            self.discard(min(self._places[1:], key=merit))
