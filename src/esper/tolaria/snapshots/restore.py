"""The way back to a snapshot: everything is validated first, then copied in place.

Weights are written into the tensors that are there, so that optimizers, compiled code and wrappers still hold them, and
what is stored is never handed out.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping

from torch.optim import Optimizer

from esper.leyline.errors import SnapshotError
from esper.leyline.text import join_names
from esper.tolaria.snapshots import optimizer_state
from esper.tolaria.snapshots.companions import Companions
from esper.tolaria.snapshots.finite import not_finite
from esper.tolaria.snapshots.inventory import Entry, Inventory
from esper.tolaria.snapshots.random_state import put_back_random_state
from esper.tolaria.snapshots.store import Snapshot

_MAX_NAMES = 3
"""Tensors that a message names; the rest is counted."""


class CorruptSnapshotError(SnapshotError):
    """Says that a snapshot is no longer what was saved."""


class Restoration:
    """A validated way from what there is now back to one snapshot.

    Attributes:
        slots: the slots of the model, by path.
        kept_fossils: paths of the fossils that the snapshot does not know and that stay.
        lost_fossils: paths of those that have no sound weights anywhere.
    """

    def __init__(
        self, snapshot: Snapshot, inventory: Inventory, *, others: Iterable[Snapshot] = ()
    ) -> None:
        """Validate the way from `inventory`, which is current, to `snapshot`; nothing is changed.

        A fossil that `snapshot` does not know gets its weights from the first of `others` that does.

        Raises:
            CorruptSnapshotError: the bytes of the snapshot have changed.
            SnapshotError: the model outside its slots is no longer the one that was saved.
        """
        if not snapshot.vault.is_intact():
            raise CorruptSnapshotError(
                f"a snapshot must be what was saved, got other bytes in number"
                f" {snapshot.info.snapshot_id}; go back to another one"
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

    def put_back_tensors(self, optimizers: Mapping[str, Optimizer]) -> None:
        """Copy everything that the snapshot covers but for the plain state of companions."""
        if self._is_same:
            self.snapshot.vault.write_back()
        else:
            self._copy_by_name()
        self._put_back_optimizers(optimizers)
        for key, module in self._now.extras.items():
            if key in self.snapshot.plain.extras:
                module.set_extra_state(copy.deepcopy(self.snapshot.plain.extras[key]))

    def put_back_rest(self, companions: Companions) -> None:
        """Let schedulers, loaders and the like remember what they did, and random generators repeat themselves."""
        companions.put_back(self.snapshot.plain.companions)
        if self.snapshot.plain.random is not None:
            put_back_random_state(self.snapshot.plain.random)

    def _check_host(self) -> None:
        """Refuse a model that differs outside its slots."""
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
            named = join_names(sorted(differences), max_names=_MAX_NAMES)
            raise SnapshotError(
                "outside its slots a model must be built as it was when the snapshot was taken, got"
                f" {named}; nothing has been changed,"
                " take a snapshot after every change of the host"
            )

    def _find_donors(self, snapshots: list[Snapshot]) -> None:
        """Find for every fossil the snapshot that its weights will come from."""
        for path in self._now.fossils:
            wanted = self._now.slot_forms(path)
            for donor in snapshots:
                knows = (
                    path in donor.inventory.fossils and donor.inventory.slot_forms(path) == wanted
                )
                if knows and (donor is self.snapshot or donor.vault.is_intact()):
                    self._donors[path] = donor
                    break
            if self._donors.get(path) is self.snapshot:
                continue
            weights = ((key, self._now.memory[key]) for key in wanted if key in self._now.memory)
            is_sound = path in self._donors or not not_finite(weights)
            (self.kept_fossils if is_sound else self.lost_fossils).append(path)

    def _source(self, entry: Entry) -> Snapshot | None:
        """Return the snapshot that `entry` is read from; None if it stays as it is."""
        if entry.slot is not None:
            return self._donors.get(entry.slot)
        # Of the host this has been checked. A companion may have grown with it; what it has gained stays.
        is_known = self.snapshot.inventory.form(entry.key) == entry.form
        return self.snapshot if is_known else None

    def _copy_by_name(self) -> None:
        for entry in self._now.entries.values():
            if entry.part == "optimizer":
                continue
            source = self._source(entry)
            if source is not None:
                key = source.inventory.first_key[entry.key]
                self._now.memory[entry.key].copy_(source.vault.view(key))

    def _put_back_optimizers(self, optimizers: Mapping[str, Optimizer]) -> None:
        for names, parameter in self._now.parameters.items():
            slot = self._now.slot_of(names[1])
            source = self.snapshot if slot is None else self._donors.get(slot)
            if source is None:
                continue
            plain = source.plain.optimizers.get(names, {})
            optimizer = optimizers[names[0]]
            if self._is_same:
                # The tensors have been written already, and there are no others.
                if plain:
                    optimizer.state[parameter].update(copy.deepcopy(plain))
                continue
            moments = {
                own_key: source.vault.view(source.inventory.first_key[key])
                for own_key, key in source.inventory.moments.get(names, {}).items()
            }
            optimizer_state.put_back(optimizer, parameter, moments, plain)
