"""The network of the campaign: a host for digits, its seeds, their optimizer, and the policy that plants them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain
from typing import Final

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from esper._generated.channel import Channel
from esper.kasmina.graft import find_slots
from esper.kasmina.hosts.cnn import CNNHost
from esper.kasmina.slot import SeedSlot
from esper.leyline.policy import GrowthPolicy
from esper.tamiyo.heuristic import HeuristicPolicy
from esper.tolaria.tasks.digits import DIGITS
from esper.tolaria.tasks.task import Samples, Task
from esper.tolaria.training.follow import Follower, follow


def _build_host() -> nn.Module:
    return CNNHost(num_classes=10, in_channels=1, base_channels=4, num_blocks=3, num_pools=2)


def _load_samples() -> tuple[Samples, Samples]:
    """Return four fifths of the images of digits for training and one fifth for validation.

    The campaign compares runs with each other, on the same images: it needs no test.
    """
    pixels, labels = load_digits(return_X_y=True)
    parts = train_test_split(pixels, labels, test_size=0.2, random_state=0, stratify=labels)
    train_x, val_x, train_y, val_y = map(torch.from_numpy, parts)

    def samples(inputs: Tensor, targets: Tensor) -> Samples:
        return Samples(inputs=inputs.float().div_(16.0).reshape(-1, 1, 8, 8), targets=targets)

    return samples(train_x, train_y), samples(val_x, val_y)


TASK: Task = replace(DIGITS, load_samples=_load_samples, build_host=_build_host, epochs=30)
"""Digits with a wider host (4 channels instead of 3), half the epochs, and four fifths of the images for training.

It still grows, but its final accuracy depends less on chance: clean runs that differ only in the order of the batches
in their second half have final accuracies that differ by 0.15 percentage points (standard deviation).
"""

EPOCH_STEPS: Final = 23
"""Batches in an epoch of 1,437 training images."""


@dataclass(slots=True)
class Network:
    """Everything that training changes; a deep copy is a checkpoint."""

    model: nn.Module
    slots: dict[str, SeedSlot]
    host_parameters: list[nn.Parameter]
    follower: Follower
    policy: GrowthPolicy | None

    def emit_on(self, channel: Channel) -> None:
        """Make the slots emit their telemetry on `channel`."""
        for slot in self.slots.values():
            slot.channel = channel

    def clip_gradients(self) -> Tensor:
        """Clip the gradients of host and seeds separately and return the host's norm before clipping, a 0-dim tensor."""
        for slot in self.slots.values():
            if seed_parameters := list(slot.seed_parameters()):
                clip_grad_norm_(seed_parameters, TASK.max_grad_norm)
        return clip_grad_norm_(self.host_parameters, TASK.max_grad_norm)


def is_finite(model: nn.Module) -> bool:
    """Return whether every weight and every buffer of `model` is finite."""
    tensors = chain(model.parameters(), model.buffers())
    return all(bool(tensor.isfinite().all()) for tensor in tensors)


def build_network(seed: int, *, grows: bool) -> Network:
    """Return a new network initialised from `seed`, with a policy if it `grows`."""
    torch.manual_seed(seed)
    model = TASK.build_host()
    slots = {slot.slot_id: slot for slot in find_slots(model).values()}
    host_parameters = list(model.parameters())
    optimizer = torch.optim.SGD(
        [{"params": host_parameters, "name": "host"}],
        lr=TASK.host_learning_rate,
        momentum=TASK.momentum,
        weight_decay=TASK.weight_decay,
        foreach=True,
    )
    follower = follow(optimizer, None, slots, options={"lr": TASK.seed_learning_rate})
    return Network(model, slots, host_parameters, follower, HeuristicPolicy() if grows else None)
