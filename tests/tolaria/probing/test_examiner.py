"""Suspicions are examined on fresh batches; the canary opens them, and a checkpoint keeps them."""

import math

import pytest
import torch
from torch import nn

from esper._generated.enums import ClearedBy, PanicReason, Severity
from esper._generated.governor import GovernorClearedPayload, GovernorRollbackPayload
from esper.tolaria.governor import TolariaGovernor
from esper.tolaria.probing.config import ProbeConfig
from esper.tolaria.recovery.config import GovernorConfig
from tests.tolaria.curves import healthy_losses
from tests.tolaria.disk import through_disk
from tests.tolaria.step_loop import FAST, Loop

HIGH = 9.0


class ProbedLoop(Loop):
    """A loop whose probe gives the losses that its batch holds for present and for older weights."""

    def __init__(self, **settings) -> None:
        super().__init__(probe=self.losses, **settings)

    def losses(self, batch):
        present, older = batch
        is_older = self.model.weight[0, 0].item() < self.governor.step
        return torch.full((8,), float(older if is_older else present)) + torch.arange(8) * 0.01

    def step(self, loss, grad_norm=1.0, *, batch=(0.5, 0.5)):
        self.model.weight.grad = torch.ones(2, 2)
        verdict = self.governor.before_step(loss, grad_norm, batch=batch)
        if verdict.may_step:
            self.model.weight.data += 1.0
            self.governor.after_step()
        return verdict


def ready(num_steps=100, **settings):
    loop = ProbedLoop(**settings)
    loop.run(num_steps)
    return loop


def test_a_suspicion_is_cleared_where_older_weights_do_no_better():
    loop = ready()

    verdicts = [loop.step(HIGH, batch=(HIGH, HIGH)) for _ in range(30)]

    assert {verdict.severity for verdict in verdicts} == {Severity.OK}
    assert verdicts[0].evidence.difference == 0.0
    first = loop.channel.of(GovernorClearedPayload)[0]
    assert (first.by, first.reason) == (ClearedBy.COMPARISON, PanicReason.DIVERGENCE)
    assert len(loop.channel.of(GovernorClearedPayload)) < 10
    assert loop.governor.last_rollback is None


def test_older_weights_that_do_better_are_restored_and_the_gain_is_known():
    loop = ready()

    verdicts = [loop.step(HIGH, batch=(HIGH, 0.5)) for _ in range(2)]

    assert [verdict.severity.name for verdict in verdicts] == ["PANIC", "ROLLBACK"]
    (report,) = loop.channel.of(GovernorRollbackPayload)
    assert (report.evidence.present_loss, report.evidence.snapshot_loss) == pytest.approx(
        (HIGH, 0.5), abs=0.04
    )
    assert report.evidence.snapshot_id == report.snapshot_id
    assert loop.model.weight[0, 0] == report.to_step


def test_a_nan_needs_no_comparison():
    loop = ready()

    assert loop.step(math.nan, batch=(0.5, 0.5)).severity is Severity.ROLLBACK
    assert loop.governor.last_rollback.evidence is None


def test_no_snapshot_is_taken_while_a_suspicion_is_open():
    loop = ready(99)
    loop.step(HIGH, batch=(HIGH, 0.5))

    num_before = loop.governor.snapshots[0].snapshot_id
    loop.step(0.5, batch=(HIGH, 0.5))

    assert loop.governor.snapshots[0].snapshot_id == num_before


def test_the_canary_opens_a_suspicion_but_fresh_batches_decide():
    config = GovernorConfig(
        snapshot_interval=10, trust_after_steps=5, probe=ProbeConfig(canary_interval=10)
    )
    loop = ready(50, config=config)
    canary = [0.5, 0.5]
    loop.governor.expect_shift()
    loop.step(2.3, batch=canary)
    canary[0] = 5.0

    for loss in healthy_losses(30, noise=0.05):
        loop.step(loss, batch=(loss, loss))

    (cleared,) = loop.channel.of(GovernorClearedPayload)
    assert (cleared.reason, cleared.by) == (PanicReason.DRIFT, ClearedBy.COMPARISON)


def test_an_open_suspicion_survives_a_checkpoint():
    loop, resumed = ready(), ProbedLoop()
    loop.step(HIGH, batch=(HIGH, 0.5))
    resumed.model.load_state_dict(loop.model.state_dict())

    resumed.governor.load_state_dict(through_disk(loop.governor.state_dict()))

    one, other = (each.step(HIGH, batch=(HIGH, 0.5)) for each in (loop, resumed))

    assert one.severity is other.severity is Severity.ROLLBACK
    assert one.evidence.num_batches == other.evidence.num_batches == 2


def test_a_state_of_an_earlier_version_loads():
    loop, resumed = ready(), ProbedLoop()
    state = loop.governor.state_dict()
    del state["scrutiny"], state["watch"], state["judge"]["norms"]

    resumed.governor.load_state_dict(state)

    assert resumed.governor.step == 100


def test_validation_losses_are_compared_on_the_validation_batches():
    loop = ready()
    for loss in healthy_losses(30, noise=0.02):
        assert loop.governor.check_vital_signs(loss, batches=[(loss, loss)]).severity is Severity.OK

    same = [loop.governor.check_vital_signs(HIGH, batches=[(HIGH, HIGH)] * 9) for _ in range(4)]
    assert same[-1].severity is Severity.OK
    worse = [loop.governor.check_vital_signs(90.0, batches=iter([(90.0, 0.5)])) for _ in range(4)]

    assert any(worse)
    assert worse[-1].evidence is None or worse[-1].evidence.num_batches == 1


def test_a_game_whose_losses_rise_again_after_a_return_has_a_new_level():
    torch.manual_seed(0)
    loop = Loop(config=FAST)
    progress = []
    for step in range(400):
        weight = loop.model.weight[0, 0].item()
        progress.append(weight)
        loss = 0.5 + max(0.0, weight - 100.0) * 0.05 + 0.01 * (step % 3)
        loop.step(loss)

    assert 1 <= len(loop.channel.of(GovernorRollbackPayload)) <= 3
    assert loop.governor.stop_report is None
    assert ClearedBy.RETURN in {one.by for one in loop.channel.of(GovernorClearedPayload)}


@pytest.mark.parametrize("has_probe", [True, False])
def test_a_validation_loss_that_falls_by_itself_leads_to_no_rollback(has_probe):
    def verdicts(losses):
        governor = TolariaGovernor(nn.Linear(1, 1), probe=float if has_probe else None)
        for number in range(12):
            governor.check_vital_signs(0.5 + 0.01 * (number % 2))
        governor.snapshot()
        for loss in losses:
            twin = TolariaGovernor(nn.Linear(1, 1), probe=float if has_probe else None)
            twin.load_state_dict(governor.state_dict())
            severity = governor.check_vital_signs(loss).severity
            assert twin.check_vital_signs(loss).severity is severity
            yield severity.name

    assert set(verdicts([9.0, 8.0, 6.0, 4.0, 3.0, 2.0])) == {"PANIC"}
    assert "ROLLBACK" in set(verdicts([9.0, 8.9, 9.1, 8.8]))
    assert list(verdicts([9.0, 8.0, 6.0, 4.0, 3.0, 3.0]))[-1] == "ROLLBACK"


def test_small_damage_after_a_batch_that_is_bad_for_all_weights_is_left_alone_while_it_may_heal():
    loop = ready()
    loop.step(HIGH, batch=(HIGH, HIGH))

    verdicts = [loop.step(0.9, batch=(0.9, 0.5)) for _ in range(16)]

    assert not any(verdicts)
