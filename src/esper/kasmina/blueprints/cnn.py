"""Blueprints for images: (B, C, H, W) in, the same shape out.

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


def group_norm(channels: int, *, gain: float = 1.0) -> nn.GroupNorm:
    """Return a group norm with up to 32 groups of at least 16 channels each.

    Fewer channels than that form one group. Were each channel a group, a channel of a 1x1 map would be normalized to
    zero.
    """
    groups = next((g for g in (32, 16, 8, 4, 2) if channels % g == 0 and channels // g >= 16), 1)
    norm = nn.GroupNorm(groups, channels)
    nn.init.constant_(norm.weight, gain)
    return norm


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
        """Return `x`, (B, C, H, W), with each channel of each sample multiplied by a weight in [0, 1]."""
        weights = torch.sigmoid(self.excite(self.activation(self.squeeze(x.mean(dim=(2, 3))))))
        return x * weights[:, :, None, None]


def norm(channels: int) -> nn.Module:
    """Return a learned mixture of the features and their group norm. 2C + 1 parameters."""
    return NormSeed(group_norm(channels))


def depthwise(channels: int) -> nn.Module:
    """Return a depthwise separable 3x3 convolution. 9C + C^2 + 2C parameters."""
    return ResidualSeed(
        nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False),
            nn.Conv2d(channels, channels, 1, bias=False),
            group_norm(channels, gain=QUIET_GAIN),
            nn.ReLU(),
        )
    )


def bottleneck(channels: int) -> nn.Module:
    """Return a norm and three convolutions, 1x1 to b = max(8, C // 4) channels, 3x3, and 1x1 back to C.

    2Cb + 9b^2 + 2C parameters.
    """
    width = max(8, channels // 4)
    last = nn.Conv2d(width, channels, 1, bias=False)
    # It can start at zero and still learn, because no norm or ReLU follows it.
    nn.init.zeros_(last.weight)
    return ResidualSeed(
        nn.Sequential(
            group_norm(channels),
            nn.Conv2d(channels, width, 1, bias=False),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.ReLU(),
            last,
        )
    )


def conv_small(channels: int) -> nn.Module:
    """Return a 1x1 convolution. C^2 + 2C parameters."""
    return ResidualSeed(_conv_block(channels, kernel_size=1, gain=QUIET_GAIN))


def conv_light(channels: int) -> nn.Module:
    """Return a 3x3 convolution. 9C^2 + 2C parameters."""
    return ResidualSeed(_conv_block(channels, kernel_size=3, gain=QUIET_GAIN))


def conv_heavy(channels: int) -> nn.Module:
    """Return two 3x3 convolutions in a row. 2 (9C^2 + 2C) parameters."""
    return ResidualSeed(
        nn.Sequential(
            _conv_block(channels, kernel_size=3, gain=1.0),
            _conv_block(channels, kernel_size=3, gain=QUIET_GAIN),
        )
    )


def _conv_block(channels: int, *, kernel_size: int, gain: float) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(channels, channels, kernel_size, padding=kernel_size // 2, bias=False),
        group_norm(channels, gain=gain),
        nn.ReLU(),
    )
