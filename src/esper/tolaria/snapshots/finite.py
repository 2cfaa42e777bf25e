"""Checks that saved numbers are finite, names the tensors that are not, and decides which buffers may hold infinities.

The check is exact and as fast as reading the numbers once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from esper.leyline.errors import SnapshotError
from esper.leyline.text import join_names
from esper.tolaria.snapshots.dense_memory import ReadOnlyMemory, find_obstacle
from esper.tolaria.snapshots.inventory import Inventory

Bytes = NDArray[np.uint8]

_NUMPY_FLOATS: Final[dict[torch.dtype, Any]] = {
    torch.float32: np.float32,
    torch.float64: np.float64,
    torch.complex64: np.float32,
    torch.complex128: np.float64,
}
_EXPONENTS: Final = {torch.float16: 0x7C00, torch.complex32: 0x7C00, torch.bfloat16: 0x7F80}
"""Bits of the exponent; if all are set, the number is infinite or NaN."""
MAX_NAMES: Final = 3
"""Number of tensors that a message names; the others are counted."""


class NotFiniteError(SnapshotError):
    """Raised when tensors to be saved hold NaN or infinities; the message names a few of them."""


class AllowedInfinities:
    """Decides which buffers may hold infinities, as attention masks do.

    A buffer may be infinite, but not NaN, if it was so before the first forward pass; later, an overflow in the first
    batch could not be told from a mask. A buffer that a module adds during training may hold only negative infinities, as
    masks do that are built on first use. A buffer that was finite once must stay finite, and parameters and optimizer
    states must always be.

    Attributes:
        keys: the buffers that may be infinite; grows as masks are found.
    """

    def __init__(self, buffers: Iterable[tuple[str, Tensor]] = ()) -> None:
        """Allow infinities in those of `buffers`, all that there are before the first forward pass, that hold any."""
        read_only = ReadOnlyMemory()
        self.keys: set[str] = set()
        self._must_be_finite: set[str] = set()
        self._has_seen_finite = False
        for key, tensor in buffers:
            if nn.parameter.is_lazy(tensor):
                self._must_be_finite.add(key)
                continue
            if find_obstacle(tensor, read_only) is not None:
                continue
            with torch._C.DisableTorchFunctionSubclass():
                # A mask that is built on first use may start without elements.
                if not tensor.numel():
                    continue
                counts = count_not_finite([(key, tensor.detach())]).get(key, (0, 0))
            (self.keys if counts[1] and not counts[0] else self._must_be_finite).add(key)

    def note_finite(self, inventory: Inventory) -> None:
        """Note that every tensor of `inventory` has been found finite, except those in `keys`."""
        self._has_seen_finite = True
        self._must_be_finite |= inventory.entries.keys() - self.keys

    def allow_masks(self, inventory: Inventory) -> None:
        """Add the infinite buffers of `inventory` that may be so to `keys`.

        Raises:
            NotFiniteError: another tensor is not finite; `keys` has not changed.
        """
        entries = [entry for key, entry in inventory.entries.items() if key not in self.keys]
        faults = count_not_finite((entry.key, inventory.tensors[entry.key]) for entry in entries)
        masks = {
            entry.key
            for entry in entries
            if entry.is_buffer
            and entry.key in faults
            and entry.key not in self._must_be_finite
            and faults[entry.key][0] == 0
            and _has_only_negative_infinities(inventory.tensors[entry.key])
        }
        if not faults.keys() <= masks:
            remedy = (
                "the earlier snapshots are kept, roll back to one"
                if self._has_seen_finite
                else "there is no earlier snapshot: build the network again, and leave out the batch that did it"
            )
            raise NotFiniteError(
                f"the saved tensors must be finite, got {describe(faults)}; {remedy}"
            )
        self.keys |= masks


def can_be_infinite(dtype: torch.dtype) -> bool:
    """Return whether `dtype` has infinities or NaN, so that its numbers need a check."""
    return dtype.is_floating_point or dtype.is_complex


def finite_check(data: Bytes, dtype: torch.dtype, scratch: Bytes) -> Callable[[], bool]:
    """Return a function that says whether `data` holds only finite numbers at the time of the call.

    Args:
        data: flat bytes of numbers of `dtype`, a multiple of its size.
        dtype: a floating-point or complex dtype.
        scratch: at least as long as `data`; it is overwritten by each call. Allocating a new array for each call would
            cost more in page faults than the check itself.
    """
    if dtype in _NUMPY_FLOATS:
        numbers = data.view(_NUMPY_FLOATS[dtype])
        tensor = torch.from_numpy(numbers)
        flags = scratch[: numbers.size].view(np.bool_)
        # A finite sum has finite terms. The sum of finite terms may overflow, so an infinite sum needs a second pass.
        return lambda: math.isfinite(tensor.sum()) or bool(np.isfinite(numbers, out=flags).all())
    if dtype in _EXPONENTS:
        words = data.view(np.uint16)
        masked = scratch[: data.size].view(np.uint16)
        exponent = _EXPONENTS[dtype]
        return lambda: bool(np.bitwise_and(words, exponent, out=masked).max() < exponent)
    # The eight-bit formats, which NumPy does not have.
    narrow = torch.from_numpy(data).view(dtype)
    return lambda: bool(narrow.float().isfinite().all())


def count_not_finite(tensors: Iterable[tuple[str, Tensor]]) -> dict[str, tuple[int, int]]:
    """Return the number of NaNs and of infinities in each named tensor that has any, by name."""
    found = {}
    for name, tensor in tensors:
        if can_be_infinite(tensor.dtype):
            wide = _widened(tensor)
            counts = int(wide.isnan().sum()), int(wide.isinf().sum())
            if any(counts):
                found[name] = counts
    return found


def _widened(tensor: Tensor) -> Tensor:
    """Return `tensor` in a dtype that has `isnan`; the eight-bit formats and complex32 have not."""
    if tensor.dtype is torch.complex32:
        return tensor.to(torch.complex64)
    return tensor.float() if tensor.dtype.itemsize == 1 else tensor


def _has_only_negative_infinities(tensor: Tensor) -> bool:
    return not tensor.is_complex() and not bool(_widened(tensor).isposinf().any())


def describe(faults: dict[str, tuple[int, int]]) -> str:
    """Describe the result of `count_not_finite` in words, for a message."""
    described = [
        f"{nans} NaN and {infs} infinite in {name}" for name, (nans, infs) in faults.items()
    ]
    return join_names(described, max_names=MAX_NAMES)
