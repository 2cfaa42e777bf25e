"""A gate passes exactly when all its checks hold."""

import pytest

from esper._generated.enums import Gate, GateCheck, SeedStage
from esper.kasmina.alpha import AlphaSchedule
from esper.kasmina.gates import GATES, QualityGates
from esper.kasmina.gradients import GradientHealth
from esper.kasmina.state import SeedState

STRICT, PERMISSIVE = QualityGates(), QualityGates(permissive=True)


def gradients(ratio: float) -> GradientHealth:
    return GradientHealth(ratio=ratio, has_vanishing=False, has_exploding=False, epoch=0)


def trained(gain=0.5, epochs=3, ratio=0.1) -> SeedState:
    return SeedState(
        stage=SeedStage.TRAINING,
        initial_accuracy=40.0,
        stage_accuracy=40.0,
        accuracy=40.0 + gain,
        epochs_in_stage=epochs,
        gradients=None if ratio is None else gradients(ratio),
    )


def blended(alpha=1.0, target=1.0, steps_done=3, epochs=3) -> SeedState:
    schedule = AlphaSchedule(alpha=alpha, target=target, num_steps=3, steps_done=steps_done)
    return SeedState(stage=SeedStage.BLENDING, schedule=schedule, epochs_in_stage=epochs)


def held(contribution) -> SeedState:
    return SeedState(stage=SeedStage.HOLDING, contribution=contribution)


@pytest.mark.parametrize(
    ("gate", "state", "failed_strict", "failed_permissive"),
    [
        (Gate.G0, SeedState(seed_id="s", blueprint_id="b"), [], []),
        (Gate.G0, SeedState(seed_id="s"), ["BLUEPRINT_PRESENT"], ["BLUEPRINT_PRESENT"]),
        (Gate.G0, SeedState(blueprint_id="b"), ["SEED_ID_PRESENT"], ["SEED_ID_PRESENT"]),
        (Gate.G1, SeedState(stage=SeedStage.GERMINATED), [], []),
        (Gate.G1, trained(), ["STAGE_IS_GERMINATED"], ["STAGE_IS_GERMINATED"]),
        (Gate.G2, trained(), [], []),
        (Gate.G2, trained(gain=0.49), ["IMPROVEMENT"], []),
        (Gate.G2, trained(epochs=2), ["EPOCHS_IN_STAGE"], []),
        (Gate.G2, trained(epochs=0), ["EPOCHS_IN_STAGE"], ["EPOCHS_IN_STAGE"]),
        (Gate.G2, trained(ratio=0.09), ["GRADIENT_RATIO"], []),
        (Gate.G2, trained(ratio=None), ["GRADIENT_RATIO"], []),
        (Gate.G3, blended(), [], []),
        (Gate.G3, blended(target=0.5, alpha=0.5), ["ALPHA_TARGET_FULL"], ["ALPHA_TARGET_FULL"]),
        (Gate.G3, blended(alpha=0.9, steps_done=2), ["ALPHA_REACHED"], ["ALPHA_REACHED"]),
        (Gate.G3, blended(epochs=2), ["EPOCHS_IN_STAGE"], []),
        (Gate.G5, held(1.0), [], []),
        (Gate.G5, held(0.99), ["CONTRIBUTION"], []),
        (Gate.G5, held(None), ["CONTRIBUTION_MEASURED"], ["CONTRIBUTION_MEASURED"]),
    ],
)
def test_a_gate_lists_the_checks_that_failed(gate, state, failed_strict, failed_permissive):
    for gates, failed in ((STRICT, failed_strict), (PERMISSIVE, failed_permissive)):
        result = gates.evaluate(gate, state)

        assert [check.name for check in result.checks_failed] == failed
        assert result.passed == (not failed)
        assert result.gate is gate


@pytest.mark.parametrize(
    ("gate", "state", "score"),
    [
        (Gate.G0, SeedState(), 0.0),
        (Gate.G1, SeedState(stage=SeedStage.GERMINATED), 1.0),
        (Gate.G2, trained(gain=2.0), 0.4),
        (Gate.G2, trained(gain=-2.0), 0.0),
        (Gate.G3, blended(alpha=0.7), 0.7),
        (Gate.G5, held(2.5), 0.25),
        (Gate.G5, held(12.0), 1.0),
    ],
)
def test_a_gate_scores_how_well_the_seed_did(gate, state, score):
    assert STRICT.evaluate(gate, state).score == pytest.approx(score)


def test_the_message_holds_the_numbers():
    result = STRICT.evaluate(Gate.G2, trained(gain=0.25, epochs=2, ratio=0.5))

    assert result.message == (
        "improvement 0.25 of 0.5; epochs in stage 2 of 3; gradient ratio 0.5 of 0.1"
    )


def test_every_check_of_the_contract_is_used():
    states = [SeedState(), trained(), blended(), held(1.0)]
    made = {
        check
        for gate in Gate
        for state in states
        for result in [STRICT.evaluate(gate, state)]
        for check in (*result.checks_passed, *result.checks_failed)
    }

    assert made == set(GateCheck)


def test_every_gate_belongs_to_one_stage():
    assert sorted(GATES.values()) == sorted(Gate)


@pytest.mark.parametrize(
    ("thresholds", "message"),
    [
        ({"permissive": "x"}, "permissive must be of type bool, got 'x'"),
        ({"min_blending_epochs": -1}, "min_blending_epochs must be at least 0, got -1"),
        ({"min_blending_epochs": 2.5}, "min_blending_epochs must be a whole number, got 2.5"),
        ({"min_contribution": float("nan")}, "min_contribution must be other than NaN, got nan"),
        ({"min_training_improvement": None}, "min_training_improvement must be a number, got None"),
        ({"min_seed_gradient_ratio": -0.1}, "min_seed_gradient_ratio must be at least 0, got -0.1"),
    ],
)
def test_thresholds_out_of_range_are_refused(thresholds, message):
    with pytest.raises(ValueError, match=message):
        QualityGates(**thresholds)
