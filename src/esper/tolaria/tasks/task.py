"""A task: data, the host network that learns it, and the hyperparameters that fit both."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

MAX_NAME_LENGTH = 64
"""The longest name that the telemetry contract allows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """Inputs with their classes, held in memory on one device.

    Raises:
        ValueError: there are no samples, or not as many inputs as targets.
    """

    inputs: Tensor
    """float32 (N, ...), in the shape that the host takes."""
    targets: Tensor
    """int64 (N,), class indices from 0."""

    def __post_init__(self) -> None:
        """Check the number of samples."""
        num_inputs, num_targets = self.inputs.shape[0], self.targets.shape[0]
        if num_inputs != num_targets or num_targets == 0:
            raise ValueError(
                "samples must have as many inputs as targets and at least one,"
                f" got {num_inputs} inputs and {num_targets} targets"
            )

    def __len__(self) -> int:
        """Return the number of samples."""
        return self.targets.shape[0]

    def to(self, device: torch.device) -> "Samples":
        """Return the samples on `device`."""
        return Samples(inputs=self.inputs.to(device), targets=self.targets.to(device))

    def shuffled_batches(self, size: int, *, seed: int, epoch: int) -> Iterator["Samples"]:
        """Yield every sample once, in batches of `size` and an order that depends only on `seed` and `epoch`.

        As the order does not depend on earlier epochs, a run can be resumed at any epoch.
        """
        # Rotated by 20 bits within 64, so that neighbouring seeds do not share an order and no seed overflows.
        rotated = seed << 20 | seed >> 44
        generator = torch.Generator().manual_seed((rotated + epoch) % 2**64)
        order = torch.randperm(len(self), generator=generator).to(self.targets.device)
        for index in order.split(size):
            yield Samples(inputs=self.inputs[index], targets=self.targets[index])

    def batches(self, size: int) -> Iterator["Samples"]:
        """Yield the samples in order, in batches of `size`."""
        for inputs, targets in zip(self.inputs.split(size), self.targets.split(size), strict=True):
            yield Samples(inputs=inputs, targets=targets)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A classification task: data, host and hyperparameters.

    The first four fields are required. The training loop minimises cross entropy with SGD, momentum and a cosine schedule
    over the epochs of the run. Where no other source is named, the default was chosen on the task `digits`.

    Raises:
        ValueError: the name is too short or too long, or `num_classes`, `epochs` or `batch_size` is too small.
    """

    name: str
    """1 to 64 characters. `register_task` makes the task known by it to `esper.load` and `esper train`."""
    load_samples: Callable[[], tuple[Samples, Samples]]
    """Returns training and validation samples; the split must not depend on the run's seed."""
    build_host: Callable[[], nn.Module]
    """Returns a new host that maps inputs (B, ...) to logits (B, num_classes).

    It holds empty slots where it may grow (`SeedSlot`, or `graft` on a network that has no slots), and is initialised from
    PyTorch's global random generator, which the run's seed sets.
    """
    num_classes: int
    """At least 2."""
    epochs: int = 60
    """Epochs trained unless the user says otherwise."""
    batch_size: int = 64
    host_learning_rate: float = 0.05
    """The host's learning rate at the start; it falls along a cosine to a fiftieth of that."""
    seed_learning_rate: float = 0.03
    """The same for the parameters of seeds."""
    momentum: float = 0.9
    """Source: the usual value for SGD on images, such as He et al., Deep Residual Learning, 2016."""
    weight_decay: float = 5e-4
    """Source: Zagoruyko and Komodakis, Wide Residual Networks, 2016."""
    max_grad_norm: float = 5.0
    """The gradients of host and seeds are clipped to this norm separately, so that a seed cannot shrink the host's step."""
    absolute_loss_threshold: float | None = None
    """Loss in nats below which the detector `sigma` never reports divergence; None: twice the loss of a random guess."""
    num_threads: int | None = None
    """CPU threads that PyTorch uses for one operation; None leaves PyTorch's setting as it is.

    Small tensors are faster on one thread, and results are then repeatable on machines with other numbers of cores.
    """

    def __post_init__(self) -> None:
        """Check the values that would otherwise fail late, or only in the telemetry."""
        if not 1 <= len(self.name) <= MAX_NAME_LENGTH:
            raise ValueError(
                f"a task's name must have 1 to {MAX_NAME_LENGTH} characters, got {self.name!r}"
            )
        for name, value, minimum in (
            ("num_classes", self.num_classes, 2),
            ("epochs", self.epochs, 1),
            ("batch_size", self.batch_size, 1),
        ):
            if value < minimum:
                raise ValueError(f"{name} must be at least {minimum}, got {value}")

    @property
    def random_guess_loss(self) -> float:
        """Cross entropy in nats of a network that gives every class the same probability."""
        return math.log(self.num_classes)
