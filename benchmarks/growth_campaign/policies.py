"""The policies of the arms that grow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from esper.leyline.policy import GrowthPolicy
from esper.tamiyo.heuristic import HeuristicConfig, HeuristicPolicy
from esper.tolaria.tasks.task import Task

if TYPE_CHECKING:
    from growth_campaign.trial import Twin


def policy_for(arm: str, task: Task, seed: int, twin: Twin | None) -> GrowthPolicy:
    """Return the policy of `arm`."""
    if task.blueprint_ids is None:
        return HeuristicPolicy()
    return HeuristicPolicy(HeuristicConfig(blueprint_ids=task.blueprint_ids))
