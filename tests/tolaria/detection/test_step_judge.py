"""Which steps are refused, and for how long."""

import json
import math

from esper._generated.enums import Severity, SkipCause
from esper.tolaria.detection.detector import SigmaDetector
from esper.tolaria.detection.step_judge import StepJudge
from tests.tolaria.curves import feed

STEADY = [1.0, 1.1] * 5


def judge(*, is_overflow=False, max_skips=3) -> StepJudge:
    """Return a judge with ten healthy losses behind it."""
    detector = SigmaDetector(min_panics_before_rollback=2)
    feed(detector, STEADY)
    return StepJudge(detector, max_skips=max_skips, is_overflow=lambda: is_overflow)


def severities(subject: StepJudge, *steps) -> list[str]:
    return [subject.judge(*step, is_passed_over=False).severity.name for step in steps]


def test_a_batch_that_is_passed_over_is_not_looked_at():
    subject = judge()

    verdict = subject.judge(math.nan, math.nan, is_passed_over=True)

    assert (verdict.severity, verdict.reason) == (Severity.SKIP, None)
    assert subject.cause is SkipCause.PLANNED


def test_refuses_broken_gradients_only_so_often_in_a_row():
    steps = [(1.0, math.nan)] * 3

    assert severities(judge(), *steps, steps[0]) == ["SKIP"] * 3 + ["ROLLBACK"]
    assert severities(judge(), *steps, (1.0, 1.0), steps[0]) == ["SKIP"] * 3 + ["OK", "SKIP"]


def test_an_anomalous_loss_with_a_broken_gradient_does_not_step():
    assert severities(judge(), (50.0, math.inf), (50.0, 1.0)) == ["SKIP", "ROLLBACK"]


def test_an_overflow_explains_a_gradient_but_not_a_loss():
    subject = judge(is_overflow=True)

    assert severities(subject, *[(1.0, math.inf)] * 9) == ["SKIP"] * 9
    assert subject.cause is SkipCause.OVERFLOW
    assert severities(subject, (math.nan, math.inf)) == ["ROLLBACK"]


def test_refuses_bad_data_behind_a_rollback_until_a_step_has_been_taken():
    subject = judge()
    subject.note_rollback(None)

    assert severities(subject, (50.0, 1.0), (math.nan, 1.0)) == ["SKIP"] * 2
    assert subject.cause is SkipCause.DATA
    subject.note_step()
    assert severities(subject, (math.nan, 1.0)) == ["ROLLBACK"]


def test_goes_back_further_when_bad_data_does_not_end():
    subject = judge()
    subject.note_rollback(None)

    assert severities(subject, *[(50.0, 1.0)] * 4) == ["SKIP"] * 3 + ["ROLLBACK"]


def test_counts_skips_in_a_row_whatever_their_cause():
    subject = judge()

    subject.judge(1.0, None, is_passed_over=True)
    subject.judge(1.0, math.nan, is_passed_over=False)
    assert subject.skips_in_a_row == 2

    subject.judge(1.0, None, is_passed_over=False)
    assert (subject.skips_in_a_row, subject.cause) == (0, None)


def test_goes_on_from_its_state_as_if_nothing_had_happened():
    subject, copy = judge(), judge()
    subject.note_rollback(None)
    severities(subject, (50.0, 1.0), (50.0, 1.0))

    copy.load_state_dict(json.loads(json.dumps(subject.state_dict())))

    steps = [(50.0, 1.0), (50.0, 1.0), (1.0, 1.0)]
    assert severities(copy, *steps) == severities(subject, *steps)
