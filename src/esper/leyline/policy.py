"""The interface of growth policies, which the training loop calls."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from esper.leyline.actions import Action
from esper.leyline.signals import TrainingSignals

PolicyState = Mapping[str, Any]
"""A policy's memory in values that a checkpoint can hold: numbers, strings, lists and dicts."""


class GrowthPolicy(Protocol):
    """Decides when to plant, advance and prune seeds.

    Your own policy is any class with these three methods; pass an instance to `run_task`.
    """

    def decide(self, signals: TrainingSignals) -> Sequence[Action]:
        """Return at most one action for each slot; called at the end of each epoch that the governor found healthy."""

    def state_dict(self) -> PolicyState:
        """Return the values that `decide` remembers between calls; empty for a policy without memory."""

    def load_state_dict(self, state: PolicyState) -> None:
        """Restore the values that `state_dict` returned; called when a run is resumed."""
