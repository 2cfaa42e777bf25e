"""Limits of the robust detector, and presets of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from esper.leyline.arguments import real_number, whole_number

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
    "spike_progress": 0.0,
    "damage_share": 0.0,
    "damage_sum": 0.0,
    "gross_share": 0.0,
    "early_ratio": 1.0,
    "shift_ratio": 1.0,
    "drift_deviations": 0.0,
    "drift_due_deviations": 0.0,
    "drift_share": 0.0,
    "collapse_share": 0.0,
    "collapse_tolerance": 0.0,
    "collapse_deviations": 0.0,
}
_MAY_BE_NONE: Final = ("random_guess_loss", "drift_share")


@dataclass(frozen=True, slots=True, kw_only=True)
class RobustConfig:
    """Limits of the robust detector: which losses it calls anomalous, and how many in a row lead to a rollback.

    A rise is measured in standard deviations of the series' own noise, and in shares of its *progress*: the difference
    between the first losses and the lowest level so far. So a part of the loss that no training can remove, the sign of
    the loss and its unit do not matter.
    """

    random_guess_loss: float | None = None
    """Loss of random guessing, ln(number of classes); None turns the test for collapse off."""
    window: int = 64
    """Number of healthy losses whose median is the present level, and whose differences give the noise."""
    warm_up: int = 16
    """Losses needed before the noise is used; until then only `early_ratio` and `shift_ratio` apply."""

    spike_deviations: float = 6.0
    """Standard deviations above the level that a spike exceeds."""
    spike_ratio: float = 1.0
    """Multiple of the level that a spike exceeds as well; 1 for no such limit."""
    spike_progress: float = 0.02
    """Share of the progress that a spike exceeds as well: smaller rises are of no importance, however significant."""
    spike_patience: int = 4
    """Least number of spikes in a row that leads to a rollback. It grows with the frequency of harmless spikes."""
    damage_share: float = 0.2
    """Share of the progress that a spike undoes if it counts as damage. Where the progress is smaller than `spike_deviations`
    deviations of the noise, these take its place, here and in the next two limits."""
    damage_sum: float = 1.6
    """Sum of the shares, each at most 1, that the spikes of a row undo before they lead to a rollback: four losses that
    undo two fifths each, or eight that undo a fifth."""
    gross_share: float = 30.0
    """Multiple of the progress above which a spike is gross. During the warm-up every spike is."""
    gross_patience: int = 2
    """Least number of gross spikes in a row that leads to a rollback. It grows with the frequency of harmless spikes."""
    early_ratio: float = 10.0
    """Multiple of the largest healthy loss since the start, or since the last shift, that a spike exceeds during the warm-up."""
    shift_ratio: float = 5.0
    """Multiple that a spike exceeds among the first few losses after a shift: of `random_guess_loss`, if that is given, or of
    the first losses of the run, or of the losses before the shift, if they were higher. A network may be worse than guessing
    on other data."""

    drift_window: int = 16
    """Number of newest losses whose median is tracked."""
    drift_deviations: float = 8.0
    """Standard errors of that median by which a drift exceeds the lowest one so far."""
    drift_due_deviations: float = 12.0
    """Standard errors by which it exceeds that before it leads to a rollback: the lowest median of a long series is low by
    chance too."""
    drift_share: float | None = 0.1
    """Share of the progress that a drift undoes before it leads to a rollback; None turns the test for drifts off."""
    drift_patience: int = 8
    """Least number of drifting losses in a row that leads to a rollback. It grows with the length of harmless drifts."""

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
        if self.warm_up > self.window:
            raise ValueError(
                f"warm_up must not exceed window, {self.window}, because no more losses are remembered,"
                f" got {self.warm_up}"
            )


STEP_LIMITS: Final = RobustConfig()
"""Limits for training losses, one per step."""

EPOCH_LIMITS: Final = RobustConfig(
    window=12,
    warm_up=6,
    spike_deviations=4.0,
    spike_ratio=1.7,
    early_ratio=2.5,
    drift_share=None,
)
"""Limits for validation losses, one per epoch: few, smooth, and allowed to rise slowly, which is overfitting and not
damage. The window is short so that it excludes the steep first epochs, whose level would hide later anomalies."""

LM_LIMITS: Final = RobustConfig(damage_share=0.05, damage_sum=0.5, drift_share=0.03)
"""Limits for language models trained on shuffled text, whose training loss neither jumps nor rises in healthy training: a
lasting rise by a twentieth of the progress is enough. Too strict for restarts of the learning rate."""
