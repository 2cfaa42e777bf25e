"""Tests of which losses the robust detector calls anomalous, and of its memory use."""

import json
import math
import random
import sys
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esper._generated.enums import PanicReason, Severity
from esper.tolaria.detection.limits import EPOCH_LIMITS, LM_LIMITS, RobustConfig
from esper.tolaria.detection.robust import RobustDetector
from tests.tolaria.curves import GUESS, feed, healthy_losses, steps_to_rollback

DIGITS = RobustConfig(random_guess_loss=GUESS)


def trained(config: RobustConfig = DIGITS) -> RobustDetector:
    """Return a detector that has seen 1,500 healthy losses; the last ones are near 0.5."""
    detector = RobustDetector(config)
    feed(detector, healthy_losses(1500))
    return detector


@pytest.mark.parametrize(
    ("fault", "most_steps"),
    [
        (lambda loss, step: math.nan, 1),
        (lambda loss, step: 10 * loss, 4),
        (lambda loss, step: GUESS, 2),
        (lambda loss, step: 3 * loss, 5),
        (lambda loss, step: 2 * loss, 40),
        (lambda loss, step: loss * (1 + min(step, 50) / 50), 60),
    ],
    ids=["nan", "tenfold", "collapse", "threefold", "doubled", "doubling over 50 steps"],
)
@pytest.mark.parametrize("seed", range(5))
def test_detects_a_fault_within_few_steps(fault, most_steps, seed):
    steps = steps_to_rollback(RobustDetector(DIGITS), fault, seed=seed)

    assert steps is not None
    assert steps <= most_steps


@pytest.mark.parametrize("config", [DIGITS, RobustConfig()], ids=["known scale", "unknown scale"])
@pytest.mark.parametrize("noise", [0.02, 0.12, 0.5])
def test_ten_thousand_healthy_losses_raise_no_alarm(config, noise):
    detector = RobustDetector(config)

    assert not any(detector.check(loss) for loss in healthy_losses(10_000, noise=noise))


def test_a_drift_does_not_hide_in_the_spread_that_it_causes():
    steps = steps_to_rollback(RobustDetector(DIGITS), lambda loss, step: loss * 1.02**step)

    assert steps is not None
    assert steps <= 60


def test_single_bad_batches_lead_to_no_rollback():
    detector = trained()

    verdicts = [detector.check(loss) for loss in [5.0, 0.5, GUESS, 0.5, 50.0, 0.5]]

    assert [verdict.severity.name for verdict in verdicts] == ["PANIC", "OK"] * 3


def test_losses_of_a_memorised_data_set_may_vary_by_factors():
    generator = random.Random(0)
    detector = trained()
    feed(detector, [0.5 * 0.99**step for step in range(1000)])

    verdicts = [detector.check(10 ** generator.uniform(-5, -2)) for _ in range(1000)]

    assert not any(verdicts)


@pytest.mark.parametrize("guess", [GUESS, None])
def test_an_explosion_during_the_warm_up_is_detected(guess):
    detector = RobustDetector(RobustConfig(random_guess_loss=guess))
    feed(detector, [2.4, 2.3, 2.2])

    assert feed(detector, [90.0, 400.0] * 4)


def mixture(num: int, share: float, *, seed: int, low: float = 0.3, high: float = 2.5):
    """Yield the losses of easy and hard batches at random, a `share` of them hard."""
    generator = random.Random(seed)
    for _ in range(num):
        yield (high if generator.random() < share else low) * generator.lognormvariate(0, 0.1)


@pytest.mark.parametrize("share", [0.02, 0.05, 0.2, 0.4])
@pytest.mark.parametrize("seed", range(4))
def test_a_mixture_of_easy_and_hard_batches_is_healthy(share, seed):
    detector = RobustDetector()

    assert not any(detector.check(loss) for loss in mixture(3000, share, seed=seed))


@pytest.mark.parametrize("seed", range(4))
def test_damage_is_seen_in_a_mixture_all_the_same(seed):
    detector = RobustDetector()
    feed(detector, mixture(1500, 0.05, seed=seed))

    verdicts = [detector.check(loss) for loss in mixture(60, 1.0, seed=seed)]

    assert any(verdicts[:30])


def test_spikes_that_often_turn_out_to_be_nothing_are_no_anomalies_any_more():
    detector = RobustDetector()

    verdicts = [detector.check(loss) for loss in mixture(3000, 0.1, seed=0)]

    assert sum(verdict.is_anomalous for verdict in verdicts[:500]) > 0
    assert sum(verdict.is_anomalous for verdict in verdicts[500:]) < 10


def test_a_language_model_that_gets_much_worse_for_good_is_noticed():
    generator, detector = random.Random(0), RobustDetector()
    for step in range(1500):
        detector.check((3.2 + 7.6 * 0.99**step) * generator.gauss(1, 0.03))

    verdicts = [detector.check(5.1 * generator.gauss(1, 0.03)) for _ in range(15)]

    assert any(verdicts)


@pytest.mark.parametrize("factor", [1.2, 1.4, 1.6])
def test_the_limits_for_language_models_notice_smaller_damage(factor):
    generator, detector = random.Random(0), RobustDetector(LM_LIMITS)
    for step in range(1500):
        detector.check((3.2 + 7.6 * 0.99**step) * generator.gauss(1, 0.03))

    verdicts = [detector.check(3.2 * factor * generator.gauss(1, 0.03)) for _ in range(40)]

    assert any(verdicts)


@pytest.mark.parametrize("seed", range(4))
def test_a_collapse_soon_after_a_steep_fall_is_noticed(seed):
    generator, detector, severities = random.Random(seed), RobustDetector(), []
    for step in range(160):
        level = 2.3 * 0.965**step if step < 60 else min(1.5, 0.28 * 1.011 ** (step - 60))
        severities.append(detector.check(level * generator.lognormvariate(0, 0.2)).severity)

    assert max(severities[:60]) is Severity.OK
    assert max(severities[60:130]) >= Severity.PANIC
    assert max(severities) is Severity.ROLLBACK


@given(
    offset=st.sampled_from([0.0, -50.0, 1000.0]),
    unit=st.sampled_from([1e-6, 1.0, 1e6]),
    seed=st.integers(0, 1000),
)
def test_neither_the_unit_nor_a_constant_part_of_the_loss_hides_damage(offset, unit, seed):
    detector = RobustDetector()
    losses = [unit * (loss + offset) for loss in healthy_losses(600, seed=seed)]

    assert not any(detector.check(loss) for loss in losses)
    assert feed(detector, [unit * (4.0 + offset)] * 8)


def test_the_state_of_an_older_file_is_loaded():
    healthy = [0.5 + 0.01 * (step % 3) for step in range(64)]
    detector = RobustDetector()

    detector.load_state_dict(
        {
            "healthy": healthy,
            "recent": healthy[-16:],
            "scale": 2.3,
            "best": 0.5,
            "best_deviation": 0.01,
            "usual": None,
            "deviation": 0.01,
            "spread_age": 3,
            "runs": [0, 0, 0, 0, 0],
        }
    )

    assert not any(detector.check(loss).is_anomalous for loss in healthy)
    assert feed(detector, [3.0] * 4)


def test_losses_may_be_negative():
    generator = random.Random(0)
    detector = RobustDetector()
    feed(detector, [generator.gauss(-3, 0.1) for _ in range(200)])

    assert feed(detector, [1.0, 2.0, 3.0, 4.0])


@pytest.mark.parametrize("loss", [0.0, 1.0, 1e300, -1e300])
def test_a_series_without_noise_is_healthy(loss):
    assert not any(RobustDetector().check(loss).is_anomalous for _ in range(200))


def test_the_verdict_holds_the_evidence():
    verdict = trained().check(5.0)

    assert (verdict.severity, verdict.reason) == (Severity.PANIC, PanicReason.DIVERGENCE)
    assert 0.5 < verdict.loss_threshold < 2.0
    assert verdict.statistic > 6.0
    assert verdict.consecutive_panics == 1


def test_counts_anomalies_in_a_row_of_any_reason():
    detector = trained()

    verdicts = [detector.check(loss) for loss in (5.0, GUESS, math.nan)]

    assert [verdict.consecutive_panics for verdict in verdicts] == [1, 2, 3]


def test_an_announced_shift_is_not_a_fault():
    detector = trained()

    detector.expect_shift()

    assert not any(detector.check(2 * loss) for loss in healthy_losses(300, seed=1))


def test_a_loss_that_explodes_after_a_shift_is_a_fault_all_the_same():
    detector = trained()

    detector.expect_shift()

    assert feed(detector, [60.0, 600.0])


def test_restores_the_statistics_of_the_restored_weights():
    detector = RobustDetector(DIGITS)
    losses = list(healthy_losses(1500))
    feed(detector, losses[:200])
    early = detector.state_dict()
    feed(detector, [*losses[200:], math.nan])

    detector.rewind(json.loads(json.dumps(early)))

    restored = detector.state_dict()
    for key in ("healthy", "differences", "recent", "best", "lowest"):
        assert restored[key] == early[key]
    assert not any(detector.check(loss) for loss in losses[200:300])


def test_a_rollback_to_an_unknown_time_starts_without_a_history():
    detector = trained()

    detector.rewind(None)

    assert detector.check(0.9).severity is Severity.OK


@given(st.lists(st.floats(), max_size=60), st.lists(st.floats(), max_size=20))
def test_continues_identically_after_loading_its_state_dict(before, after):
    detector, copy = RobustDetector(EPOCH_LIMITS), RobustDetector(EPOCH_LIMITS)
    feed(detector, before)

    copy.load_state_dict(json.loads(json.dumps(detector.state_dict())))

    for loss in after:
        assert repr(copy.check(loss)) == repr(detector.check(loss))


@given(st.lists(st.floats(allow_nan=False), max_size=80))
def test_a_threshold_is_always_a_finite_number(losses):
    detector = RobustDetector(RobustConfig(warm_up=4, window=8, drift_window=4))

    for loss in losses:
        threshold = detector.check(loss).loss_threshold
        assert threshold is None or math.isfinite(threshold)


def test_a_slow_rise_of_the_validation_loss_is_overfitting_and_not_a_fault():
    detector = RobustDetector(EPOCH_LIMITS)
    feed(detector, [0.5] * 20)

    assert not any(detector.check(0.5 * 1.02**epoch) for epoch in range(100))


def test_its_memory_does_not_grow_in_a_million_steps():
    detector = RobustDetector(DIGITS)
    generator = random.Random(0)
    losses = [0.5 * math.exp(generator.gauss(0, 0.3)) for _ in range(1000)]
    feed(detector, losses)
    blocks = sys.getallocatedblocks()

    for _ in range(1000):
        feed(detector, losses)

    assert sys.getallocatedblocks() - blocks < 100


@pytest.mark.parametrize("limits", [RobustConfig(), EPOCH_LIMITS], ids=["steps", "epochs"])
@pytest.mark.parametrize(
    ("fault", "reason"),
    [(math.log(10), PanicReason.LOBOTOMY), (80.0, PanicReason.DIVERGENCE)],
    ids=["collapse", "divergence"],
)
def test_a_planned_shift_hides_neither_collapse_nor_divergence(limits, fault, reason):
    detector = RobustDetector(replace(limits, random_guess_loss=math.log(10)))
    for _ in range(40):
        detector.check(0.2)
    detector.expect_shift()

    verdicts = [detector.check(fault) for _ in range(3)]

    assert verdicts[-1].severity is Severity.ROLLBACK
    assert verdicts[-1].reason is reason


@pytest.mark.parametrize(("num_losses", "is_detected"), [(2, False), (3, True)])
def test_a_few_losses_after_a_shift_replace_those_before_it(num_losses, is_detected):
    detector = RobustDetector(EPOCH_LIMITS)
    feed(detector, [0.5] * 12)
    detector.expect_shift()
    feed(detector, [0.2] * num_losses)

    assert detector.check(0.7).is_anomalous is is_detected


def test_a_fault_right_after_a_shift_does_not_become_the_reference():
    detector = RobustDetector(RobustConfig(random_guess_loss=GUESS))
    feed(detector, [0.03] * 64)
    detector.expect_shift()

    verdicts = [detector.check(loss) for loss in (0.03, 0.5, 36.0, 58.0, 58.0)]

    assert [verdict.severity.name for verdict in verdicts[:4]] == ["OK", "OK", "PANIC", "ROLLBACK"]
    assert verdicts[4].is_anomalous


def test_after_a_shift_a_network_may_do_worse_than_an_untrained_one():
    detector = trained()
    feed(detector, [0.02] * 200)
    detector.expect_shift()

    assert not any(detector.check(9.0 * 0.97**step).is_anomalous for step in range(200))


@pytest.mark.parametrize("share", [0.05, 0.2])
@pytest.mark.parametrize("seed", range(10))
def test_a_share_of_hard_batches_leads_to_no_rollback(share, seed):
    generator = random.Random(seed)
    detector = RobustDetector()

    def loss():
        factor = 5.0 if generator.random() < share else 1.0
        return 0.5 * factor * generator.lognormvariate(0.0, 0.1)

    assert not any(detector.check(loss()) for _ in range(3000))


def test_accepts_the_present_level_with_its_anomalous_losses():
    detector = trained()
    feed(detector, [5.0, 5.2, 4.9])

    detector.accept_level()

    assert not any(detector.check(5.0 + 0.1 * (step % 3)).is_anomalous for step in range(100))


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"window": -1}, "window must be at least 1, got -1"),
        ({"warm_up": 2.5}, "warm_up must be a whole number, got 2.5"),
        ({"spike_patience": 0}, "spike_patience must be at least 1, got 0"),
        ({"spike_ratio": 0.5}, "spike_ratio must be at least 1, got 0.5"),
        ({"drift_share": "off"}, "drift_share must be a number, got 'off'"),
        ({"early_ratio": None}, "early_ratio must be a number, got None"),
        ({"damage_share": math.nan}, "damage_share must be at least 0, got nan"),
        ({"random_guess_loss": -2.3}, "random_guess_loss must be at least 0, got -2.3"),
        ({"window": 8}, "warm_up must not exceed window, 8, .* got 16"),
    ],
)
def test_limits_out_of_range_are_refused(limits, message):
    with pytest.raises(ValueError, match=message):
        RobustConfig(**limits)


def test_every_limit_is_checked():
    for field in fields(RobustConfig):
        with pytest.raises(ValueError, match=f"{field.name} must be"):
            RobustConfig(**{field.name: "x"})


def test_a_config_of_another_type_is_refused():
    with pytest.raises(ValueError, match="config must be of type RobustConfig, got"):
        RobustDetector({"window": 3})
