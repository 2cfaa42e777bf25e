"""Lowers learning rates for the duration of an optimizer's step."""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import Any

from torch import Tensor
from torch.optim import Optimizer


class LearningRateScaling:
    """Multiplies every learning rate when an optimizer's step begins, and restores it when the step ends.

    Hooks of the optimizer do this, so that code outside the step, a scheduler or a checkpoint, never sees a lowered
    rate. A scheduler must not see one: some compute the next rate from the one that they find and others from scratch, so
    the lowering could not be undone afterwards. A step that is replayed from a CUDA graph calls no hooks and is not scaled.
    """

    def __init__(self, optimizers: Iterable[Optimizer]) -> None:
        """Register the hooks; they do nothing until `apply`.

        Raises:
            ValueError: an optimizer takes no hooks.
        """
        self._is_applied = False
        # An optimizer that is given twice must not be scaled twice.
        self._hooks = tuple(_StepHooks(optimizer) for optimizer in dict.fromkeys(optimizers))
        # The optimizers keep the hooks alive; once this object is gone, they must not scale any more.
        weakref.finalize(self, _remove, self._hooks)

    def apply(self, factor: float) -> None:
        """Multiply every learning rate by `factor` in each step until `reset`; a second call replaces the factor."""
        self._is_applied = True
        for hooks in self._hooks:
            hooks.set_factor(factor)

    def reset(self) -> None:
        """Stop scaling; restore the full rates if a step has failed in the middle."""
        if self._is_applied:
            self._is_applied = False
            for hooks in self._hooks:
                hooks.set_factor(None)


class _StepHooks:
    """The hooks on one optimizer's step; they hold no reference to the optimizer."""

    def __init__(self, optimizer: Optimizer) -> None:
        self._factor: float | None = None
        self._full_rates: list[tuple[dict[str, Any], Any]] = []
        self._depth = 0
        try:
            # Registered before the user's hooks, so that those that run after the step see the full rates.
            self._handles = (
                optimizer.register_step_pre_hook(self._begin),
                optimizer.register_step_post_hook(self._end),
            )
        except AttributeError as error:
            raise ValueError(
                "an optimizer must take hooks on its step, got"
                f" {type(optimizer).__name__}, which has not called Optimizer.__init__;"
                " pass the optimizer that it wraps"
            ) from error

    def set_factor(self, factor: float | None) -> None:
        """Scale by `factor` from the next step on, not at all if it is None; a step that failed counts as ended."""
        self._depth = 0
        self._restore()
        self._factor = factor

    def remove(self) -> None:
        """Restore the rates and remove the hooks."""
        self.set_factor(None)
        for handle in self._handles:
            handle.remove()

    def _begin(self, optimizer: Optimizer, *_: Any) -> None:
        if self._factor is None:
            return
        # A step that calls the step of its base class calls the hooks again in between.
        self._depth += 1
        if self._depth == 1:
            # A new list: changes to the old one would be lost in a step that `torch.compile` has traced.
            self._full_rates = [
                (group, _multiply(group, self._factor)) for group in optimizer.param_groups
            ]

    def _end(self, *_: Any) -> None:
        if self._factor is None:
            return
        self._depth = max(0, self._depth - 1)
        if self._depth == 0:
            self._restore()

    def _restore(self) -> None:
        for group, full_rate in self._full_rates:
            if isinstance(full_rate, Tensor):
                group["lr"].copy_(full_rate)
            else:
                group["lr"] = full_rate
        self._full_rates = []


def _multiply(group: dict[str, Any], factor: float) -> Any:
    """Multiply the learning rate of `group` by `factor` and return the full rate, a number or a tensor."""
    rate = group["lr"]
    if isinstance(rate, Tensor):
        full_rate = rate.clone()
        # A rate in a tensor is part of a compiled step: it must stay the same tensor.
        rate.mul_(factor)
        return full_rate
    group["lr"] = rate * factor
    return rate


def _remove(all_hooks: Iterable[_StepHooks]) -> None:
    for hooks in all_hooks:
        hooks.remove()
