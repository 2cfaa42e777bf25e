"""A task: data, the host that learns it, and the settings that fit both."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """Inputs with their classes, held in memory on one device."""

    inputs: Tensor
    """float32 (N, ...)."""
    targets: Tensor
    """int64 (N,), class indices."""

    def __len__(self) -> int:
        """Return the number of samples."""
        return self.targets.shape[0]

    def to(self, device: torch.device) -> "Samples":
        """Return the samples on `device`."""
        return Samples(inputs=self.inputs.to(device), targets=self.targets.to(device))

    def shuffled_batches(self, size: int, *, seed: int, epoch: int) -> Iterator["Samples"]:
        """Yield every sample once, in batches of `size` and an order that only seed and epoch decide.

        An order that needs no memory of earlier epochs is what lets a run resume at any epoch.
        """
        generator = torch.Generator().manual_seed((seed << 20) + epoch)
        order = torch.randperm(len(self), generator=generator).to(self.targets.device)
        for index in order.split(size):
            yield Samples(inputs=self.inputs[index], targets=self.targets[index])

    def batches(self, size: int) -> Iterator["Samples"]:
        """Yield the samples in order, in batches of `size`."""
        for inputs, targets in zip(self.inputs.split(size), self.targets.split(size), strict=True):
            yield Samples(inputs=inputs, targets=targets)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is learnt, by which host, under which settings."""

    name: str
    load_samples: Callable[[], tuple[Samples, Samples]]
    """Returns training and validation samples; the split never depends on the run's seed."""
    build_host: Callable[[], nn.Module]
    """Returns a fresh host with empty slots, initialised from PyTorch's global generator."""
    num_classes: int
    absolute_loss_threshold: float
    """Validation loss in nats below which no epoch counts as diverged."""
    epochs: int
    """Epochs trained when the user does not say."""
    batch_size: int
    host_learning_rate: float
    seed_learning_rate: float
    weight_decay: float
    momentum: float
    num_threads: int
    """Threads that share an operation on a CPU; small tensors are quicker, and repeatable, on one."""
    max_grad_norm: float
    """Host and seeds are each clipped to this norm, apart, so that a seed cannot starve the host."""
