"""The limits of the robust detector, for training losses and for validation losses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from esper.leyline.arguments import instance_of, real_number, whole_number

_LEAST_COUNTS: Final = {
    "window": 1,
    "warm_up": 1,
    "spike_patience": 1,
    "gross_patience": 1,
    "drift_window": 1,
    "drift_patience": 1,
    "collapse_patience": 1,
}
_LEAST_NUMBERS: Final = {
    "random_guess_loss": 0.0,
    "spike_deviations": 0.0,
    "spike_ratio": 1.0,
    "gross_ratio": 1.0,
    "gross_warm_up": 1.0,
    "early_ratio": 1.0,
    "drift_ratio": 1.0,
    "drift_deviations": 0.0,
    "drift_floor_share": 0.0,
    "collapse_share": 0.0,
    "collapse_tolerance": 0.0,
    "collapse_deviations": 0.0,
    "floor_share": 0.0,
}
_MAY_BE_NONE: Final = ("random_guess_loss", "drift_ratio")


@dataclass(frozen=True, slots=True, kw_only=True)
class RobustConfig:
    """Limits of the robust detector: which losses it calls anomalous, and how many in a row lead to a rollback.

    Ratios and patiences follow a comparison of rules on seeded synthetic curves (2.3 falling to 0.5, log-normal noise
    of 0.12): no false alarm in 10,000 steps, a doubled loss detected after 16 steps, a tenfold one after 2. The others
    were set on the digits task, where training losses fall to a thousandth of their initial value.
    """

    random_guess_loss: float | None = None
    """Loss of random guessing, ln(number of classes); None turns the test for collapse off, and the scale of the
    task is the median of its first losses."""
    window: int = 64
    """Number of healthy losses that a new one is compared with."""
    warm_up: int = 16
    """Losses needed before the spread is used; until then only `gross_warm_up` and `early_ratio` apply."""

    spike_deviations: float = 6.0
    """Standard deviations above the median, estimated from the median deviation, that a spike exceeds."""
    spike_ratio: float = 1.7
    """Multiple of the median that a spike exceeds as well."""
    spike_patience: int = 3
    """Spikes in a row that lead to a rollback."""
    gross_ratio: float = 4.0
    """Multiple of the median above which a spike is gross."""
    gross_patience: int = 2
    """Gross spikes in a row that lead to a rollback."""
    learns_patience: bool = True
    """Whether more spikes in a row are needed while the series is short, and the more often single ones mean nothing."""
    gross_warm_up: float = 10.0
    """Multiple that a spike among the first few losses exceeds: of the median before a shift or of the loss of an
    untrained network, whichever is larger."""
    early_ratio: float = 10.0
    """Multiple of the median so far that a spike exceeds in the rest of the warm-up."""

    drift_window: int = 16
    """Number of newest losses whose median is tracked."""
    drift_ratio: float | None = 1.6
    """Multiple of the best such median that a drift exceeds; None turns the test for drifts off."""
    drift_deviations: float = 8.0
    """Standard errors of the median that a drift exceeds as well, for noisy series in which `drift_ratio` is exceeded by
    chance. They are estimated where the losses were best: a drift widens the present spread and would hide itself."""
    drift_floor_share: float = 0.05
    """Same as `floor_share`, for drifts: larger, because slow changes in healthy training are larger than sudden ones."""
    drift_patience: int = 8
    """Drifting losses in a row that lead to a rollback."""

    collapse_share: float = 0.6
    """Share of the random-guess loss that the median must fall below for the network to count as trained; as in
    `SigmaDetector`."""
    collapse_tolerance: float = 0.065
    """Largest distance from the random-guess loss, as a share of it, at which a loss counts as equal to it; as in
    `SigmaDetector`."""
    collapse_deviations: float = 4.0
    """Standard deviations above the median that a collapse exceeds as well: a noisy series may reach the random-guess
    loss by chance."""
    collapse_patience: int = 2
    """Collapsed losses in a row that lead to a rollback: one batch may look collapsed by chance."""

    floor_share: float = 0.02
    """Share of the task's scale (the random-guess loss if it is known) that is added to every level before ratios are
    taken: the losses of a network that has memorised its data vary by factors without any damage."""

    def __post_init__(self) -> None:
        """Check the limits.

        Raises:
            ValueError: one is of another type or out of its range.
        """
        for name, least in _LEAST_COUNTS.items():
            whole_number(name, getattr(self, name), minimum=least)
        for name, minimum in _LEAST_NUMBERS.items():
            value = getattr(self, name)
            if value is not None or name not in _MAY_BE_NONE:
                real_number(name, value, minimum=minimum)
        instance_of("learns_patience", self.learns_patience, bool)
        if self.warm_up > self.window:
            raise ValueError(
                f"warm_up must not exceed window, {self.window}, because no more losses are remembered,"
                f" got {self.warm_up}"
            )


EPOCH_LIMITS: Final = RobustConfig(
    window=12,
    warm_up=6,
    spike_deviations=4.0,
    early_ratio=2.5,
    drift_ratio=None,
    learns_patience=False,
)
"""Limits for validation losses, one per epoch: few, smooth, and allowed to rise slowly, which is overfitting and not
damage. The window is short so that it excludes the steep first epochs, whose spread would hide later anomalies."""
