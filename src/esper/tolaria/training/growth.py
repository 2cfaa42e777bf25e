"""Connects the growth policy with the slots: collects its signals and applies its actions."""

from collections.abc import Iterable, Mapping

from esper._generated.enums import SeedStage
from esper._generated.records import SeedStatus
from esper.kasmina.slot import SeedSlot
from esper.leyline.actions import Action, Advance, Germinate, Prune
from esper.leyline.errors import SlotError
from esper.leyline.signals import SlotSignals


def slot_signals(slot: SeedSlot) -> SlotSignals:
    """Return the facts about `slot` on which a policy decides."""
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
    """Return the telemetry record of `slot` at the end of an epoch."""
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
    """Apply each action to the slot that it names, in order.

    Raises:
        SlotError: the host has no such slot, or the slot cannot do what the action asks; later actions are not applied.
    """
    for action in actions:
        if action.slot_id not in slots:
            raise SlotError(f'no slot "{action.slot_id}" in the host; it has: {", ".join(slots)}')
        slot = slots[action.slot_id]
        match action:
            case Germinate():
                slot.germinate(action.blueprint_id, blend_tempo_epochs=action.blend_tempo_epochs)
            case Advance():
                slot.advance_stage()
            case Prune():
                slot.prune(action.reason)


def fossils(slots: Mapping[str, SeedSlot]) -> frozenset[str]:
    """Return the ids of the slots whose seeds are fossils, that is, permanent parts of the network."""
    return frozenset(name for name, slot in slots.items() if slot.stage is SeedStage.FOSSILIZED)
