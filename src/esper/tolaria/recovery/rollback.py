"""Carries out a restore plan: weights first, then optimizers, then the seeds that do not fit the restored weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch.optim import Optimizer

from esper._generated.enums import PanicReason
from esper.tolaria.snapshots.optimizer_state import clear_state
from esper.tolaria.snapshots.restore import RestorePlan

_INITIATOR = "governor"
_PRUNE_REASONS = {
    PanicReason.NAN: "governor_nan",
    PanicReason.LOBOTOMY: "governor_lobotomy",
    PanicReason.DIVERGENCE: "governor_divergence",
}
"""Reasons that pruned slots report; for any other panic it is `governor_rollback`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackResult:
    """The slots that a rollback changed, by slot id."""

    pruned_slots: tuple[str, ...]
    kept_fossils: tuple[str, ...]
    removed_fossils: tuple[str, ...]


def roll_back_network(
    plan: RestorePlan,
    *,
    reason: PanicReason,
    optimizers: Mapping[str, Optimizer],
    clears_optimizers: bool,
) -> RollbackResult:
    """Restore model and optimizers as `plan` says, and prune the live seeds; companions are left to the caller.

    Live seeds are pruned because they were trained beside weights that no longer exist, and only after the restoration, so
    that no slot has changed if that fails. A fossil that the snapshot lacks is kept, with weights from another snapshot or
    as they are; it is removed only if its weights are not finite and no intact snapshot holds it.
    """
    plan.restore_tensors(optimizers)
    if clears_optimizers:
        for optimizer in optimizers.values():
            clear_state(optimizer)
    prune_reason = _PRUNE_REASONS.get(reason, "governor_rollback")
    slots = plan.slots
    removed = [
        slots[path].slot_id
        for path in plan.lost_fossils
        if slots[path].remove_fossil(prune_reason, initiator=_INITIATOR)
    ]
    pruned = [
        slot.slot_id
        for slot in slots.values()
        if slot.is_unsettled and slot.prune(prune_reason, initiator=_INITIATOR)
    ]
    return RollbackResult(
        pruned_slots=tuple(pruned),
        kept_fossils=tuple(slots[path].slot_id for path in plan.kept_fossils),
        removed_fossils=tuple(removed),
    )
