"""Tests that losses and gradient norms may be numbers or tensors of any shape with one element."""

import re

import pytest
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from esper.tolaria.detection.loss_value import to_floats
from esper.tolaria.governor import TolariaGovernor

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


class Remote(Tensor):
    """A tensor that claims to be on an accelerator and counts how often the host copies one."""

    num_copies = 0

    @staticmethod
    def __new__(cls, inner):
        return Tensor._make_wrapper_subclass(
            cls, inner.shape, dtype=inner.dtype, device=torch.device("xla", 0)
        )

    def __init__(self, inner):
        self.inner = inner

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        to_host = func is torch.ops.aten._to_copy.default and kwargs.get("device") == CPU
        if to_host or func is torch.ops.aten._local_scalar_dense.default:
            Remote.num_copies += 1
        kwargs.pop("device", None)
        inner = tree_map_only(Remote, lambda one: one.inner, (args, kwargs))
        result = func(*inner[0], **inner[1])
        return cls(result) if isinstance(result, Tensor) and not to_host else result


CPU = torch.device("cpu")


def test_loss_and_norm_cross_from_a_device_in_one_copy():
    Remote.num_copies = 0

    both = to_floats(Remote(torch.tensor(0.5)), Remote(torch.tensor([2.0])))

    assert both == (0.5, 2.0)
    assert Remote.num_copies == 1


def test_a_step_waits_for_the_device_once():
    governor = TolariaGovernor(nn.Linear(1, 1))
    governor.before_step(0.5)
    Remote.num_copies = 0

    governor.before_step(Remote(torch.tensor(0.5)), Remote(torch.tensor(2.0)))
    governor.after_step()

    assert Remote.num_copies == 1
