"""The state of a slot's seed in plain values; a checkpoint of the slot holds exactly these."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, final

import msgspec
import torch
from torch import Tensor

from esper._generated.enums import AlphaAlgorithm, SeedStage
from esper._generated.records import SeedEvidence
from esper.kasmina.alpha import (
    BLEND_CURVES,
    AlphaSchedule,
    Amplitude,
    BlendAlgorithm,
    Count,
    checked_algorithm,
    is_zero,
)
from esper.kasmina.gradients import GradientHealth
from esper.leyline.arguments import (
    describe,
    instance_of,
    real_number,
    text_of_length,
    whole_number,
)
from esper.leyline.errors import CheckpointError, SlotError
from esper.leyline.lifecycle import COOL_DOWN_TICKS
from esper.leyline.text import shorten

MAX_REASON_LENGTH: Final = 256
"""Characters of the reason of a prune that the telemetry contract allows."""
MAX_INITIATOR_LENGTH: Final = 64
"""Most characters that it allows the one who asked for it."""

FORMAT: Final = 1
"""Version of the saved form; a state saved with another one is refused."""

TENSOR_STEP: Final = 2048
"""Bytes of which a state saved as a tensor has a multiple.

Nearly every state fits into one step, so that tools that copy one `state_dict` into another find equal shapes.
"""


@final
@dataclass(slots=True)
class SeedState:
    """A seed's history so far; without arguments, the state of an empty slot. Accuracies are in percentage points.

    It holds no modules and emits nothing: the slot changes it, then adapts its modules to it and emits the change.
    """

    seed_id: str = ""
    blueprint_id: str = ""
    stage: SeedStage = SeedStage.DORMANT

    algorithm: AlphaAlgorithm = AlphaAlgorithm.ADD
    blend_algorithm_id: BlendAlgorithm = "sigmoid"
    blend_tempo_epochs: Count = 1
    """Epochs that blending in takes."""
    blend_target: Amplitude = 1.0
    """Amplitude at which blending in ends."""

    alpha: Amplitude = 0.0
    """The amplitude; it follows the schedule in `step_epoch`."""
    schedule: AlphaSchedule = field(default_factory=AlphaSchedule)
    frozen: list[str] = field(default_factory=list)
    """Names of the parameters that do not learn because the amplitude falls."""
    prune_reason: str = ""
    """Reason of a scheduled prune; empty without one."""
    prune_initiator: str = ""
    """Who set the latest target of the amplitude, or empty; telemetry reports it if the amplitude falls to 0."""

    initial_accuracy: float | None = None
    """Accuracy in the first epoch recorded."""
    stage_accuracy: float | None = None
    """Accuracy when the stage began."""
    accuracy: float | None = None
    """Accuracy in the latest epoch; None, as the other two, before the first one is recorded."""
    epochs_total: Count = 0
    """Epochs recorded since germination."""
    epochs_in_stage: Count = 0
    """Epochs recorded since the stage began; in the cool-down, the calls of `step_epoch` that count."""
    contribution: float | None = None
    """Accuracy lost when the seed is switched off; None when not measured."""
    gradients: GradientHealth | None = None
    """The latest capture; None before the first."""
    evidence: SeedEvidence | None = None
    """The latest comparison of the losses with and without the seed; None when not measured."""

    @classmethod
    def germinated(
        cls,
        blueprint_id: str,
        seed_id: str,
        *,
        blend_algorithm_id: BlendAlgorithm,
        blend_tempo_epochs: int,
        algorithm: AlphaAlgorithm,
        blend_target: float,
    ) -> "SeedState":
        """Return the state of a seed that has just germinated.

        Raises:
            SlotError: an argument is of another type, out of range or missing, or two do not go together.
        """
        checked_algorithm(algorithm)
        for name, text in (("seed_id", seed_id), ("blueprint_id", blueprint_id)):
            instance_of(name, text, str, error=SlotError)
        if not isinstance(blend_algorithm_id, str) or blend_algorithm_id not in BLEND_CURVES:
            raise SlotError(
                f"blend_algorithm_id must be one of {', '.join(BLEND_CURVES)},"
                f" got {blend_algorithm_id!r}"
            )
        if (blend_algorithm_id == "gated") != (algorithm is AlphaAlgorithm.GATE):
            raise SlotError(
                "blending with a gate needs both blend_algorithm_id 'gated' and algorithm GATE, got"
                f" {blend_algorithm_id!r} and {algorithm.name}; set both or neither"
            )
        tempo = whole_number("blend_tempo_epochs", blend_tempo_epochs, minimum=1, error=SlotError)
        blend_target = real_number("alpha_target", blend_target, error=SlotError)
        if not 0.0 < blend_target <= 1.0:
            raise SlotError(f"alpha_target must be in (0, 1], got {blend_target}")
        if not (seed_id and blueprint_id):
            raise SlotError(
                "a seed must have an id and a blueprint, got"
                f" seed id {seed_id!r}; blueprint {blueprint_id!r}"
            )
        return cls(
            seed_id=seed_id,
            blueprint_id=blueprint_id,
            stage=SeedStage.GERMINATED,
            algorithm=algorithm,
            blend_algorithm_id=blend_algorithm_id,
            blend_tempo_epochs=tempo,
            blend_target=blend_target,
        )

    @property
    def total_improvement(self) -> float:
        """Gain in accuracy since the first epoch recorded; 0 before it."""
        return _gain(self.initial_accuracy, self.accuracy)

    @property
    def stage_improvement(self) -> float:
        """Gain in accuracy since the stage began; 0 before the first epoch recorded."""
        return _gain(self.stage_accuracy, self.accuracy)

    def enter(self, stage: SeedStage) -> None:
        """Begin `stage`. From TRAINING to BLENDING, start the ramp; in HOLDING, hold the amplitude at 1."""
        begins_blending = stage is SeedStage.BLENDING and self.stage is SeedStage.TRAINING
        self.stage = stage
        self.stage_accuracy = self.accuracy
        self.epochs_in_stage = 0
        if begins_blending:
            self.schedule = AlphaSchedule(alpha=self.alpha)
            self.schedule.retarget(
                self.blend_target,
                steps=self.blend_tempo_epochs,
                curve=BLEND_CURVES[self.blend_algorithm_id],
            )
        elif stage is SeedStage.HOLDING:
            self.hold(1.0)

    def step_alpha(self) -> bool:
        """Move the amplitude one step along its schedule; return whether this ended a ramp to 0."""
        has_arrived = self.schedule.step()
        self.alpha = self.schedule.alpha
        return has_arrived and is_zero(self.schedule.target)

    def step_cool_down(self) -> bool:
        """Count one call of `step_epoch` in a stage of the cool-down; return whether the stage ends."""
        ticks = COOL_DOWN_TICKS[self.stage]
        self.epochs_in_stage = min(self.epochs_in_stage + 1, ticks)
        return self.epochs_in_stage == ticks

    def hold(self, alpha: float) -> None:
        """Hold the amplitude at `alpha`, in [0, 1], and drop a ramp or scheduled prune under way."""
        self.alpha = alpha
        self.schedule.hold(alpha)
        self.prune_reason = self.prune_initiator = ""

    def record_accuracy(self, accuracy: float) -> None:
        """Count an epoch and keep the network's accuracy at its end.

        Raises:
            ValueError: `accuracy` is not finite.
        """
        accuracy = _finite("accuracy", accuracy)
        if self.initial_accuracy is None:
            self.initial_accuracy = self.stage_accuracy = accuracy
        self.accuracy = accuracy
        self.epochs_total += 1
        self.epochs_in_stage += 1

    def record_contribution(self, contribution: float) -> None:
        """Keep the accuracy that the network loses without the seed.

        Raises:
            ValueError: `contribution` is not finite.
        """
        self.contribution = _finite("contribution", contribution)

    def state_dict(self) -> dict[str, Any]:
        """Return the state as nested dicts of numbers, strings, booleans and None, without the time that the evidence took.

        So two runs from the same seed save the same bytes.
        """
        state_dict = {"format": FORMAT, **msgspec.to_builtins(self)}
        if state_dict["evidence"] is not None:
            state_dict["evidence"]["duration_s"] = None
        return state_dict

    def to_tensor(self) -> Tensor:
        """Return the `state_dict` as JSON in a tensor of bytes, which every file format for weights can hold.

        It ends in spaces, and has a multiple of `TENSOR_STEP` bytes.
        """
        text = msgspec.json.encode(self.state_dict())
        padded = text.ljust(-(-len(text) // TENSOR_STEP) * TENSOR_STEP)
        # On the CPU whatever the default device is: on the meta device it would hold nothing.
        return torch.tensor(list(padded), dtype=torch.uint8, device="cpu")

    @staticmethod
    def from_tensor(tensor: Tensor) -> "SeedState":
        """Return the state whose `to_tensor` this is.

        Raises:
            CheckpointError: the tensor does not hold a state, or another version wrote it.
        """
        try:
            state_dict = msgspec.json.decode(bytes(tensor.to(torch.uint8).flatten().tolist()))
        except (msgspec.DecodeError, NotImplementedError) as error:
            raise CheckpointError(
                f"a slot's state must be JSON in a tensor of bytes, got another tensor ({error});"
                " load the file that was saved"
            ) from error
        return SeedState.from_state_dict(state_dict)

    @staticmethod
    def from_state_dict(state_dict: Mapping[str, Any]) -> "SeedState":
        """Return the state whose `state_dict` this is.

        Raises:
            CheckpointError: a field is missing, unknown or invalid, or another version wrote `state_dict`.
        """
        if (got := state_dict.get("format")) != FORMAT:
            raise CheckpointError(
                f"a slot's state must have format {FORMAT}, got {got};"
                " load it with the version of Esper that wrote it"
            )
        try:
            state = msgspec.convert(state_dict, SeedState)
        except msgspec.ValidationError as error:
            raise CheckpointError(f"a slot's state must be valid, got: {error}") from error
        # States saved before there was evidence lack its entry.
        state_dict = {"evidence": None, **state_dict}
        # Decoding fills gaps with defaults and skips unknown fields; a seed's state must be complete and exact.
        if state.state_dict() != state_dict:
            raise CheckpointError(
                "a slot's state must have exactly the fields of a seed's state, got others;"
                " load it with the version of Esper that wrote it"
            )
        return state


def prune_reason(reason: str, initiator: str) -> str:
    """Return `reason`, shortened to `MAX_REASON_LENGTH` characters.

    Raises:
        SlotError: `reason` is not a string, or `initiator` is not one of 1 to `MAX_INITIATOR_LENGTH` characters.
    """
    # The usual case first: it is part of a transition, which takes a few microseconds.
    if type(reason) is str and len(reason) <= MAX_REASON_LENGTH and initiator == "policy":
        return reason
    check_initiator(initiator)
    return shorten(instance_of("reason", reason, str, error=SlotError), MAX_REASON_LENGTH)


def check_initiator(initiator: str) -> None:
    """Check the name of who asked for a change.

    Raises:
        SlotError: `initiator` is not a string of 1 to `MAX_INITIATOR_LENGTH` characters.
    """
    text_of_length("initiator", initiator, 1, MAX_INITIATOR_LENGTH, error=SlotError)


def _gain(before: float | None, now: float | None) -> float:
    return 0.0 if before is None or now is None else now - before


def _finite(name: str, value: float) -> float:
    """Return `value` as a Python float.

    Raises:
        ValueError: `value` is not a finite number.
    """
    try:
        is_finite = math.isfinite(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be a number, got {describe(value)}") from error
    if not is_finite:
        raise ValueError(f"{name} must be finite, got {value}; leave it out when not measured")
    return float(value)
