"""Carries a rollback out: weights first, then what goes with them, then the seeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch.optim import Optimizer

from esper._generated.enums import PanicReason
from esper.tolaria.snapshots import optimizer_state
from esper.tolaria.snapshots.restore import Restoration

_INITIATOR = "governor"
_PRUNE_REASONS = {
    PanicReason.NAN: "governor_nan",
    PanicReason.LOBOTOMY: "governor_lobotomy",
    PanicReason.DIVERGENCE: "governor_divergence",
}
"""What a slot is told; any other reason is `governor_rollback`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackResult:
    """What became of the slots, by id."""

    pruned_slots: tuple[str, ...]
    kept_fossils: tuple[str, ...]
    removed_fossils: tuple[str, ...]


def carry_out(
    way: Restoration,
    *,
    reason: PanicReason,
    optimizers: Mapping[str, Optimizer],
    clears_optimizers: bool,
) -> RollbackResult:
    """Go the validated `way` back, but for what companions remember.

    Live seeds are pruned when the weights are back, because they have learnt beside a network that is gone; a slot is
    never left half-way, and a fossil keeps its stage unless no sound weights of it are left anywhere.
    """
    way.put_back_tensors(optimizers)
    if clears_optimizers:
        for optimizer in optimizers.values():
            optimizer_state.clear(optimizer)
    prune_reason = _PRUNE_REASONS.get(reason, "governor_rollback")
    slots = way.slots
    removed = [
        slots[path].slot_id
        for path in way.lost_fossils
        if slots[path].remove_fossil(prune_reason, initiator=_INITIATOR)
    ]
    pruned = [
        slot.slot_id
        for slot in slots.values()
        if slot.is_unsettled and slot.prune(prune_reason, initiator=_INITIATOR)
    ]
    return RollbackResult(
        pruned_slots=tuple(pruned),
        kept_fossils=tuple(slots[path].slot_id for path in way.kept_fossils),
        removed_fossils=tuple(removed),
    )
