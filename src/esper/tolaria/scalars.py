"""Numbers out of tensors."""

import torch
from torch import Tensor


def to_floats(loss: float | Tensor, grad_norm: float | Tensor | None) -> tuple[float, float | None]:
    """Return both as numbers; the host waits for the device here, once.

    Raises:
        ValueError: one of them is not one number.
    """
    loss = _check(loss, "a loss")
    if grad_norm is not None:
        grad_norm = _check(grad_norm, "a gradient norm")
    if isinstance(loss, Tensor) and isinstance(grad_norm, Tensor) and not loss.is_cpu:
        # In float32: a norm that a half-precision loss dragged down to its own type would overflow.
        together = (loss.float(), grad_norm.float().to(loss.device))
        loss, grad_norm = torch.stack(together).tolist()
    return float(loss), None if grad_norm is None else float(grad_norm)


def _check(number: float | Tensor, name: str) -> float | Tensor:
    """Return `number` as a float, or as a tensor without dimensions and history."""
    if isinstance(number, Tensor):
        if number.is_complex():
            raise _refuse(name, f"a tensor of {number.dtype}")
        if number.numel() != 1:
            raise _refuse(name, f"a tensor of shape {tuple(number.shape)}")
        return number.detach().reshape(())
    try:
        return float(number)
    except (TypeError, ValueError) as error:
        got = "None" if number is None else f"a {type(number).__name__}"
        raise _refuse(name, got) from error


def _refuse(name: str, got: str) -> ValueError:
    return ValueError(f"{name} must be one number, got {got}; reduce a tensor, e.g. with .mean()")
