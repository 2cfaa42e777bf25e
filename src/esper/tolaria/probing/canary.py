"""The canary: one batch that is kept and scored again and again, which shows damage that the losses' noise hides.

The network may have been trained on it, and data may change on purpose. So a canary that does worse is a reason to look
closer at fresh batches, and never a reason to roll back.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from esper.tolaria.probing.batches import copied
from esper.tolaria.probing.comparison import Comparison
from esper.tolaria.probing.config import ProbeConfig


class Canary:
    """A batch with the lowest losses that the network has had on it."""

    def __init__(self, config: ProbeConfig) -> None:
        """Start without a batch; the first one that is offered is kept."""
        self._config = config
        self._batch: Any = None
        self._best: Tensor | None = None
        self._due_step = 0

    def is_due(self, step: int) -> bool:
        """Return whether it is time to look, after `step` steps."""
        return self._config.canary_interval > 0 and step >= self._due_step

    def batch(self, offered: Any) -> Any:
        """Return the batch to score: the one that is kept, or `offered`, which is kept from now on."""
        if self._batch is None:
            self._batch = copied(offered) if self._config.keep == "copy" else offered
        return self._batch

    def is_worse(self, losses: Tensor, margin: float, step: int) -> bool:
        """Take the present losses of the batch, (B,) or (), and return whether they are clearly above the lowest so far.

        Args:
            losses: the losses under the present weights.
            margin: the difference that must be exceeded.
            step: the steps taken so far.
        """
        self._due_step = step + self._config.canary_interval
        best = self._best
        if best is None or best.shape != losses.shape or losses.mean() <= best.mean():
            self._best = losses
            return False
        comparison = Comparison(snapshot_id=0)
        comparison.add(losses, best, duration_s=0.0, max_batches=1)
        return comparison.is_clearly_worse(margin)

    def renew(self) -> None:
        """Drop the batch; the next one that is offered takes its place."""
        self._batch = self._best = None

    def forget_losses(self) -> None:
        """Keep the batch, but score it again, because the weights have been replaced."""
        self._best = None
