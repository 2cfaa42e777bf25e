"""Lowers learning rates for the length of a step."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import Tensor
from torch.optim import Optimizer


class LearningRateBrake:
    """Multiplies every learning rate before a step, and puts it back behind it.

    Between steps schedulers find the rates they set, so that it does not matter whether they compute the next rate
    from the last one or anew.
    """

    def __init__(self, optimizers: Iterable[Optimizer]) -> None:
        """Leave the rates of `optimizers` alone until `press`."""
        self._optimizers = tuple(optimizers)
        self._pressed: list[tuple[dict[str, Any], Any, Any]] = []

    def press(self, factor: float) -> None:
        """Multiply every learning rate by `factor` until `release`; pressing again starts from the full rates."""
        self.release()
        for optimizer in self._optimizers:
            for group in optimizer.param_groups:
                full = group["lr"]
                # A rate in a tensor is part of a compiled step: the tensor must stay.
                lowered = full.clone().mul_(factor) if isinstance(full, Tensor) else full * factor
                self._pressed.append((group, _swap(group, lowered), lowered))

    def release(self) -> None:
        """Put the rates back, but for those that somebody else has set since."""
        for group, full, lowered in self._pressed:
            if bool(group["lr"] == lowered):
                _swap(group, full)
        self._pressed.clear()


def _swap(group: dict[str, Any], rate: Any) -> Any:
    """Set the learning rate of `group` and return the one it had."""
    before = group["lr"]
    if isinstance(before, Tensor):
        copy = before.clone()
        before.copy_(rate)
        return copy
    group["lr"] = rate
    return before
