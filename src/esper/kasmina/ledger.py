"""The figures of a seed: noted by the training loop, read by telemetry and policies."""

import math
from collections.abc import Iterator

from torch import nn

from esper._generated.enums import SeedStage
from esper.kasmina.alpha import is_full
from esper.kasmina.gradients import GradientHealth
from esper.kasmina.state import SeedState
from esper.leyline.lifecycle import has_seed


class SeedLedger(nn.Module):
    """Keeps the figures of a slot and of the seed in it. Accuracies are in percentage points.

    Its properties are what the telemetry contract's `SeedSource` asks for, and a few more. An empty slot reads as zeros
    and empty names; those of a pruned seed stay readable until its slot has cooled down.
    """

    def __init__(self) -> None:
        """Begin empty."""
        super().__init__()
        self._state = SeedState()

    @property
    def stage(self) -> SeedStage:
        """Stage of the seed; DORMANT when the slot is empty."""
        return self._state.stage

    @property
    def is_empty(self) -> bool:
        """Whether a seed can be planted."""
        return self._state.stage is SeedStage.DORMANT

    @property
    def is_live(self) -> bool:
        """Whether the slot is neither empty nor holds a fossil; true of one that cools down."""
        return not self.is_empty and self._state.stage is not SeedStage.FOSSILIZED

    @property
    def is_ready_to_hold(self) -> bool:
        """Whether the schedule has reached full amplitude and rests there."""
        return is_full(self._state.schedule.target) and self._state.schedule.is_at_target

    @property
    def seed_id(self) -> str:
        """Name of the seed."""
        return self._state.seed_id

    @property
    def blueprint_id(self) -> str:
        """Blueprint of the seed."""
        return self._state.blueprint_id

    @property
    def num_seed_params(self) -> int:
        """Parameters of the seed and its gate, frozen ones included."""
        return sum(parameter.numel() for parameter in self.seed_parameters())

    @property
    def alpha(self) -> float:
        """Amplitude of the seed, in [0, 1]; `force_alpha` does not show here."""
        return self._state.alpha

    @property
    def blend_tempo_epochs(self) -> int:
        """Epochs that blending in takes."""
        return self._state.blend_tempo_epochs

    @property
    def epochs_in_stage(self) -> int:
        """Epochs scored since the stage began."""
        return self._state.epochs_in_stage

    @property
    def epochs_total(self) -> int:
        """Epochs scored since germination."""
        return self._state.epochs_total

    @property
    def total_improvement(self) -> float:
        """Gain in accuracy since germination."""
        return self._state.total_improvement

    @property
    def stage_improvement(self) -> float:
        """Gain in accuracy since the stage began."""
        return self._state.stage_improvement

    @property
    def contribution(self) -> float | None:
        """Accuracy lost when the seed is switched off; None when not measured."""
        return self._state.contribution

    @property
    def has_gradient_health(self) -> bool:
        """Whether a gradient capture counts: there is one, and not from before the first epoch."""
        return self._state.gradients is not None and self._state.gradients.epoch > 0

    @property
    def gradient_ratio(self) -> float:
        """Seed's gradient beside the host's in the newest capture; 0 without one."""
        return 0.0 if self._state.gradients is None else self._state.gradients.ratio

    @property
    def has_vanishing(self) -> bool:
        """Whether the newest capture found the seed's gradient vanishing."""
        return self._state.gradients is not None and self._state.gradients.has_vanishing

    @property
    def has_exploding(self) -> bool:
        """Whether the newest capture found the seed's gradient exploding."""
        return self._state.gradients is not None and self._state.gradients.has_exploding

    def seed_parameters(self) -> Iterator[nn.Parameter]:
        """Yield the parameters of the seed and its gate; nothing when there is none."""
        return self.parameters()

    def record_accuracy(self, accuracy: float) -> None:
        """Score an epoch: `accuracy` of the whole network at its end; ignored when there is no seed.

        Raises:
            ValueError: it is not finite.
        """
        if has_seed(self.stage):
            self._state.score(_finite("accuracy", accuracy))

    def record_contribution(self, contribution: float) -> None:
        """Note how much accuracy the network loses without the seed; ignored when there is none.

        Raises:
            ValueError: it is not finite.
        """
        if has_seed(self.stage):
            self._state.contribution = _finite("contribution", contribution)

    def record_gradients(self, health: GradientHealth | None) -> None:
        """Note what a capture found; ignored when it found nothing (None) or there is no seed."""
        if has_seed(self.stage) and health is not None:
            self._state.gradients = health


def _finite(name: str, value: float) -> float:
    """Return `value` as a plain number."""
    if not math.isfinite(value):
        raise ValueError(f"{name} must be finite, got {value}; leave it out when not measured")
    return float(value)
