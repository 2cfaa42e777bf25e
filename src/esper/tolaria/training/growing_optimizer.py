"""One optimizer for a network that grows: a parameter group for the host and one for each seed."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from esper.kasmina.slot import SeedSlot

HOST_GROUP = "host"


class GrowingOptimizer:
    """SGD with momentum whose parameter groups follow the seeds.

    A seed's group exists as long as the seed: it is added with fresh momentum when the seed is planted,
    kept when the seed fossilises, and removed with its state when the seed is pruned. Each group stores its own base
    learning rate, because PyTorch's schedulers mishandle groups that are added later.

    Attributes:
        inner: the `torch.optim.SGD` that steps; the governor saves and restores its state.
    """

    def __init__(
        self,
        host_parameters: list[nn.Parameter],
        slots: Mapping[str, SeedSlot],
        *,
        host_learning_rate: float,
        seed_learning_rate: float,
        momentum: float,
        weight_decay: float,
    ) -> None:
        """Build the host's group and a group for every seed that is already in a slot."""
        self._slots = slots
        self._seed_learning_rate = seed_learning_rate
        self._learning_rate_factor = 1.0
        self.inner = torch.optim.SGD(
            [{"params": host_parameters, "name": HOST_GROUP, "base_lr": host_learning_rate}],
            lr=host_learning_rate,
            momentum=momentum,
            weight_decay=weight_decay,
            # The tensors are many and small: one kernel for all of them beats one for each.
            foreach=True,
        )
        self.follow_seeds()

    @property
    def learning_rate(self) -> float:
        """The host's current learning rate."""
        return float(self.inner.param_groups[0]["lr"])

    def set_learning_rate_factor(self, factor: float) -> None:
        """Set every group's learning rate to `factor` times its base."""
        self._learning_rate_factor = factor
        for group in self.inner.param_groups:
            group["lr"] = group["base_lr"] * factor

    def follow_seeds(self) -> None:
        """Add a group for every new seed and remove the groups of seeds that are gone."""
        wanted = {
            f"slot:{path}:{slot.seed_id}": list(slot.seed_parameters())
            for path, slot in self._slots.items()
        }
        wanted = {name: parameters for name, parameters in wanted.items() if parameters}
        kept = []
        for group in self.inner.param_groups:
            if group["name"] in (HOST_GROUP, *wanted):
                kept.append(group)
            else:
                for parameter in group["params"]:
                    self.inner.state.pop(parameter, None)
        self.inner.param_groups[:] = kept
        present = {group["name"] for group in kept}
        for name, parameters in wanted.items():
            if name not in present:
                self._add_group(name, parameters)

    def state_dict(self) -> dict[str, list[dict[str, Any]]]:
        """Return the optimizer's state of every parameter, by group name and in the group's order."""
        return {
            group["name"]: [
                dict(self.inner.state.get(parameter, {})) for parameter in group["params"]
            ]
            for group in self.inner.param_groups
        }

    def load_state_dict(self, state: Mapping[str, list[dict[str, Any]]]) -> None:
        """Restore the result of `state_dict`, taken with the same seeds in the slots.

        The tensors are not copied, so do not load the same `state` into a second optimizer.

        Raises:
            KeyError: `state` lacks the group of a seed.
            ValueError: a group has another number of parameters.
        """
        self.follow_seeds()
        self.inner.state.clear()
        for group in self.inner.param_groups:
            for parameter, saved in zip(group["params"], state[group["name"]], strict=True):
                if saved:
                    self.inner.state[parameter] = dict(saved)

    def _add_group(self, name: str, parameters: list[nn.Parameter]) -> None:
        group: dict[str, Any] = {
            "params": parameters,
            "name": name,
            "base_lr": self._seed_learning_rate,
            "lr": self._seed_learning_rate * self._learning_rate_factor,
        }
        self.inner.add_param_group(group)


def cosine_factor(epoch: int, epochs: int, *, floor: float = 0.02) -> float:
    """Return the learning-rate factor of `epoch` (from 1): half a cosine from 1 to `floor`.

    Source: Loshchilov and Hutter, SGDR, 2017, without restarts.
    """
    progress = (epoch - 1) / max(1, epochs - 1)
    return floor + (1.0 - floor) * (1.0 + math.cos(math.pi * progress)) / 2.0
