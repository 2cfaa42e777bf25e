"""Snapshots: what a training run was, remembered in host memory, verified before it counts.

The store owns one more vault than it keeps snapshots. A new snapshot is copied into the free one, found finite and
summed; only then does it take its place. Whatever goes wrong before that leaves the others as they were.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.optim import Optimizer

from esper._generated.records import SnapshotInfo
from esper.kasmina.slot import SeedSlot
from esper.leyline.errors import SnapshotError
from esper.tolaria.snapshots.buffer_layout import Layout
from esper.tolaria.snapshots.buffers import Vault
from esper.tolaria.snapshots.companions import Companions
from esper.tolaria.snapshots.finite import NotFiniteError, describe, not_finite
from esper.tolaria.snapshots.inventory import Inventory
from esper.tolaria.snapshots.optimizer_state import plain_state
from esper.tolaria.snapshots.random_state import RandomState, remember_random_state


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainState:
    """What a snapshot holds beside tensors, all copies."""

    extras: dict[str, Any]
    """Extra states of modules other than slots, by state-dict key."""
    optimizers: dict[tuple[str, str], dict[str, Any]]
    """What optimizers remember of parameters, but for tensors."""
    companions: dict[str, Any]
    random: RandomState | None
    """None unless it is covered."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Snapshot:
    """A verified copy of a training run at one step."""

    info: SnapshotInfo
    inventory: Inventory
    """What it holds."""
    vault: Vault
    plain: PlainState
    detectors: tuple[Mapping[str, Any], ...]
    """What the detectors remembered, so that they can go back together with the weights."""
    num_healthy_steps: int
    """Healthy steps that had been taken."""
    progress: int
    """Steps that are in these weights: unlike the others, it goes back when they do."""
    vouched_loss: float | None
    """Loss of a healthy check of these very weights; None when there was none."""
    is_doubtful: bool = False
    """Whether the last loss before it was anomalous."""
    was_restored: bool = False
    """Whether that check was after these weights had been gone back to, so without the seeds of their time."""


class SnapshotStore:
    """Takes snapshots of one training run, and owns the memory for them."""

    def __init__(
        self,
        model: nn.Module,
        *,
        optimizers: Mapping[str, Optimizer],
        companions: Companions,
        covers_random_state: bool,
    ) -> None:
        """Remember what to cover; nothing is copied yet."""
        self._model = model
        self._optimizers = optimizers
        self._companions = companions
        self._covers_random_state = covers_random_state
        self._layout: Layout | None = None
        self._free: list[Vault] = []
        self._proven: Layout | None = None
        self._seen_finite: set[str] = set()
        self._infinite: set[str] = set()

    def inventory(self) -> Inventory:
        """Return what there is to save now.

        Raises:
            SnapshotError: a tensor cannot be saved.
        """
        return self._current_layout().inventory

    def take(
        self,
        *,
        snapshot_id: int,
        step: int,
        num_healthy_steps: int = 0,
        progress: int = 0,
        detectors: tuple[Mapping[str, Any], ...] = (),
        vouched_loss: float | None = None,
        is_doubtful: bool = False,
    ) -> Snapshot:
        """Copy everything, find it finite, sum it, and return it.

        Raises:
            NotFiniteError: something is not finite.
            SnapshotError: it cannot be copied.
        """
        started = time.perf_counter()
        vault = self._free.pop() if self._free else Vault()
        try:
            layout, verify_s = self._fill(vault)
            plain = self._plain_state(layout.inventory)
        except (MemoryError, RuntimeError) as error:
            self._free.append(vault)
            raise SnapshotError(
                f"a snapshot must be copied whole, got {type(error).__name__}: {error};"
                " the earlier ones are kept"
            ) from error
        except BaseException:
            self._free.append(vault)
            raise
        inventory = layout.inventory
        info = SnapshotInfo(
            snapshot_id=snapshot_id,
            step=step,
            num_keys=len(inventory.keys),
            keys=inventory.keys,
            excluded_seed_keys=inventory.num_excluded,
            num_bytes=layout.num_bytes,
            fossilized_seeds=tuple(inventory.slots[path].slot_id for path in inventory.fossils),
            duration_s=time.perf_counter() - started,
            verify_s=verify_s,
            checksum=vault.checksum or "",
            fingerprint=inventory.fingerprint,
        )
        return Snapshot(
            info=info,
            inventory=inventory,
            vault=vault,
            plain=plain,
            detectors=detectors,
            num_healthy_steps=num_healthy_steps,
            progress=progress,
            vouched_loss=vouched_loss,
            is_doubtful=is_doubtful,
        )

    def release(self, snapshot: Snapshot) -> None:
        """Use the memory of `snapshot`, which is not needed any more, for the next one."""
        assert all(vault is not snapshot.vault for vault in self._free)
        self._free.append(snapshot.vault)

    def _current_layout(self) -> Layout:
        if self._layout is None or not self._layout.inventory.is_current():
            if self._layout is not None:
                self._layout.inventory.let_go()
            inventory = Inventory.take(
                self._model, modules=self._companions.modules, optimizers=self._optimizers
            )
            self._layout = Layout(inventory, unchecked=self._infinite)
        return self._layout

    def _fill(self, vault: Vault) -> tuple[Layout, float]:
        """Fill `vault` with what there is now; return how it lies there and the seconds spent on verifying it."""
        layout = self._current_layout()
        try:
            return layout, self._fill_as(layout, vault)
        except NotFiniteError:
            self._infinite |= self._masks(layout.inventory)
        layout = self._layout = Layout(layout.inventory, unchecked=self._infinite)
        return layout, self._fill_as(layout, vault)

    def _fill_as(self, layout: Layout, vault: Vault) -> float:
        if vault.layout is not layout:
            vault.lay_out(layout)
        verify_s = vault.fill()
        if self._proven is not layout:
            self._seen_finite |= layout.inventory.entries.keys() - self._infinite
            self._proven = layout
        return verify_s

    def _masks(self, inventory: Inventory) -> set[str]:
        """Return the buffers that are infinite because they are made so, as attention masks are.

        Raises:
            NotFiniteError: something else is not finite.
        """
        entries = [entry for key, entry in inventory.entries.items() if key not in self._infinite]
        faults = not_finite((entry.key, inventory.memory[entry.key]) for entry in entries)
        masks = {
            entry.key
            for entry in entries
            if entry.is_buffer
            and entry.key not in self._seen_finite
            and faults.get(entry.key, (1, 0))[0] == 0
        }
        if not faults.keys() <= masks:
            raise NotFiniteError(
                f"what a snapshot saves must be finite, got {describe(faults)}; the earlier"
                " snapshots are kept, roll back to one"
            )
        return masks & faults.keys()

    def _plain_state(self, inventory: Inventory) -> PlainState:
        return PlainState(
            extras={
                key: copy.deepcopy(module.get_extra_state())
                for key, module in inventory.extras.items()
                # A slot's own record of its seed goes on, as the epochs do.
                if not isinstance(module, SeedSlot)
            },
            optimizers={
                names: plain_state(self._optimizers[names[0]].state.get(parameter, {}))
                for names, parameter in inventory.parameters.items()
            },
            companions=self._companions.remember(),
            random=remember_random_state() if self._covers_random_state else None,
        )
