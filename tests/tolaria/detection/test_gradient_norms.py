"""Tests of which finite gradient norms are anomalous."""

import json
import math
import random

import pytest

from esper._generated.enums import PanicReason, Severity
from esper.tolaria.detection.gradient_norms import GradientNorms
from esper.tolaria.detection.non_finite import NonFiniteDetector
from esper.tolaria.detection.step_judge import StepJudge


def norms(num: int, *, seed: int = 0, spread: float = 0.2):
    """Yield norms around 1 with log-normal noise."""
    generator = random.Random(seed)
    return [generator.lognormvariate(0, spread) for _ in range(num)]


def accustomed(num: int = 200) -> GradientNorms:
    """Return a record of usual norms."""
    record = GradientNorms()
    for norm in norms(num):
        record.is_spike(norm)
    return record


@pytest.mark.parametrize("norm", [10.0, 1e30])
def test_a_norm_far_above_the_usual_ones_is_a_spike(norm):
    assert accustomed().is_spike(norm)


@pytest.mark.parametrize("norm", [0.0, 1e-30, 1.5, math.inf, math.nan])
def test_a_norm_that_is_usual_small_or_not_finite_is_not(norm):
    assert not accustomed().is_spike(norm)


@pytest.mark.parametrize("spread", [0.0, 0.05, 0.3, 1.0])
def test_usual_norms_are_no_spikes(spread):
    record = GradientNorms()

    spikes = [record.is_spike(norm) for norm in norms(5000, spread=spread)]

    assert sum(spikes) <= 2


def test_spikes_that_occur_often_are_usual():
    generator, record = random.Random(0), GradientNorms()

    spikes = [record.is_spike(50.0 if generator.random() < 0.05 else 1.0) for _ in range(3000)]

    assert sum(spikes[500:]) < 10


def test_after_a_shift_the_norms_are_learned_again():
    record = accustomed()

    record.expect_shift()

    assert not any(record.is_spike(20.0 * norm) for norm in norms(500, seed=1))


def test_continues_identically_after_loading_its_state_dict():
    record, copy = accustomed(), GradientNorms()

    copy.load_state_dict(json.loads(json.dumps(record.state_dict())))

    later = [*norms(100, seed=2), 9.0, 0.5, 11.0]
    assert [record.is_spike(norm) for norm in later] == [copy.is_spike(norm) for norm in later]


@pytest.mark.parametrize(
    ("judges_norms", "severity", "reason"),
    [(True, Severity.PANIC, PanicReason.GRADIENT), (False, Severity.OK, None)],
)
def test_a_spike_of_the_norm_is_a_panic_and_the_step_is_taken(judges_norms, severity, reason):
    judge = StepJudge(
        NonFiniteDetector(),
        max_skips=3,
        may_have_overflowed=lambda: False,
        judges_norms=judges_norms,
    )
    for norm in norms(200):
        judge.judge(1.0, norm, is_planned_skip=False)

    verdict = judge.judge(1.0, 40.0, is_planned_skip=False)

    assert (verdict.severity, verdict.reason) == (severity, reason)
    assert verdict.may_step


def test_the_judge_continues_identically_after_loading_its_state_dict():
    first, second = (
        StepJudge(
            NonFiniteDetector(), max_skips=3, may_have_overflowed=lambda: False, judges_norms=True
        )
        for _ in range(2)
    )
    for norm in norms(200):
        first.judge(1.0, norm, is_planned_skip=False)

    second.load_state_dict(json.loads(json.dumps(first.state_dict())))

    assert second.judge(1.0, 40.0, is_planned_skip=False).reason is PanicReason.GRADIENT


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
def test_the_detector_of_non_finite_losses_asks_for_a_rollback_at_once(loss):
    verdict = NonFiniteDetector().check(loss)

    assert (verdict.severity, verdict.reason) == (Severity.ROLLBACK, PanicReason.NAN)


def test_the_detector_of_non_finite_losses_accepts_every_other_loss():
    detector = NonFiniteDetector()

    verdicts = [detector.check(loss) for loss in (0.0, 1e300, -5.0, 3.0)]

    assert not any(verdict.is_anomalous for verdict in verdicts)
    detector.load_state_dict(detector.state_dict())


def test_gradients_that_have_grown_are_noticed_also_some_steps_later():
    generator, norms = random.Random(0), GradientNorms()
    assert norms.have_grown() is None
    for _ in range(100):
        norms.is_spike(generator.lognormvariate(0.0, 0.1))
    assert norms.have_grown() is False

    for size in [2.0] * 8 + [1.0] * 8:
        norms.is_spike(size * generator.lognormvariate(0.0, 0.1))

    assert norms.have_grown() is True


def test_norms_that_never_vary_say_nothing():
    norms = GradientNorms()
    for _ in range(100):
        norms.is_spike(1.0)

    assert norms.have_grown() is None
