"""Numbers out of tensors."""

import torch
from torch import Tensor


def to_floats(loss: float | Tensor, grad_norm: float | Tensor | None) -> tuple[float, float | None]:
    """Return both as numbers; the host waits for the device here, once."""
    if isinstance(loss, Tensor) and isinstance(grad_norm, Tensor) and not loss.is_cpu:
        # In float32: a norm that a half-precision loss dragged down to its own type would overflow.
        together = (loss.detach().float(), grad_norm.detach().float().to(loss.device))
        loss, grad_norm = torch.stack(together).tolist()
    return _to_float(loss), None if grad_norm is None else _to_float(grad_norm)


def _to_float(number: float | Tensor) -> float:
    return float(number.item() if isinstance(number, Tensor) else number)
