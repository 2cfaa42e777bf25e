"""Computes where each tensor of an inventory lies in flat buffers, and how the buffers are cut into blocks.

Nothing is allocated or copied here; `buffers.py` does that.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import torch
from torch import Tensor

from esper.tolaria.snapshots.finite import can_be_infinite
from esper.tolaria.snapshots.inventory import Inventory

BLOCK_BYTES: Final = 1 << 20
"""Largest size of a block, about half of a core's second-level cache on current server processors."""
ALIGNMENT: Final = 64
"""Every tensor starts at a multiple of as many bytes in its buffer, and therefore at one of its element size."""


class Group(NamedTuple):
    """Device and dtype; the tensors that have both in common share a flat buffer."""

    device: torch.device
    dtype: torch.dtype


@dataclass(frozen=True, slots=True)
class Place:
    """Where a tensor lies: bytes `start` to `stop` in the buffer of its group, viewed with `shape` and `strides`."""

    group: Group
    start: int
    stop: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class Piece(NamedTuple):
    """Bytes `start` to `stop` of the buffer, which hold the tensor `key` from its byte `offset` on."""

    key: str
    start: int
    stop: int
    offset: int


@dataclass(slots=True)
class Block:
    """A contiguous part of one buffer that is copied, checked and checksummed at once; it starts with its first piece."""

    group: Group
    is_checked: bool
    """Whether its numbers must be finite."""
    start: int
    stop: int
    pieces: list[Piece] = field(default_factory=list)


class Layout:
    """The places of an inventory's tensors.

    Attributes:
        inventory: the tensors that are placed.
        places: the place of every entry, by key.
        blocks: the blocks of all buffers, in order; together they cover every byte.
        sizes: bytes of each buffer.
        num_bytes: bytes of the tensors themselves, without the gaps between them.
    """

    def __init__(self, inventory: Inventory, *, unchecked: Collection[str]) -> None:
        """Place every tensor; the entries named in `unchecked` may hold infinities."""
        self.inventory = inventory
        self.places: dict[str, Place] = {}
        self.blocks: list[Block] = []
        self.sizes: dict[Group, int] = {}
        groups: dict[Group, list[str]] = {}
        for key, tensor in inventory.tensors.items():
            groups.setdefault(Group(tensor.device, tensor.dtype), []).append(key)
        for group, keys in groups.items():
            # Checked tensors first: a block is either checked or not, and this way few blocks end early.
            keys.sort(key=unchecked.__contains__)
            self._place(group, keys, unchecked)
        self.num_bytes = sum(place.stop - place.start for place in self.places.values())

    def _place(self, group: Group, keys: Iterable[str], unchecked: Collection[str]) -> None:
        """Place the tensors of one group one after the other, and cut their buffer into blocks."""
        start = 0
        block: Block | None = None
        for key in keys:
            tensor = self.inventory.tensors[key]
            num_bytes = tensor.numel() * group.dtype.itemsize
            strides = tensor.stride() if is_dense(tensor) else contiguous_strides(tensor.shape)
            stop = start + num_bytes
            self.places[key] = Place(group, start, stop, tuple(tensor.shape), strides)
            is_checked = can_be_infinite(group.dtype) and key not in unchecked
            # A tensor with gaps is copied by PyTorch, and only as a whole.
            step = BLOCK_BYTES if is_dense(tensor) else max(1, num_bytes)
            for offset in range(0, num_bytes, step):
                piece = Piece(key, start + offset, min(start + offset + step, stop), offset)
                end = piece.stop + -piece.stop % ALIGNMENT
                if (
                    block is None
                    or end - block.start > BLOCK_BYTES
                    or is_checked is not block.is_checked
                ):
                    block = Block(group, is_checked, piece.start, end)
                    self.blocks.append(block)
                block.pieces.append(piece)
                block.stop = end
            start = stop + -stop % ALIGNMENT
        self.sizes[group] = start


def is_dense(tensor: Tensor) -> bool:
    """Return whether the elements of `tensor` fill a contiguous part of memory, in any order, and are stored as they are.

    Conjugated and negated views are not: their memory holds other numbers than they show.
    """
    if tensor.is_conj() or tensor.is_neg():
        return False
    expected = 1
    for stride, size in sorted(zip(tensor.stride(), tensor.shape, strict=True)):
        if size == 0:
            return True
        if size > 1:
            if stride != expected:
                return False
            expected *= size
    return True


def contiguous_strides(shape: Iterable[int]) -> tuple[int, ...]:
    """Return the strides, in elements, of a contiguous tensor of `shape`."""
    strides: list[int] = []
    step = 1
    for size in reversed(list(shape)):
        strides.append(step)
        step *= max(1, size)
    return tuple(reversed(strides))
