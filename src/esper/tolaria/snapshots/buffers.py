"""Host memory for one snapshot: flat buffers that are filled, verified and restored in blocks that fit a cache.

Measured on 80 MB in 200 tensors, in multiples of a raw memory copy: to copy everything, then check everything, then
checksum everything takes 1.85; to do all three block by block, while the block is in the cache, takes 1.55. Tensors in host
memory are copied as bytes, because PyTorch's own copy spends more than a microsecond on each.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from operator import attrgetter

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from esper.tolaria.snapshots.buffer_layout import ALIGNMENT, Block, Group, Layout, is_dense
from esper.tolaria.snapshots.finite import Bytes, NotFiniteError, finite_check

_WORD_BITS = 64
_LARGE_BYTES = 1 << 16
"""Size from which PyTorch copies faster than Python copies bytes: by a tenth at 400 kB; at 20 kB it is slower."""


@dataclass(frozen=True, slots=True)
class BoundBlock:
    """A block with its part of the buffer and the tensors that it is copied from.

    In each pair below the buffer comes first and the source, a live tensor, second.
    """

    words: NDArray[np.uint64]
    """Its part of the buffer, for the checksum."""
    is_finite: Callable[[], bool] | None
    """Whether its numbers are finite at the time of the call; None if they need not be."""
    byte_pairs: list[tuple[memoryview, memoryview]]
    """Small dense tensors, copied as bytes."""
    large_pairs: tuple[list[Tensor], list[Tensor]]
    """Buffers and sources of large pieces of dense tensors, which PyTorch copies as bytes."""
    tensor_pairs: list[tuple[Tensor, str]]
    """All other tensors, copied element by element; the source is named by its key."""

    def copy_in(self, sources: Mapping[str, Tensor]) -> None:
        """Copy the live tensors, `sources` by key, into the buffer."""
        for buffer, source in self.byte_pairs:
            buffer[:] = source
        if self.large_pairs[0]:
            torch._foreach_copy_(*self.large_pairs)
        for view, key in self.tensor_pairs:
            view.copy_(sources[key])


class SnapshotBuffers:
    """Holds one copy of the tensors of an inventory, and detects whether the copy has changed since.

    Attributes:
        layout: where each tensor lies; None before `set_layout`.
        checksum: 16 hex digits, the sum of all bytes; None unless the copy is complete and finite.
        blocks: the blocks in the order in which they are copied.
    """

    def __init__(self) -> None:
        """Start without any memory."""
        self.layout: Layout | None = None
        self.checksum: str | None = None
        self.blocks: list[BoundBlock] = []
        self._buffers: dict[Group, Bytes] = {}
        self._scratch: Bytes = np.empty(0, np.uint8)
        self._remote: list[tuple[Tensor, str]] = []
        self._small: list[tuple[memoryview, memoryview]] = []
        self._large: list[tuple[Tensor, Tensor]] = []
        self._sums: list[tuple[NDArray[np.uint64], NDArray[np.intp]]] = []

    def set_layout(self, layout: Layout) -> None:
        """Allocate memory for the tensors of `layout`; the copy that was held is lost.

        Existing buffers are used again if they are large enough and at most twice as large as needed.

        Raises:
            MemoryError: there is not enough memory.
        """
        self.layout = self.checksum = None
        self.blocks, self._remote, self._small, self._large, self._sums = [], [], [], [], []
        self._resize(layout.sizes)
        largest = max((block.stop - block.start for block in layout.blocks), default=0)
        self._scratch = np.empty(largest, np.uint8)
        self.layout = layout
        self.blocks = [self._bind(block, layout) for block in layout.blocks]
        for bound in self.blocks:
            self._small += bound.byte_pairs
            self._large += zip(*bound.large_pairs, strict=True)
        for group, blocks in groupby(layout.blocks, key=attrgetter("group")):
            starts, stops = zip(*[(block.start, block.stop) for block in blocks], strict=True)
            words = self._buffers[group][: stops[-1]].view(np.uint64)
            self._sums.append((words, np.array(starts, np.intp) // words.itemsize))

    def fill(self) -> float:
        """Copy every live tensor into the buffers, and return the seconds spent on checks and checksum.

        Raises:
            NotFiniteError: a tensor is not finite; the buffers hold no valid copy then.
        """
        assert self.layout is not None
        self.checksum = None
        sources = self.layout.inventory.tensors
        fetch([(view, sources[key]) for view, key in self._remote])
        verify_s = 0.0
        total = 0
        for block in self.blocks:
            block.copy_in(sources)
            started = time.perf_counter()
            if block.is_finite is not None and not block.is_finite():
                raise NotFiniteError("the saved tensors must be finite")
            total = _mix(total, int(np.add.reduce(block.words)))
            verify_s += time.perf_counter() - started
        self.checksum = f"{total:016x}"
        return verify_s

    def is_intact(self) -> bool:
        """Return whether every byte is the same as right after `fill`."""
        total = 0
        # One call for each buffer: with one for each block the sums take a tenth longer.
        for words, starts in self._sums:
            for block_sum in np.add.reduceat(words, starts).tolist():
                total = _mix(total, block_sum)
        return self.checksum == f"{total:016x}"

    def view(self, key: str) -> Tensor:
        """Return the saved tensor `key` itself, in host memory, with the shape of the live tensor; not a copy."""
        assert self.layout is not None
        place = self.layout.places[key]
        if place.start == place.stop:
            return torch.empty(place.shape, dtype=place.group.dtype)
        data = torch.from_numpy(self._buffers[place.group][place.start : place.stop])
        return data.view(place.group.dtype).as_strided(place.shape, place.strides)

    def write_back(self) -> None:
        """Copy every saved tensor into the live tensor that it was copied from; the inventory must be current.

        Autograd is not notified, as if `.data` had been written to: notifying it would cost a sixth of the copy.
        """
        assert self.layout is not None
        sources = self.layout.inventory.tensors
        for buffer, source in self._small:
            source[:] = buffer
        if self._large:
            # Backwards: `is_intact` has just read the buffers, so that their end is in the cache.
            torch._foreach_copy_(
                [source for _, source in reversed(self._large)],
                [buffer for buffer, _ in reversed(self._large)],
            )
        for view, key in chain(self._remote, *[block.tensor_pairs for block in self.blocks]):
            sources[key].copy_(view)

    def _resize(self, sizes: dict[Group, int]) -> None:
        for group in list(self._buffers):
            size = sizes.get(group, 0)
            # Freed before its replacement is allocated, so that both are never held at once.
            if not size <= self._buffers[group].size <= 2 * size:
                del self._buffers[group]
        for group, size in sizes.items():
            if group not in self._buffers:
                self._buffers[group] = allocate(size, group.device)

    def _bind(self, block: Block, layout: Layout) -> BoundBlock:
        """Return `block` together with its memory and the sources of its tensors."""
        buffer = self._buffers[block.group]
        data = buffer[block.start : block.stop]
        byte_pairs, tensor_pairs = [], []
        large_pairs: tuple[list[Tensor], list[Tensor]] = ([], [])
        for piece in block.pieces:
            # The gaps between tensors are part of the checksum, so they must not change.
            buffer[piece.stop : piece.stop + -piece.stop % ALIGNMENT].fill(0)
            tensor = layout.inventory.tensors[piece.key]
            if tensor.device.type != "cpu":
                self._remote.append((self.view(piece.key), piece.key))
            elif is_dense(tensor):
                size = piece.stop - piece.start
                source = _bytes_at(tensor.data_ptr() + piece.offset, size)
                if size < _LARGE_BYTES:
                    byte_pairs.append((buffer.data[piece.start : piece.stop], source))
                    continue
                large_pairs[0].append(torch.from_numpy(buffer[piece.start : piece.stop]))
                large_pairs[1].append(torch.frombuffer(source, dtype=torch.uint8))
            else:
                tensor_pairs.append((self.view(piece.key), piece.key))
        return BoundBlock(
            words=data.view(np.uint64),
            is_finite=(
                finite_check(data, block.group.dtype, self._scratch) if block.is_checked else None
            ),
            byte_pairs=byte_pairs,
            large_pairs=large_pairs,
            tensor_pairs=tensor_pairs,
        )


def allocate(size: int, device: torch.device) -> Bytes:
    """Return `size` bytes of host memory for copies of tensors on `device`.

    Numpy asks the kernel for huge pages, which makes the first access two to three times as fast as with PyTorch's own
    memory. It starts 16 bytes after a page, so that buffers and tensors, which PyTorch starts at multiples of 64, do not have the
    same alignment: copies between memory of equal alignment took a sixth longer (AMD EPYC). Memory for CUDA tensors is pinned: otherwise the device cannot copy on its own.

    Raises:
        MemoryError: there is not enough memory.
    """
    if device.type == "cuda":
        pinned: Bytes = torch.empty(size, dtype=torch.uint8, pin_memory=True).numpy()
        return pinned
    return np.empty(size, np.uint8)


def fetch(pairs: Sequence[tuple[Tensor, Tensor]]) -> None:
    """Copy the second tensor of each pair, on any device, into the first, in host memory; return when all are copied.

    CUDA devices copy on streams of their own, all at the same time, after the work that they were given before; work
    that they are given next waits for the copy.
    """
    by_device: dict[torch.device, list[tuple[Tensor, Tensor]]] = {}
    for view, source in pairs:
        by_device.setdefault(source.device, []).append((view, source))
    streams = []
    for device, copies in by_device.items():
        views, sources = [view for view, _ in copies], [source for _, source in copies]
        if device.type == "cuda":
            stream = torch.cuda.Stream(device)
            stream.wait_stream(torch.cuda.current_stream(device))
            with torch.cuda.stream(stream):
                torch._foreach_copy_(views, sources, non_blocking=True)
            torch.cuda.current_stream(device).wait_stream(stream)
            streams.append(stream)
        else:
            torch._foreach_copy_(views, sources)
    for stream in streams:
        stream.synchronize()


def _bytes_at(address: int, size: int) -> memoryview:
    """Return a view of a live tensor's bytes; unlike `Tensor.numpy` it lets the tensor's memory be resized later."""
    return memoryview((ctypes.c_char * size).from_address(address)).cast("B")


def _mix(total: int, block_sum: int) -> int:
    """Add a block to a 64-bit checksum that detects a flipped bit, an incomplete copy and two exchanged blocks.

    The words of a block are added up. With exclusive or, the many equal words of a new bias or norm would cancel out.
    """
    mask = (1 << _WORD_BITS) - 1
    rotated = total << 1 | total >> (_WORD_BITS - 1)
    return (rotated + block_sum) & mask
