"""A training of the league, as data and functions, and the plain loop that makes a run of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

Batch = tuple[Any, ...]

_CHECK_INTERVAL = 10
"""Steps between two looks for weights that are not finite, which stay so."""


def _constant(step: int) -> float:
    return 1.0


@dataclass(slots=True, kw_only=True)
class Training:
    """A network in training. A batch depends on the step alone, so that a refused step changes no later batch."""

    model: nn.Module
    optimizer: Optimizer
    batch: Callable[[int], Batch]
    """Returns the batch of a step."""
    losses: Callable[[Batch], Tensor]
    """Returns the loss of each sample of a batch, of shape (N,); a governor may use it as its probe."""
    held_out: Callable[[], float]
    """Returns the loss on data that is not trained on."""
    steps: int = 400
    factor: Callable[[int], float] = _constant
    """Returns the factor of the schedule on the learning rate at a step."""
    gradients: Callable[[Batch], Tensor] | None = None
    """Computes the gradients and returns the loss; None for those of the mean of `losses`."""
    after_step: Callable[[], None] = lambda: None
    """Is called after each step that the optimizer took; for clipped weights."""
    base_rates: list[float] = field(init=False)

    def __post_init__(self) -> None:
        """Remember the learning rates that the schedule scales."""
        self.base_rates = [group["lr"] for group in self.optimizer.param_groups]


class Reaction(Enum):
    """What a judge does about a step; each value is more than those before it."""

    NOTHING = auto()
    CLIP = auto()
    """It has made the gradients smaller; the step is taken."""
    SKIP = auto()
    """The step is not taken."""
    ROLLBACK = auto()
    """The step is not taken, and earlier weights have been restored."""
    STOP = auto()
    """The run ends; earlier weights have been restored if possible."""

    @property
    def may_step(self) -> bool:
        """Whether the optimizer takes its step."""
        return self in (Reaction.NOTHING, Reaction.CLIP)


class Judge(Protocol):
    """Watches a run, and acts where it sees damage."""

    def before_step(self, loss: Tensor | float, norm: Tensor | float, batch: Batch) -> Reaction:
        """Judge a loss and the norm of its gradient, act, and return what was done."""

    def after_step(self) -> Reaction:
        """Return what was done about the step, the snapshot after it included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """Damages a run for some steps; the steps are those of the loop, counted from 0."""

    start: int
    steps: int = 1
    weights: Callable[[Training, int], None] | None = None
    """Damages weights or the state of the optimizer before a step, whose number it gets."""
    rate: float = 1.0
    """Factor on the learning rate."""
    backward: Callable[[Training, Tensor], Tensor] | None = None
    """Damages gradients; gets the loss and returns it, damaged or not."""

    def is_active(self, step: int) -> bool:
        """Return whether the damage is done at `step`."""
        return self.start <= step < self.start + self.steps


@dataclass(slots=True, kw_only=True)
class Run:
    """What happened in a run."""

    losses: list[float] = field(default_factory=list)
    grad_norms: list[float] = field(default_factory=list)
    rollbacks: list[int] = field(default_factory=list)
    """Steps at which the judge restored earlier weights."""
    skips: list[int] = field(default_factory=list)
    """Steps that the judge refused without a rollback."""
    clips: list[int] = field(default_factory=list)
    """Steps at which the judge made the gradients smaller."""
    stop: int | None = None
    """Step at which the judge ended the run."""
    is_finite: bool = True
    """Whether losses, gradients, weights, buffers and the state of the optimizer were finite all the time."""
    held_out: float = math.nan

    @property
    def refusals(self) -> list[int]:
        """Steps that were not taken, in order."""
        return sorted({*self.rollbacks, *self.skips, *(() if self.stop is None else (self.stop,))})

    def note(self, step: int, reaction: Reaction) -> None:
        """Note what the judge did about a step."""
        if reaction is Reaction.STOP:
            self.stop = step
        lists = {
            Reaction.ROLLBACK: self.rollbacks,
            Reaction.SKIP: self.skips,
            Reaction.CLIP: self.clips,
        }
        if reaction in lists:
            lists[reaction].append(step)


def train(training: Training, judge: Judge | None = None, damage: Damage | None = None) -> Run:
    """Train for all steps, or until `judge` stops the run, and score the network on held-out data."""
    run = Run()
    parameters = [p for group in training.optimizer.param_groups for p in group["params"]]
    training.model.train()
    for step in range(training.steps):
        active = damage if damage is not None and damage.is_active(step) else None
        if active is not None and active.weights is not None:
            active.weights(training, step)
        rate = training.factor(step) * (1.0 if active is None else active.rate)
        for group, base in zip(training.optimizer.param_groups, training.base_rates, strict=True):
            group["lr"] = base * rate
        batch = training.batch(step)
        training.optimizer.zero_grad()
        if training.gradients is None:
            loss = training.losses(batch).mean()
            loss.backward()
        else:
            loss = training.gradients(batch)
        if active is not None and active.backward is not None:
            loss = active.backward(training, loss)
        norm = nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
        loss = loss.detach()
        run.losses.append(loss.item())
        run.grad_norms.append(norm.item())
        reaction = Reaction.NOTHING if judge is None else judge.before_step(loss, norm, batch)
        if reaction.may_step:
            training.optimizer.step()
            training.after_step()
        if judge is None:
            run.is_finite &= _is_finite_at(training, run, step)
            continue
        reaction = judge.after_step()
        run.note(step, reaction)
        if reaction is Reaction.STOP:
            break
    training.model.eval()
    with torch.no_grad():
        run.held_out = training.held_out()
    return run


def _is_finite_at(training: Training, run: Run, step: int) -> bool:
    """Return whether loss, gradient and, at some steps, all tensors are finite."""
    if not (math.isfinite(run.losses[-1]) and math.isfinite(run.grad_norms[-1])):
        return False
    if step % _CHECK_INTERVAL and step != training.steps - 1:
        return True
    state = [
        value
        for entry in training.optimizer.state.values()
        for value in entry.values()
        if isinstance(value, Tensor)
    ]
    tensors = [*training.model.state_dict().values(), *state]
    # A sum is NaN or infinite if one of its terms is; in double precision the sums of float32 do not overflow.
    return bool(torch.stack([tensor.double().sum() for tensor in tensors]).isfinite().all())
