"""Objectives: the loss that a task minimises and the metric that it reports."""

import math
from abc import ABC, abstractmethod
from typing import ClassVar, final

from torch import Tensor
from torch.nn.functional import cross_entropy

from esper.leyline.arguments import real_number


class Objective(ABC):
    """The loss of a task, and its metric, a percentage of which more is better. B is the number of samples.

    The training loop minimises `loss`, decides by the losses of single samples, and reports losses and metric. A subclass serves
    a task of another kind.

    Attributes:
        metric: name of the metric.
    """

    metric: ClassVar[str]

    @abstractmethod
    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean loss, 0-dim, which training minimises."""

    @abstractmethod
    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of each sample, (B,)."""

    @abstractmethod
    def scores(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the share of each sample, (B,), of which the metric is a hundred times the mean; at most 1."""

    @abstractmethod
    def random_guess_loss(self, num_classes: int | None) -> float:
        """Return the loss of a network that has learned nothing; `num_classes` is None where there are no classes."""


@final
class Classification(Objective):
    """One class a sample: logits (B, C), targets (B,); cross entropy and accuracy."""

    metric = "accuracy"

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean cross entropy in nats, 0-dim."""
        return cross_entropy(outputs, targets)

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the cross entropy of each sample in nats, (B,)."""
        return cross_entropy(outputs, targets, reduction="none")

    def scores(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return 1 for each sample whose class has the largest logit, and 0 for the others, (B,)."""
        return (outputs.argmax(dim=1) == targets).float()

    def random_guess_loss(self, num_classes: int | None) -> float:
        """Return the cross entropy in nats of equal probabilities."""
        return _log(num_classes)


@final
class LanguageModelling(Objective):
    """The next token at each place: logits (B, T, V), targets (B, T); cross entropy and accuracy a token."""

    metric = "accuracy of the next token"

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean cross entropy a token in nats, 0-dim."""
        return cross_entropy(outputs.flatten(0, 1), targets.flatten())

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean cross entropy a token of each sample in nats, (B,)."""
        return cross_entropy(outputs.transpose(1, 2), targets, reduction="none").mean(dim=1)

    def scores(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the share of the tokens of each sample that have the largest logit, (B,)."""
        return (outputs.argmax(dim=2) == targets).float().mean(dim=1)

    def random_guess_loss(self, num_classes: int | None) -> float:
        """Return the cross entropy in nats of equal probabilities for all tokens."""
        return _log(num_classes)


@final
class Regression(Objective):
    """Real numbers: outputs and targets (B, ...); squared error and the share of the variance that is explained (R^2)."""

    metric = "variance explained"

    def __init__(self, *, target_variance: float = 1.0) -> None:
        """Measure errors against `target_variance`, the variance of the targets; 1 where they are standardised.

        Raises:
            ValueError: `target_variance` is not a positive number.
        """
        self.target_variance = real_number("target_variance", target_variance)
        if not self.target_variance > 0.0:
            raise ValueError(
                f"target_variance must be positive, got {target_variance}; leave out constant targets"
            )

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean of `losses`, 0-dim."""
        return self.losses(outputs, targets).mean()

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return half the squared error over the variance, (B,): nats under a normal distribution, up to a constant.

        Raises:
            ValueError: the outputs have another shape than the targets.
        """
        # Broadcasting (B, 1) with (B,) would compare every output with every target.
        if outputs.shape != targets.shape:
            raise ValueError(
                f"outputs of a regression must have the shape of the targets, {tuple(targets.shape)}, got"
                f" {tuple(outputs.shape)}; let load_samples or the host reshape one of them"
            )
        errors = (outputs - targets).square().reshape(len(targets), -1).mean(dim=1)
        return errors / (2.0 * self.target_variance)

    def scores(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return one minus the squared error over the variance, (B,); negative where the mean would be better."""
        return 1.0 - 2.0 * self.losses(outputs, targets)

    def random_guess_loss(self, num_classes: int | None) -> float:
        """Return the loss of a network that predicts the mean."""
        return 0.5


def _log(num_classes: int | None) -> float:
    assert num_classes is not None
    return math.log(num_classes)
