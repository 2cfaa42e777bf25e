"""Lowers learning rates for the length of a step."""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import Any

from torch import Tensor
from torch.optim import Optimizer


class LearningRateBrake:
    """Multiplies every learning rate when an optimizer's step begins, and puts it back when the step ends.

    Hooks of the optimizer do so, because no later moment is early enough: a scheduler that is stepped next computes
    its rate from the one it finds, or anew, and from the outcome nobody can tell which. So nobody outside the step
    finds a lowered rate, a checkpoint neither. A step that is replayed from a CUDA graph calls no hooks and is not
    slowed down.
    """

    def __init__(self, optimizers: Iterable[Optimizer]) -> None:
        """Leave the rates of `optimizers` alone until `press`.

        Raises:
            ValueError: one of them takes no hooks.
        """
        self._is_pressed = False
        # One that is given twice would be lowered twice.
        self._pedals = tuple(_Pedal(optimizer) for optimizer in dict.fromkeys(optimizers))
        # The optimizers hold the pedals only; without the brake those must not act any more.
        weakref.finalize(self, _remove, self._pedals)

    def press(self, factor: float) -> None:
        """Multiply every learning rate by `factor` in each step until `release`; pressing again replaces the factor."""
        self._is_pressed = True
        for pedal in self._pedals:
            pedal.arm(factor)

    def release(self) -> None:
        """Leave the rates of further steps alone; where a step has failed, put them back."""
        if self._is_pressed:
            self._is_pressed = False
            for pedal in self._pedals:
                pedal.arm(None)


class _Pedal:
    """The hooks of one optimizer, which is not held on to."""

    def __init__(self, optimizer: Optimizer) -> None:
        self._factor: float | None = None
        self._full: list[tuple[dict[str, Any], Any]] = []
        self._depth = 0
        try:
            # Before other hooks are there: what they do behind the step should find the full rates.
            self._handles = (
                optimizer.register_step_pre_hook(self._lower),
                optimizer.register_step_post_hook(self._end),
            )
        except AttributeError as error:
            raise ValueError(
                "an optimizer must take hooks on its step, got"
                f" {type(optimizer).__name__}, which has not called Optimizer.__init__;"
                " hand in the optimizer that it wraps"
            ) from error

    def arm(self, factor: float | None) -> None:
        """Multiply by `factor` from the next step on, not at all when None; a step that has failed is over."""
        self._depth = 0
        self._put_back()
        self._factor = factor

    def remove(self) -> None:
        """Take the hooks away."""
        self.arm(None)
        for handle in self._handles:
            handle.remove()

    def _lower(self, optimizer: Optimizer, *_: Any) -> None:
        if self._factor is None:
            return
        # A step that calls that of its base class calls the hooks again within.
        self._depth += 1
        if self._depth == 1:
            # A new list: changes to the old one would be lost in a step that `torch.compile` has traced.
            self._full = [
                (group, _multiply(group, self._factor)) for group in optimizer.param_groups
            ]

    def _end(self, *_: Any) -> None:
        if self._factor is None:
            return
        self._depth = max(0, self._depth - 1)
        if self._depth == 0:
            self._put_back()

    def _put_back(self) -> None:
        for group, full in self._full:
            if isinstance(full, Tensor):
                group["lr"].copy_(full)
            else:
                group["lr"] = full
        self._full = []


def _multiply(group: dict[str, Any], factor: float) -> Any:
    """Multiply the learning rate of `group` and return the one it had."""
    rate = group["lr"]
    if isinstance(rate, Tensor):
        full = rate.clone()
        # A rate in a tensor is part of a compiled step: the tensor must stay.
        rate.mul_(factor)
        return full
    group["lr"] = rate * factor
    return rate


def _remove(pedals: Iterable[_Pedal]) -> None:
    for pedal in pedals:
        pedal.remove()
