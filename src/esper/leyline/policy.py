"""The interface of growth policies, which the training loop calls."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from esper.leyline.actions import Action
from esper.leyline.arguments import check_methods
from esper.leyline.errors import UsageError
from esper.leyline.signals import TrainingSignals

PolicyState = Mapping[str, Any]
"""A policy's memory in values that a checkpoint can hold: numbers, strings, lists and dicts."""


class GrowthPolicy(Protocol):
    """Decides when to plant, advance and prune seeds, and when to rejuvenate the network.

    Your own policy is any class with these three methods; pass an instance to `run_task`.
    """

    def decide(self, signals: TrainingSignals) -> Sequence[Action]:
        """Return actions, which are applied in order; called at the end of each epoch that the governor found healthy."""

    def state_dict(self) -> PolicyState:
        """Return the values that `decide` remembers between calls; empty for a policy without memory."""

    def load_state_dict(self, state: PolicyState) -> None:
        """Restore the values that `state_dict` returned; called when a run is resumed."""


def check_policy(policy: object) -> None:
    """Check that `policy` is None or an instance with the methods of `GrowthPolicy`.

    Raises:
        UsageError: it is a class or lacks a method.
    """
    if policy is not None:
        check_methods(
            "a policy",
            policy,
            ("decide", "state_dict", "load_state_dict"),
            "add what is missing, or pass policy=None to train the host alone",
            error=UsageError,
        )
