"""A detector that accepts every finite loss, for tasks whose loss is no measure of quality."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from esper._generated.enums import PanicReason, Severity
from esper.tolaria.detection.verdict import Verdict


class NonFiniteDetector:
    """Asks for a rollback when a loss is NaN or infinite, and for nothing else.

    For games between networks and for reinforcement learning, where a rise of the loss need not mean that anything is wrong.
    It has no memory: its state dict is empty.
    """

    def check(self, loss: float) -> Verdict:
        """Judge a loss, any float."""
        if math.isfinite(loss):
            return Verdict(severity=Severity.OK, loss=loss)
        return Verdict(
            severity=Severity.ROLLBACK, reason=PanicReason.NAN, loss=loss, consecutive_panics=1
        )

    def expect_shift(self) -> None:
        """Do nothing: no finite loss is unexpected."""

    def rewind(self, state: Mapping[str, Any] | None) -> None:
        """Do nothing, since there is no memory."""

    def state_dict(self) -> dict[str, Any]:
        """Return an empty dictionary."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Accept the state of any detector, since there is no memory."""
