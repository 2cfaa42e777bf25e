"""Reads from a run's log which decisions its growth policy took."""

from pathlib import Path
from typing import Final

from esper._generated.channel import Payload
from esper._generated.lifecycle import (
    SeedGateEvaluatedPayload,
    SeedGerminatedPayload,
    SeedPrunedPayload,
)
from esper._generated.run import HostRejuvenatedPayload
from esper.leyline.actions import Action, Advance, Germinate, Prune, Rejuvenate
from esper.leyline.script import Decision
from esper.nissa.reader import read_run

_BY_POLICY: Final = "policy"
"""Initiator of the prunes that a policy asks for; others, such as those of the governor, happen again by themselves."""


def read_decisions(folder: str | Path) -> tuple[Decision, ...]:
    """Return the decisions of the run in `folder`, in order; of its lowest rank, if there are several.

    Each action of a policy on a seed emits one event. An `Advance` whose gate did not pass is among them: it changed nothing
    but the log, which a repeated run then has too.

    Raises:
        RunNotFoundError: `folder` does not hold a run log.
        LogError: the log cannot be read.
    """
    by_rank: dict[int, list[Decision]] = {}
    for envelope, payload in read_run(folder):
        action = _action(payload)
        # The event ends a trial, some epochs after its decision.
        epoch = envelope.epoch
        if isinstance(payload, HostRejuvenatedPayload):
            epoch = payload.after_epoch
        if action is not None and epoch:
            decision = Decision(epoch=epoch, action=action)
            by_rank.setdefault(envelope.rank, []).append(decision)
    if not by_rank:
        return ()
    # Among the decisions of an epoch, a rejuvenation is the last that is carried out.
    return tuple(
        sorted(
            by_rank[min(by_rank)],
            key=lambda one: (one.epoch, isinstance(one.action, Rejuvenate)),
        )
    )


def _action(payload: Payload) -> Action | None:
    """Return the action that a policy asked for when `payload` was emitted; None for other events."""
    match payload:
        case SeedGerminatedPayload():
            return Germinate(
                slot_id=payload.slot_id,
                blueprint_id=payload.blueprint_id,
                blend_tempo_epochs=payload.blend_tempo_epochs,
            )
        case SeedGateEvaluatedPayload():
            # Any other gate checks something.
            on_credit = payload.passed and not payload.checks_passed
            return Advance(slot_id=payload.slot_id, on_credit=on_credit)
        case SeedPrunedPayload(initiator=initiator) if initiator == _BY_POLICY:
            return Prune(slot_id=payload.slot_id, reason=payload.reason)
        case HostRejuvenatedPayload():
            return Rejuvenate(
                shrink=payload.shrink,
                perturb=payload.perturb,
                trial_share=payload.trial_share,
                includes_seeds=payload.includes_seeds,
            )
        case _:
            return None
