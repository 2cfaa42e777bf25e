"""Takes snapshots: verified copies of a training run in host memory.

A snapshot is copied into buffers of its own, checked for NaN and infinities, and checksummed. If any of this fails, there
is no new snapshot, and the earlier ones are unchanged.
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
from esper.tolaria.snapshots.buffers import SnapshotBuffers
from esper.tolaria.snapshots.companions import Companions
from esper.tolaria.snapshots.finite import AllowedInfinities, NotFiniteError, count_not_finite
from esper.tolaria.snapshots.first_buffers import FirstBuffers
from esper.tolaria.snapshots.inventory import Inventory, named_buffers
from esper.tolaria.snapshots.optimizer_state import non_tensor_state
from esper.tolaria.snapshots.random_state import random_state_dict


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotContext:
    """The state of training when a snapshot is taken; the keeper fills in the counters of healthy steps and
    progress, `was_restored` and the highest rates, the governor the rest.

    The field names are keys of the snapshot's state dict.
    """

    step: int
    """Steps taken, or healthy checks where the loop reports no steps."""
    detectors: tuple[Mapping[str, Any], ...] = ()
    """State dicts of the detectors, which are restored together with the weights."""
    validated_loss: float | None = None
    """Validation loss of these very weights, if it was healthy; None if these weights were not validated."""
    is_doubtful: bool = False
    """Whether the last loss before the snapshot was anomalous."""
    num_healthy_steps: int = 0
    """Healthy steps taken so far."""
    progress: int = 0
    """Steps that these weights have been trained for; unlike `step` and `num_healthy_steps` it decreases in a rollback."""
    was_restored: bool = False
    """Whether the weights were validated after a rollback to them, which has pruned the seeds that were live before."""
    rates: tuple[float, ...] = ()
    """Learning rates of all parameter groups; empty in snapshots of earlier versions."""
    highest_rates: tuple[float, ...] = ()
    """The highest of these so far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NonTensorState:
    """Copies of all state that is not a tensor of the inventory."""

    extras: dict[str, Any]
    """Extra states of modules other than slots, by state-dict key."""
    optimizers: dict[tuple[str, str], dict[str, Any]]
    """Optimizer states without their tensors, by names of optimizer and parameter."""
    companions: dict[str, Any]
    """State dict of `Companions`."""
    random: dict[str, Any] | None
    """State of the random generators; None if it is not saved."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Snapshot:
    """A verified copy of a training run at one step."""

    info: SnapshotInfo
    inventory: Inventory
    """Names, shapes and dtypes of the saved tensors."""
    buffers: SnapshotBuffers
    """The saved tensors."""
    non_tensors: NonTensorState
    context: SnapshotContext


class SnapshotStore:
    """Takes snapshots of one training run and owns the memory for them."""

    def __init__(
        self,
        model: nn.Module,
        *,
        optimizers: Mapping[str, Optimizer],
        companions: Companions,
        saves_random_state: bool,
    ) -> None:
        """Take snapshots of `model`, `optimizers` and `companions`; only buffers are copied now.

        Build it before the first forward pass: the buffers that are infinite now are taken for masks.
        """
        self._model = model
        self._optimizers = optimizers
        self._companions = companions
        self._saves_random_state = saves_random_state
        self._layout: Layout | None = None
        self._verified_layout: Layout | None = None
        self._free: list[SnapshotBuffers] = []
        roots = {"": model} | {f"{name}/": one for name, one in companions.modules.items()}
        buffers = [one for prefix, root in roots.items() for one in named_buffers(root, prefix)]
        self._allowed = AllowedInfinities(buffers)
        self._first: FirstBuffers | None = FirstBuffers(roots.values(), buffers)

    @property
    def num_free_buffers(self) -> int:
        """Number of released buffers that wait for the next snapshots."""
        return len(self._free)

    def inventory(self) -> Inventory:
        """Return the inventory of the training run as it is now.

        Raises:
            SnapshotError: a tensor cannot be saved.
        """
        return self._current_layout().inventory

    def take(self, *, snapshot_id: int, context: SnapshotContext) -> Snapshot:
        """Copy the training run, check the copy for NaN and infinities, checksum it and return it.

        Raises:
            NotFiniteError: a tensor is not finite.
            SnapshotError: a tensor cannot be copied.
        """
        started = time.perf_counter()
        buffers = self._free.pop() if self._free else SnapshotBuffers()
        try:
            layout, verify_s = self._fill(buffers)
            non_tensors = self._non_tensor_state(layout.inventory)
        except (MemoryError, RuntimeError) as error:
            self._free.append(buffers)
            raise SnapshotError(
                f"a snapshot must be copied whole, got {type(error).__name__}: {error};"
                " the earlier ones are kept"
            ) from error
        except BaseException:
            self._free.append(buffers)
            raise
        self._first = None
        inventory = layout.inventory
        info = SnapshotInfo(
            snapshot_id=snapshot_id,
            step=context.step,
            num_keys=len(inventory.keys),
            keys=inventory.keys,
            excluded_seed_keys=inventory.num_excluded,
            num_bytes=layout.num_bytes,
            fossilized_seeds=tuple(inventory.slots[path].slot_id for path in inventory.fossils),
            duration_s=time.perf_counter() - started,
            verify_s=verify_s,
            checksum=buffers.checksum or "",
            fingerprint=inventory.fingerprint,
        )
        return Snapshot(
            info=info,
            inventory=inventory,
            buffers=buffers,
            non_tensors=non_tensors,
            context=context,
        )

    def undo_first_batch(self) -> bool:
        """Put the buffers back that the first batch has made NaN or infinite; return False if that is impossible.

        It is impossible once a snapshot has been taken, and where weights are not finite or other ones have been loaded.
        """
        if self._first is None:
            return False
        tensors = self.inventory().tensors
        checked = ((key, one) for key, one in tensors.items() if key not in self._allowed.keys)
        return self._first.put_back({key: tensors[key] for key in count_not_finite(checked)})

    def release(self, snapshot: Snapshot) -> None:
        """Let the next snapshot use the memory of `snapshot`, which must not be used any more."""
        assert all(buffers is not snapshot.buffers for buffers in self._free)
        self._free.append(snapshot.buffers)

    def _current_layout(self) -> Layout:
        """Return the layout of the training run as it is now; it is computed again only if the structure has changed."""
        if self._layout is None or not self._layout.inventory.is_current():
            if self._layout is not None:
                self._layout.inventory.release_tensors()
            inventory = Inventory.take(
                self._model, modules=self._companions.modules, optimizers=self._optimizers
            )
            self._layout = Layout(inventory, unchecked=self._allowed.keys)
        return self._layout

    def _fill(self, buffers: SnapshotBuffers) -> tuple[Layout, float]:
        """Fill `buffers` with the present state; return their layout and the seconds spent on verification."""
        layout = self._current_layout()
        try:
            return layout, self._fill_with(layout, buffers)
        except NotFiniteError:
            self._allowed.allow_masks(layout.inventory)
        layout = self._layout = Layout(layout.inventory, unchecked=self._allowed.keys)
        return layout, self._fill_with(layout, buffers)

    def _fill_with(self, layout: Layout, buffers: SnapshotBuffers) -> float:
        if buffers.layout is not layout:
            buffers.set_layout(layout)
        verify_s = buffers.fill()
        if self._verified_layout is not layout:
            self._allowed.note_finite(layout.inventory)
            self._verified_layout = layout
        return verify_s

    def _non_tensor_state(self, inventory: Inventory) -> NonTensorState:
        return NonTensorState(
            extras={
                key: copy.deepcopy(module.get_extra_state())
                for key, module in inventory.extras.items()
                # The state of a slot is not restored: its seed's life goes on, as epoch numbers do.
                if not isinstance(module, SeedSlot)
            },
            optimizers={
                names: non_tensor_state(self._optimizers[names[0]].state.get(parameter, {}))
                for names, parameter in inventory.parameters.items()
            },
            companions=self._companions.state_dict(),
            random=random_state_dict() if self._saves_random_state else None,
        )
