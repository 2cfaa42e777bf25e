"""Tests of what the governor does around an optimizer's step when rollbacks repeat, and of the end of a run."""

import math

import pytest

from esper._generated.enums import EscalationAction, PanicReason, Severity, SkipCause
from esper._generated.governor import (
    GovernorEscalatedPayload,
    GovernorRecoveredPayload,
    GovernorRollbackPayload,
    GovernorStepSkippedPayload,
    GovernorStoppedPayload,
)
from esper.tolaria.recovery.config import GovernorConfig
from esper.tolaria.recovery.escalation import EscalationConfig
from tests.tolaria.networks import stored_snapshots
from tests.tolaria.step_loop import BUDGET, ready


def test_each_repeated_fault_takes_one_action_more():
    loop = ready()
    for _ in range(5):
        loop.step(math.nan)
        for _ in range(60):
            loop.step(0.5)

    older, best = EscalationAction.OLDER_SNAPSHOT, EscalationAction.BEST_SNAPSHOT
    slower, skip = EscalationAction.LOWER_LEARNING_RATE, EscalationAction.SKIP_BATCHES
    assert [payload.actions for payload in loop.channel.of(GovernorRollbackPayload)] == [
        (EscalationAction.NEWEST_SNAPSHOT,),
        (older,),
        (best, slower),
        (best, slower, skip),
        (best, slower, skip),
    ]
    assert [payload.attempt for payload in loop.channel.of(GovernorEscalatedPayload)] == [
        2,
        3,
        4,
        5,
    ]


def test_the_learning_rate_is_lowered_inside_the_step_only_and_returns_gradually():
    config = GovernorConfig(escalation=EscalationConfig(warm_back_steps=20))
    loop = ready(config=config)
    for _ in range(3):
        loop.step(math.nan)
        loop.step(0.5)
    loop.rates.clear()

    for _ in range(30):
        loop.step(0.5)
        assert loop.optimizer.param_groups[0]["lr"] == 1.0

    assert 0.5 < loop.rates[0] < 0.6
    assert loop.rates == sorted(loop.rates)
    assert loop.rates[-1] == 1.0


def test_batches_are_skipped_after_the_fourth_rollback_in_a_window():
    loop = ready()
    for _ in range(4):
        loop.step(math.nan)
        loop.step(0.5)
    planned = [
        payload
        for payload in loop.channel.of(GovernorStepSkippedPayload)
        if payload.cause is SkipCause.PLANNED
    ]
    assert len(planned) == 1

    severities = [loop.step(0.5).severity for _ in range(16)]

    assert severities == [Severity.SKIP] * 15 + [Severity.OK]


def test_snapshots_of_a_network_that_takes_no_steps_do_not_drive_out_older_ones():
    loop = ready()
    loop.step(math.nan)
    for _ in range(20):
        loop.governor.snapshot()
    loop.run(1)

    loop.step(math.nan)

    reports = loop.channel.of(GovernorRollbackPayload)
    assert reports[1].to_step < reports[0].to_step


def test_a_fault_that_persists_stops_the_run_and_leaves_sound_weights():
    loop = ready()

    verdicts = []
    while not verdicts or verdicts[-1].severity is not Severity.STOP:
        verdicts.append(loop.step(math.nan))
        assert len(verdicts) < 500

    assert len(loop.channel.of(GovernorRollbackPayload)) == BUDGET + 1
    assert len(loop.channel.of(GovernorStoppedPayload)) == 1
    assert loop.governor.stop_report.reason is PanicReason.NAN
    assert loop.model.weight.isfinite().all()
    assert loop.step(0.5).severity is Severity.STOP


@pytest.mark.parametrize(
    ("loss_of", "ends_at"),
    [(lambda weight: 0.5, 90), (lambda weight: 0.5 + weight / 1000, 80), (None, 90)],
    ids=["equal losses", "less loss at older weights", "unchecked"],
)
def test_a_stopped_run_ends_with_the_best_restored_snapshot(loss_of, ends_at):
    loop = ready()

    for _ in range(1000):
        if loop.step(math.nan).severity is Severity.STOP:
            break
        if loss_of is not None:
            loop.governor.check_vital_signs(loss_of(loop.model.weight[0, 0].item()))
            loop.governor.snapshot()

    reports = loop.channel.of(GovernorRollbackPayload)
    assert reports[-1].actions == (EscalationAction.BEST_SNAPSHOT, EscalationAction.STOP)
    assert loop.model.weight[0, 0] == ends_at


def test_if_older_weights_do_not_help_the_newest_are_restored_again():
    loop = ready()

    for _ in range(4):
        assert loop.step(math.nan)
        while loop.step(0.5).severity is Severity.SKIP:
            pass

    assert [payload.to_step for payload in loop.channel.of(GovernorRollbackPayload)] == [
        90,
        80,
        90,
        90,
    ]


def test_after_the_end_no_step_is_counted():
    loop = ready(config=GovernorConfig(escalation=EscalationConfig(budget=1)))
    for _ in range(2):
        loop.governor.check_vital_signs(math.nan)
        loop.governor.execute_rollback()

    assert loop.governor.before_step(0.5).severity is Severity.STOP
    assert loop.governor.after_step().severity is Severity.STOP
    assert loop.governor.step == 100


def test_a_window_without_a_rollback_resets_the_escalation():
    config = GovernorConfig(escalation=EscalationConfig(window_steps=50))
    loop = ready(config=config)
    loop.step(math.nan)
    loop.step(math.nan)

    loop.run(60)
    loop.step(math.nan)

    (payload,) = loop.channel.of(GovernorRecoveredPayload)
    assert payload.attempts == 1
    assert loop.governor.last_rollback.attempt == 1


def test_recovers_from_two_faults_in_a_row():
    loop = ready()
    loop.step(math.nan)
    loop.run(5)
    loop.step(math.inf)

    loop.run(100)

    assert loop.governor.last_rollback.attempt == 2


def test_if_no_snapshot_can_be_restored_the_run_stops_with_a_reason():
    loop = ready(5)
    stored_snapshots(loop.governor)[0].buffers.view("weight")[0, 0] += 1

    verdict = loop.step(math.nan)

    assert verdict.severity is Severity.STOP
    assert "a rollback needs an intact snapshot, got 1 corrupt" in loop.governor.stop_report.message
