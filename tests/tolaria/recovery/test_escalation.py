"""What accompanies repeated rollbacks, as numbers."""

import json

import pytest

from esper._generated.enums import EscalationAction
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


def respond(subject: Escalation, num: int = 1):
    """Roll back `num` times and return the last measures."""
    for number in range(num):
        measures = subject.respond(snapshot_id=number, has_older=True, to_best=subject.goes_to_best)
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
def test_each_attempt_does_one_thing_more(settings, ladder):
    subject = escalation(**settings)

    assert [respond(subject).actions for _ in ladder] == ladder


def test_without_an_older_snapshot_none_is_claimed():
    subject = escalation()
    respond(subject)

    assert subject.respond(snapshot_id=0, has_older=False, to_best=False).actions == (NEWEST,)


def test_whoever_goes_to_the_best_at_once_says_so():
    assert escalation().respond(snapshot_id=0, has_older=True, to_best=True).actions == (BEST,)


def test_learning_rates_return_to_full_by_and_by():
    subject = escalation()
    assert respond(subject, 3).learning_rate_factor == 0.5

    factors = []
    for _ in range(40):
        subject.advance()
        factors.append(subject.learning_rate_factor)

    assert factors == sorted(factors)
    assert (factors[19], factors[39]) == (pytest.approx(0.5**0.5), 1.0)


def test_a_second_cut_starts_from_where_the_first_has_come_to():
    subject = escalation()
    respond(subject, 3)
    for _ in range(20):
        subject.advance()

    assert respond(subject).learning_rate_factor == pytest.approx(0.5**1.5)


def test_twice_as_many_batches_are_passed_over_each_time():
    subject = escalation()
    respond(subject, 3)
    counts = []
    for _ in range(3):
        respond(subject)
        count = 0
        while subject.skip_batch():
            count += 1
        counts.append(count)

    assert counts == [3, 6, 12]


def test_a_fault_that_keeps_coming_back_has_no_more_and_more_passed_over():
    subject = escalation()
    counts = []
    for _ in range(100):
        counts.append(respond(subject).batches_to_skip)
        while subject.skip_batch():
            pass
        for _ in range(20):
            subject.advance()

    assert max(counts) == 6
    assert len(subject.snapshot_ids) <= 5


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"budget": 0}, "budget must be a whole number from 1 on, got 0"),
        ({"skip_batches": 1.5}, "skip_batches must be a whole number from 1 on, got 1.5"),
        ({"warm_back_steps": 0}, "warm_back_steps must be a whole number from 1 on, got 0"),
        ({"settle_epochs": -1}, "settle_epochs must be a whole number from 0 on, got -1"),
        ({"learning_rate_factor": 0.0}, r"learning_rate_factor must be in \(0, 1\], got 0.0"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        EscalationConfig(**settings)


def test_germination_is_held_for_some_epochs():
    subject = escalation()
    respond(subject, 5)
    may = []
    for _ in range(3):
        may.append(subject.may_germinate)
        subject.end_epoch()

    assert may == [False, False, True]


def test_forgets_when_a_whole_window_has_gone_without_a_rollback():
    subject = escalation()
    respond(subject, 5)

    recovered = [subject.advance() for _ in range(100)]

    assert recovered == [0] * 99 + [5]
    assert subject.may_germinate
    assert subject.tried == ()
    assert respond(subject).attempt == 1


def test_windows_are_counted_in_checks_where_no_steps_are_reported():
    subject = escalation(is_stepping=False)
    respond(subject)

    assert [subject.advance() for _ in range(10)] == [0] * 9 + [1]


def test_an_attempt_leaves_the_window_one_by_one():
    subject = escalation()
    respond(subject)
    for _ in range(60):
        subject.advance()
    respond(subject)
    for _ in range(60):
        subject.advance()

    assert respond(subject).attempt == 2


def test_the_budget_is_what_a_window_allows():
    subject = escalation()
    respond(subject, 5)
    assert not subject.is_exhausted

    respond(subject)

    assert subject.is_exhausted


def test_an_order_changes_nothing():
    subject = escalation()
    before = subject.state_dict()

    measures = subject.carry_out_order()

    assert (measures.attempt, measures.actions) == (1, (NEWEST,))
    assert subject.state_dict() == before


def test_goes_on_from_its_state_as_if_nothing_had_happened():
    subject, copy = escalation(), escalation(is_stepping=False)
    respond(subject, 5)
    subject.advance()

    copy.load_state_dict(json.loads(json.dumps(subject.state_dict())))

    assert copy.state_dict() == subject.state_dict()
    assert respond(copy) == respond(subject)
