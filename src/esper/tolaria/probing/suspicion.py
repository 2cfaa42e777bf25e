"""A suspicion against the present weights: its evidence so far, and when that suffices."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any, Final, Self

from esper._generated.enums import PanicReason
from esper.tolaria.probing.comparison import Comparison, Reference, Ruling
from esper.tolaria.probing.config import ProbeConfig
from esper.tolaria.snapshots.store import Snapshot

_GROWTH: Final = 1.1
"""Multiple of the earlier differences above which the later ones have grown."""


@dataclass(slots=True)
class Suspicion:
    """An open suspicion.

    Sudden damage is undone as soon as two batches show it and the detector asks for it, or the network does worse than
    its snapshot by all that it had learned. Gradual damage must show in larger gradients too, or last for several batches
    without growing, and older snapshots must do no better: the losses of a game rise by themselves, and its networks do
    the better the older they are.
    """

    reason: PanicReason
    """The first anomaly that was seen; DRIFT where a small rise or the canary has raised the suspicion."""
    has_persisted: bool = False
    """Whether the detector asks for a rollback, which it does only after anomalies in a row."""
    comparison: Comparison | None = None
    differences: list[float] = field(default_factory=list)
    """Mean difference of each batch in a row that showed the snapshot to do clearly better."""
    is_gradual: bool = False
    """Whether it was cleared because the rise is gradual, and the gradients have not grown."""
    snapshot: Snapshot | None = None
    """The snapshot of the comparison."""

    def rule(
        self,
        reference: Reference,
        config: ProbeConfig,
        *,
        have_gradients_grown: bool | None,
        gain_of_older: Callable[[], float],
        min_batches: int,
        is_last: bool,
    ) -> Ruling:
        """Decide after a batch.

        Args:
            reference: says which differences matter.
            config: the settings.
            have_gradients_grown: None if that is not known.
            gain_of_older: returns how much better than the present weights an older snapshot does on this batch.
            min_batches: batches needed to convict.
            is_last: whether no more batches will follow.
        """
        comparison = self.comparison
        if comparison is None:
            # Without a snapshot there is nothing to go back to.
            return Ruling.CLEARED
        ruling = comparison.rule(reference, config, min_batches=min_batches, is_last=is_last)
        if ruling is not Ruling.CONVICTED:
            self.differences.clear()
            return ruling
        if comparison.is_broken or is_last:
            return ruling
        self.differences.append(comparison.newest_difference())
        is_certain = self.has_persisted or comparison.is_overwhelming(reference)
        is_sudden = self.reason is not PanicReason.DRIFT
        if is_certain and (is_sudden or have_gradients_grown is not False):
            return ruling
        if not (is_sudden or have_gradients_grown or reference.has_progress):
            # Right at the start of training there is nothing yet that could be lost.
            return Ruling.CLEARED
        if len(self.differences) < config.patience:
            return Ruling.OPEN
        self.is_gradual = (
            have_gradients_grown is False
            and not is_sudden
            and (self._is_growing() or gain_of_older() > _GROWTH * self.differences[-1])
        )
        return Ruling.CLEARED if self.is_gradual else ruling

    def state_dict(self) -> dict[str, Any]:
        """Return the suspicion in plain types; the snapshot is found again by its number."""
        comparison = self.comparison
        return {
            "reason": self.reason.value,
            "has_persisted": self.has_persisted,
            "comparison": None if comparison is None else asdict(comparison),
            "differences": list(self.differences),
        }

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> Self:
        """Return the suspicion that `state_dict` was called on."""
        saved = state["comparison"]
        return cls(
            reason=PanicReason(state["reason"]),
            has_persisted=state["has_persisted"],
            comparison=None if saved is None else Comparison.from_state_dict(saved),
            differences=list(state["differences"]),
        )

    def _is_growing(self) -> bool:
        half = len(self.differences) // 2
        if not half:
            return False
        return median(self.differences[half:]) > _GROWTH * median(self.differences[:half])
