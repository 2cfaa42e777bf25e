"""Blueprints for images, (B, C, H, W), and for signals, (B, C, L); the output has the same shape.

All seeds start close to the identity and able to learn: their first output changes the features little, and no
layer starts at a point where its gradient vanishes. In particular, a convolution that starts at zero before a norm and a
ReLU would never learn.
"""

from typing import Final, final

import torch
from torch import Tensor, nn

from esper.kasmina.blueprints.residual import NormSeed, ResidualSeed

QUIET_GAIN: Final = 0.1
"""Initial gain of the last norm of a residual branch: small next to the features, yet each ReLU still passes half."""

SQUEEZE: Final = 4
"""Channels per hidden unit of channel attention (Hu et al., Squeeze-and-Excitation Networks, 2018, use 16)."""

OPEN_BIAS: Final = 3.0
"""Initial bias of channel attention: sigmoid(3) weighs each channel by 0.95."""


Convolution = type[nn.Conv1d] | type[nn.Conv2d]
"""Class of the convolutions: over the length of signals, or over the height and width of images."""


def group_norm(channels: int, *, gain: float = 1.0) -> nn.GroupNorm:
    """Return a group norm with up to 32 groups of at least 16 channels each.

    Fewer channels than that form one group. Were each channel a group, a channel of a 1x1 map would be normalized to
    zero.
    """
    groups = next((g for g in (32, 16, 8, 4, 2) if channels % g == 0 and channels // g >= 16), 1)
    norm = _GroupNorm(groups, channels)
    nn.init.constant_(norm.weight, gain)
    return norm


@final
class _GroupNorm(nn.GroupNorm):
    """A group norm whose backward pass does not crash on features in the memory format channels_last."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the normalized `x`, of any shape (B, C, ...)."""
        # On CPUs PyTorch 2.13 dereferences a null pointer for features in channels_last that need no gradient, such as those
        # of an isolated seed.
        return super().forward(x if x.requires_grad else x.contiguous())


@final
class ChannelAttentionSeed(nn.Module):
    """Weighs channels by their mean over space (squeeze-and-excitation). 2C max(1, C // 4) + C parameters."""

    def __init__(self, channels: int) -> None:
        """Build the seed; it starts with all weights at 0.95 or close to it."""
        super().__init__()
        hidden = max(1, channels // SQUEEZE)
        self.squeeze = nn.Linear(channels, hidden, bias=False)
        self.excite = nn.Linear(hidden, channels)
        nn.init.constant_(self.excite.bias, OPEN_BIAS)
        # Not ReLU: with so few units, all may be dead from the start.
        self.activation = nn.SiLU()

    def forward(self, x: Tensor) -> Tensor:
        """Return `x`, (B, C, H, W) or (B, C, L), with each channel of each sample multiplied by a weight in [0, 1]."""
        pooled = x.mean(dim=tuple(range(2, x.ndim)))
        weights = torch.sigmoid(self.excite(self.activation(self.squeeze(pooled))))
        return x * weights.reshape(*weights.shape, *[1] * (x.ndim - 2))


def norm(channels: int) -> nn.Module:
    """Return a learned mixture of the features and their group norm. 2C + 1 parameters."""
    return NormSeed(group_norm(channels))


def depthwise(channels: int, convolution: Convolution = nn.Conv2d) -> nn.Module:
    """Return a depthwise separable convolution, 3x3 or of length 3. 9C + C^2 + 2C parameters, or 3C + C^2 + 2C."""
    return ResidualSeed(
        nn.Sequential(
            convolution(channels, channels, 3, padding=1, groups=channels, bias=False),
            convolution(channels, channels, 1, bias=False),
            group_norm(channels, gain=QUIET_GAIN),
            nn.ReLU(),
        )
    )


def bottleneck(channels: int, convolution: Convolution = nn.Conv2d) -> nn.Module:
    """Return a norm and three convolutions, of size 1 to b = max(8, C // 4) channels, 3, and 1 back to C.

    2Cb + 9b^2 + 2C parameters; for signals with 3b^2.
    """
    width = max(8, channels // 4)
    last = convolution(width, channels, 1, bias=False)
    # It can start at zero and still learn, because no norm or ReLU follows it.
    nn.init.zeros_(last.weight)
    return ResidualSeed(
        nn.Sequential(
            group_norm(channels),
            convolution(channels, width, 1, bias=False),
            nn.ReLU(),
            convolution(width, width, 3, padding=1, bias=False),
            nn.ReLU(),
            last,
        )
    )


def conv_small(channels: int, convolution: Convolution = nn.Conv2d) -> nn.Module:
    """Return a convolution of size 1. C^2 + 2C parameters."""
    return ResidualSeed(_conv_block(channels, convolution, kernel_size=1, gain=QUIET_GAIN))


def conv_light(channels: int, convolution: Convolution = nn.Conv2d) -> nn.Module:
    """Return a 3x3 convolution, or one of length 3. 9C^2 + 2C parameters, or 3C^2 + 2C."""
    return ResidualSeed(_conv_block(channels, convolution, kernel_size=3, gain=QUIET_GAIN))


def conv_heavy(channels: int, convolution: Convolution = nn.Conv2d) -> nn.Module:
    """Return two 3x3 convolutions in a row, or two of length 3. 2 (9C^2 + 2C) parameters, or 2 (3C^2 + 2C)."""
    return ResidualSeed(
        nn.Sequential(
            _conv_block(channels, convolution, kernel_size=3, gain=1.0),
            _conv_block(channels, convolution, kernel_size=3, gain=QUIET_GAIN),
        )
    )


def _conv_block(
    channels: int, convolution: Convolution, *, kernel_size: int, gain: float
) -> nn.Module:
    return nn.Sequential(
        convolution(channels, channels, kernel_size, padding=kernel_size // 2, bias=False),
        group_norm(channels, gain=gain),
        nn.ReLU(),
    )
