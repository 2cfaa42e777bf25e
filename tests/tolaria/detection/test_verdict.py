"""Tests of the questions that a training loop asks a verdict."""

import pytest

from esper._generated.enums import Severity
from esper.tolaria.detection.verdict import Verdict


@pytest.mark.parametrize("severity", Severity)
def test_only_stop_must_stop(severity):
    assert Verdict(severity=severity, loss=1.0).must_stop is (severity is Severity.STOP)


@pytest.mark.parametrize("severity", Severity)
def test_a_verdict_is_true_exactly_if_it_needs_a_rollback(severity):
    verdict = Verdict(severity=severity, loss=1.0)

    assert verdict.needs_rollback is (severity in (Severity.ROLLBACK, Severity.STOP))
    assert bool(verdict) is verdict.needs_rollback


@pytest.mark.parametrize("severity", Severity)
def test_the_optimizer_may_step_after_ok_and_panic(severity):
    may_step = Verdict(severity=severity, loss=1.0).may_step

    assert may_step is (severity in (Severity.OK, Severity.PANIC))
