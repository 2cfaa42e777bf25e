"""What the training loop expects of a growth policy."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from esper.leyline.actions import Action
from esper.leyline.signals import TrainingSignals

PolicyState = Mapping[str, int | float | str | Mapping[str, float] | None]
"""A policy's memory in plain values, so that a checkpoint can hold it."""


class GrowthPolicy(Protocol):
    """Decides when to grow, keep and prune."""

    def decide(self, signals: TrainingSignals) -> Sequence[Action]:
        """Return at most one action a slot; called once at the end of each healthy epoch."""

    def state_dict(self) -> PolicyState:
        """Return what `decide` remembers from one call to the next."""

    def load_state_dict(self, state: PolicyState) -> None:
        """Take up what `state_dict` returned."""
