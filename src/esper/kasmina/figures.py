"""The figures of a seed: recorded by the training loop, read by telemetry and growth policies."""

from abc import ABC, abstractmethod
from collections.abc import Iterator

from torch import nn

from esper._generated.enums import AlphaAlgorithm, SeedStage
from esper._generated.records import SeedEvidence
from esper.kasmina.alpha import is_full
from esper.kasmina.gradients import GradientHealth
from esper.kasmina.state import SeedState
from esper.leyline.arguments import instance_of
from esper.leyline.lifecycle import has_seed


class SeedFigures(ABC):
    """The part of `SeedSlot` that reads and records figures of its seed. Accuracies are in percentage points.

    The properties are those that the contract's `SeedSource` requires of an emitting slot, and a few that policies need.
    In an empty slot they are zeros and empty strings; those of a pruned seed stay until the cool-down ends.

    Attributes:
        slot_id: name of the slot in telemetry.
    """

    slot_id: str
    _state: SeedState

    @abstractmethod
    def seed_parameters(self) -> Iterator[nn.Parameter]:
        """Yield the parameters of the seed and its gate; nothing when the slot holds no seed."""

    @property
    def stage(self) -> SeedStage:
        """Stage of the seed; DORMANT when the slot is empty."""
        return self._state.stage

    @property
    def is_empty(self) -> bool:
        """Whether a seed can be planted."""
        return self._state.stage is SeedStage.DORMANT

    @property
    def is_unsettled(self) -> bool:
        """Whether the slot is neither empty nor holds a fossil: its seed is undecided, or it cools down."""
        return not self.is_empty and self._state.stage is not SeedStage.FOSSILIZED

    @property
    def is_ready_to_hold(self) -> bool:
        """Whether the amplitude has completed a ramp to 1."""
        return is_full(self._state.schedule.target) and self._state.schedule.is_at_target

    @property
    def seed_id(self) -> str:
        """Name of the seed."""
        return self._state.seed_id

    @property
    def blueprint_id(self) -> str:
        """Name of the seed's blueprint."""
        return self._state.blueprint_id

    @property
    def num_seed_params(self) -> int:
        """Number of parameters of the seed and its gate, frozen ones included."""
        return sum(parameter.numel() for parameter in self.seed_parameters())

    @property
    def alpha(self) -> float:
        """Amplitude of the seed, in [0, 1]; `force_alpha` does not change it."""
        return self._state.alpha

    @property
    def alpha_algorithm(self) -> AlphaAlgorithm:
        """Formula that combines the seed with the features."""
        return self._state.algorithm

    @property
    def blend_tempo_epochs(self) -> int:
        """Epochs that blending in takes."""
        return self._state.blend_tempo_epochs

    @property
    def epochs_in_stage(self) -> int:
        """Epochs recorded since the stage began."""
        return self._state.epochs_in_stage

    @property
    def epochs_total(self) -> int:
        """Epochs recorded since germination."""
        return self._state.epochs_total

    @property
    def total_improvement(self) -> float:
        """Gain in accuracy since the first epoch recorded after germination."""
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
    def evidence(self) -> SeedEvidence | None:
        """Latest comparison of the losses with and without the seed; None when not measured."""
        return self._state.evidence

    @property
    def has_gradient_health(self) -> bool:
        """Whether there is a gradient capture, except one of epoch 0, before training."""
        return self._state.gradients is not None and self._state.gradients.epoch > 0

    @property
    def gradient_ratio(self) -> float:
        """Seed's gradient norm relative to the host's in the latest capture; 0 without one."""
        return 0.0 if self._state.gradients is None else self._state.gradients.ratio

    @property
    def has_vanishing(self) -> bool:
        """Whether the seed's gradient was vanishing in the latest capture."""
        return self._state.gradients is not None and self._state.gradients.has_vanishing

    @property
    def has_exploding(self) -> bool:
        """Whether the seed's gradient was exploding in the latest capture."""
        return self._state.gradients is not None and self._state.gradients.has_exploding

    def record_accuracy(self, accuracy: float) -> None:
        """Record the accuracy of the whole network at the end of an epoch; ignored when the slot holds no seed.

        Raises:
            ValueError: `accuracy` is not finite.
        """
        if has_seed(self._state.stage):
            self._state.record_accuracy(accuracy)

    def record_contribution(self, contribution: float) -> None:
        """Record how much accuracy the network loses without the seed; ignored when the slot holds no seed.

        Raises:
            ValueError: `contribution` is not finite.
        """
        if has_seed(self._state.stage):
            self._state.record_contribution(contribution)

    def record_evidence(self, evidence: SeedEvidence) -> None:
        """Record the result of `paired_evidence`; ignored when the slot holds no seed.

        Raises:
            ValueError: `evidence` is of another type.
        """
        instance_of("evidence", evidence, SeedEvidence, "use the result of paired_evidence")
        if has_seed(self._state.stage):
            self._state.evidence = evidence

    def record_gradients(self, health: GradientHealth | None) -> None:
        """Record the result of `capture_gradient_health`; ignored when it is None or the slot holds no seed."""
        if has_seed(self._state.stage) and health is not None:
            self._state.gradients = health
