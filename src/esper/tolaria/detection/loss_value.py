"""Turns the losses and gradient norms that a training loop reports into numbers, waiting for the device only once."""

from __future__ import annotations

import torch
from torch import Tensor


def to_floats(loss: float | Tensor, grad_norm: float | Tensor | None) -> tuple[float, float | None]:
    """Return `loss` and `grad_norm` as numbers; tensors may have any shape with one element.

    If both are tensors on a device, the host waits for the device only once.

    Raises:
        ValueError: one of them is not one real number.
    """
    if (
        isinstance(loss, Tensor)
        and isinstance(grad_norm, Tensor)
        and not (loss.is_cpu or loss.is_meta)
    ):
        _check_scalar(loss, "a loss")
        _check_scalar(grad_norm, "a gradient norm")
        # As float32: in the dtype of a half-precision loss a gradient norm could overflow.
        together = [one.detach().reshape(()).float().to(loss.device) for one in (loss, grad_norm)]
        loss, grad_norm = torch.stack(together).cpu().tolist()
    loss = _to_float(loss, "a loss")
    return loss, None if grad_norm is None else _to_float(grad_norm, "a gradient norm")


def _to_float(value: float | Tensor, name: str) -> float:
    if isinstance(value, Tensor):
        _check_scalar(value, name)
        try:
            return float(value.item())
        except (RuntimeError, NotImplementedError) as error:
            # Meta and fake tensors have a shape but no value.
            raise _not_one_number(name, f"a {type(value).__name__} without a value") from error
    if isinstance(value, str | bytes):
        # `float` would read a text, but a loss that comes as one is a mistake of the loop.
        raise _not_one_number(name, f"the text {value!r}")
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        got = "None" if value is None else f"a {type(value).__name__}"
        raise _not_one_number(name, got) from error


def _check_scalar(tensor: Tensor, name: str) -> None:
    if tensor.is_complex():
        raise _not_one_number(name, f"a tensor of {tensor.dtype}")
    if tensor.numel() != 1:
        raise _not_one_number(name, f"a tensor of shape {tuple(tensor.shape)}")


def _not_one_number(name: str, got: str) -> ValueError:
    return ValueError(f"{name} must be one number, got {got}; reduce a tensor, e.g. with .mean()")
