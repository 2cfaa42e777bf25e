"""What the training loop requires of a growth policy."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from esper.leyline.actions import Action
from esper.leyline.signals import TrainingSignals

PolicyState = Mapping[str, Any]
"""A policy's memory in plain values (numbers, texts, lists, dicts), as a checkpoint can hold it."""


class GrowthPolicy(Protocol):
    """Decides when to grow, keep and prune.

    A policy of your own is any class with these three methods; hand it to `run_task`.
    """

    def decide(self, signals: TrainingSignals) -> Sequence[Action]:
        """Return at most one action for each slot; called at the end of each epoch that the governor found healthy."""

    def state_dict(self) -> PolicyState:
        """Return what `decide` remembers between calls; empty for a policy without memory."""

    def load_state_dict(self, state: PolicyState) -> None:
        """Restore the result of `state_dict`, when a run is resumed."""
