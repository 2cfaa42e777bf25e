"""Tests of whole steps under the governor: windows, loss scales, clipping and schedules."""

import math

import pytest
import torch
from torch import nn
from torch.amp import GradScaler
from torch.optim.lr_scheduler import ReduceLROnPlateau, StepLR
from torch.utils._python_dispatch import TorchDispatchMode

from esper._generated.enums import Severity
from esper.tolaria.governor import TolariaGovernor
from esper.tolaria.stepper import Stepper


def setting(*, scaler=None, **settings):
    """Return a network of one weight 1, its optimizer and a stepper."""
    model = nn.Linear(1, 1, bias=False)
    nn.init.ones_(model.weight)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    companions = {} if scaler is None else {"scaler": scaler}
    governor = TolariaGovernor(model, optimizers=[optimizer], companions=companions)
    return model, Stepper(governor, optimizers=[optimizer], scaler=scaler, **settings)


def loss_of(model, factor=1.0):
    return (model(torch.ones(1, 1)) * factor).sum()


def test_a_step_is_that_of_plain_pytorch():
    model, stepper = setting()

    verdict = stepper.step(loss_of(model))

    assert verdict.severity is Severity.OK
    assert verdict.loss == 1.0
    assert stepper.has_stepped
    assert model.weight.item() == pytest.approx(0.9)


def test_a_window_is_one_step_with_the_mean_of_its_losses():
    model, stepper = setting(accumulate=2)

    stepper.step(loss_of(model, 1.0))
    assert not stepper.has_stepped
    verdict = stepper.step(loss_of(model, 3.0))

    assert stepper.has_stepped
    assert verdict.loss == 2.0
    assert model.weight.item() == pytest.approx(0.8)


def test_an_incomplete_window_is_not_judged_until_the_run_is_stopped():
    model, stepper = setting(accumulate=2)

    verdicts = [stepper.step(loss_of(model, float("nan"))) for _ in range(800)]

    assert verdicts[0].severity is Severity.OK
    assert math.isnan(verdicts[0].loss)
    assert verdicts[1].needs_rollback
    assert all(verdict.must_stop for verdict in verdicts[-2:])


def test_an_optimizer_that_the_governor_does_not_hold_is_refused():
    model, _ = setting()
    other = torch.optim.Adam(model.parameters())

    with pytest.raises(ValueError, match=r"among those of the governor.*got Adam"):
        Stepper(TolariaGovernor(model), optimizers=[other])


def test_a_bad_loss_refuses_its_whole_window_and_no_other():
    model, stepper = setting(accumulate=2)
    losses = [1.0, float("nan"), 1.0, 1.0]

    verdicts = [stepper.step(loss_of(model, factor)) for factor in losses]

    assert [verdict.severity.name for verdict in verdicts] == ["OK", "ROLLBACK", "OK", "OK"]
    assert model.weight.item() == pytest.approx(0.9)


def test_gradients_are_clipped():
    model, stepper = setting(max_norm=0.5)

    stepper.step(loss_of(model))

    assert model.weight.item() == pytest.approx(0.95)


@pytest.mark.parametrize("is_inside", [True, False])
def test_an_overflow_lowers_the_scale_once_wherever_update_is_called(is_inside):
    scaler = GradScaler("cpu", init_scale=1024.0)
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    governor = TolariaGovernor(model, optimizers=[optimizer], companions={"scaler": scaler})
    scales = []
    for step in range(5):
        optimizer.zero_grad()
        loss = loss_of(model)
        scaler.scale(loss).backward()
        if step in (2, 3):
            model.weight.grad.fill_(torch.inf)
        scaler.unscale_(optimizer)
        norm = nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        may_step = governor.before_step(loss, norm).may_step
        if may_step:
            scaler.step(optimizer)
        if may_step or not is_inside:
            scaler.update()
        governor.after_step()
        scales.append(scaler.get_scale())

    assert scales == [1024.0, 1024.0, 512.0, 256.0, 256.0]


@pytest.mark.parametrize("is_unscaled", [True, False])
def test_a_loss_of_nan_does_not_change_the_scale(is_unscaled):
    scaler = GradScaler("cpu", init_scale=1024.0)
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    governor = TolariaGovernor(model, optimizers=[optimizer], companions={"scaler": scaler})
    for factor in (1.0, float("nan"), 1.0):
        optimizer.zero_grad()
        loss = loss_of(model, factor)
        scaler.scale(loss).backward()
        if is_unscaled:
            scaler.unscale_(optimizer)
        if governor.before_step(loss).may_step:
            scaler.step(optimizer)
        scaler.update()
        governor.after_step()

    assert scaler.get_scale() == 1024.0


def test_overflows_are_skipped_until_the_scale_fits():
    model, stepper = setting(scaler=GradScaler("cpu", init_scale=2.0**127))

    # A gradient of 8 times the scale is infinite in float32 until the scale is 2 to the power of 124.
    verdicts = [stepper.step(loss_of(model, 8.0)).severity.name for _ in range(5)]

    assert verdicts == ["SKIP", "SKIP", "SKIP", "OK", "OK"]


def test_a_schedule_advances_with_the_steps_that_are_taken():
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scheduler = StepLR(optimizer, 1)
    governor = TolariaGovernor(model, optimizers=[optimizer])
    stepper = Stepper(governor, optimizers=[optimizer], schedulers=[scheduler])

    for factor in (1.0, float("nan"), 1.0):
        stepper.step(loss_of(model, factor))

    assert scheduler.last_epoch == 2


def test_the_gradient_norm_of_sparse_gradients_is_judged():
    model = nn.Embedding(4, 2, sparse=True)
    optimizer = torch.optim.SparseAdam(model.parameters())
    stepper = Stepper(TolariaGovernor(model, optimizers=[optimizer]), optimizers=[optimizer])
    index = torch.tensor([1])

    assert stepper.step(model(index).sum()).severity is Severity.OK
    assert stepper.step(model(index).sum() * torch.inf).severity is not Severity.OK


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"optimizers": None},
            r"optimizers must be a list, got None; write optimizers=\[optimizer",
        ),
        ({"optimizers": [None]}, "an optimizer must be of type Optimizer, got None"),
        ({"accumulate": 0}, "accumulate must be at least 1, got 0"),
        ({"max_norm": -1.0}, "max_norm must be at least 0, got -1.0"),
        (
            {"scaler": GradScaler("cpu")},
            "scaler must be a companion of the governor, got another one",
        ),
        ({"scaler": 1}, "scaler must be of type GradScaler, got 1"),
    ],
)
def test_wrong_arguments_are_refused(settings, message):
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(ValueError, match=message):
        Stepper(TolariaGovernor(model), **{"optimizers": [optimizer], **settings})


def test_optimizers_that_need_a_closure_are_refused():
    model = nn.Linear(1, 1)
    optimizer = torch.optim.LBFGS(model.parameters())
    with pytest.raises(
        ValueError, match="must step without a closure, got LBFGS; call before_step"
    ):
        Stepper(TolariaGovernor(model), optimizers=[optimizer])


OPTIMIZERS = {
    "sgd": lambda parameters: torch.optim.SGD(parameters, lr=0.1),
    "fused sgd": lambda parameters: torch.optim.SGD(
        parameters, lr=0.1, momentum=0.9, weight_decay=0.1, fused=True
    ),
    "fused adamw": lambda parameters: torch.optim.AdamW(parameters, lr=0.1, fused=True),
    "fused adagrad": lambda parameters: torch.optim.Adagrad(parameters, lr=0.1, fused=True),
}


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
@pytest.mark.parametrize("factor", [float("nan"), float("inf")])
def test_an_unjudged_step_that_is_not_finite_changes_nothing(make, factor):
    models = [nn.Linear(1, 1), nn.Linear(1, 1)]
    models[1].load_state_dict(models[0].state_dict())
    for model, factors in zip(models, ([1.0, factor, 2.0], [1.0, 2.0]), strict=True):
        optimizer = make(model.parameters())
        stepper = Stepper(
            TolariaGovernor(model, optimizers=[optimizer]), optimizers=[optimizer], judge_every=4
        )
        for each in factors:
            stepper.step(loss_of(model, each))

    for one, other in zip(models[0].parameters(), models[1].parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(
    ("name", "settings"), [("Adam", {}), ("RMSprop", {}), ("SGD", {"momentum": 0.9})]
)
def test_an_unjudged_step_that_is_not_finite_is_masked_for_every_optimizer(name, settings):
    model = nn.Linear(1, 1)
    optimizer = getattr(torch.optim, name)(model.parameters(), lr=0.1, **settings)
    governor = TolariaGovernor(model, optimizers=[optimizer])
    stepper = Stepper(governor, optimizers=[optimizer], judge_every=3)

    verdicts = [stepper.step(loss_of(model, factor)) for factor in (1.0, float("nan"), 3.0)]

    assert model.weight.isfinite().all()
    assert governor.step == 1
    assert [verdict.severity for verdict in verdicts] == [Severity.OK] * 3


def test_the_mean_of_finite_losses_is_judged():
    model, stepper = setting(judge_every=3)
    for factor in (1.0, float("nan")):
        stepper.step(loss_of(model, factor))
    third = loss_of(model, 3.0)

    assert stepper.step(third).loss == pytest.approx((1.0 + third.item()) / 2)


def test_losses_that_are_all_nan_are_seen_at_the_next_judgement():
    model, stepper = setting(judge_every=3)
    for _ in range(3):
        stepper.step(loss_of(model))

    verdicts = [stepper.step(loss_of(model, float("nan"))).severity.name for _ in range(3)]

    assert verdicts == ["OK", "OK", "ROLLBACK"]
    assert model.weight.isfinite().all()


def test_every_step_is_judged_while_the_run_recovers():
    model, stepper = setting(judge_every=3)
    for factor in [1.0] * 3 + [float("nan")] * 3:
        stepper.step(loss_of(model, factor))

    assert stepper.step(loss_of(model, float("nan"))).severity is Severity.SKIP
    assert stepper.step(loss_of(model)).severity is Severity.OK


class Transfers(TorchDispatchMode):
    """Counts how often the host reads a number of a tensor."""

    def __init__(self):
        super().__init__()
        self.num = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.num += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


def test_the_host_waits_only_when_a_window_is_judged():
    model = nn.Linear(1, 1)
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    governor = TolariaGovernor(model, optimizers=[optimizer])
    stepper = Stepper(governor, optimizers=[optimizer], judge_every=3, max_norm=1.0)
    for _ in range(3):
        stepper.step(loss_of(model))

    with Transfers() as between:
        for _ in range(2):
            stepper.step(loss_of(model))
    with Transfers() as judged:
        stepper.step(loss_of(model))

    assert (between.num, judged.num) == (0, 2)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (lambda one: {"optimizers": []}, "optimizers must hold at least one, got an empty list"),
        (lambda one: {"optimizers": one}, r"write optimizers=\[optimizer\]"),
        (
            lambda one: {"optimizers": [one], "schedulers": StepLR(one, 1)},
            r"write schedulers=\[scheduler\]",
        ),
        (
            lambda one: {"optimizers": [one], "schedulers": ["cosine"]},
            "a scheduler must be of type LRScheduler, got 'cosine'",
        ),
        (
            lambda one: {"optimizers": [one], "schedulers": [ReduceLROnPlateau(one)]},
            "must advance without a metric, got ReduceLROnPlateau; leave it out",
        ),
    ],
    ids=["no optimizer", "one optimizer", "one scheduler", "text", "needs a metric"],
)
def test_optimizers_and_schedulers_that_could_fail_in_a_step_are_refused(settings, message):
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    with pytest.raises(ValueError, match=message):
        Stepper(TolariaGovernor(model), **settings(optimizer))


def test_a_loss_that_is_not_a_tensor_is_refused():
    _, stepper = setting()

    with pytest.raises(ValueError, match=r"loss must be of type Tensor, got 1\.0; pass the tensor"):
        stepper.step(1.0)
