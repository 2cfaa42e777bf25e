"""The policies of the arms: that of `esper train`, and controls that change one thing about a run of it."""

from __future__ import annotations

from typing import Final

import msgspec

from esper.leyline.actions import Action, Advance, Germinate, Rejuvenate
from esper.leyline.policy import GrowthPolicy
from esper.leyline.script import Decision
from esper.tamiyo.controls import RandomTimingPolicy
from esper.tamiyo.registry import DEFAULT, build_policy
from esper.tamiyo.scripted import ScriptedPolicy
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
    modal: tuple[tuple[str, str], ...]
    """Slot and blueprint of each seed that most grown networks of the task end with, whatever this one's are."""


def policy_for(arm: str, task: Task, *, seed: int, twin: Twin | None) -> GrowthPolicy | None:
    """Return the policy of `arm`; None where no seed is planted and nothing is rejuvenated."""
    if arm == GROWN:
        return build_policy(DEFAULT, blueprint_ids=task.blueprint_ids, seed=seed)
    if twin is None:
        return None
    if arm == RANDOM:
        return RandomTimingPolicy(
            [planting.blueprint_id for planting in twin.plantings],
            num_rejuvenations=len(twin.rejuvenations),
            seed=seed,
        )
    if arm == DEAD:
        return ScriptedPolicy([*_dead_seeds(twin), *_rejuvenations(twin)])
    if arm == START_REJUVENATED:
        return ScriptedPolicy(_rejuvenations(twin))
    return None


def _dead_seeds(twin: Twin) -> list[Decision]:
    """Return the decisions that plant seeds without parameters where and when the twin has planted its own."""
    actions: list[tuple[int, Action]] = []
    for planting in twin.plantings:
        name = planting.slot_id
        germinate = Germinate(slot_id=name, blueprint_id=_DEAD_BLUEPRINT, blend_tempo_epochs=1)
        actions += [(planting.epoch, germinate), (planting.epoch, Advance(slot_id=name))]
    return [Decision(epoch=epoch, action=action) for epoch, action in actions]


def _rejuvenations(twin: Twin) -> list[Decision]:
    """Return the decisions that rejuvenate when the twin was rejuvenated, without a trial."""
    return [
        Decision(epoch=epoch, action=Rejuvenate(trial_share=0.0)) for epoch in twin.rejuvenations
    ]
