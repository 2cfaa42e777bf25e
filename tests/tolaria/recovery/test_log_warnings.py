"""Tests of the warnings of a governor whose telemetry has no listener."""

import logging
import math
import subprocess
import sys

import torch
from torch import nn
from torch.amp import GradScaler

from esper.tolaria.governor import TolariaGovernor
from esper.tolaria.recovery.config import GovernorConfig
from esper.tolaria.recovery.escalation import EscalationConfig
from tests.tolaria.curves import healthy_losses
from tests.tolaria.networks import SlottedNet, stored_snapshots
from tests.tolaria.recording_channel import RecordingChannel

CONFIG = GovernorConfig(snapshot_interval=10, escalation=EscalationConfig(budget=1))


def train(losses, *, grad_norms=(), **settings) -> TolariaGovernor:
    """Report 50 healthy steps and then `losses`, with `grad_norms` for the first of them."""
    governor = TolariaGovernor(nn.Linear(2, 2), config=CONFIG, **settings)
    norms = [*[1.0] * 50, *grad_norms]
    for step, loss in enumerate([*healthy_losses(50, noise=0.05), *losses]):
        governor.before_step(loss, norms[step] if step < len(norms) else 1.0)
        governor.after_step()
    return governor


def test_a_healthy_run_warns_of_nothing(caplog):
    train([])

    assert caplog.messages == []


def test_a_rollback_gives_one_warning(caplog):
    train([math.nan])

    assert caplog.record_tuples == [
        (
            "esper",
            logging.WARNING,
            "step 50: rolled back to the snapshot of step 20, because of NAN (loss nan);"
            " rollback 1 of the window (newest snapshot)",
        )
    ]


def test_only_the_first_skip_in_a_row_gives_a_warning(caplog):
    train([0.5] * 5, grad_norms=[math.inf] * 3)

    assert caplog.messages == [
        "step 50: skipped, because the gradient is not finite (loss 0.5); gradients were dropped,"
        " weights are unchanged; further skips in a row are not reported"
    ]


def test_a_lasting_fault_warns_once_of_each_rollback_of_skips_and_of_the_end(caplog):
    governor = train([math.nan] * 200)

    assert governor.stop_report is not None
    assert [message.split(",")[0].split(":")[1] for message in caplog.messages] == [
        " rolled back to the snapshot of step 20",
        " skipped",
        " rolled back to the snapshot of step 20",
        " training must stop",
    ]
    assert "end the loop when `verdict.must_stop` is true" in caplog.messages[-1]


def test_overflows_under_loss_scaling_give_no_warning(caplog):
    train([0.5], grad_norms=[math.inf], companions={"scaler": GradScaler("cpu", init_scale=8.0)})

    assert caplog.messages == []


def test_a_rollback_that_the_caller_orders_gives_no_warning(caplog):
    train([]).execute_rollback()

    assert caplog.messages == []


def test_the_seeds_that_a_rollback_prunes_are_named(caplog):
    model = SlottedNet()
    governor = TolariaGovernor(model)
    governor.snapshot()
    model.early.germinate("norm")
    governor.check_vital_signs(math.nan)
    governor.execute_rollback()

    assert caplog.messages[0].endswith("(newest snapshot); pruned the seeds of early")


def test_a_governor_with_a_listener_does_not_warn(caplog):
    channel = RecordingChannel()
    train([math.nan] * 200, channel=channel)

    assert "STOPPED" in channel.events
    assert caplog.messages == []


def test_a_run_that_cannot_be_restored_warns_of_its_end(caplog):
    governor = TolariaGovernor(nn.Linear(2, 2))
    governor.before_step(0.5)
    stored_snapshots(governor)[0].buffers.view("weight")[0, 0] += 1

    assert governor.before_step(math.nan).must_stop
    (message,) = caplog.messages
    assert "training must stop: a rollback needs an intact snapshot" in message


def test_a_snapshot_that_cannot_be_taken_any_more_is_warned_of(caplog):
    model = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters())
    config = GovernorConfig(snapshot_interval=1, optimizer_state="restore")
    governor = TolariaGovernor(model, optimizers=[optimizer], config=config)
    governor.before_step(1.0)
    optimizer.state[model.weight]["odd"] = torch.ones(2).to_sparse()

    assert governor.after_step().may_step

    (message,) = caplog.messages
    assert message.startswith(
        "step 1: no snapshot was taken: optimizer0/weight/odd must be a dense tensor in memory of its"
    )


LOOP = """
import torch
from torch import nn
from esper import TolariaGovernor

model = nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
governor = TolariaGovernor(model, optimizers=[optimizer])
for step in range(2000):
    loss = model(torch.randn(8, 4)).square().mean() + 0.1
    if step > 50:
        loss = loss * float("nan")
    optimizer.zero_grad()
    loss.backward()
    if governor.before_step(loss).may_step:
        optimizer.step()
    if governor.after_step().must_stop:
        break
print(step)
"""


def test_a_loop_that_checks_must_stop_ends_and_warnings_reach_the_terminal():
    done = subprocess.run([sys.executable, "-c", LOOP], capture_output=True, text=True, check=True)

    assert int(done.stdout) < 500
    assert "training must stop" in done.stderr.splitlines()[-1]
    assert len(done.stderr.splitlines()) < 20
