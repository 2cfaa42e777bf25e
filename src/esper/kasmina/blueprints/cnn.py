"""Blueprints for images: (B, C, H, W) in, the same shape out.

Every seed is born close to the identity and alive: what it adds starts small, but no layer of it starts at a point
where gradients vanish. In particular a convolution that starts at zero in front of a norm and a ReLU never learns.
"""

from typing import Final

import torch
from torch import Tensor, nn

from esper.kasmina.blueprints.residual import ResidualSeed

QUIET_GAIN: Final = 0.1
"""Gain of the last norm of a residual branch at birth: small beside the features, yet every ReLU still passes half."""

SQUEEZE: Final = 4
"""Channels over hidden units of channel attention (Hu et al., Squeeze-and-Excitation Networks, 2018, use 16)."""

OPEN_BIAS: Final = 3.0
"""Bias of the attention at birth: sigmoid(3) lets 95 % of every channel through."""


def group_norm(channels: int, *, gain: float = 1.0) -> nn.GroupNorm:
    """Return a group norm with as many groups as leave at least 16 channels each, up to 32.

    Fewer channels than that form one group. Were each its own, a channel of a 1x1 map would be normalised to zero.
    """
    groups = next((g for g in (32, 16, 8, 4, 2) if channels % g == 0 and channels // g >= 16), 1)
    norm = nn.GroupNorm(groups, channels)
    nn.init.constant_(norm.weight, gain)
    return norm


class NormSeed(nn.Module):
    """x + tanh(s)(norm(x) - x): learns how far to normalise. 2C + 1 parameters."""

    def __init__(self, channels: int) -> None:
        """Build the seed; it starts as the identity."""
        super().__init__()
        self.norm = group_norm(channels)
        self.scale = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """Return the partly normalised features."""
        return torch.lerp(x, self.norm(x), torch.tanh(self.scale))


class ChannelAttentionSeed(nn.Module):
    """Weighs channels by what is in them (squeeze-and-excitation). 2C max(1, C // 4) + C parameters."""

    def __init__(self, channels: int) -> None:
        """Build the seed; it starts with every channel nearly open."""
        super().__init__()
        hidden = max(1, channels // SQUEEZE)
        self.squeeze = nn.Linear(channels, hidden, bias=False)
        self.excite = nn.Linear(hidden, channels)
        nn.init.constant_(self.excite.bias, OPEN_BIAS)
        # Not ReLU: of so few units, all may be born dead.
        self.activation = nn.SiLU()

    def forward(self, x: Tensor) -> Tensor:
        """Return the weighed features."""
        weights = torch.sigmoid(self.excite(self.activation(self.squeeze(x.mean(dim=(2, 3))))))
        return x * weights[:, :, None, None]


def depthwise(channels: int) -> nn.Module:
    """Return a depthwise separable convolution. 9C + C^2 + 2C parameters."""
    return ResidualSeed(
        nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False),
            nn.Conv2d(channels, channels, 1, bias=False),
            group_norm(channels, gain=QUIET_GAIN),
            nn.ReLU(),
        )
    )


def bottleneck(channels: int) -> nn.Module:
    """Return norm, 1x1, 3x3 and 1x1 convolution with b = max(8, C // 4) between. 2Cb + 9b^2 + 2C parameters."""
    width = max(8, channels // 4)
    last = nn.Conv2d(width, channels, 1, bias=False)
    # Alive although zero: nothing behind it but the sum.
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
