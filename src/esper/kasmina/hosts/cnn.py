"""A plain convolutional network with a slot after each block."""

from itertools import pairwise
from typing import final

from torch import Tensor, nn

from esper._generated.channel import Channel
from esper.kasmina.gates import Gates
from esper.kasmina.slot import SeedSlot
from esper.leyline.channel import SILENT


@final
class CNNHost(nn.Module):
    """Classifies images: blocks of convolution, batch norm, ReLU and pooling; a mean over space; a linear layer.

    The number of channels doubles from block to block. Each block is followed by a slot: r0c0, r0c1, ...
    """

    def __init__(
        self,
        *,
        num_classes: int = 10,
        in_channels: int = 3,
        base_channels: int = 32,
        num_blocks: int = 3,
        num_pools: int | None = None,
        kernel_size: int = 3,
        gates: Gates | None = None,
        channel: Channel = SILENT,
    ) -> None:
        """Build the host. The first `num_pools` blocks halve height and width; all blocks do when it is None.

        `gates` and `channel` are passed to all slots.

        Raises:
            ValueError: there are no blocks, or more pools than blocks, or `kernel_size` is even.
        """
        super().__init__()
        num_pools = num_blocks if num_pools is None else num_pools
        if not 0 <= num_pools <= num_blocks or num_blocks == 0:
            raise ValueError(
                "num_blocks must be at least 1 and num_pools between 0 and that,"
                f" got {num_blocks} and {num_pools}"
            )
        if kernel_size % 2 == 0:
            raise ValueError(
                f"kernel_size must be odd to keep the size of images, got {kernel_size}"
            )
        widths = [in_channels, *(base_channels * 2**block for block in range(num_blocks))]
        self.blocks = nn.ModuleList(
            _block(before, after, kernel_size, pools=block < num_pools)
            for block, (before, after) in enumerate(pairwise(widths))
        )
        self.slots = nn.ModuleDict(
            {
                slot_id: SeedSlot(slot_id, width, topology="cnn", gates=gates, channel=channel)
                for slot_id, width in ((f"r0c{i}", width) for i, width in enumerate(widths[1:]))
            }
        )
        self.head = nn.Linear(widths[-1], num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (B, num_classes) for `images` (B, in_channels, H, W)."""
        features = images
        for block, slot in zip(self.blocks, self.slots.values(), strict=True):
            features = slot(block(features))
        logits: Tensor = self.head(features.mean(dim=(2, 3)))
        return logits


def _block(before: int, after: int, kernel_size: int, *, pools: bool) -> nn.Module:
    layers: list[nn.Module] = [
        nn.Conv2d(before, after, kernel_size, padding=kernel_size // 2, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(),
    ]
    if pools:
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers)
