"""Converts snapshots to tensors and plain values, as a checkpoint holds them, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, Final

from esper._generated.records import SnapshotInfo
from esper.kasmina.slot import SeedSlot
from esper.tolaria.snapshots.buffer_layout import Layout
from esper.tolaria.snapshots.buffers import SnapshotBuffers
from esper.tolaria.snapshots.inventory import Inventory
from esper.tolaria.snapshots.store import NonTensorState, Snapshot, SnapshotContext

_RENAMED: Final = {"vouched_loss": "validated_loss", "aside": "fallback"}
"""Present names of keys that older checkpoints hold under another name."""


def with_present_keys(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return `state`, which may come from an older checkpoint, under the present names of its keys."""
    return {_RENAMED.get(key, key): value for key, value in state.items()}


def snapshot_state_dict(snapshot: Snapshot) -> dict[str, Any]:
    """Return everything that `snapshot` holds; the tensors are those of the snapshot itself, not copies."""
    non_tensors, context = snapshot.non_tensors, asdict(snapshot.context)
    # `info` holds the step already.
    del context["step"]
    return {
        "info": asdict(snapshot.info),
        "inventory": snapshot.inventory.state_dict(),
        "tensors": {key: snapshot.buffers.view(key) for key in snapshot.inventory.entries},
        "extras": non_tensors.extras,
        "optimizers": list(non_tensors.optimizers.items()),
        "companions": non_tensors.companions,
        "random": non_tensors.random,
        **context,
    }


def snapshot_from_state_dict(state: Mapping[str, Any], slots: Mapping[str, SeedSlot]) -> Snapshot:
    """Return a snapshot equal to the one that `snapshot_state_dict` was given, in memory of its own.

    Args:
        state: what `snapshot_state_dict` returned.
        slots: the slots of the present model, by path.

    Raises:
        KeyError: an entry of `state` is missing.
    """
    state = with_present_keys(state)
    inventory = Inventory.from_state_dict(state["inventory"], state["tensors"], slots)
    buffers = SnapshotBuffers()
    # All tensors were checked when the snapshot was taken, and masks may be infinite.
    buffers.set_layout(Layout(inventory, unchecked=inventory.entries))
    buffers.fill()
    inventory.release_tensors()
    info = SnapshotInfo(**state["info"])
    state = {"rates": (), "highest_rates": (), **state}  # older checkpoints do not hold them
    context = {each.name: state[each.name] for each in fields(SnapshotContext)[1:]}
    return Snapshot(
        info=info,
        inventory=inventory,
        buffers=buffers,
        non_tensors=NonTensorState(
            extras=dict(state["extras"]),
            optimizers={tuple(names): own for names, own in state["optimizers"]},
            companions=dict(state["companions"]),
            random=state["random"],
        ),
        context=SnapshotContext(
            step=info.step,
            **{
                **context,
                "detectors": tuple(context["detectors"]),
                "rates": tuple(context["rates"]),
                "highest_rates": tuple(context["highest_rates"]),
            },
        ),
    )
