"""The gates between a seed's stages: what must hold before it may go on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from esper._generated.enums import Gate, GateCheck, SeedStage
from esper.kasmina.alpha import is_full
from esper.kasmina.state import SeedState

GATES: Final[Mapping[SeedStage, Gate]] = MappingProxyType(
    {
        SeedStage.GERMINATED: Gate.G0,
        SeedStage.TRAINING: Gate.G1,
        SeedStage.BLENDING: Gate.G2,
        SeedStage.HOLDING: Gate.G3,
        SeedStage.FOSSILIZED: Gate.G5,
    }
)
"""The gate in front of a stage; G0 stands in front of every other."""


FULL_SCORE_IMPROVEMENT: Final = 5.0
FULL_SCORE_CONTRIBUTION: Final = 10.0
"""Percentage points that earn a score of 1 at G2 and at G5, as in esper-lite."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityGates:
    """How strict the gates are. The numbers are those of esper-lite."""

    min_training_improvement: float = 0.5
    """G2: percentage points of accuracy gained in TRAINING."""
    min_blending_epochs: int = 3
    """G2 and G3: epochs scored in the stage to be left."""
    min_seed_gradient_ratio: float = 0.10
    """G2: the seed's gradient beside the host's."""
    min_contribution: float = 1.0
    """G5: percentage points of accuracy lost when the seed is switched off."""
    permissive: bool = False
    """Ask only for one epoch at G2, a finished ramp at G3 and any measured contribution at G5."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """The answer of a gate."""

    gate: Gate
    passed: bool
    """Whether the seed has gone on; every check passed and the stage may follow."""
    score: float = 0.0
    """How well it did, from 0 to 1."""
    checks_passed: tuple[GateCheck, ...] = ()
    checks_failed: tuple[GateCheck, ...] = ()
    message: str
    """The checks with their numbers, for people."""


@dataclass(frozen=True, slots=True)
class _Check:
    """One condition, with what was asked and what was got."""

    check: GateCheck
    passed: bool
    detail: str


def evaluate(gate: Gate, state: SeedState, gates: QualityGates) -> GateResult:
    """Return whether every check of `gate` holds for a seed in `state`."""
    checks, score = _EVALUATIONS[gate](state, gates)
    return GateResult(
        gate=gate,
        passed=all(check.passed for check in checks),
        score=score,
        checks_passed=tuple(check.check for check in checks if check.passed),
        checks_failed=tuple(check.check for check in checks if not check.passed),
        message="; ".join(check.detail for check in checks),
    )


def _g0(state: SeedState, gates: QualityGates) -> tuple[list[_Check], float]:
    names = (
        (GateCheck.SEED_ID_PRESENT, "seed id", state.seed_id),
        (GateCheck.BLUEPRINT_PRESENT, "blueprint", state.blueprint_id),
    )
    checks = [_Check(check, bool(name), f"{what} {name!r}") for check, what, name in names]
    return checks, float(all(check.passed for check in checks))


def _g1(state: SeedState, gates: QualityGates) -> tuple[list[_Check], float]:
    passed = state.stage is SeedStage.GERMINATED
    check = _Check(GateCheck.STAGE_IS_GERMINATED, passed, f"stage {state.stage.name}")
    return [check], float(passed)


def _g2(state: SeedState, gates: QualityGates) -> tuple[list[_Check], float]:
    gain = state.stage_improvement
    ratio = 0.0 if state.gradients is None else state.gradients.ratio
    score = _clamp(gain / FULL_SCORE_IMPROVEMENT)
    if gates.permissive:
        return [
            _at_least(GateCheck.EPOCHS_IN_STAGE, "epochs in stage", state.epochs_in_stage, 1)
        ], score
    return [
        _at_least(GateCheck.IMPROVEMENT, "improvement", gain, gates.min_training_improvement),
        _at_least(
            GateCheck.EPOCHS_IN_STAGE,
            "epochs in stage",
            state.epochs_in_stage,
            gates.min_blending_epochs,
        ),
        _at_least(GateCheck.GRADIENT_RATIO, "gradient ratio", ratio, gates.min_seed_gradient_ratio),
    ], score


def _g3(state: SeedState, gates: QualityGates) -> tuple[list[_Check], float]:
    schedule = state.schedule
    checks = [
        _Check(
            GateCheck.ALPHA_TARGET_FULL,
            is_full(schedule.target),
            f"alpha target {schedule.target:g}",
        ),
        _Check(GateCheck.ALPHA_REACHED, schedule.is_at_target, f"alpha {schedule.alpha:g}"),
    ]
    if not gates.permissive:
        checks.append(
            _at_least(
                GateCheck.EPOCHS_IN_STAGE,
                "epochs in stage",
                state.epochs_in_stage,
                gates.min_blending_epochs,
            )
        )
    return checks, schedule.alpha


def _g5(state: SeedState, gates: QualityGates) -> tuple[list[_Check], float]:
    contribution = state.contribution
    if contribution is None:
        return [_Check(GateCheck.CONTRIBUTION_MEASURED, False, "contribution not measured")], 0.0
    checks = [_Check(GateCheck.CONTRIBUTION_MEASURED, True, "contribution measured")]
    if not gates.permissive:
        checks.append(
            _at_least(GateCheck.CONTRIBUTION, "contribution", contribution, gates.min_contribution)
        )
    return checks, _clamp(contribution / FULL_SCORE_CONTRIBUTION)


def _at_least(check: GateCheck, what: str, got: float, minimum: float) -> _Check:
    return _Check(check, got >= minimum, f"{what} {got:g} of {minimum:g}")


def _clamp(value: float) -> float:
    return min(max(value, 0.0), 1.0)


_EVALUATIONS: Final[
    Mapping[Gate, Callable[[SeedState, QualityGates], tuple[list[_Check], float]]]
] = MappingProxyType({Gate.G0: _g0, Gate.G1: _g1, Gate.G2: _g2, Gate.G3: _g3, Gate.G5: _g5})
