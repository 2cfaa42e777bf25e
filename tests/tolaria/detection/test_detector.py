"""Tests of the sigma rule beyond the recorded curves."""

import json
import math

import pytest

from esper._generated.enums import PanicReason, Severity
from esper.tolaria.detection.detector import SigmaDetector
from tests.tolaria.curves import GUESS, feed

STEADY = [1.0, 1.1] * 5


def trained(**config) -> SigmaDetector:
    """Return a detector that has seen ten losses around 1.05."""
    detector = SigmaDetector(**config)
    feed(detector, STEADY)
    return detector


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_leads_to_a_rollback_at_once(loss):
    verdict = SigmaDetector().check(loss)

    assert (verdict.severity, verdict.reason) == (Severity.ROLLBACK, PanicReason.NAN)
    assert verdict.consecutive_panics == 1


def test_a_divergence_leads_to_a_rollback_when_it_repeats():
    detector = trained(min_panics_before_rollback=3)

    verdicts = [detector.check(20.0) for _ in range(3)]

    assert [verdict.severity.name for verdict in verdicts] == ["PANIC", "PANIC", "ROLLBACK"]
    assert [verdict.consecutive_panics for verdict in verdicts] == [1, 2, 3]


def test_the_threshold_is_the_largest_of_the_three_limits():
    by_config = {
        12.0: {},
        3 * 1.05: {"absolute_threshold": 0.0},
        1.05 + 100 * 0.05: {"absolute_threshold": 0.0, "sensitivity": 100.0},
    }
    for threshold, config in by_config.items():
        assert trained(**config).check(1.0).loss_threshold == pytest.approx(threshold)


def test_the_statistic_counts_standard_deviations():
    assert trained().check(1.15).statistic == pytest.approx(2.0)


def test_a_loss_at_random_guessing_is_a_collapse_only_after_training():
    assert trained(random_guess_loss=GUESS).check(GUESS).reason is PanicReason.LOBOTOMY
    untrained = SigmaDetector(random_guess_loss=GUESS)
    feed(untrained, [2.2] * 10)
    assert untrained.check(GUESS).severity is Severity.OK


def test_without_a_random_guess_loss_a_collapse_is_not_looked_for():
    assert trained().check(GUESS).severity is Severity.OK


def test_a_rollback_resets_the_panics_and_keeps_the_history():
    detector = trained()
    detector.check(20.0)
    history = detector.state_dict()["history"]

    detector.rewind({"history": [], "panics": 0})

    assert detector.state_dict() == {"history": history, "panics": 0}


def test_continues_identically_after_loading_its_state_dict():
    detector, copy = trained(), SigmaDetector()
    detector.check(20.0)

    copy.load_state_dict(json.loads(json.dumps(detector.state_dict())))

    for loss in (20.0, 1.0, 20.0):
        assert copy.check(loss) == detector.check(loss)


def test_a_planned_shift_changes_nothing():
    detector = trained()
    before = detector.state_dict()

    detector.expect_shift()

    assert detector.state_dict() == before


def test_huge_losses_do_not_overflow():
    detector = SigmaDetector()

    verdict = feed(detector, [1e200] * 12)

    assert verdict.severity is Severity.OK
    assert verdict.loss_threshold is None or math.isfinite(verdict.loss_threshold)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"sensitivity": -1}, "sensitivity must be at least 0, got -1"),
        ({"multiplier": "3"}, "multiplier must be a number, got '3'"),
        ({"absolute_threshold": math.nan}, "absolute_threshold must be other than NaN"),
        ({"random_guess_loss": -1.0}, "random_guess_loss must be at least 0, got -1.0"),
        ({"history_window": 20.0}, "history_window must be a whole number, got 20.0"),
        ({"history_window": 9}, "history_window must be at least 10, got 9"),
        (
            {"min_panics_before_rollback": 0},
            "min_panics_before_rollback must be at least 1, got 0",
        ),
    ],
)
def test_an_invalid_config_is_refused(config, message):
    with pytest.raises(ValueError, match=message):
        SigmaDetector(**config)
