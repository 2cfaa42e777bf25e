"""A suspicion against the present weights: its evidence so far, and when that suffices."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from statistics import mean, median
from typing import Any, Final, Self

from esper._generated.enums import PanicReason
from esper.tolaria.probing.comparison import Comparison, Reference, Ruling
from esper.tolaria.probing.config import ProbeConfig
from esper.tolaria.snapshots.store import Snapshot

_GROWTH: Final = 1.02
"""Multiple of the earlier differences above which the later ones have grown: those of damage shrink while training goes on."""
_OLDER: Final = 1.1
"""Multiple of the difference above which an older snapshot does even better."""
_NUM_HEALING: Final = 4
"""Differences that are averaged, and twice so many steps apart compared, to see whether damage heals."""
_HEALED: Final = 0.75
"""Share of the earlier differences below which the later ones show that it does."""
_SHRUNK: Final = 0.9
"""Share of the largest difference below which the newest one says that the damage shrinks."""
_SIZE: Final = 2.0
"""Multiple of the smallest difference that matters."""
_LEAST_NEW: Final = 0.5
"""Share of the difference that must have arisen since the losses were last healthy."""


@dataclass(slots=True)
class Suspicion:
    """An open suspicion.

    Sudden damage is undone as soon as two batches show it and the detector asks for it, or the network does worse than
    its snapshot by all that it had learned. Damage of less than half of that waits while it shrinks: a bad batch hurts
    under momentum, and training repairs it. Gradual damage must show in larger gradients too, or last for several batches
    without growing, most of it since the losses were last healthy, and older snapshots must do no better: the losses of a
    game rise by themselves, and its networks do the better the older they are. Where training has achieved nothing that
    stands out of the noise, nothing can be lost.
    """

    reason: PanicReason
    """The first anomaly that was seen; DRIFT where a small rise or the canary has raised the suspicion."""
    has_persisted: bool = False
    """Whether the detector asks for a rollback, which it does only after anomalies in a row."""
    comparison: Comparison | None = None
    differences: list[float] = field(default_factory=list)
    """Mean difference of each batch in a row with which the snapshot does clearly better."""
    have_grown: bool | None = None
    """Whether gradients have been larger at any of its batches; None if that is not known."""
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
        rises_by_itself: bool,
        min_batches: int,
        is_last: bool,
        may_heal: bool = False,
    ) -> Ruling:
        """Decide after a batch.

        Args:
            reference: says which differences matter.
            config: the settings.
            have_gradients_grown: None if that is not known.
            gain_of_older: returns how much better than the present weights an older snapshot does on this batch.
            rises_by_itself: whether the series has risen gradually before, without any damage.
            min_batches: batches needed to convict.
            is_last: whether no more batches will follow.
            may_heal: whether a bad batch a few steps ago explains damage of less than half of the progress.
        """
        comparison = self.comparison
        if comparison is None:
            # Without a snapshot there is nothing to go back to.
            return Ruling.CLEARED
        if have_gradients_grown is not None:
            # Norms are noisy: damage shows in them at times, and a game never.
            self.have_grown = self.have_grown or have_gradients_grown
        # A difference within the noise of single losses matters too if it lasts, and gradients show that it is damage.
        least = reference.least if self.have_grown else reference.margin
        ruling = comparison.rule(
            reference, config, min_batches=min_batches, least=least, is_last=is_last
        )
        if comparison.is_broken or is_last or ruling is Ruling.CLEARED:
            return ruling
        is_convicted = ruling is Ruling.CONVICTED
        if not (is_convicted or comparison.is_clearly_worse(least)):
            self.differences.clear()
            return ruling
        self.differences.append(comparison.newest_difference())
        may_be_gradual = self.reason is PanicReason.DRIFT and not self.have_grown
        if is_convicted:
            is_overwhelming = comparison.is_overwhelming(reference)
            is_serious = is_overwhelming or comparison.is_serious(reference)
            if not (is_serious or reference.has_progress):
                # There is nothing yet that could be lost.
                return Ruling.CLEARED
            is_large = (is_serious or self.has_persisted) and not may_heal
            is_certain = is_overwhelming or (is_large and not self._is_shrinking())
            if is_certain and not may_be_gradual:
                return ruling
            if is_certain and self.have_grown is None:
                self.is_gradual = rises_by_itself or self._has_come_before(reference, gain_of_older)
                return Ruling.CLEARED if self.is_gradual else ruling
        if may_heal or len(self.differences) < config.patience or self._is_healing():
            return Ruling.OPEN
        # What has shrunk into the noise by now must have been of some size.
        size = reference.margin if is_convicted else _SIZE * reference.least
        if mean(self.differences) <= max(size, reference.margin):
            return Ruling.CLEARED
        self.is_gradual = may_be_gradual and (
            rises_by_itself or self._is_growing() or self._has_come_before(reference, gain_of_older)
        )
        return Ruling.CLEARED if self.is_gradual else Ruling.CONVICTED

    def state_dict(self) -> dict[str, Any]:
        """Return the suspicion in plain types; the snapshot is found again by its number."""
        comparison = self.comparison
        return {
            "reason": self.reason.value,
            "has_persisted": self.has_persisted,
            "have_grown": self.have_grown,
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
            have_grown=state["have_grown"],
            comparison=None if saved is None else Comparison.from_state_dict(saved),
            differences=list(state["differences"]),
        )

    def _has_come_before(self, reference: Reference, gain_of_older: Callable[[], float]) -> bool:
        """Return whether the rise began before the suspicion, while the losses were healthy, or before the snapshot."""
        assert self.comparison is not None
        if reference.usual is not None:
            rise = self.comparison.present_loss() - reference.usual
            if rise < _LEAST_NEW * self.comparison.difference():
                return True
        return gain_of_older() > _OLDER * self.differences[-1]

    def _is_shrinking(self) -> bool:
        """Return whether the damage has become smaller, so that more batches shall show whether it heals by itself."""
        return self.differences[-1] < _SHRUNK * max(self.differences) or self._is_healing()

    def _is_healing(self) -> bool:
        """Return whether training repairs the damage fast, so that going back would lose more than it wins."""
        num = 3 * _NUM_HEALING
        if len(self.differences) < num:
            return False
        newest = self.differences[-num:]
        return mean(newest[-_NUM_HEALING:]) < _HEALED * mean(newest[:_NUM_HEALING])

    def _is_growing(self) -> bool:
        half = len(self.differences) // 2
        if not half:
            return False
        return median(self.differences[half:]) > _GROWTH * median(self.differences[:half])
