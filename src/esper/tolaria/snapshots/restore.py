"""Restores a snapshot: a restore plan validates everything first, then it copies in place.

Weights are written into the existing tensors, so that optimizers, compiled code and wrappers still hold them, and
the saved tensors themselves are never handed out.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping

from torch import Tensor
from torch.optim import Optimizer

from esper.leyline.errors import SnapshotError
from esper.leyline.text import join_names
from esper.tolaria.snapshots.companions import Companions
from esper.tolaria.snapshots.finite import MAX_NAMES, count_not_finite
from esper.tolaria.snapshots.inventory import Entry, Inventory
from esper.tolaria.snapshots.optimizer_state import load_parameter_state
from esper.tolaria.snapshots.random_state import load_random_state_dict
from esper.tolaria.snapshots.store import Snapshot


class CorruptSnapshotError(SnapshotError):
    """Raised when the bytes of a snapshot have changed since it was taken."""


class RestorePlan:
    """A validated plan to restore one snapshot into the present model.

    Attributes:
        snapshot: the snapshot to restore.
        slots: the slots of the model, by path.
        kept_fossils: paths of the fossils that `snapshot` lacks and that stay, with weights from another snapshot or, if no
            intact snapshot holds them, with their present weights.
        lost_fossils: paths of the fossils that no intact snapshot holds and whose present weights are not finite; the
            caller has to remove them.
    """

    def __init__(
        self, snapshot: Snapshot, inventory: Inventory, *, others: Iterable[Snapshot] = ()
    ) -> None:
        """Validate that `snapshot` can be restored; the model is not changed.

        Args:
            snapshot: the snapshot to restore.
            inventory: the current inventory of the model.
            others: further snapshots, newest first; a fossil that `snapshot` lacks gets its weights from the first
                of them that holds it.

        Raises:
            CorruptSnapshotError: the bytes of the snapshot have changed.
            SnapshotError: outside its slots, the model is not built as it was when the snapshot was taken.
        """
        if not snapshot.buffers.is_intact():
            raise CorruptSnapshotError(
                f"the bytes of snapshot {snapshot.info.snapshot_id} must be those that were saved,"
                " got others; restore another snapshot"
            )
        self.snapshot = snapshot
        self._now = inventory
        self._is_same = snapshot.inventory is inventory
        self.slots = inventory.slots
        self._donors = dict.fromkeys(inventory.fossils, snapshot) if self._is_same else {}
        self.kept_fossils: list[str] = []
        self.lost_fossils: list[str] = []
        if self._is_same:
            return
        self._check_host()
        self._find_donors([snapshot, *(other for other in others if other is not snapshot)])

    def restore_tensors(self, optimizers: Mapping[str, Optimizer]) -> None:
        """Restore the model, companions that are modules, and the saved states of `optimizers`, given by name."""
        if self._is_same:
            self.snapshot.buffers.write_back()
        else:
            self._copy_by_name()
        self._restore_optimizers(optimizers)
        extras = self.snapshot.non_tensors.extras
        for key, module in self._now.extras.items():
            if key in extras:
                module.set_extra_state(copy.deepcopy(extras[key]))

    def saved_tensors(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield each live tensor of the model and of companions that are modules, with the saved one to restore."""
        for entry in self._now.entries.values():
            if entry.part != "optimizer" and (source := self._source(entry)) is not None:
                saved = source.buffers.view(source.inventory.first_key[entry.key])
                yield self._now.tensors[entry.key], saved

    def restore_companions(self, companions: Companions) -> None:
        """Restore the companions that are not modules, and the random generators if they were saved.

        This calls code of the user, which may raise; call it after everything else.
        """
        companions.load_state_dict(self.snapshot.non_tensors.companions)
        if self.snapshot.non_tensors.random is not None:
            load_random_state_dict(self.snapshot.non_tensors.random)

    def _check_host(self) -> None:
        """Check that outside its slots the model has the same tensors as the snapshot.

        Raises:
            SnapshotError: a tensor is missing, new, or of another dtype or shape.
        """
        saved, now = self.snapshot.inventory.slot_forms(None), self._now.slot_forms(None)
        differences = [
            *(f"{key} missing" for key in saved.keys() - now.keys()),
            *(f"{key} added" for key in now.keys() - saved.keys()),
            *(
                f"{key} as {now[key]} instead of {saved[key]}"
                for key in saved.keys() & now.keys()
                if now[key] != saved[key]
            ),
        ]
        if differences:
            named = join_names(sorted(differences), max_names=MAX_NAMES)
            raise SnapshotError(
                "outside its slots a model must be built as it was when the snapshot was taken, got"
                f" {named}; nothing has been changed,"
                " take a snapshot after every change of the host"
            )

    def _find_donors(self, snapshots: list[Snapshot]) -> None:
        """Find for every fossil of the model the snapshot that its weights will come from."""
        for path in self._now.fossils:
            wanted = self._now.slot_forms(path)
            for donor in snapshots:
                holds_it = (
                    path in donor.inventory.fossils and donor.inventory.slot_forms(path) == wanted
                )
                if holds_it and (donor is self.snapshot or donor.buffers.is_intact()):
                    self._donors[path] = donor
                    break
            if self._donors.get(path) is self.snapshot:
                continue
            weights = ((key, self._now.tensors[key]) for key in wanted if key in self._now.tensors)
            is_sound = path in self._donors or not count_not_finite(weights)
            (self.kept_fossils if is_sound else self.lost_fossils).append(path)

    def _source(self, entry: Entry) -> Snapshot | None:
        """Return the snapshot from which `entry` is restored; None if it stays as it is."""
        source = self.snapshot if entry.slot is None else self._donors.get(entry.slot)
        # The host and the fossil have been found unchanged. Companions and buffers that are not in the state dict may
        # have new tensors; they stay as they are.
        is_saved = source is not None and source.inventory.form(entry.key) == entry.form
        return source if is_saved else None

    def _copy_by_name(self) -> None:
        for live, saved in self.saved_tensors():
            live.copy_(saved)

    def _restore_optimizers(self, optimizers: Mapping[str, Optimizer]) -> None:
        for names, parameter in self._now.parameters.items():
            slot = self._now.slot_of(names[1])
            source = self.snapshot if slot is None else self._donors.get(slot)
            if source is None:
                continue
            others = source.non_tensors.optimizers.get(names, {})
            optimizer = optimizers[names[0]]
            if self._is_same:
                # `write_back` has restored the tensors of the state already.
                if others:
                    optimizer.state[parameter].update(copy.deepcopy(others))
                continue
            moments = {
                own_key: source.buffers.view(source.inventory.first_key[key])
                for own_key, key in source.inventory.moments.get(names, {}).items()
            }
            load_parameter_state(optimizer, parameter, moments, others)
