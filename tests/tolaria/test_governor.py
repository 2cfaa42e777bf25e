"""Tests of the governor in a loop that calls check_vital_signs, snapshot and execute_rollback itself."""

import copy
import math
import pickle

import pytest
import torch
from torch import nn

from esper._generated.enums import EscalationAction, LossSeries, PanicReason, Severity
from esper._generated.governor import (
    GovernorPanicPayload,
    GovernorRollbackPayload,
    GovernorSnapshotFailedPayload,
    GovernorSnapshotPayload,
    GovernorStoppedPayload,
)
from esper.leyline.errors import SnapshotError
from esper.tolaria.detection.detector import SigmaDetector
from esper.tolaria.governor import TolariaGovernor
from esper.tolaria.recovery.config import GovernorConfig
from esper.tolaria.recovery.escalation import EscalationConfig
from esper.tolaria.snapshots import buffers
from esper.tolaria.snapshots.finite import NotFiniteError
from tests.tolaria.disk import through_disk
from tests.tolaria.networks import dense_net, same, scramble, state_of, stored_snapshots
from tests.tolaria.recording_channel import RecordingChannel

HEALTHY = [1.0, 1.1] * 5


def governed(model=None, **settings) -> tuple[TolariaGovernor, RecordingChannel]:
    """Return a governor with the sigma rule after ten healthy checks, and the channel it emits to."""
    channel = RecordingChannel()
    settings.setdefault("detector", SigmaDetector(random_guess_loss=math.log(10)))
    governor = TolariaGovernor(model or dense_net(), channel=channel, **settings)
    for loss in HEALTHY:
        governor.check_vital_signs(loss)
    return governor, channel


def test_the_documented_loop_works():
    model = dense_net()
    governor, _ = governed(model)
    governor.snapshot()
    before = state_of(model)
    scramble(model)

    if governor.check_vital_signs(math.nan):
        governor.execute_rollback()

    assert same(state_of(model), before)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_governor_cannot_be_copied(copied):
    message = r"cannot be copied or pickled; build another one and give it .*load_state_dict\(other"
    with pytest.raises(TypeError, match=message):
        copied(TolariaGovernor(dense_net()))


def test_a_light_state_holds_the_newest_snapshot_only():
    model = dense_net()
    governor, _ = governed(model)
    for _ in range(3):
        governor.snapshot()
        scramble(model)
    newest = governor.snapshot()
    before = state_of(model)

    other = TolariaGovernor(model, detector=SigmaDetector(random_guess_loss=math.log(10)))
    other.load_state_dict(through_disk(governor.state_dict(light=True)))

    assert other.snapshots == (newest,)
    assert len(governor.snapshots) > 1
    scramble(model)
    other.execute_rollback()
    assert same(state_of(model), before)


def test_a_healthy_check_emits_nothing():
    governor, channel = governed()

    verdict = governor.check_vital_signs(torch.tensor(1.0))

    assert not verdict
    assert verdict.severity is Severity.OK
    assert channel.payloads == []


def test_a_snapshot_is_returned_and_emitted():
    governor, channel = governed()

    info = governor.snapshot()

    (payload,) = channel.of(GovernorSnapshotPayload)
    for field in ("snapshot_id", "step", "num_keys", "num_bytes", "checksum", "fingerprint"):
        assert getattr(payload, field) == getattr(info, field)
    assert (info.snapshot_id, info.step) == (0, len(HEALTHY))


def test_every_anomalous_check_is_emitted_whether_or_not_it_rolls_back():
    governor, channel = governed()

    verdicts = [governor.check_vital_signs(50.0) for _ in range(3)]

    assert [bool(verdict) for verdict in verdicts] == [False, False, True]
    payloads = channel.of(GovernorPanicPayload)
    assert [panic.severity.name for panic in payloads] == ["PANIC", "PANIC", "ROLLBACK"]
    assert [panic.consecutive_panics for panic in payloads] == [1, 2, 3]
    assert {panic.series for panic in payloads} == {LossSeries.CHECKS}
    assert {panic.reason for panic in payloads} == {PanicReason.DIVERGENCE}


@pytest.mark.parametrize(
    ("losses", "reason", "panics"),
    [
        ([math.nan], PanicReason.NAN, 1),
        ([math.log(10)], PanicReason.LOBOTOMY, 1),
        ([50.0] * 3, PanicReason.DIVERGENCE, 3),
        ([50.0, 1.0, 50.0, math.inf], PanicReason.NAN, 2),
        ([], PanicReason.ORDERED, 0),
    ],
    ids=["nan", "collapse", "divergence", "mixed", "ordered"],
)
def test_a_rollback_reports_what_led_to_it_once(losses, reason, panics):
    governor, channel = governed()
    taken = governor.snapshot()
    for loss in losses:
        governor.check_vital_signs(loss)

    report = governor.execute_rollback()

    (payload,) = channel.of(GovernorRollbackPayload)
    assert (report.reason, report.consecutive_panics) == (reason, panics)
    assert (payload.reason, payload.consecutive_panics) == (reason, panics)
    assert repr(report.loss_at_panic) == repr(losses[-1] if losses else None)
    assert (report.snapshot_id, report.num_keys) == (taken.snapshot_id, taken.num_keys)
    assert governor.last_rollback is report


def test_panics_are_counted_again_after_a_rollback():
    governor, _ = governed()
    governor.snapshot()
    for loss in (50.0, 50.0, math.nan):
        governor.check_vital_signs(loss)
    governor.execute_rollback()

    assert governor.check_vital_signs(50.0).consecutive_panics == 1


def test_a_rollback_reports_the_steps_it_goes_from_and_to():
    governor, _ = governed()
    governor.snapshot()
    for _ in range(4):
        governor.check_vital_signs(1.0)

    report = governor.execute_rollback()

    assert (report.to_step, report.from_step) == (10, 14)
    assert governor.step == 14


def test_without_a_snapshot_a_rollback_is_impossible():
    governor, channel = governed()

    with pytest.raises(SnapshotError, match="a rollback needs an intact snapshot, got 0 corrupt"):
        governor.execute_rollback()
    assert channel.payloads == []


def trained(optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
    """Take a step, so that every group of `optimizer` has a state, and return it."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    return optimizer


def test_every_group_of_every_optimizer_is_cleared():
    model = dense_net()
    first = torch.optim.Adam([{"params": [model[0].weight]}, {"params": [model[0].bias]}])
    second = torch.optim.SGD(model[3].parameters(), momentum=0.9)
    governor, _ = governed(model, optimizers=[trained(first), trained(second)])
    governor.snapshot()

    governor.execute_rollback()

    assert not first.state
    assert not second.state


def test_optimizer_states_are_restored_on_request():
    model = nn.Linear(2, 2)
    optimizer = trained(torch.optim.Adam(model.parameters()))
    config = GovernorConfig(optimizer_state="restore")
    governor, _ = governed(model, optimizers={"adam": optimizer}, config=config)
    before = str(optimizer.state_dict())
    governor.snapshot()
    trained(optimizer)

    governor.execute_rollback()

    assert str(optimizer.state_dict()) == before


def test_random_generators_are_restored_on_request():
    governor, _ = governed(config=GovernorConfig(random_state=True))
    governor.snapshot()
    drawn = torch.rand(3)

    governor.execute_rollback()

    assert torch.equal(torch.rand(3), drawn)


def test_a_corrupt_snapshot_is_reported_and_the_next_older_one_restored():
    model = dense_net()
    governor, channel = governed(model)
    governor.snapshot()
    before = state_of(model)
    scramble(model)
    newest = governor.snapshot()
    stored_snapshots(governor)[0].buffers.view("0.weight")[0, 0] += 1
    governor.check_vital_signs(math.nan)

    report = governor.execute_rollback()

    (payload,) = channel.of(GovernorSnapshotFailedPayload)
    assert (payload.fault.name, payload.snapshot_id) == ("CORRUPT", newest.snapshot_id)
    assert report.corrupt_snapshots == (newest.snapshot_id,)
    assert same(state_of(model), before)


@pytest.mark.parametrize(("value", "fault"), [(torch.nan, "NOT_FINITE"), (0.0, "NOT_COPIED")])
def test_a_snapshot_that_fails_is_reported_and_raised_and_the_last_one_kept(
    value, fault, monkeypatch
):
    model = dense_net()
    governor, channel = governed(model)
    before = state_of(model)
    governor.snapshot()
    model[0].weight.data.fill_(value)
    if fault == "NOT_COPIED":
        monkeypatch.setattr(buffers, "_mix", lambda *_: (_ for _ in ()).throw(MemoryError("full")))

    with pytest.raises(NotFiniteError if fault == "NOT_FINITE" else SnapshotError):
        governor.snapshot()
    monkeypatch.undo()
    governor.execute_rollback()

    assert [payload.fault.name for payload in channel.of(GovernorSnapshotFailedPayload)] == [fault]
    assert same(state_of(model), before)


def test_repeated_rollbacks_restore_older_snapshots_and_finally_stop():
    budget = EscalationConfig(budget=3)
    model = dense_net()
    governor, channel = governed(model, config=GovernorConfig(escalation=budget))
    for _ in range(4):
        model[0].bias.data += 1.0
        governor.snapshot()

    seen = []
    while not governor.stop_report:
        assert governor.check_vital_signs(math.nan)
        seen.append(governor.execute_rollback().snapshot_id)

    assert seen == [3, 2, 3, 3]
    (payload,) = channel.of(GovernorStoppedPayload)
    assert payload.snapshot_ids == (3, 2, 3, 3)
    assert payload.tried[-1] is EscalationAction.STOP
    assert payload.message == governor.stop_report.message
    assert governor.check_vital_signs(1.0).severity is Severity.STOP


def test_the_verdict_beyond_the_budget_must_stop():
    governor, _ = governed(config=GovernorConfig(escalation=EscalationConfig(budget=1)))
    governor.snapshot()

    severities = []
    for _ in range(2):
        severities.append(governor.check_vital_signs(math.nan).severity)
        governor.execute_rollback()

    assert severities == [Severity.ROLLBACK, Severity.STOP]
    assert governor.check_vital_signs(1.0).must_stop


def test_rollbacks_that_the_caller_orders_are_not_counted():
    governor, _ = governed()
    governor.snapshot()

    reports = [governor.execute_rollback() for _ in range(10)]

    assert {report.attempt for report in reports} == {1}
    assert governor.stop_report is None


def test_continues_identically_after_loading_its_state_dict():
    model = dense_net()
    governor, _ = governed(model)
    governor.snapshot()
    governor.check_vital_signs(50.0)
    resumed = TolariaGovernor(
        model, detector=SigmaDetector(), channel=(new_channel := RecordingChannel())
    )

    resumed.load_state_dict(through_disk(governor.state_dict()))

    assert new_channel.payloads == []
    for loss in (50.0, 50.0):
        assert resumed.check_vital_signs(loss) == governor.check_vital_signs(loss)
    assert resumed.execute_rollback().snapshot_id == governor.execute_rollback().snapshot_id
    assert resumed.snapshot().snapshot_id == governor.snapshot().snapshot_id


def test_weights_of_an_anomalous_check_are_not_trusted():
    model = dense_net()
    governor, _ = governed(model)
    for loss in [1.0] * 12:
        governor.check_vital_signs(loss)
        governor.snapshot()
    healthy = state_of(model)

    scramble(model)
    assert governor.check_vital_signs(50.0).severity is Severity.PANIC
    governor.snapshot()
    governor.check_vital_signs(math.nan)
    governor.execute_rollback()

    assert same(state_of(model), healthy)


def test_the_end_of_a_run_is_saved():
    governor, _ = governed(config=GovernorConfig(escalation=EscalationConfig(budget=1)))
    fresh = through_disk(governor.state_dict())
    governor.snapshot()
    for _ in range(2):
        governor.check_vital_signs(math.nan)
        governor.execute_rollback()
    resumed, _ = governed()

    resumed.load_state_dict(through_disk(governor.state_dict()))

    assert resumed.stop_report == governor.stop_report
    assert resumed.check_vital_signs(1.0).severity is Severity.STOP
    resumed.load_state_dict(fresh)
    assert resumed.check_vital_signs(1.0).severity is Severity.OK


def test_a_foreign_state_dict_is_refused_and_changes_nothing():
    model = dense_net()
    governor, _ = governed(model)
    governor.snapshot()
    before = str(governor.state_dict())
    other, _ = governed(nn.Linear(2, 2))
    other.snapshot()

    with pytest.raises(ValueError, match="must be what `state_dict` of a governor with the same"):
        governor.load_state_dict(TolariaGovernor(model).state_dict())
    with pytest.raises(SnapshotError, match="outside its slots a model must be built as it was"):
        governor.load_state_dict(other.state_dict())

    assert str(governor.state_dict()) == before


def test_works_the_same_without_a_listener():
    model = dense_net()
    governor = TolariaGovernor(model)
    governor.snapshot()
    before = state_of(model)
    scramble(model)

    assert governor.check_vital_signs(math.nan)
    governor.execute_rollback()

    assert same(state_of(model), before)


class Halfway:
    """Has only one of the methods of a detector."""

    def check(self, loss):
        pass


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model": "m"}, "model must be of type Module, got 'm'; pass the network"),
        (
            {"companions": [3]},
            r"companions must be a mapping .*, got a value of type list; write comp",
        ),
        ({"companions": []}, "companions must be a mapping of names to them"),
        (
            {"companions": {3: nn.Linear(1, 1)}},
            "the name of a companion must be of type str, got 3",
        ),
        ({"companions": {"ema": nn.Linear}}, "must be an instance, got the class Linear as 'ema'"),
        (
            {"config": {"max_skips": 3}},
            r"config must be of type GovernorConfig, got .* dict; write G",
        ),
        ({"config": {}}, "config must be of type GovernorConfig, got a value of type dict"),
        ({"detector": 3}, "detector must have check, .*, got 3 without check, expect_shift"),
        ({"detector": SigmaDetector}, r"detector must be an instance, .*; write SigmaDetector\(\)"),
        ({"step_detector": 0}, "step_detector must have check, .*, got 0 without check"),
        ({"step_detector": Halfway()}, "Halfway without expect_shift, rewind, state_dict, load"),
    ],
)
def test_arguments_of_another_type_are_refused(arguments, message):
    model = arguments.pop("model", dense_net())

    with pytest.raises(ValueError, match=message):
        TolariaGovernor(model, **arguments)


def test_the_optimizer_of_another_model_is_refused_by_its_name():
    other = dense_net()
    optimizers = {"sgd": torch.optim.SGD(other.parameters())}

    message = "must train parameters of the model or of a companion, got SGD as sgd, which has none"
    with pytest.raises(ValueError, match=message):
        TolariaGovernor(dense_net(), optimizers=optimizers)
    TolariaGovernor(dense_net(), optimizers=optimizers, companions={"critic": other})
