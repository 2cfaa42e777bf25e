"""The statistics of a paired comparison: how much better a snapshot does than the present weights, and how surely.

Only differences of two losses of the same sample count, never ratios: losses may be negative or near 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, Self

from torch import Tensor

from esper._generated.records import ProbeEvidence
from esper.tolaria.probing.config import ProbeConfig

_NORMAL: Final = 1.959964
"""The 97.5th percentile of the normal distribution."""
_NUM_SERIOUS: Final = 4
"""Batches that together show serious damage, each on its own."""
_SERIOUS: Final = 0.2
"""Share of the progress that is lost in serious damage."""
_HALF: Final = 0.5
"""Share of the progress that is lost in damage that is undone although it heals."""
_LEAST_PROGRESS: Final = 4.0
"""Standard deviations of noise below which there has been too little progress to speak of a share of it."""


class Ruling(Enum):
    """The state of a suspicion after a batch."""

    OPEN = "open"
    """More batches are needed."""
    CONVICTED = "convicted"
    """The snapshot does clearly better: the weights are damaged."""
    CLEARED = "cleared"
    """It does not: the data have changed, not the weights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """The series that a comparison belongs to, which says how large a difference must be to matter."""

    margin: float
    """Difference that damaged weights exceed."""
    least: float
    """The part of `margin` that noise has no share in: a difference above it matters if it lasts."""
    usual: float | None
    """Usual loss just before the suspicion; None if it is not known."""
    noise: float
    """Standard deviation of the losses around it."""
    progress: float
    """How far training has lowered the loss."""

    @property
    def has_progress(self) -> bool:
        """Whether training has achieved anything that could be lost, noise aside."""
        return self.progress > _LEAST_PROGRESS * self.noise


@dataclass(frozen=True, slots=True, kw_only=True)
class _Batch:
    """The paired losses of one batch, of B samples or as one number."""

    present: list[float]
    snapshot: list[float]

    def differences(self, limit: float) -> list[float]:
        """Return present minus snapshot for each loss, cut off at `limit` in both directions."""
        pairs = zip(self.present, self.snapshot, strict=True)
        return [max(-limit, min(limit, now - then)) for now, then in pairs]


@dataclass(slots=True)
class Comparison:
    """The paired losses of one suspicion, batch by batch."""

    snapshot_id: int
    limit: float = math.inf
    """Size at which differences are cut off: all that training has achieved. Losses that explode, each to another
    height, would otherwise hide in their own spread."""
    duration_s: float = 0.0
    is_broken: bool = False
    """Whether the present weights gave a loss that is not finite where those of the snapshot did not."""
    batches: list[_Batch] = field(default_factory=list)

    def add(
        self, present: Tensor, snapshot: Tensor, *, duration_s: float, max_batches: int
    ) -> None:
        """Add the losses of a batch, (B,) or (), under both weights; only the newest `max_batches` batches are kept.

        A loss that is not finite under the snapshot does not count.
        """
        self.duration_s += duration_s
        now, then = present.reshape(-1).tolist(), snapshot.reshape(-1).tolist()
        pairs = [(a, b) for a, b in zip(now, then, strict=True) if math.isfinite(b)]
        if any(not math.isfinite(a) for a, _ in pairs):
            self.is_broken = True
        self.batches.append(_Batch(present=[a for a, _ in pairs], snapshot=[b for _, b in pairs]))
        del self.batches[:-max_batches]

    def rule(
        self,
        reference: Reference,
        config: ProbeConfig,
        *,
        min_batches: int,
        least: float | None = None,
        is_last: bool = False,
    ) -> Ruling:
        """Decide as soon as the batches allow it.

        Args:
            reference: says which differences matter.
            config: the settings.
            min_batches: batches needed to convict.
            least: difference above which the suspicion stays open; by default the margin.
            is_last: whether no more batches will follow.
        """
        if self.is_broken:
            return Ruling.CONVICTED
        num_batches = len(self.batches)
        # Not cut off, as the rise is not: where both explode, the snapshot explains it all the same.
        difference, usual = self.difference(), reference.usual
        rise = 0.0 if usual is None else config.rise_share * (self.present_loss() - usual)
        rise -= reference.noise
        interval, whole = self._interval(self.limit), self._interval(math.inf)
        if interval is not None and whole is not None:
            is_worse = self.is_clearly_worse(reference.margin) or self._is_worse_in_each(reference)
            has_risen = usual is None or self.present_loss() > usual
            is_worse = is_worse and has_risen and difference > rise
            if num_batches >= min_batches and is_worse:
                return Ruling.CONVICTED
            if interval[1] < reference.margin or whole[1] < rise:
                return Ruling.CLEARED
            if num_batches >= config.max_batches and has_risen and difference > rise:
                # While the batches speak against the present weights, they are not cleared.
                is_worse = min(self._means()) > reference.margin
                is_worse = is_worse or (least is not None and self.is_clearly_worse(least))
                return Ruling.OPEN if is_worse and not is_last else Ruling.CLEARED
        is_last = is_last or num_batches >= config.max_batches
        is_no_better = num_batches >= min_batches and difference <= 0.0
        return Ruling.CLEARED if is_last or is_no_better else Ruling.OPEN

    def is_overwhelming(self, reference: Reference) -> bool:
        """Return whether the damage is so large that neither the detector nor healing matters.

        Either every batch shows that the present weights have lost all that training had achieved, or all of the most
        batches that are kept show on their own that half of it is lost.
        """
        means = self._means()
        has_lost_all = len(means) > 1 and min(means) > _achieved(reference)
        return has_lost_all or self._has_lost(_HALF, reference)

    def is_serious(self, reference: Reference) -> bool:
        """Return whether the most batches that are kept show on their own that a good part of the progress is lost."""
        return self._has_lost(_SERIOUS, reference)

    def difference(self) -> float:
        """Return the mean difference, which is not cut off."""
        return _mean(self._differences(math.inf))

    def newest_difference(self) -> float:
        """Return the mean difference of the newest batch."""
        return _mean(self.batches[-1].differences(math.inf))

    def is_bad_batch(self, reference: Reference, deviations: float) -> bool:
        """Return whether the snapshot does badly on the newest batch too, so that the batch is to blame."""
        snapshot = self.batches[-1].snapshot
        if reference.usual is None or not snapshot:
            return False
        rise = _mean(snapshot) - reference.usual
        return rise > max(deviations * reference.noise, reference.margin)

    def evidence(self, reference: Reference) -> ProbeEvidence:
        """Return the comparison as a record of the contract."""
        snapshot = [loss for batch in self.batches for loss in batch.snapshot]
        interval = self._interval(self.limit)
        return ProbeEvidence(
            snapshot_id=self.snapshot_id,
            present_loss=self.present_loss(),
            snapshot_loss=_mean(snapshot),
            usual_loss=reference.usual,
            difference=_mean(self._differences(self.limit)),
            difference_low=None if interval is None else interval[0],
            difference_high=None if interval is None else interval[1],
            margin=reference.margin,
            num_batches=len(self.batches),
            num_losses=max(1, len(snapshot)),
            duration_s=self.duration_s,
        )

    def is_clearly_worse(self, margin: float) -> bool:
        """Return whether the first losses of each pair exceed the second by more than noise and `margin` explain."""
        interval = self._interval(self.limit)
        is_larger = _mean(self._differences(self.limit)) > margin
        return self.is_broken or (is_larger and (interval is None or interval[0] > 0.0))

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> Self:
        """Return the comparison that `dataclasses.asdict` was called on."""
        batches = [_Batch(**batch) for batch in state["batches"]]
        return cls(**{**state, "batches": batches})

    def present_loss(self) -> float:
        """Return the mean loss under the present weights."""
        return _mean([loss for batch in self.batches for loss in batch.present])

    def _means(self) -> list[float]:
        return [_mean(batch.differences(math.inf)) for batch in self.batches]

    def _has_lost(self, share: float, reference: Reference) -> bool:
        means = self._means()
        is_lost = len(means) >= _NUM_SERIOUS and _mean(means) > share * _achieved(reference)
        return is_lost and self._is_worse_in_each(reference)

    def _is_worse_in_each(self, reference: Reference) -> bool:
        """Return whether each batch, and at least three, shows on its own that the present weights do worse."""
        return len(self.batches) >= _NUM_SERIOUS - 1 and all(
            _lower_bound(batch.differences(math.inf), reference.noise) > 0.0
            and _mean(batch.differences(math.inf)) > reference.margin
            for batch in self.batches
        )

    def _differences(self, limit: float) -> list[float]:
        return [one for batch in self.batches for one in batch.differences(limit)]

    def _interval(self, limit: float) -> tuple[float, float] | None:
        """Return the 95 % interval of the mean difference, cut off at `limit`; None while there are too few losses.

        It is the wider of two intervals, that over all samples and that over the means of batches, because the samples of
        one batch share its faults: a batch with wrong labels must not decide for three others.
        """
        samples = self._differences(limit)
        means = [_mean(batch.differences(limit)) for batch in self.batches if batch.present]
        widths = [_half_width(values) for values in (samples, means) if len(values) > 1]
        if not widths:
            return None
        mean = _mean(samples)
        return mean - max(widths), mean + max(widths)


def _achieved(reference: Reference) -> float:
    """Return the progress, or what stands out of the noise where little has been achieved yet."""
    return max(reference.progress, 4.0 * _LEAST_PROGRESS * reference.noise)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _lower_bound(values: Sequence[float], noise: float) -> float:
    """Return the lower bound of the mean of `values`; a single one is the mean of a batch with this noise."""
    width = _half_width(values) if len(values) > 1 else 2.0 * noise
    return _mean(values) - width


def _half_width(values: Sequence[float]) -> float:
    """Return half the width of the 95 % interval of the mean of `values`, at least two."""
    mean, num = _mean(values), len(values)
    variance = sum((value - mean) * (value - mean) for value in values) / (num - 1)
    return t_quantile(num - 1) * math.sqrt(variance / num)


def t_quantile(degrees: int) -> float:
    """Return the 97.5th percentile of Student's t distribution with `degrees` of freedom, to a thousandth.

    Exact for one and two degrees; above, the expansion of Abramowitz and Stegun, 26.7.5.
    """
    if degrees == 1:
        return math.tan(math.pi * 0.475)
    if degrees == 2:
        return 0.95 * math.sqrt(2.0 / (1.0 - 0.95 * 0.95))
    z = _NORMAL
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / float(degrees) ** power for power, term in enumerate(terms, start=1))
