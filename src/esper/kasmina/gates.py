"""The gates between the stages of a seed: the conditions under which it may advance.

These are quality gates. They are not related to `SampleGate`, the learned gate of a blend algorithm.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, final

import msgspec

from esper._generated.enums import Gate, GateCheck, SeedStage
from esper.kasmina.alpha import is_full
from esper.kasmina.state import SeedState
from esper.leyline.arguments import describe, instance_of, real_number, whole_number
from esper.leyline.errors import SlotError

GATES: Final[Mapping[SeedStage, Gate]] = MappingProxyType(
    {
        SeedStage.GERMINATED: Gate.G0,
        SeedStage.TRAINING: Gate.G1,
        SeedStage.BLENDING: Gate.G2,
        SeedStage.HOLDING: Gate.G3,
        SeedStage.FOSSILIZED: Gate.G5,
    }
)
"""The gate to each stage; all other stages have G0."""

FULL_SCORE_IMPROVEMENT: Final = 5.0
FULL_SCORE_CONTRIBUTION: Final = 10.0
"""Percentage points of improvement at G2, and of contribution at G5, that give a score of 1."""


# A Struct, because constructing a frozen dataclass takes a seventh of the time of a stage transition.
@final
class GateResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of evaluating a gate."""

    gate: Gate
    passed: bool
    """Whether the seed has advanced: all checks passed, and the target may follow the stage it was in."""
    score: float = 0.0
    """How well the seed did, from 0 to 1."""
    checks_passed: tuple[GateCheck, ...] = ()
    checks_failed: tuple[GateCheck, ...] = ()
    message: str
    """The checks with their numbers, as text for people."""


Check = tuple[GateCheck, bool, str]
"""One condition, whether it holds, and the numbers that were compared."""


class Gates(ABC):
    """The conditions under which a seed advances. `QualityGates` ask for accuracy, `EvidenceGates` for lower losses."""

    __slots__ = ()

    @abstractmethod
    def evaluate(self, gate: Gate, state: SeedState) -> GateResult:
        """Run the checks of `gate` on a seed in `state`; the gate passes if all of them hold."""


def checked_gates(gates: object) -> Gates:
    """Return `gates`, which a user wants for a slot.

    Raises:
        ValueError: they are of another type.
    """
    if not isinstance(gates, Gates):
        raise ValueError(
            f"gates must be of type Gates, got {describe(gates)}; use QualityGates() or EvidenceGates()"
        )
    return gates


def gate_result(gate: Gate, checks: Sequence[Check], score: float | None = None) -> GateResult:
    """Return the result of `checks`; without a `score` it is 1 if all hold, and 0 otherwise."""
    failed = tuple([check for check, passed, _ in checks if not passed])
    return GateResult(
        gate=gate,
        passed=not failed,
        score=float(not failed) if score is None else score,
        checks_passed=tuple([check for check, passed, _ in checks if passed]),
        checks_failed=failed,
        message="; ".join([detail for _, _, detail in checks]),
    )


def check_germination(state: SeedState) -> Sequence[Check]:
    """Return the checks of G0."""
    return (
        (GateCheck.SEED_ID_PRESENT, bool(state.seed_id), f"seed id {state.seed_id!r}"),
        (
            GateCheck.BLUEPRINT_PRESENT,
            bool(state.blueprint_id),
            f"blueprint {state.blueprint_id!r}",
        ),
    )


def check_start(state: SeedState) -> Sequence[Check]:
    """Return the check of G1."""
    is_germinated = state.stage is SeedStage.GERMINATED
    return ((GateCheck.STAGE_IS_GERMINATED, is_germinated, f"stage {state.stage.name}"),)


def check_ramp(state: SeedState) -> Sequence[Check]:
    """Return the checks of G3 that the amplitude has completed a ramp to 1."""
    schedule = state.schedule
    return (
        (
            GateCheck.ALPHA_TARGET_FULL,
            is_full(schedule.target),
            f"alpha target {schedule.target:g}",
        ),
        (GateCheck.ALPHA_REACHED, schedule.is_at_target, f"alpha {schedule.alpha:g}"),
    )


def at_least(check: GateCheck, figure: str, got: float, minimum: float) -> Check:
    """Return the check that `got`, called `figure` in its text, is at least `minimum`."""
    return (check, got >= minimum, f"{figure} {got:g} of {minimum:g}")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class QualityGates(Gates):
    """Thresholds of the gates. The defaults are those with which the seed lives in `tests/golden` were recorded."""

    min_training_improvement: float = 0.5
    """G2: percentage points of accuracy gained in TRAINING."""
    min_blending_epochs: int = 3
    """G2 and G3: epochs recorded in the stage that the seed is about to leave."""
    min_seed_gradient_ratio: float = 0.10
    """G2: the seed's gradient norm relative to the host's."""
    min_contribution: float = 1.0
    """G5: percentage points of accuracy lost when the seed is switched off."""
    permissive: bool = False
    """Require only one epoch at G2, a finished ramp at G3 and any measured contribution at G5."""

    def __post_init__(self) -> None:
        """Check the thresholds.

        Raises:
            ValueError: one is of another type or out of its range.
        """
        real_number("min_training_improvement", self.min_training_improvement, minimum=-math.inf)
        whole_number("min_blending_epochs", self.min_blending_epochs, minimum=0)
        real_number("min_seed_gradient_ratio", self.min_seed_gradient_ratio, minimum=0.0)
        real_number("min_contribution", self.min_contribution, minimum=-math.inf)
        instance_of("permissive", self.permissive, bool)

    def evaluate(self, gate: Gate, state: SeedState) -> GateResult:
        """Run the checks of `gate` on a seed in `state`; the gate passes if all of them hold."""
        match gate:
            case Gate.G1:
                return gate_result(gate, check_start(state))
            case Gate.G2:
                return self._evaluate_training(state)
            case Gate.G3:
                checks = (*check_ramp(state), *self._epochs_in_stage(state))
                return gate_result(gate, checks, state.schedule.alpha)
            case Gate.G5:
                return self._evaluate_contribution(state)
            case _:
                return gate_result(gate, check_germination(state))

    def _evaluate_training(self, state: SeedState) -> GateResult:
        gain = state.stage_improvement
        score = _clamp(gain / FULL_SCORE_IMPROVEMENT)
        if self.permissive:
            one = at_least(GateCheck.EPOCHS_IN_STAGE, "epochs in stage", state.epochs_in_stage, 1)
            return gate_result(Gate.G2, (one,), score)
        ratio = 0.0 if state.gradients is None else state.gradients.ratio
        checks = (
            at_least(GateCheck.IMPROVEMENT, "improvement", gain, self.min_training_improvement),
            *self._epochs_in_stage(state),
            at_least(
                GateCheck.GRADIENT_RATIO, "gradient ratio", ratio, self.min_seed_gradient_ratio
            ),
        )
        return gate_result(Gate.G2, checks, score)

    def _evaluate_contribution(self, state: SeedState) -> GateResult:
        contribution = state.contribution
        if contribution is None:
            missing = (GateCheck.CONTRIBUTION_MEASURED, False, "contribution not measured")
            return gate_result(Gate.G5, (missing,))
        checks: tuple[Check, ...] = (
            (GateCheck.CONTRIBUTION_MEASURED, True, "contribution measured"),
        )
        if not self.permissive:
            enough = at_least(
                GateCheck.CONTRIBUTION, "contribution", contribution, self.min_contribution
            )
            checks = (*checks, enough)
        return gate_result(Gate.G5, checks, _clamp(contribution / FULL_SCORE_CONTRIBUTION))

    def _epochs_in_stage(self, state: SeedState) -> Sequence[Check]:
        if self.permissive:
            return ()
        epochs = state.epochs_in_stage
        minimum = self.min_blending_epochs
        return (at_least(GateCheck.EPOCHS_IN_STAGE, "epochs in stage", epochs, minimum),)


def _clamp(value: float) -> float:
    return min(max(value, 0.0), 1.0)


def checked_stage(stage: SeedStage) -> SeedStage:
    """Return `stage`, to which a user wants to advance a seed.

    Raises:
        SlotError: it is not a `SeedStage`, such as a name.
    """
    return instance_of("target_stage", stage, SeedStage, "use SeedStage.TRAINING", error=SlotError)
