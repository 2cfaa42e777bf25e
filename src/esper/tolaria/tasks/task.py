"""A task: data, the host network that learns it, and the hyperparameters that fit both."""

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

import torch
from torch import Tensor, nn

from esper.leyline.arguments import (
    check_callable,
    describe,
    instance_of,
    real_number,
    text_of_length,
    whole_number,
)
from esper.leyline.errors import UsageError
from esper.tolaria.tasks.objective import Classification, LanguageModelling, Objective

OptimizerName = Literal["sgd", "adamw"]

CLASSIFICATION: Final = Classification()

GAIN_OF_A_WIDER_HOST: Final = 0.057
"""Nats of decision loss that a host would gain with as many parameters again, if each gained as much as the first ones.

Measured on `digits`, mean of seeds 100 to 102: a host of 1,009 parameters reaches 0.122 nats, one of 1,702 parameters 0.082. Dividing by
the size of the host follows the power laws of the loss (Kaplan et al., Scaling Laws for Neural Language Models, 2020).
"""

MAX_HASHED_BYTES: Final = 256 * 2**20
"""Size of samples up to which their hash is taken, which needs some tenths of a second."""

MAX_NAME_LENGTH = 64
"""The longest name that the telemetry contract allows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """Inputs with their targets, held in memory on one device.

    Raises:
        ValueError: there are no samples, not as many inputs as targets, or one of both is not a tensor.
    """

    inputs: Tensor
    """(N, ...), in the shape and dtype that the host takes: float32, or int64 for tokens."""
    targets: Tensor
    """As the task's objective takes them: int64 (N,) classes from 0, int64 (N, T) tokens, or float32 (N, ...)."""

    def __post_init__(self) -> None:
        """Check the types and the number of samples."""
        for name, value in (("inputs", self.inputs), ("targets", self.targets)):
            instance_of(name, value, Tensor, "convert it, e.g. with torch.as_tensor")
            if value.ndim == 0:
                raise ValueError(
                    f"{name} must have a first dimension, one entry for each sample, got a 0-dim tensor"
                )
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
    """A task: data, host, objective and hyperparameters.

    The first three fields are required, and `num_classes` where there are classes. The training loop minimises the objective's
    loss, by default cross entropy, with a cosine schedule over the epochs of the run. Where no other source is named, the default was chosen on the task `digits`.

    Raises:
        ValueError: a value has another type or is out of its range.
    """

    name: str
    """1 to 64 characters. `register_task` makes the task known by it to `esper.load` and `esper train`."""
    load_samples: Callable[[], tuple[Samples, ...]]
    """Returns samples for training, for decisions, and for the test; the splits must not depend on the run's seed.

    By the second, the validation samples, seeds are kept or pruned, so that only the third, which no decision sees, says how
    good the network is. Without the third the task has no test.
    """
    build_host: Callable[[], nn.Module]
    """Returns a new host that maps inputs (B, ...) to what the objective takes, such as logits (B, num_classes).

    It holds empty slots where it may grow (`SeedSlot`, or `graft` on a network that has no slots), and is initialised from
    PyTorch's global random generator, which the run's seed sets.
    """
    num_classes: int | None = None
    """Classes, or tokens of a vocabulary, at least 2; None for a task without classes, such as regression."""
    objective: Objective = CLASSIFICATION
    """Loss and metric."""
    optimizer: OptimizerName = "sgd"
    """`sgd`, with momentum, or `adamw`, which transformers need."""
    blueprint_ids: tuple[str, ...] | None = None
    """Blueprints that suit the host's slots, for `esper train`; None: those of `HeuristicConfig`."""
    epochs: int = 60
    """Epochs trained unless the user says otherwise."""
    batch_size: int = 64
    host_learning_rate: float = 0.05
    """The host's learning rate at the start; it falls along a cosine to a fiftieth of that."""
    seed_learning_rate: float = 0.03
    """The same for the parameters of seeds."""
    momentum: float = 0.9
    """Of `sgd`. Source: the usual value for SGD on images, such as He et al., Deep Residual Learning, 2016."""
    weight_decay: float = 5e-4
    """Source: Zagoruyko and Komodakis, Wide Residual Networks, 2016."""
    max_grad_norm: float = 5.0
    """The gradients of host and seeds are clipped to this norm separately, so that a seed cannot shrink the host's step."""
    price_per_parameter: float | None = None
    """Nats by which each parameter of a seed must lower the mean loss for the seed to be kept; 0 asks only that it helps.

    None: what each parameter of a wider host gains, `GAIN_OF_A_WIDER_HOST` over the number of the host's parameters.
    """
    absolute_loss_threshold: float | None = None
    """Loss in nats below which the detector `sigma` never reports divergence; None: twice the loss of a random guess."""
    data_hash: Callable[[], str] | None = None
    """Returns a hash of the data, so that results can be told apart; None: the hashes of the samples, see `hash_samples`."""
    num_threads: int | None = None
    """CPU threads that PyTorch uses for one operation; None leaves PyTorch's setting as it is.

    Small tensors are faster on one thread, and results are then repeatable on machines with other numbers of cores.
    """

    def __post_init__(self) -> None:
        """Check the values that would otherwise fail late, or only in the telemetry."""
        text_of_length("a task's name", self.name, 1, MAX_NAME_LENGTH)
        for name, function in (
            ("load_samples", self.load_samples),
            ("build_host", self.build_host),
        ):
            check_callable(name, function)
        for name, value, minimum in (
            ("epochs", self.epochs, 1),
            ("batch_size", self.batch_size, 1),
        ):
            whole_number(name, value, minimum=minimum)
        if not isinstance(self.objective, Objective):
            raise ValueError(
                f"objective must be an Objective, got {describe(self.objective)}; write Regression() or the like"
            )
        text_of_length("an objective's metric", self.objective.metric, 1, MAX_NAME_LENGTH)
        if self.num_classes is not None:
            whole_number("num_classes", self.num_classes, minimum=2)
        elif isinstance(self.objective, Classification | LanguageModelling):
            raise ValueError(
                f"num_classes must be given for {type(self.objective).__name__}, got None; write num_classes=..."
            )
        if self.optimizer not in get_args(OptimizerName):
            raise ValueError(
                f"optimizer must be one of {', '.join(get_args(OptimizerName))}, got {self.optimizer!r}"
            )
        for name, rate in (
            ("host_learning_rate", self.host_learning_rate),
            ("seed_learning_rate", self.seed_learning_rate),
            ("momentum", self.momentum),
            ("weight_decay", self.weight_decay),
            ("max_grad_norm", self.max_grad_norm),
        ):
            real_number(name, rate, minimum=0.0)
        if self.price_per_parameter is not None:
            real_number("price_per_parameter", self.price_per_parameter, minimum=0.0)
        if self.absolute_loss_threshold is not None:
            real_number("absolute_loss_threshold", self.absolute_loss_threshold, minimum=-math.inf)
        if self.num_threads is not None:
            whole_number("num_threads", self.num_threads, minimum=1)

    @property
    def random_guess_loss(self) -> float:
        """Loss of a network that has learned nothing, such as one that gives every class the same probability."""
        return self.objective.random_guess_loss(self.num_classes)


def load_samples(task: Task) -> tuple[Samples, ...]:
    """Return the samples of `task` for training, for decisions and, if it has one, for the test.

    Raises:
        ValueError: the task's `load_samples` returned something else.
    """
    samples: object = task.load_samples()
    if not isinstance(samples, tuple | list) or not (
        2 <= len(samples) <= 3 and all(type(one) is Samples for one in samples)
    ):
        raise ValueError(
            "load_samples of a task must return two or three Samples, for training, for validation and for the test,"
            f" got {describe(samples)} from task {task.name!r}; return (training, validation, test)"
        )
    return tuple(samples)


def hash_samples(samples: Sequence[Samples]) -> dict[str, str]:
    """Return the SHA-256 in hexadecimal digits of the samples for training, validation and test, by these names.

    Samples of more than `MAX_HASHED_BYTES`, which would delay the start of a run, and sparse ones are left out.
    """
    hashes = {}
    for name, one in zip(("training", "validation", "test"), samples, strict=False):
        tensors = (one.inputs, one.targets)
        is_dense = all(tensor.layout is torch.strided for tensor in tensors)
        if is_dense and sum(tensor.nbytes for tensor in tensors) <= MAX_HASHED_BYTES:
            digest = hashlib.sha256()
            for tensor in tensors:
                digest.update(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
                plain = tensor.detach().cpu().resolve_conj().resolve_neg().contiguous()
                digest.update(plain.view(-1).view(torch.uint8).numpy().data)
            hashes[name] = digest.hexdigest()
    return hashes


def build_host(task: Task) -> nn.Module:
    """Return a new host for `task`.

    Raises:
        ValueError: the task's `build_host` returned something else.
    """
    return instance_of(
        f"the result of build_host of task {task.name!r}",
        task.build_host(),
        nn.Module,
        "return the network",
    )


def build_another_host(task: Task, host: nn.Module) -> nn.Module:
    """Return a new host for `task`, of which `host` is one.

    Raises:
        UsageError: the task's `build_host` returned the same network, or one that shares parameters with it.
        ValueError: it returned something else.
    """
    other = build_host(task)
    known = {id(parameter) for parameter in host.parameters()}
    if any(id(parameter) in known for parameter in other.parameters()):
        raise UsageError(
            f"build_host of task {task.name!r} must build a new network each time, got one with the same parameters twice; build it"
            " in the function, or return copy.deepcopy(network)"
        )
    return other
