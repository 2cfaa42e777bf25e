"""Connects the growth policy with the slots and the checkpoint: its actions and its state."""

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from esper._generated.enums import SeedStage
from esper._generated.records import SeedStatus
from esper.kasmina.blueprints.registry import birth_change
from esper.kasmina.evidence import CreditGates
from esper.kasmina.slot import SeedSlot
from esper.leyline.actions import Action, Advance, Germinate, Prune, Rejuvenate
from esper.leyline.arguments import describe
from esper.leyline.errors import CheckpointError, SlotError, UsageError
from esper.leyline.policy import GrowthPolicy
from esper.leyline.signals import TrainingSignals

_LOG = logging.getLogger("esper")

LARGEST_CREDIT: Final = 0.25
"""Share of the features that a newborn seed may change to be at full amplitude before it has shown anything.

Shipped blueprints change at most 13 %, and grow networks well on credit; a layer without a residual connection changes 60 to 140 %.
"""


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
        evidence=slot.evidence,
    )


def decide(policy: GrowthPolicy, signals: TrainingSignals) -> tuple[Action, ...]:
    """Return the actions that `policy` asks for.

    Raises:
        UsageError: it returned anything but a sequence of actions, or more than one Rejuvenate.
    """
    decided: object = policy.decide(signals)
    name = type(policy).__name__
    if isinstance(decided, str | bytes) or not isinstance(decided, Iterable):
        raise UsageError(
            f"the decide of a policy must return a list of actions, got {describe(decided)} from {name};"
            " return [] to leave every slot alone"
        )
    actions = tuple(decided)
    for action in actions:
        if not isinstance(action, Action):
            raise UsageError(
                "every action of a policy must be a Germinate, an Advance, a Prune or a Rejuvenate,"
                f" got {describe(action)} from {name}; return such objects"
            )
    num_rejuvenations = sum(isinstance(action, Rejuvenate) for action in actions)
    if num_rejuvenations > 1:
        raise UsageError(
            f"a policy may return one Rejuvenate at a time, got {num_rejuvenations} from {name} after epoch"
            f" {signals.epoch}; leave out the others"
        )
    return actions


def policy_state_dict(policy: GrowthPolicy | None) -> dict[str, Any]:
    """Return the entries of a checkpoint about `policy`: its state and the name of its class, both None without a policy.

    Raises:
        UsageError: the policy's `state_dict` did not return a mapping.
    """
    if policy is None:
        return {"policy": None, "policy_class": None}
    name, state = type(policy).__name__, policy.state_dict()
    if not isinstance(state, Mapping):
        raise UsageError(
            f"the state_dict of a policy must return a mapping, got {describe(state)} from {name};"
            " return {} if there is nothing to remember"
        )
    return {"policy": dict(state), "policy_class": name}


def check_policy_fits(policy: GrowthPolicy | None, state: Mapping[str, Any]) -> None:
    """Check that a run with the checkpoint entries `state` can be continued with `policy`.

    Raises:
        CheckpointError: the run was trained with a policy of another class, or without one, or `policy` is missing.
    """
    # Checkpoints of earlier versions do not name the class.
    saved_class = state.get("policy_class")
    if (policy is None) != (state["policy"] is None):
        trained, got, remedy = (
            ("with", "policy=None", f"pass a new {saved_class or 'policy of the same class'}")
            if policy is None
            else ("without", f"a {type(policy).__name__}", "pass policy=None")
        )
        raise CheckpointError(
            f"a run that was trained {trained} a policy must be resumed {trained} one, got {got}; {remedy}"
        )
    if saved_class is not None and type(policy).__name__ != saved_class:
        raise CheckpointError(
            f"a run must be resumed with a policy of its own class, {saved_class},"
            f" got a {type(policy).__name__}; pass a new {saved_class}"
        )


def load_policy(policy: GrowthPolicy | None, state: Mapping[str, Any]) -> None:
    """Restore the result of `policy_state_dict`.

    Raises:
        CheckpointError: the state is that of another policy.
    """
    check_policy_fits(policy, state)
    if policy is None:
        return
    try:
        policy.load_state_dict(state["policy"])
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(
            f"a policy must be able to load the state that the run saved, got {type(error).__name__}: {error}"
            f" from {type(policy).__name__}; pass a policy of the same class and configuration as at the start"
        ) from error


def apply_actions(
    actions: Iterable[Action],
    slots: Mapping[str, SeedSlot],
    rejuvenate: Callable[[Rejuvenate], object] | None = None,
) -> None:
    """Apply each action, in order: to the slot that it names, or by `rejuvenate`, which comes last.

    Raises:
        UsageError: there is a `Rejuvenate`, and no function for it.
        SlotError: the host has no such slot, or the slot cannot do what the action asks; later actions are not applied.
    """
    for action in sorted(actions, key=lambda one: isinstance(one, Rejuvenate)):
        if isinstance(action, Rejuvenate):
            if rejuvenate is None:
                raise UsageError(
                    "a policy may only rejuvenate the host where the training loop can, got a Rejuvenate; leave it out"
                )
            rejuvenate(action)
            continue
        if not isinstance(action.slot_id, str) or action.slot_id not in slots:
            raise SlotError(f'no slot "{action.slot_id}" in the host; it has: {", ".join(slots)}')
        slot = slots[action.slot_id]
        match action:
            case Germinate():
                slot.germinate(action.blueprint_id, blend_tempo_epochs=action.blend_tempo_epochs)
            case Advance(on_credit=False):
                slot.advance_stage()
            case Advance():
                _advance_on_credit(slot)
            case Prune():
                slot.prune(action.reason)


def _advance_on_credit(slot: SeedSlot) -> None:
    """Advance the seed without a check of what it does, unless it begins so far from the identity that it would wreck the network."""
    gates = slot.gates
    if slot.stage is SeedStage.TRAINING:
        change = birth_change(slot.topology, slot.blueprint_id, slot.channels)
        if change > LARGEST_CREDIT:
            _LOG.warning(
                "a seed on credit must begin close to the identity, got blueprint %r in slot %s, which changes the features by"
                " %.0f %% at birth; it stays in TRAINING until its gate passes (see docs/howto/own_blueprint.md)",
                slot.blueprint_id,
                slot.slot_id,
                100.0 * change,
            )
            slot.advance_stage()
            return
    slot.gates = CreditGates(of=gates)
    try:
        slot.advance_stage()
    finally:
        slot.gates = gates


def fossils(slots: Mapping[str, SeedSlot]) -> frozenset[str]:
    """Return the ids of the slots whose seeds are fossils, that is, permanent parts of the network."""
    return frozenset(name for name, slot in slots.items() if slot.stage is SeedStage.FOSSILIZED)
