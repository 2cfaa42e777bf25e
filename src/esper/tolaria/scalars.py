"""Numbers out of tensors."""

import torch
from torch import Tensor


def to_floats(loss: float | Tensor, grad_norm: float | Tensor | None) -> tuple[float, float | None]:
    """Return both as numbers; the host waits for the device here, once."""
    if isinstance(loss, Tensor) and isinstance(grad_norm, Tensor):
        loss, grad_norm = torch.stack((loss.detach(), grad_norm.detach().to(loss))).tolist()
    return float(loss), None if grad_norm is None else float(grad_norm)
