"""Comparison of a seed's gradient with its host's, after a backward pass."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol, final

import torch
from torch import Tensor, nn
from torch.nn.utils import get_total_norm

MAX_RATIO: Final = 10.0
"""Upper limit of ratios: beyond it the host's gradient is too small for a comparison."""

MIN_HOST_NORM: Final = 1e-8
"""A host whose gradient norm is smaller does not learn, and the ratio is 0."""

VANISHING_NORM: Final = 1e-7
"""A seed whose gradient norm is smaller has a vanishing gradient."""

EXPLODING_NORM: Final = 100.0
"""A seed whose gradient norm is larger, or not finite, has an exploding gradient."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class GradientHealth:
    """How a seed's gradient compares with its host's after one backward pass.

    Raises:
        ValueError: the ratio is negative or not finite.
    """

    ratio: float
    """Seed's gradient norm over the host's, each per square root of its parameters; 0 if they cannot be compared."""
    has_vanishing: bool
    has_exploding: bool
    epoch: int
    """Epoch of the capture, from 1; telemetry leaves out a capture with epoch 0."""

    def __post_init__(self) -> None:
        """Validate the ratio."""
        if not (math.isfinite(self.ratio) and self.ratio >= 0.0):
            raise ValueError(
                f"ratio must be finite and not negative, got {self.ratio}; pass 0 when not comparable"
            )


class _HasSeed(Protocol):
    """A slot, as far as a capture needs it."""

    def seed_parameters(self) -> Iterable[nn.Parameter]: ...

    def check_seed_ran(self) -> None: ...


def capture_gradient_health(
    slot: _HasSeed, host_parameters: Iterable[nn.Parameter], *, epoch: int
) -> GradientHealth | None:
    """Compare the gradients that the last backward pass left for a slot's seed and for the host.

    The ratio is (|g_seed| / |g_host|) sqrt(P_host / P_seed), at most `MAX_RATIO`; P counts the elements of the parameters
    that have a gradient. Call it after `backward` and before gradients are clipped. Returns None when there is no
    seed, or none of its parameters learns. Synchronizes with the device once.

    Raises:
        SlotError: a seed that should have learned from the loss did not run.
    """
    slot.check_seed_ran()
    seed_gradients, num_seed = _gradients(slot.seed_parameters())
    host_gradients, num_host = _gradients(host_parameters)
    if not seed_gradients:
        return None
    norms = [get_total_norm(gradients).float() for gradients in (seed_gradients, host_gradients)]
    seed_norm, host_norm = torch.stack([norm.to(norms[0].device) for norm in norms]).tolist()
    ratio = 0.0
    if math.isfinite(seed_norm) and MIN_HOST_NORM <= host_norm < math.inf:
        ratio = min(seed_norm / host_norm * math.sqrt(num_host / num_seed), MAX_RATIO)
    return GradientHealth(
        ratio=ratio,
        has_vanishing=seed_norm < VANISHING_NORM,
        has_exploding=not seed_norm <= EXPLODING_NORM,
        epoch=epoch,
    )


def _gradients(parameters: Iterable[nn.Parameter]) -> tuple[list[Tensor], int]:
    """Return the gradients that exist, and the number of their elements."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    return gradients, sum(gradient.numel() for gradient in gradients)
