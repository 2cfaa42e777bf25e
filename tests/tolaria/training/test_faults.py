"""Injected faults take effect at their epoch and nowhere else."""

import pytest
import torch

from esper.leyline.errors import UsageError
from esper.tolaria.training.faults import Fault, damaged, parse_fault


def test_a_nan_damages_one_step():
    fault = parse_fault("nan@12")

    damaged_steps = [(e, s) for e in range(10, 15) for s in range(3) if fault.damages_loss(e, s)]

    assert damaged_steps == [(12, 0)]
    assert {fault.learning_rate_factor(epoch) for epoch in range(20)} == {1.0}


def test_a_spike_lasts_three_epochs():
    fault = parse_fault("spike@15")

    assert [fault.learning_rate_factor(e) for e in range(14, 19)] == [1.0, 100.0, 100.0, 100.0, 1.0]
    assert not any(fault.damages_loss(epoch, 0) for epoch in range(20))


def test_a_damaged_loss_damages_every_gradient():
    weight = torch.ones(3, requires_grad=True)

    damaged((weight * 2).sum()).backward()

    assert weight.grad is not None
    assert weight.grad.isnan().all()


@pytest.mark.parametrize(
    "text", ["", "nan", "nan@", "nan@x", "nan@-1", "nan@0", "flood@3", "NAN@3"]
)
def test_other_forms_are_rejected(text):
    with pytest.raises(UsageError, match=r"a fault must be nan@EPOCH or spike@EPOCH .* try nan@12"):
        parse_fault(text)


def test_faults_compare_by_value():
    assert parse_fault("nan@12") == Fault(kind="nan", epoch=12)
