"""Tests of what each rollback restores, and what else it does when rollbacks repeat."""

import json

import pytest

from esper._generated.enums import EscalationAction, PanicReason
from esper.tolaria.recovery.escalation import Escalation, EscalationConfig

NEWEST = EscalationAction.NEWEST_SNAPSHOT
OLDER = EscalationAction.OLDER_SNAPSHOT
BEST = EscalationAction.BEST_SNAPSHOT
SLOWER = EscalationAction.LOWER_LEARNING_RATE
SKIP = EscalationAction.SKIP_BATCHES
HOLD = EscalationAction.HOLD_GERMINATION
STOP = EscalationAction.STOP
CONFIG = EscalationConfig(
    budget=6, window_steps=100, window_checks=10, warm_back_steps=40, skip_batches=3, hold_epochs=2
)


def escalation(*, is_stepping=True, can_slow_down=True, can_hold=True) -> Escalation:
    result = Escalation(CONFIG, can_slow_down=can_slow_down, can_hold_germination=can_hold)
    if is_stepping:
        result.count_steps()
    return result


def respond(subject: Escalation, num: int = 1, *, reason=PanicReason.NAN, has_older=True):
    """Roll back `num` times for `reason` and return the last measures."""
    for number in range(num):
        target = subject.choose_target(reason, has_older=has_older)
        measures = subject.respond(target, snapshot_id=number)
    return measures


@pytest.mark.parametrize(
    ("settings", "ladder"),
    [
        (
            {},
            [
                (NEWEST,),
                (OLDER,),
                (BEST, SLOWER),
                (BEST, SLOWER, SKIP),
                (BEST, SLOWER, SKIP, HOLD),
                (BEST, SLOWER, SKIP, HOLD),
                (BEST, STOP),
            ],
        ),
        ({"can_slow_down": False, "can_hold": False}, [(NEWEST,), (OLDER,), (BEST, SKIP)]),
        ({"is_stepping": False}, [(NEWEST,), (OLDER,), (BEST, HOLD), (BEST, HOLD)]),
    ],
    ids=["everything", "no optimizer and no slots", "no steps reported"],
)
def test_each_rollback_takes_one_action_more_than_the_one_before(settings, ladder):
    subject = escalation(**settings)

    assert [respond(subject).actions for _ in ladder] == ladder


def test_without_an_older_snapshot_the_newest_is_restored_again():
    subject = escalation()
    respond(subject)

    assert respond(subject, has_older=False).actions == (NEWEST,)


def test_a_drift_restores_the_best_snapshot_at_once():
    assert respond(escalation(), reason=PanicReason.DRIFT).actions == (BEST,)


def test_learning_rates_return_to_full_gradually():
    subject = escalation()
    assert respond(subject, 3).learning_rate_factor == 0.5

    factors = []
    for _ in range(40):
        subject.advance()
        factors.append(subject.learning_rate_factor)

    assert factors == sorted(factors)
    assert (factors[19], factors[39]) == (pytest.approx(0.5**0.5), 1.0)


def test_a_second_reduction_starts_from_the_present_factor():
    subject = escalation()
    respond(subject, 3)
    for _ in range(20):
        subject.advance()

    assert respond(subject).learning_rate_factor == pytest.approx(0.5**1.5)


def test_each_further_rollback_skips_twice_as_many_batches():
    subject = escalation()
    respond(subject, 3)
    counts = []
    for _ in range(3):
        respond(subject)
        count = 0
        while subject.consume_skip():
            count += 1
        counts.append(count)

    assert counts == [3, 6, 12]


def test_a_fault_that_keeps_coming_back_does_not_skip_ever_more_batches():
    subject = escalation()
    counts = []
    for _ in range(100):
        counts.append(respond(subject).batches_to_skip)
        while subject.consume_skip():
            pass
        for _ in range(20):
            subject.advance()

    assert max(counts) == 6
    assert len(subject.snapshot_ids) <= 5


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"budget": 0}, "budget must be at least 1, got 0"),
        ({"skip_batches": 1.5}, "skip_batches must be a whole number, got 1.5"),
        ({"warm_back_steps": 0}, "warm_back_steps must be at least 1, got 0"),
        ({"settle_epochs": -1}, "settle_epochs must be at least 0, got -1"),
        ({"learning_rate_factor": "half"}, "learning_rate_factor must be a number, got 'half'"),
        ({"learning_rate_factor": 0.0}, r"learning_rate_factor must be in \(0, 1\], got 0.0"),
    ],
)
def test_invalid_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        EscalationConfig(**settings)


def test_no_seed_may_be_planted_for_some_epochs():
    subject = escalation()
    respond(subject, 5)
    may = []
    for _ in range(3):
        may.append(subject.may_germinate)
        subject.end_epoch()

    assert may == [False, False, True]


def test_a_window_without_a_rollback_resets_everything():
    subject = escalation()
    respond(subject, 5)

    recovered = [subject.advance() for _ in range(100)]

    assert recovered == [0] * 99 + [5]
    assert subject.may_germinate
    assert subject.tried == ()
    assert respond(subject).attempt == 1


def test_windows_are_counted_in_checks_if_no_steps_are_reported():
    subject = escalation(is_stepping=False)
    respond(subject)

    assert [subject.advance() for _ in range(10)] == [0] * 9 + [1]


def test_rollbacks_leave_the_window_one_by_one():
    subject = escalation()
    respond(subject)
    for _ in range(60):
        subject.advance()
    respond(subject)
    for _ in range(60):
        subject.advance()

    assert respond(subject).attempt == 2


def test_the_budget_is_the_number_of_rollbacks_that_a_window_allows():
    subject = escalation()
    respond(subject, 5)
    assert not subject.is_exhausted

    respond(subject)

    assert subject.is_exhausted


def test_an_ordered_rollback_does_not_count():
    subject = escalation()
    before = subject.state_dict()

    measures = subject.ordered_measures()

    assert (measures.attempt, measures.actions) == (1, (NEWEST,))
    assert subject.state_dict() == before


def test_continues_identically_after_loading_its_state_dict():
    subject, copy = escalation(), escalation(is_stepping=False)
    respond(subject, 5)
    subject.advance()

    copy.load_state_dict(json.loads(json.dumps(subject.state_dict())))

    assert copy.state_dict() == subject.state_dict()
    assert respond(copy) == respond(subject)
