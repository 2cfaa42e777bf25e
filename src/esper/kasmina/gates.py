"""The gates between the stages of a seed: the conditions under which it may advance.

These are quality gates. They are not related to `SampleGate`, the learned gate of a blend algorithm.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, final

import msgspec

from esper._generated.enums import Gate, GateCheck, SeedStage
from esper.kasmina.alpha import is_full
from esper.kasmina.state import SeedState
from esper.leyline.arguments import instance_of, real_number, whole_number
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


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class QualityGates:
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


_Check = tuple[GateCheck, bool, str]
"""One condition, whether it holds, and the numbers that were compared."""


def checked_stage(stage: SeedStage) -> SeedStage:
    """Return `stage`, to which a user wants to advance a seed.

    Raises:
        SlotError: it is not a `SeedStage`, such as a name.
    """
    return instance_of("target_stage", stage, SeedStage, "use SeedStage.TRAINING", error=SlotError)


def evaluate(gate: Gate, state: SeedState, gates: QualityGates) -> GateResult:
    """Run the checks of `gate` on a seed in `state`; the gate passes if all of them hold."""
    checks, score = _EVALUATIONS[gate](state, gates)
    failed = tuple([check for check, passed, _ in checks if not passed])
    return GateResult(
        gate=gate,
        passed=not failed,
        score=score,
        checks_passed=tuple([check for check, passed, _ in checks if passed]),
        checks_failed=failed,
        message="; ".join([detail for _, _, detail in checks]),
    )


def _g0(state: SeedState, gates: QualityGates) -> tuple[Sequence[_Check], float]:
    checks = (
        (GateCheck.SEED_ID_PRESENT, bool(state.seed_id), f"seed id {state.seed_id!r}"),
        (
            GateCheck.BLUEPRINT_PRESENT,
            bool(state.blueprint_id),
            f"blueprint {state.blueprint_id!r}",
        ),
    )
    return checks, float(all(passed for _, passed, _ in checks))


def _g1(state: SeedState, gates: QualityGates) -> tuple[Sequence[_Check], float]:
    passed = state.stage is SeedStage.GERMINATED
    check = (GateCheck.STAGE_IS_GERMINATED, passed, f"stage {state.stage.name}")
    return (check,), float(passed)


def _g2(state: SeedState, gates: QualityGates) -> tuple[Sequence[_Check], float]:
    gain = state.stage_improvement
    ratio = 0.0 if state.gradients is None else state.gradients.ratio
    score = _clamp(gain / FULL_SCORE_IMPROVEMENT)
    if gates.permissive:
        return (_epochs_in_stage(state, 1),), score
    return (
        _at_least(GateCheck.IMPROVEMENT, "improvement", gain, gates.min_training_improvement),
        _epochs_in_stage(state, gates.min_blending_epochs),
        _at_least(GateCheck.GRADIENT_RATIO, "gradient ratio", ratio, gates.min_seed_gradient_ratio),
    ), score


def _g3(state: SeedState, gates: QualityGates) -> tuple[Sequence[_Check], float]:
    schedule = state.schedule
    checks = (
        (
            GateCheck.ALPHA_TARGET_FULL,
            is_full(schedule.target),
            f"alpha target {schedule.target:g}",
        ),
        (GateCheck.ALPHA_REACHED, schedule.is_at_target, f"alpha {schedule.alpha:g}"),
    )
    if gates.permissive:
        return checks, schedule.alpha
    return (*checks, _epochs_in_stage(state, gates.min_blending_epochs)), schedule.alpha


def _g5(state: SeedState, gates: QualityGates) -> tuple[Sequence[_Check], float]:
    contribution = state.contribution
    if contribution is None:
        return ((GateCheck.CONTRIBUTION_MEASURED, False, "contribution not measured"),), 0.0
    measured = (GateCheck.CONTRIBUTION_MEASURED, True, "contribution measured")
    score = _clamp(contribution / FULL_SCORE_CONTRIBUTION)
    if gates.permissive:
        return (measured,), score
    return (
        measured,
        _at_least(GateCheck.CONTRIBUTION, "contribution", contribution, gates.min_contribution),
    ), score


def _epochs_in_stage(state: SeedState, minimum: int) -> _Check:
    return _at_least(GateCheck.EPOCHS_IN_STAGE, "epochs in stage", state.epochs_in_stage, minimum)


def _at_least(check: GateCheck, figure: str, got: float, minimum: float) -> _Check:
    return (check, got >= minimum, f"{figure} {got:g} of {minimum:g}")


def _clamp(value: float) -> float:
    return min(max(value, 0.0), 1.0)


_EVALUATIONS: Final[
    Mapping[Gate, Callable[[SeedState, QualityGates], tuple[Sequence[_Check], float]]]
] = MappingProxyType({Gate.G0: _g0, Gate.G1: _g1, Gate.G2: _g2, Gate.G3: _g3, Gate.G5: _g5})
