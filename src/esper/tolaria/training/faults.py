"""Faults that are injected on purpose, to see the governor at work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from esper.leyline.errors import UsageError

if TYPE_CHECKING:
    # The command line checks faults before it imports PyTorch.
    from torch import Tensor

FaultKind = Literal["nan", "spike"]

FAULTS: Final[dict[FaultKind, str]] = {
    "nan": "a loss becomes NaN",
    "spike": "learning rate x100 for three epochs",
}
"""What each kind of fault does, for the help of the command line."""

_SPIKE_FACTOR = 100.0
_SPIKE_EPOCHS = 3
_MAX_DIGITS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A fault to inject.

    `nan` turns the first loss of its epoch into NaN; `spike` multiplies the learning rate by 100
    for three epochs.
    """

    kind: FaultKind
    epoch: int
    """The epoch in which it begins, from 1."""

    def damages_loss(self, epoch: int, step: int) -> bool:
        """Return whether the loss of `step` (from 0) in `epoch` (from 1) becomes NaN."""
        return self.kind == "nan" and (epoch, step) == (self.epoch, 0)

    def learning_rate_factor(self, epoch: int) -> float:
        """Return the factor by which the learning rate is multiplied in `epoch`."""
        is_active = self.kind == "spike" and self.epoch <= epoch < self.epoch + _SPIKE_EPOCHS
        return _SPIKE_FACTOR if is_active else 1.0


def parse_fault(text: str) -> Fault:
    """Read `KIND@EPOCH`, such as `nan@12`.

    Raises:
        UsageError: `text` has another form.
    """
    kind, _, epoch = text.partition("@")
    # Python does not convert thousands of digits.
    is_number = epoch.isdecimal() and len(epoch) <= _MAX_DIGITS
    if kind not in FAULTS or not is_number or int(epoch) < 1:
        forms = " or ".join(f"{name}@EPOCH" for name in FAULTS)
        raise UsageError(f'a fault must be {forms} with an epoch from 1, got "{text}"; try nan@12')
    return Fault(kind=kind, epoch=int(epoch))


def damaged(loss: Tensor) -> Tensor:
    """Return `loss`, a 0-dim tensor, as NaN that is still part of the graph, so that every gradient becomes NaN too."""
    return loss * float("nan")
