"""The policies of the arms that act: the one of `esper train`, and scripts that change one thing about a run of it."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from esper._generated.enums import SeedStage
from esper.leyline.actions import Action, Advance, Germinate, Rejuvenate
from esper.leyline.lifecycle import is_undecided
from esper.leyline.policy import GrowthPolicy
from esper.leyline.signals import TrainingSignals
from esper.tamiyo.evidence import EvidencePolicy, evidence_config
from esper.tolaria.tasks.task import Task
from growth_campaign.arms import DEAD, GROWN, RANDOM, START_REJUVENATED

_DEAD_BLUEPRINT: Final = "noop"


class Planting(msgspec.Struct, frozen=True, kw_only=True):
    """A seed that a run has planted and kept."""

    slot_id: str
    blueprint_id: str
    epoch: int
    """The epoch after which it was planted."""


class Twin(msgspec.Struct, frozen=True, kw_only=True):
    """The grown network of the same task and seed, from which other arms copy."""

    plantings: tuple[Planting, ...]
    rejuvenations: tuple[int, ...]
    """The epochs after which the network was rejuvenated."""
    num_params: int
    flops: float
    """FLOPs of its training."""


class Script:
    """Plants and rejuvenates at given epochs, and advances every seed as soon as its gate lets it."""

    def __init__(self, plantings: Iterable[Planting], rejuvenations: Iterable[int]) -> None:
        """Plan the actions after each epoch."""
        self._plantings = tuple(plantings)
        self._rejuvenations = frozenset(rejuvenations)

    def decide(self, signals: TrainingSignals) -> Sequence[Action]:
        """Return the actions of this epoch: on live seeds, new seeds, then a rejuvenation."""
        stages = {slot.slot_id: slot.stage for slot in signals.slots}
        actions: list[Action] = [
            Advance(slot_id=name) for name, stage in stages.items() if is_undecided(stage)
        ]
        for planting in self._plantings:
            is_empty = stages[planting.slot_id] is SeedStage.DORMANT
            if planting.epoch == signals.epoch and is_empty:
                name = planting.slot_id
                actions += [
                    Germinate(
                        slot_id=name, blueprint_id=planting.blueprint_id, blend_tempo_epochs=1
                    ),
                    Advance(slot_id=name),
                ]
        if signals.epoch in self._rejuvenations:
            actions.append(Rejuvenate(trial_share=0.0))
        return actions

    def state_dict(self) -> Mapping[str, Any]:
        """Return nothing: a script has no memory."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore nothing."""


def policy_for(
    arm: str, task: Task, *, seed: int, epochs: int, twin: Twin | None
) -> GrowthPolicy | None:
    """Return the policy of `arm`; None where no seed is planted and nothing is rejuvenated."""
    if arm == GROWN:
        return EvidencePolicy(evidence_config(task.blueprint_ids))
    if twin is None:
        return None
    if arm == START_REJUVENATED:
        return Script((), twin.rejuvenations)
    if arm == RANDOM:
        return _at_random_times(twin, seed, epochs)
    if arm == DEAD:
        dead = [
            msgspec.structs.replace(planting, blueprint_id=_DEAD_BLUEPRINT)
            for planting in twin.plantings
        ]
        return Script(dead, twin.rejuvenations)
    return None


def _at_random_times(twin: Twin, seed: int, epochs: int) -> Script:
    """Return as many plantings and rejuvenations as in the grown run, after epochs drawn uniformly."""
    numbers = random.Random(seed)

    def epoch() -> int:
        return numbers.randint(1, max(1, epochs - 1))

    plantings = [msgspec.structs.replace(planting, epoch=epoch()) for planting in twin.plantings]
    return Script(plantings, [epoch() for _ in twin.rejuvenations])
