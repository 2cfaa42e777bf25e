"""Tests that losses and gradient norms may be numbers or tensors of any shape with one element."""

import re

import pytest
import torch

from esper.tolaria.detection.loss_value import to_floats

DEVICES = [
    "cpu",
    pytest.param(
        "cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
    ),
]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("loss_shape", "norm_shape"), [((), ()), ((1,), ()), ((), (1, 1))])
def test_a_tensor_with_one_element_is_a_number(device, loss_shape, norm_shape):
    loss = torch.full(loss_shape, 0.5, device=device, requires_grad=True)
    norm = torch.full(norm_shape, 2.0, device=device)

    assert to_floats(loss, norm) == (0.5, 2.0)


def test_numbers_are_unchanged_and_a_missing_norm_stays_none():
    assert to_floats(0.5, None) == (0.5, None)
    assert to_floats(torch.tensor(1), 2) == (1.0, 2.0)


@pytest.mark.parametrize(
    ("value", "got"),
    [
        (None, "None"),
        ([0.5], "a list"),
        ("0.5", "the text '0.5'"),
        (b"0.5", "the text b'0.5'"),
        (torch.zeros((), device="meta"), "a Tensor without a value"),
        (torch.zeros(2, 3), "a tensor of shape (2, 3)"),
        (torch.zeros(0), "a tensor of shape (0,)"),
        (torch.zeros(2, device="meta"), "a tensor of shape (2,)"),
        (torch.tensor(1j), "a tensor of torch.complex64"),
    ],
)
def test_anything_but_one_number_is_refused(value, got):
    message = f"{{}} must be one number, got {got}; reduce a tensor, e.g. with .mean()"
    with pytest.raises(ValueError, match=re.escape(message.format("a loss"))):
        to_floats(value, torch.tensor(1.0))
    if value is not None:
        with pytest.raises(ValueError, match=re.escape(message.format("a gradient norm"))):
            to_floats(torch.tensor(0.5), value)
