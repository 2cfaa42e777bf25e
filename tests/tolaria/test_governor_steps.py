"""Tests of the governor around an optimizer's step, where it acts on its verdicts by itself."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.amp import GradScaler

from esper._generated.enums import EscalationAction, PanicReason, Severity, SkipCause
from esper._generated.governor import (
    GovernorEscalatedPayload,
    GovernorPanicPayload,
    GovernorRecoveredPayload,
    GovernorRollbackPayload,
    GovernorSnapshotFailedPayload,
    GovernorSnapshotPayload,
    GovernorStepSkippedPayload,
    GovernorStoppedPayload,
)
from esper.leyline.errors import SnapshotError
from esper.tolaria.governor import TolariaGovernor
from esper.tolaria.recovery.config import GovernorConfig
from esper.tolaria.recovery.escalation import EscalationConfig
from esper.tolaria.snapshots import buffers
from tests.tolaria.curves import healthy_losses
from tests.tolaria.disk import through_disk
from tests.tolaria.networks import dense_net, same, scramble, state_of, stored_snapshots
from tests.tolaria.recording_channel import RecordingChannel

BUDGET = 5
FAST = GovernorConfig(
    snapshot_interval=10,
    trust_after_steps=5,
    max_skips=4,
    escalation=EscalationConfig(budget=BUDGET),
)


class Loop:
    """A training loop without training: every step adds one to a weight."""

    def __init__(self, *, config: GovernorConfig = FAST, **settings) -> None:
        self.model = nn.Linear(2, 2)
        self.model.weight.data.zero_()
        self.channel = RecordingChannel()
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=1.0)
        self.rates: list[float] = []
        self.governor = TolariaGovernor(
            self.model,
            optimizers=[self.optimizer],
            channel=self.channel,
            config=config,
            **settings,
        )
        # Runs after the governor's own hook, so it sees the learning rate of the step.
        self.optimizer.register_step_pre_hook(
            lambda optimizer, *_: self.rates.append(optimizer.param_groups[0]["lr"])
        )

    def step(self, loss: float, grad_norm: float = 1.0):
        """Take a step if the governor allows it, and return its verdict."""
        self.model.weight.grad = torch.ones(2, 2)
        verdict = self.governor.before_step(loss, grad_norm)
        if verdict.may_step:
            self.optimizer.zero_grad()
            self.optimizer.step()
            self.model.weight.data += 1.0
            self.governor.after_step()
        return verdict

    def run(self, num_steps: int) -> None:
        """Take healthy steps."""
        for loss in healthy_losses(num_steps, noise=0.05):
            assert self.step(loss).may_step


def ready(num_steps: int = 100, **settings) -> Loop:
    """Return a loop after `num_steps` healthy steps."""
    loop = Loop(**settings)
    loop.run(num_steps)
    return loop


def test_the_first_step_takes_the_first_snapshot_and_later_ones_follow():
    loop = ready(35)

    payloads = loop.channel.of(GovernorSnapshotPayload)
    assert [snapshot.step for snapshot in payloads] == [0, 10, 20, 30]


def test_weights_are_restored_before_the_verdict_on_a_nan_is_returned():
    loop = ready()

    verdict = loop.step(math.nan)

    report = loop.governor.last_rollback
    assert verdict.severity is Severity.ROLLBACK
    assert (report.reason, report.consecutive_panics) == (PanicReason.NAN, 1)
    assert (report.from_step, report.to_step) == (100, 90)
    assert torch.equal(loop.model.weight, torch.full((2, 2), 90.0))
    assert loop.model.weight.grad is None


def test_restores_a_trusted_snapshot():
    loop = ready(103)

    loop.step(math.nan)

    assert loop.governor.last_rollback.to_step == 90


def test_a_divergence_may_step_until_it_has_repeated():
    loop = ready()

    verdicts = [loop.step(100.0) for _ in range(2)]

    assert [verdict.severity.name for verdict in verdicts] == ["PANIC", "ROLLBACK"]
    assert verdicts[0].may_step
    assert len(loop.channel.of(GovernorPanicPayload)) == 2


def test_no_snapshot_is_taken_while_the_loss_is_anomalous():
    loop = ready(99)
    taken = len(loop.channel.of(GovernorSnapshotPayload))

    loop.step(5.0)

    assert len(loop.channel.of(GovernorSnapshotPayload)) == taken


@pytest.mark.parametrize("grad_norm", [math.nan, math.inf])
def test_a_gradient_that_is_not_finite_is_skipped(grad_norm):
    loop = ready()
    before = state_of(loop.model)

    verdict = loop.step(0.5, grad_norm)

    assert (verdict.severity, verdict.reason) == (Severity.SKIP, PanicReason.GRADIENT)
    assert not verdict
    assert same(state_of(loop.model), before)
    assert loop.model.weight.grad is None
    (payload,) = loop.channel.of(GovernorStepSkippedPayload)
    assert (payload.cause, payload.step, payload.skips_in_a_row) == (SkipCause.GRADIENT, 100, 1)


def test_after_too_many_skips_in_a_row_it_rolls_back():
    loop = ready()

    verdicts = [loop.step(0.5, math.nan) for _ in range(FAST.max_skips + 1)]

    assert [verdict.severity.name for verdict in verdicts] == ["SKIP"] * 4 + ["ROLLBACK"]
    assert loop.governor.last_rollback.reason is PanicReason.GRADIENT


def test_an_overflow_under_loss_scaling_is_skipped_and_not_anomalous():
    loop = ready(companions={"scaler": GradScaler("cpu", init_scale=8.0)})

    verdicts = [loop.step(0.5, math.inf) for _ in range(3 * FAST.max_skips)]

    assert {verdict.severity for verdict in verdicts} == {Severity.SKIP}
    assert loop.channel.of(GovernorPanicPayload) == []
    assert {payload.cause for payload in loop.channel.of(GovernorStepSkippedPayload)} == {
        SkipCause.OVERFLOW
    }


def test_bad_data_after_a_rollback_is_skipped_without_another_rollback():
    loop = ready()
    loop.step(math.nan)

    verdicts = [loop.step(100.0) for _ in range(FAST.max_skips)]

    assert {verdict.severity for verdict in verdicts} == {Severity.SKIP}
    assert len(loop.channel.of(GovernorRollbackPayload)) == 1
    assert loop.step(0.5).severity is Severity.OK


def test_weights_found_broken_at_a_snapshot_are_restored():
    loop = ready(99)
    loop.governor.before_step(0.5, 1.0)
    loop.model.bias.data[0] = math.nan

    verdict = loop.governor.after_step()

    assert (verdict.severity, verdict.reason) == (Severity.ROLLBACK, PanicReason.WEIGHTS)
    assert loop.model.bias.isfinite().all()
    (payload,) = loop.channel.of(GovernorSnapshotFailedPayload)
    assert (
        payload.message == "the saved tensors must be finite, got 1 NaN and 0 infinite in bias; the"
        " earlier snapshots are kept, roll back to one"
    )


def test_a_snapshot_that_cannot_be_copied_does_not_end_the_run(monkeypatch):
    loop = ready(99)
    monkeypatch.setattr(buffers, "_mix", lambda *_: (_ for _ in ()).throw(MemoryError("full")))

    assert loop.step(0.5).severity is Severity.OK
    monkeypatch.undo()
    loop.run(20)

    assert [payload.fault.name for payload in loop.channel.of(GovernorSnapshotFailedPayload)] == [
        "NOT_COPIED"
    ]
    assert loop.channel.of(GovernorSnapshotPayload)[-1].step > 100


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


def test_skipped_batches_of_nan_leave_buffers_unchanged():
    model = dense_net()
    governor = TolariaGovernor(model)
    governor.before_step(2.3)
    before = state_of(model)

    for expected in (Severity.ROLLBACK, Severity.SKIP, Severity.SKIP):
        loss = model(torch.full((4, 3), math.nan)).sum()
        assert governor.before_step(loss).severity is expected

        assert same(state_of(model), before)


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


def test_a_drift_is_rolled_back_to_the_lowest_validated_loss():
    loop = ready(config=replace(FAST, snapshot_interval=1000))

    for val_loss, factor in ((0.51, 1.0), (0.50, 1.1), (0.52, 2.0), (0.53, 2.0)):
        loop.governor.check_vital_signs(val_loss)
        loop.governor.snapshot()
        for loss in healthy_losses(14, noise=0.05):
            if loop.step(factor * loss):
                break

    report = loop.governor.last_rollback
    assert (report.reason, report.to_step) == (PanicReason.DRIFT, 114)
    assert report.actions == (EscalationAction.BEST_SNAPSHOT,)


@pytest.mark.parametrize(("last_loss", "restored_step"), [(0.5, 103), (30.0, 80)])
def test_a_validation_during_anomalous_training_does_not_make_a_snapshot_trusted(
    last_loss, restored_step
):
    loop = ready(102)
    loop.step(last_loss)
    assert loop.governor.check_vital_signs(0.5).severity is Severity.OK
    loop.governor.snapshot()

    loop.step(math.nan)

    assert loop.governor.last_rollback.to_step == restored_step


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


def test_a_network_that_is_broken_from_the_start_is_refused():
    loop = Loop()
    loop.model.weight.data.fill_(torch.nan)

    with pytest.raises(SnapshotError, match="4 NaN and 0 infinite in weight"):
        loop.step(0.5)


def test_works_without_an_optimizer():
    model = dense_net()
    governor = TolariaGovernor(model)
    governor.before_step(0.5)
    governor.after_step()
    before = state_of(model)
    scramble(model)

    assert governor.before_step(math.nan).severity is Severity.ROLLBACK
    assert same(state_of(model), before)


@pytest.mark.parametrize("is_announced", [True, False])
def test_an_announced_shift_is_not_a_fault_in_either_series(is_announced):
    loop = ready()
    for loss in healthy_losses(100, noise=0.05):
        loop.governor.check_vital_signs(loss)

    if is_announced:
        loop.governor.expect_shift()

    verdicts = [loop.step(5.0), loop.governor.check_vital_signs(5.0)]
    assert [verdict.is_anomalous for verdict in verdicts] == [not is_announced] * 2


def test_tensors_are_judged_like_numbers():
    loop = ready()

    verdict = loop.governor.before_step(torch.tensor(0.5), torch.tensor(math.inf))

    assert (verdict.severity, verdict.loss) == (Severity.SKIP, 0.5)


def test_the_guard_calls_before_step_and_after_step():
    loop = ready(99)
    taken = len(loop.channel.of(GovernorSnapshotPayload))

    with loop.governor.guard(0.5, 1.0) as verdict:
        assert verdict.may_step

    assert loop.governor.step == 100
    assert len(loop.channel.of(GovernorSnapshotPayload)) == taken + 1


def test_the_guard_counts_neither_refused_nor_failed_steps():
    loop = ready(99)

    with loop.governor.guard(0.5, math.nan) as verdict:
        assert not verdict.may_step
    with pytest.raises(KeyError), loop.governor.guard(0.5, 1.0):
        raise KeyError

    assert loop.governor.step == 99


def test_after_step_without_before_step_is_refused():
    with pytest.raises(
        ValueError, match="after_step must follow before_step, which was not called"
    ):
        Loop().governor.after_step()


def test_continues_identically_after_loading_its_state_dict():
    loop, resumed = ready(130), Loop()
    loop.step(math.nan)
    resumed.model.load_state_dict(loop.model.state_dict())

    resumed.governor.load_state_dict(through_disk(loop.governor.state_dict()))
    assert resumed.channel.payloads == []
    loop.channel.payloads.clear()
    for loss in [100.0, *healthy_losses(30), *[math.nan] * 400]:
        one, other = resumed.step(loss), loop.step(loss)
        assert str(one) == str(other)
        assert torch.equal(resumed.model.weight, loop.model.weight)

    assert loop.governor.stop_report is not None
    assert resumed.governor.stop_report == loop.governor.stop_report
    assert resumed.channel.events == loop.channel.events
