"""Decides which snapshots are kept and which one a rollback restores.

A snapshot is trusted once enough healthy steps have followed it, because damage shows only some steps after it is done.
It is trusted at once if the same weights have just been validated with a healthy loss. In a loop that reports no steps,
every snapshot is trusted at once, unless the last loss was anomalous.

A rollback discards the snapshots that are newer than the restored one. The best trusted snapshot among them stays as the
*fallback snapshot* until the run has recovered: if restoring older snapshots does not help, the newer ones were not the
cause. The best snapshot is the one with the lowest validated loss or, where nothing was validated, with the most steps.
The loss of weights that were validated together with live seeds is too low, because a rollback prunes those seeds. Once a
snapshot has been restored and its weights validated again, their own loss is known. So the snapshot that ends a run is
chosen among those with such a loss, if there are any.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Final

from esper._generated.enums import EscalationAction, SeedStage
from esper.leyline.errors import SnapshotError
from esper.tolaria.snapshots.restore import CorruptSnapshotError, RestorePlan
from esper.tolaria.snapshots.serialization import (
    snapshot_from_state_dict,
    snapshot_state_dict,
    with_present_keys,
)
from esper.tolaria.snapshots.snapshots_by_age import SnapshotsByAge
from esper.tolaria.snapshots.store import Snapshot, SnapshotContext, SnapshotStore
from esper.tolaria.snapshots.travel import Travel, TravelMeter, higher_rates
from esper.tolaria.snapshots.wrapper_names import PresentNames

OLDER_SNAPSHOT_AGES: Final = (1, 3, 8)
"""Which snapshots are kept beside the newest, unless the user says otherwise: one for each age, counted in snapshots taken
since. Each more costs the memory of one copy of the weights."""


@dataclass(slots=True)
class _Memory:
    """All that the keeper remembers beside the snapshots; the field names are keys of its state dict."""

    next_id: int = 0
    num_healthy_steps: int = 0
    progress: int = 0
    """Steps that the present weights have been trained for."""
    is_stepping: bool = False
    """Whether the loop reports its steps."""
    has_moved: bool = True
    """Whether a step was taken since the last snapshot or rollback."""
    is_back: bool = False
    """Whether no step was taken since the last rollback."""


class SnapshotKeeper:
    """Takes snapshots, keeps some of them, and plans rollbacks to them."""

    def __init__(
        self, store: SnapshotStore, *, older_ages: Sequence[int], trust_after_steps: int
    ) -> None:
        """Keep the snapshots that `store` takes.

        Args:
            store: takes the snapshots.
            older_ages: which older snapshots to keep, see `SnapshotsByAge`.
            trust_after_steps: healthy steps after which a snapshot is trusted.
        """
        self._store = store
        self._by_age = SnapshotsByAge(older_ages)
        self._fallback: Snapshot | None = None
        self._trust_after_steps = trust_after_steps
        self._memory = _Memory()
        self._travel = TravelMeter()

    @property
    def snapshots(self) -> tuple[Snapshot, ...]:
        """The snapshots kept, newest first, and the fallback snapshot last if there is one."""
        fallback = () if self._fallback is None else (self._fallback,)
        return (*self._by_age.newest_first, *fallback)

    @property
    def newest(self) -> Snapshot | None:
        """The newest snapshot, other than the fallback snapshot; None before the first."""
        return self._by_age.newest

    @property
    def next_id(self) -> int:
        """Number of the next snapshot."""
        return self._memory.next_id

    @property
    def progress(self) -> int:
        """Steps that the present weights have been trained for."""
        return self._memory.progress

    @property
    def lacks_fossil(self) -> bool:
        """Whether the model holds a fossil that is not in the newest snapshot."""
        newest = self._by_age.newest
        if newest is None or not newest.inventory.slots:
            return False
        fossil, saved = SeedStage.FOSSILIZED, newest.inventory.fossils
        # A plain loop, because this runs before every step.
        for path, slot in newest.inventory.slots.items():
            if slot.stage is fossil and path not in saved:
                return True
        return False

    @property
    def has_older(self) -> bool:
        """Whether there is a snapshot to restore that is older than the first choice."""
        return self._choose_trusted(is_older=True) > self._choose_trusted(is_older=False)

    def note_step(self, *, is_healthy: bool) -> None:
        """Note that the optimizer took a step, and whether its loss and gradient were healthy."""
        memory = self._memory
        memory.is_stepping = memory.has_moved = True
        memory.is_back = False
        memory.num_healthy_steps += is_healthy
        memory.progress += 1

    @property
    def reference(self) -> Snapshot | None:
        """The newest trusted and intact snapshot; None if there is none."""
        for snapshot in self._by_age.newest_first:
            if self.is_trusted(snapshot) and snapshot.buffers.is_intact():
                return snapshot
        return None

    def measure_travel(self, rates: Sequence[float]) -> Travel | None:
        """Return how far the weights have moved since the newest trusted snapshot; None if nothing shows what is usual.

        Args:
            rates: the present learning rates, of all parameter groups.
        """
        reference = self.reference
        if reference is None:
            return None
        with suppress(SnapshotError):
            return self._travel.measure(
                reference,
                self._by_age.newest_first,
                self._store.inventory(),
                progress=self.progress,
                learning_rates=rates,
            )
        return None

    def is_trusted(self, snapshot: Snapshot) -> bool:
        """Return whether `snapshot` is taken to be free of damage."""
        context = snapshot.context
        if context.validated_loss is not None:
            return True
        if not self._memory.is_stepping:
            return not context.is_doubtful
        num_since = self._memory.num_healthy_steps - context.num_healthy_steps
        return num_since >= self._trust_after_steps

    def take(self, context: SnapshotContext) -> Snapshot:
        """Take a snapshot and keep it.

        Args:
            context: the state of training; its counters of healthy steps and progress and its highest rates are filled in here.

        Raises:
            NotFiniteError: a tensor is not finite; the earlier snapshots are kept.
            SnapshotError: a tensor cannot be copied; the earlier snapshots are kept.
        """
        memory = self._memory
        # In a loop that reports no steps, each snapshot counts as one.
        progress = memory.progress if memory.is_stepping else memory.progress + 1
        before_it = () if self.newest is None else self.newest.context.highest_rates
        context = replace(
            context,
            num_healthy_steps=memory.num_healthy_steps,
            progress=progress,
            highest_rates=higher_rates(context.rates, before_it),
        )
        snapshot = self._store.take(snapshot_id=memory.next_id, context=context)
        memory.next_id += 1
        memory.progress = progress
        before, newest = self._by_age.newest_first, self.newest
        if memory.is_stepping and newest is not None and not memory.has_moved:
            # While steps are skipped the weights do not change; copies of them must not drive out all older ones.
            self._by_age.discard(newest)
            snapshot = replace(snapshot, context=self._continued(newest.context, context))
        memory.has_moved = False
        self._by_age.add(snapshot, is_trusted=self.is_trusted)
        self._release_discarded(before)
        return snapshot

    def undo_first_batch(self) -> bool:
        """Put the buffers back that the first batch has broken before the first snapshot; return False if impossible."""
        return self._store.undo_first_batch()

    def plan_restore(
        self,
        target: EscalationAction,
        *,
        chosen: Snapshot | None = None,
        is_last: bool = False,
        report_corrupt: Callable[[int], None] = lambda number: None,
    ) -> RestorePlan:
        """Return a validated plan for a rollback; corrupt snapshots are discarded, and the next best one is chosen.

        Args:
            target: NEWEST_SNAPSHOT, the newest trusted snapshot; OLDER_SNAPSHOT, the next older one; or BEST_SNAPSHOT,
                the best trusted snapshot, the fallback included.
            chosen: the snapshot to restore whatever `target` says, if it is still kept and intact.
            is_last: whether the run ends with this rollback.
            report_corrupt: called with the number of each corrupt snapshot.

        Raises:
            SnapshotError: there is no intact snapshot, or the host has been rebuilt; the model is not changed.
        """
        num_corrupt = 0
        while (snapshot := self._choose(target, chosen, is_last=is_last)) is not None:
            if target is EscalationAction.BEST_SNAPSHOT or snapshot is self._fallback:
                self._reinsert_fallback()
            try:
                return RestorePlan(
                    snapshot, self._store.inventory(), others=self._by_age.newest_first
                )
            except CorruptSnapshotError:
                num_corrupt += 1
                self._discard_corrupt(snapshot, report_corrupt)
        raise SnapshotError(
            f"a rollback needs an intact snapshot, got {num_corrupt} corrupt and no other; take one"
            " while the network is healthy"
        )

    def plan_comparison(
        self, target: EscalationAction, *, report_corrupt: Callable[[int], None]
    ) -> RestorePlan | None:
        """Return a plan for the snapshot that `plan_restore` would choose, None if there is no intact one; keep the others.

        Raises:
            SnapshotError: the host has been rebuilt.
        """
        while (snapshot := self._choose(target)) is not None:
            try:
                return RestorePlan(snapshot, self._store.inventory(), others=self.snapshots)
            except CorruptSnapshotError:
                self._discard_corrupt(snapshot, report_corrupt)
        return None

    def plan_older(self, snapshot: Snapshot) -> RestorePlan | None:
        """Return a plan for the next snapshot of weights trained for fewer steps; None if there is no intact one.

        Raises:
            SnapshotError: the host has been rebuilt.
        """
        progress = snapshot.context.progress
        older = [one for one in self.snapshots if one.context.progress < progress]
        if not older:
            return None
        next_older = max(older, key=lambda one: one.context.progress)
        with suppress(CorruptSnapshotError):
            return RestorePlan(next_older, self._store.inventory(), others=self.snapshots)
        return None

    def plan_undo(self) -> RestorePlan | None:
        """Return a plan to restore the newest snapshot; None if a step was taken since or it cannot be restored."""
        newest = self.newest
        if newest is None or self._memory.has_moved:
            return None
        with suppress(SnapshotError):
            return RestorePlan(newest, self._store.inventory(), others=self._by_age.newest_first)
        return None

    def note_rollback(self, snapshot: Snapshot) -> None:
        """Note that `snapshot` was restored; newer ones are discarded, but the best trusted one becomes the fallback."""
        before = self.snapshots
        self._by_age.discard_newer(snapshot)
        self._by_age.trim(_merit_so_far)
        memory = self._memory
        memory.has_moved = False
        memory.is_back = True
        memory.progress = snapshot.context.progress
        kept = self._by_age.newest_first
        discarded = [one for one in before if one not in kept and self.is_trusted(one)]
        self._fallback = max(discarded, key=_merit_so_far, default=None)
        self._release_discarded(before)

    def discard_fallback(self) -> None:
        """Discard the fallback snapshot, because the run has recovered."""
        if self._fallback is not None:
            self._store.release(self._fallback)
            self._fallback = None

    def state_dict(self, *, light: bool = False) -> dict[str, Any]:
        """Return all snapshots, or the newest if `light`, and all counters; the tensors are not copied."""
        kept = self._by_age.newest_first[: 1 if light else None]
        fallback = None if light else self._fallback
        return {
            "snapshots": [snapshot_state_dict(one) for one in kept],
            "fallback": None if fallback is None else snapshot_state_dict(fallback),
            **asdict(self._memory),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Replace all snapshots and counters by those that `state_dict` returned; the tensors are copied.

        Raises:
            SnapshotError: the snapshots are of another model; nothing has been changed.
            KeyError: an entry of `state` is missing; nothing has been changed.
        """
        state = with_present_keys(state)
        now = self._store.inventory()
        names = PresentNames(now)
        saved = map(names.rename, state["snapshots"])
        loaded = [snapshot_from_state_dict(one, now.slots) for one in saved]
        for snapshot in loaded[:1]:
            # Validates that the snapshots are of this model.
            RestorePlan(snapshot, now)
        if (fallback := state["fallback"]) is not None:
            fallback = snapshot_from_state_dict(names.rename(fallback), now.slots)
        self._memory = _Memory(**{each.name: state[each.name] for each in fields(_Memory)})
        self._by_age.replace_all(loaded)
        self._fallback = fallback

    def _continued(self, before: SnapshotContext, now: SnapshotContext) -> SnapshotContext:
        """Return the context of another copy of the weights that were saved with context `before`."""
        now = replace(now, num_healthy_steps=before.num_healthy_steps)
        if now.validated_loss is None:
            return replace(
                now, validated_loss=before.validated_loss, was_restored=before.was_restored
            )
        return replace(now, was_restored=self._memory.is_back)

    def _reinsert_fallback(self) -> None:
        """Put the fallback snapshot, if there is one, back among the others."""
        if self._fallback is not None:
            self._by_age.insert(self._fallback)
            self._fallback = None

    def _choose_trusted(self, *, is_older: bool) -> int:
        """Return the place, 0 being the newest, of the newest trusted snapshot, or of the next older one."""
        kept = self._by_age.newest_first
        trusted = [place for place, snapshot in enumerate(kept) if self.is_trusted(snapshot)]
        # Without a trusted snapshot the oldest is the least likely to be damaged.
        last = len(kept) - 1
        return min(trusted[0] + is_older, last) if trusted else last

    def _choose(
        self, target: EscalationAction, chosen: Snapshot | None = None, *, is_last: bool = False
    ) -> Snapshot | None:
        """Return `chosen` if it is kept, else the snapshot for `target`; None if there is no snapshot at all."""
        kept, every = self._by_age.newest_first, self.snapshots
        if any(one is chosen for one in every):
            return chosen
        if target is EscalationAction.BEST_SNAPSHOT or not kept:
            newest_first = sorted(every, key=lambda one: one.info.snapshot_id, reverse=True)
            return max(
                newest_first,
                key=lambda one: (self.is_trusted(one), _merit(one, is_last=is_last)),
                default=None,
            )
        return kept[self._choose_trusted(is_older=target is EscalationAction.OLDER_SNAPSHOT)]

    def _discard_corrupt(self, snapshot: Snapshot, report_corrupt: Callable[[int], None]) -> None:
        report_corrupt(snapshot.info.snapshot_id)
        self._fallback = None if snapshot is self._fallback else self._fallback
        self._by_age.discard(snapshot)
        self._store.release(snapshot)

    def _release_discarded(self, before: Sequence[Snapshot]) -> None:
        """Release the memory of those snapshots among `before`, all different, that are not kept any more."""
        for snapshot in before:
            if all(kept is not snapshot for kept in self.snapshots):
                self._store.release(snapshot)


def _merit(snapshot: Snapshot, *, is_last: bool) -> tuple[bool, float, int]:
    """Return a sort key, larger for a snapshot that is better to continue from, or to end the run with if `is_last`."""
    context = snapshot.context
    loss = math.inf if context.validated_loss is None else context.validated_loss
    return is_last and context.was_restored, -loss, context.progress


def _merit_so_far(snapshot: Snapshot) -> tuple[bool, float, int]:
    return _merit(snapshot, is_last=False)
