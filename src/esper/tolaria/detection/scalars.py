"""Numbers out of tensors."""

import torch
from torch import Tensor

_LOSS, _NORM = "a loss", "a gradient norm"


def to_floats(loss: float | Tensor, grad_norm: float | Tensor | None) -> tuple[float, float | None]:
    """Return both as numbers; the host waits for the device here, once.

    Raises:
        ValueError: one of them is not one number.
    """
    if isinstance(loss, Tensor) and isinstance(grad_norm, Tensor) and not loss.is_cpu:
        _check(loss, _LOSS)
        _check(grad_norm, _NORM)
        # In float32: a norm that a half-precision loss dragged down to its own type would overflow.
        together = [one.detach().reshape(()).float().to(loss.device) for one in (loss, grad_norm)]
        loss, grad_norm = torch.stack(together).tolist()
    return _number(loss, _LOSS), None if grad_norm is None else _number(grad_norm, _NORM)


def _number(value: float | Tensor, name: str) -> float:
    if isinstance(value, Tensor):
        _check(value, name)
        return float(value.item())
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        got = "None" if value is None else f"a {type(value).__name__}"
        raise _refuse(name, got) from error


def _check(tensor: Tensor, name: str) -> None:
    if tensor.is_complex():
        raise _refuse(name, f"a tensor of {tensor.dtype}")
    if tensor.numel() != 1:
        raise _refuse(name, f"a tensor of shape {tuple(tensor.shape)}")


def _refuse(name: str, got: str) -> ValueError:
    return ValueError(f"{name} must be one number, got {got}; reduce a tensor, e.g. with .mean()")
