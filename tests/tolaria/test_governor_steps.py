"""Tests of the governor around an optimizer's step, where it acts on its verdicts by itself."""

import copy
import math
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.amp import GradScaler

from esper._generated.enums import EscalationAction, PanicReason, Severity, SkipCause
from esper._generated.governor import (
    GovernorPanicPayload,
    GovernorRollbackPayload,
    GovernorSnapshotFailedPayload,
    GovernorSnapshotPayload,
    GovernorStepSkippedPayload,
)
from esper.leyline.errors import SnapshotError
from esper.tolaria.governor import TolariaGovernor
from esper.tolaria.recovery.config import GovernorConfig
from esper.tolaria.snapshots import buffers
from tests.tolaria.curves import healthy_losses
from tests.tolaria.disk import through_disk
from tests.tolaria.networks import dense_net, same, scramble, state_of
from tests.tolaria.step_loop import FAST, Loop, ready


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

    verdicts = [loop.step(9.0) for _ in range(4)]

    assert [verdict.severity.name for verdict in verdicts] == [*["PANIC"] * 3, "ROLLBACK"]
    assert verdicts[0].may_step
    assert len(loop.channel.of(GovernorPanicPayload)) == 4


def test_two_gross_losses_in_a_row_suffice():
    loop = ready()

    verdicts = [loop.step(100.0) for _ in range(2)]

    assert [verdict.severity.name for verdict in verdicts] == ["PANIC", "ROLLBACK"]


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
    for _ in range(20):
        assert loop.step(1.7).severity is Severity.OK

    assert [payload.fault.name for payload in loop.channel.of(GovernorSnapshotFailedPayload)] == [
        "NOT_COPIED"
    ]
    assert loop.channel.of(GovernorSnapshotPayload)[-1].step > 100


def test_skipped_batches_of_nan_leave_buffers_unchanged():
    model = dense_net()
    governor = TolariaGovernor(model)
    governor.before_step(2.3)
    before = state_of(model)

    for expected in (Severity.ROLLBACK, Severity.SKIP, Severity.SKIP):
        loss = model(torch.full((4, 3), math.nan)).sum()
        assert governor.before_step(loss).severity is expected

        assert same(state_of(model), before)


def test_a_drift_is_rolled_back_to_the_lowest_validated_loss():
    loop = ready(config=replace(FAST, snapshot_interval=1000))

    for val_loss, rise in ((0.51, 0.0), (0.50, 0.01), (0.52, 0.15), (0.53, 0.15)):
        loop.governor.check_vital_signs(val_loss)
        loop.governor.snapshot()
        for step in range(14):
            if loop.step(1.75 + rise + 0.02 * (step % 2)):
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


class Scaled(nn.Module):
    """A layer whose input is scaled by a running statistic that its state dict leaves out."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.register_buffer("power", torch.ones(4), persistent=False)

    def forward(self, inputs):
        self.power.mul_(0.9).add_(0.1 * inputs.detach().square().mean(dim=0))
        return self.layer(inputs / (self.power.sqrt() + 1e-3))


def train(model, *, bad, value, num_steps):
    """Train on random batches of which one has a bad number; return the governor and the steps that were taken."""
    torch.manual_seed(0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    governor = TolariaGovernor(model, optimizers=[optimizer])
    severities = []
    for step in range(num_steps):
        inputs = torch.randn(8, 4)
        if step == bad:
            inputs[0, 0] = value
        loss = model(inputs).square().mean()
        optimizer.zero_grad()
        loss.backward()
        if governor.before_step(loss).may_step:
            optimizer.step()
        severities.append(governor.after_step().severity)
    return governor, severities


def test_a_running_statistic_outside_of_the_state_dict_is_undone():
    model = Scaled()

    governor, severities = train(model, bad=60, value=math.nan, num_steps=90)

    assert severities.count(Severity.ROLLBACK) == 1
    assert governor.stop_report is None
    assert model.power.isfinite().all()


@pytest.mark.parametrize("bad", [0, 30])
@pytest.mark.parametrize("value", [1e25, math.nan])
def test_a_broken_statistic_of_batch_normalisation_is_undone(bad, value):
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))

    governor, severities = train(model, bad=bad, value=value, num_steps=60)

    assert severities.count(Severity.ROLLBACK) == 1
    assert governor.stop_report is None
    assert all(buffer.isfinite().all() for buffer in model.buffers())


def test_the_first_batch_is_undone_bit_for_bit():
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.BatchNorm1d(4))
    model[1].running_mean.fill_(3.0)
    before = state_of(model)

    governor, severities = train(model, bad=0, value=1e25, num_steps=1)

    assert severities == [Severity.ROLLBACK]
    assert governor.last_rollback.reason is PanicReason.WEIGHTS
    assert same(state_of(model), before)


@pytest.mark.parametrize("is_replaced", [False, True])
def test_the_buffers_of_weights_that_were_loaded_later_are_not_known(is_replaced):
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
    governor = TolariaGovernor(model)
    model.load_state_dict(copy.deepcopy(model.state_dict()), assign=is_replaced)
    model(torch.full((4, 4), 1e25) * torch.arange(4).reshape(4, 1))

    with pytest.raises(SnapshotError, match=r"infinite in 1\.running_var; there is no earlier"):
        governor.before_step(1.0)
    assert model[1].running_var.isinf().all()


def test_a_governor_that_watches_reports_a_broken_first_batch_and_goes_on():
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
    governor = TolariaGovernor(model, config=GovernorConfig(mode="watch"))
    model(torch.full((4, 4), 1e25) * torch.arange(4).reshape(4, 1))

    assert governor.before_step(1.0).severity is Severity.PANIC
    assert model[1].running_var.isinf().all()
    assert "ROLLBACK for WEIGHTS 1 time (at step 0)" in str(governor.watch_report)


@pytest.mark.parametrize("state", [None, [], "governor.pt"], ids=["none", "list", "path"])
def test_a_state_that_is_no_mapping_is_refused(state):
    governor = TolariaGovernor(nn.Linear(1, 1))

    with pytest.raises(ValueError, match="a state must be what `state_dict` returned, got"):
        governor.load_state_dict(state)


@pytest.mark.parametrize("is_announced", [False, True])
def test_new_classes_do_not_stop_a_run_without_a_probe(is_announced):
    """Each task of two classes, learned to a loss near zero, makes the loss of the next one huge for a moment."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 6))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    governor = TolariaGovernor(model, optimizers=[optimizer])
    centres = torch.randn(6, 8) * 3

    for step in range(360):
        if is_announced and step and step % 120 == 0:
            governor.expect_shift()
        targets = torch.randint(0, 2, (64,)) + 2 * (step // 120)
        inputs = centres[targets] + torch.randn(64, 8)
        loss = nn.functional.cross_entropy(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        grad_norm = nn.utils.clip_grad_norm_(model.parameters(), 1e9)
        if governor.before_step(loss, grad_norm).may_step:
            optimizer.step()
        assert not governor.after_step().must_stop

    assert loss < 0.1


def test_weights_that_were_changed_on_purpose_and_validated_are_restored_rather_than_older_ones():
    loop = ready()
    loop.model.weight.data.fill_(-1.0)

    loop.governor.snapshot(validated_loss=2.5)
    loop.step(2.0)
    loop.governor.execute_rollback()

    assert loop.model.weight[0, 0] == -1.0


def test_no_snapshot_is_taken_after_an_anomalous_check_until_the_next_healthy_one():
    loop = ready(50)
    for _ in range(20):
        loop.governor.check_vital_signs(0.5)
        loop.governor.snapshot()
    number = loop.governor.snapshots[0].snapshot_id

    assert loop.governor.check_vital_signs(9.0).severity is Severity.PANIC
    loop.run(30)
    assert loop.governor.snapshots[0].snapshot_id == number

    assert loop.governor.check_vital_signs(0.5).severity is Severity.OK
    loop.run(30)
    assert loop.governor.snapshots[0].snapshot_id > number
