"""Tests of which steps are skipped, and how many in a row."""

import json
import math

from esper._generated.enums import Severity, SkipCause
from esper.tolaria.detection.detector import SigmaDetector
from esper.tolaria.detection.step_judge import StepJudge
from tests.tolaria.curves import feed

STEADY = [1.0, 1.1] * 5


def judge(*, is_overflow=False, max_skips=3) -> StepJudge:
    """Return a judge that has seen ten healthy losses."""
    detector = SigmaDetector(min_panics_before_rollback=2)
    feed(detector, STEADY)
    return StepJudge(detector, max_skips=max_skips, may_have_overflowed=lambda: is_overflow)


def severities(subject: StepJudge, *steps) -> list[str]:
    return [subject.judge(*step, is_planned_skip=False).severity.name for step in steps]


def test_the_detector_does_not_see_the_loss_of_a_planned_skip():
    subject = judge()

    verdict = subject.judge(math.nan, math.nan, is_planned_skip=True)

    assert (verdict.severity, verdict.reason) == (Severity.SKIP, None)
    assert subject.cause is SkipCause.PLANNED


def test_rolls_back_after_too_many_broken_gradients_in_a_row():
    steps = [(1.0, math.nan)] * 3

    assert severities(judge(), *steps, steps[0]) == ["SKIP"] * 3 + ["ROLLBACK"]
    assert severities(judge(), *steps, (1.0, 1.0), steps[0]) == ["SKIP"] * 3 + ["OK", "SKIP"]


def test_an_anomalous_loss_with_a_broken_gradient_does_not_step():
    assert severities(judge(), (50.0, math.inf), (50.0, 1.0)) == ["SKIP", "ROLLBACK"]


def test_an_overflow_explains_a_broken_gradient_but_not_a_broken_loss():
    subject = judge(is_overflow=True)

    assert severities(subject, *[(1.0, math.inf)] * 9) == ["SKIP"] * 9
    assert subject.cause is SkipCause.OVERFLOW
    assert severities(subject, (math.nan, math.inf)) == ["ROLLBACK"]


def test_skips_bad_data_after_a_rollback_until_a_step_is_taken():
    subject = judge()
    subject.note_rollback(None)

    assert severities(subject, (50.0, 1.0), (math.nan, 1.0)) == ["SKIP"] * 2
    assert subject.cause is SkipCause.DATA
    subject.note_step()
    assert severities(subject, (math.nan, 1.0)) == ["ROLLBACK"]


def test_rolls_back_again_if_bad_data_lasts():
    subject = judge()
    subject.note_rollback(None)

    assert severities(subject, *[(50.0, 1.0)] * 4) == ["SKIP"] * 3 + ["ROLLBACK"]


def test_counts_skips_in_a_row_of_any_cause():
    subject = judge()

    subject.judge(1.0, None, is_planned_skip=True)
    subject.judge(1.0, math.nan, is_planned_skip=False)
    assert subject.skips_in_a_row == 2

    subject.judge(1.0, None, is_planned_skip=False)
    assert (subject.skips_in_a_row, subject.cause) == (0, None)


def test_continues_identically_after_loading_its_state_dict():
    subject, copy = judge(), judge()
    subject.note_rollback(None)
    severities(subject, (50.0, 1.0), (50.0, 1.0))

    copy.load_state_dict(json.loads(json.dumps(subject.state_dict())))

    steps = [(50.0, 1.0), (50.0, 1.0), (1.0, 1.0)]
    assert severities(copy, *steps) == severities(subject, *steps)
