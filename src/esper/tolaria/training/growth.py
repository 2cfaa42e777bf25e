"""Between the growth policy and the slots: what it sees, and its actions carried out."""

from collections.abc import Iterable, Mapping

from esper._generated.enums import SeedStage
from esper._generated.records import SeedStatus
from esper.kasmina.slot import SeedSlot
from esper.leyline.actions import Action, Advance, Germinate, Prune
from esper.leyline.signals import SlotSignals


def slot_signals(slot: SeedSlot) -> SlotSignals:
    """Return what a policy may see of `slot`."""
    return SlotSignals(
        slot_id=slot.slot_id,
        topology=slot.topology,
        stage=slot.stage,
        blueprint_id=None if slot.is_empty else slot.blueprint_id,
        alpha=slot.alpha,
        is_ready_to_hold=slot.is_ready_to_hold,
        epochs_in_stage=slot.epochs_in_stage,
        total_improvement=slot.total_improvement,
        stage_improvement=slot.stage_improvement,
        contribution=slot.contribution,
    )


def slot_status(slot: SeedSlot) -> SeedStatus:
    """Return the record of `slot` for the end of an epoch."""
    return SeedStatus(
        slot_id=slot.slot_id,
        stage=slot.stage,
        alpha=slot.alpha,
        epochs_in_stage=slot.epochs_in_stage,
        blueprint_id=slot.blueprint_id,
        num_params=sum(parameter.numel() for parameter in slot.seed_parameters()),
        grad_ratio=slot.gradient_ratio if slot.has_gradient_health else None,
        contribution=slot.contribution,
    )


def apply_actions(actions: Iterable[Action], slots: Mapping[str, SeedSlot]) -> None:
    """Carry out `actions` on the slots they name.

    Raises:
        KeyError: an action names a slot that the host does not have.
    """
    for action in actions:
        slot = slots[action.slot_id]
        match action:
            case Germinate():
                slot.germinate(action.blueprint_id, blend_tempo_epochs=action.blend_tempo_epochs)
            case Advance():
                slot.advance_stage()
            case Prune():
                slot.prune(action.reason)


def fossils(slots: Mapping[str, SeedSlot]) -> frozenset[str]:
    """Return the slots whose seeds have become part of the network."""
    return frozenset(name for name, slot in slots.items() if slot.stage is SeedStage.FOSSILIZED)
