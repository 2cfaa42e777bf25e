"""Snapshots as tensors and plain values, the way a checkpoint holds them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from esper._generated.records import SnapshotInfo
from esper.kasmina.slot import SeedSlot
from esper.tolaria.snapshots import random_state
from esper.tolaria.snapshots.buffer_layout import Layout
from esper.tolaria.snapshots.buffers import Vault
from esper.tolaria.snapshots.inventory import Inventory
from esper.tolaria.snapshots.store import PlainState, Snapshot


def to_record(snapshot: Snapshot) -> dict[str, Any]:
    """Return everything that `snapshot` holds; its tensors are its own, not copies."""
    plain = snapshot.plain
    return {
        "info": asdict(snapshot.info),
        "inventory": snapshot.inventory.to_record(),
        "tensors": {key: snapshot.vault.view(key) for key in snapshot.inventory.entries},
        "extras": plain.extras,
        "optimizers": list(plain.optimizers.items()),
        "companions": plain.companions,
        "random": None if plain.random is None else random_state.to_plain(plain.random),
        "detectors": snapshot.detectors,
        "num_healthy_steps": snapshot.num_healthy_steps,
        "progress": snapshot.progress,
        "vouched_loss": snapshot.vouched_loss,
        "is_doubtful": snapshot.is_doubtful,
        "was_restored": snapshot.was_restored,
    }


def from_record(record: Mapping[str, Any], slots: Mapping[str, SeedSlot]) -> Snapshot:
    """Return the snapshot that `to_record` wrote down, in memory of its own; `slots` are those of the model now."""
    inventory = Inventory.recall(record["inventory"], record["tensors"], slots)
    vault = Vault()
    # It was verified when it was taken, and masks may be infinite.
    vault.lay_out(Layout(inventory, unchecked=inventory.entries))
    vault.fill()
    inventory.let_go()
    random = record["random"]
    return Snapshot(
        info=SnapshotInfo(**record["info"]),
        inventory=inventory,
        vault=vault,
        plain=PlainState(
            extras=dict(record["extras"]),
            optimizers={tuple(names): state for names, state in record["optimizers"]},
            companions=dict(record["companions"]),
            random=None if random is None else random_state.from_plain(random),
        ),
        detectors=tuple(record["detectors"]),
        num_healthy_steps=record["num_healthy_steps"],
        progress=record["progress"],
        vouched_loss=record["vouched_loss"],
        is_doubtful=record["is_doubtful"],
        was_restored=record["was_restored"],
    )
