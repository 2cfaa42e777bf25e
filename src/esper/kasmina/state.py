"""What a slot remembers of its seed, in plain values: they are what a checkpoint of it holds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from esper._generated.enums import AlphaAlgorithm, SeedStage
from esper.kasmina.alpha import BLEND_CURVES, AlphaSchedule, Amplitude, BlendAlgorithm, Count
from esper.kasmina.gradients import GradientHealth
from esper.leyline.errors import CheckpointError

FORMAT: Final = 1
"""Version of the plain form; raised when an older one can no longer be read."""


@dataclass(slots=True)
class SeedState:
    """A seed's life so far. Without arguments it is that of an empty slot. Accuracies are in percentage points."""

    seed_id: str = ""
    blueprint_id: str = ""
    stage: SeedStage = SeedStage.DORMANT

    algorithm: AlphaAlgorithm = AlphaAlgorithm.ADD
    blend_algorithm_id: BlendAlgorithm = "sigmoid"
    blend_tempo_epochs: Count = 1
    """Epochs that blending in takes."""
    blend_target: Amplitude = 1.0
    """Amplitude that blending in aims at."""

    alpha: Amplitude = 0.0
    """The amplitude; it follows the schedule in `step_epoch`."""
    schedule: AlphaSchedule = field(default_factory=AlphaSchedule)
    frozen: list[str] = field(default_factory=list)
    """Parameters that do not learn while the seed is blended out."""
    prune_reason: str = ""
    prune_initiator: str = ""
    """Why and for whom a scheduled prune is under way; both empty without one."""

    initial_accuracy: float | None = None
    stage_accuracy: float | None = None
    """Accuracy when the stage began; None, as the other two, before the first score."""
    accuracy: float | None = None
    epochs_total: Count = 0
    """Epochs scored since germination."""
    epochs_in_stage: Count = 0
    """Epochs scored since the stage began, or ticks of the cool-down."""
    contribution: float | None = None
    """Accuracy lost when the seed is switched off; None when not measured."""
    gradients: GradientHealth | None = None
    """The newest capture; None before the first."""

    @property
    def total_improvement(self) -> float:
        """Gain in accuracy since the first score; 0 before it."""
        return _gain(self.initial_accuracy, self.accuracy)

    @property
    def stage_improvement(self) -> float:
        """Gain in accuracy since the stage began; 0 before the first score."""
        return _gain(self.stage_accuracy, self.accuracy)

    def enter(self, stage: SeedStage) -> None:
        """Begin `stage`."""
        self.stage = stage
        self.stage_accuracy = self.accuracy
        self.epochs_in_stage = 0

    def score(self, accuracy: float) -> None:
        """Count an epoch at whose end the network had `accuracy`."""
        if self.initial_accuracy is None:
            self.initial_accuracy = self.stage_accuracy = accuracy
        self.accuracy = accuracy
        self.epochs_total += 1
        self.epochs_in_stage += 1

    def begin_blending(self) -> None:
        """Set off for the amplitude that the seed was planted for."""
        self.schedule = AlphaSchedule(alpha=self.alpha)
        self.schedule.retarget(
            self.blend_target,
            steps=self.blend_tempo_epochs,
            curve=BLEND_CURVES[self.blend_algorithm_id],
        )

    def hold(self, alpha: float) -> None:
        """Rest at `alpha`, whatever was under way."""
        self.alpha = alpha
        self.schedule.hold(alpha)
        self.prune_reason = self.prune_initiator = ""

    def to_plain(self) -> dict[str, Any]:
        """Return the state as nested dicts of numbers, strings, booleans and None."""
        return {"format": FORMAT, **msgspec.to_builtins(self)}

    @staticmethod
    def from_plain(plain: Mapping[str, Any]) -> "SeedState":
        """Return the state that `to_plain` was called on.

        Raises:
            CheckpointError: `plain` is none.
        """
        if (got := plain.get("format")) != FORMAT:
            raise CheckpointError(
                f"a slot's state must have format {FORMAT}, got {got};"
                " load it with the version of Esper that wrote it"
            )
        try:
            state = msgspec.convert(plain, SeedState)
        except msgspec.ValidationError as error:
            raise CheckpointError(f"a slot's state must be sound, got one whose {error}") from error
        # Decoding fills gaps with defaults and passes over what it does not know; neither may happen to a seed.
        if state.to_plain() != plain:
            raise CheckpointError(
                "a slot's state must have exactly the fields of a seed's state, got others;"
                " load it with the version of Esper that wrote it"
            )
        return state


def _gain(before: float | None, now: float | None) -> float:
    return 0.0 if before is None or now is None else now - before
