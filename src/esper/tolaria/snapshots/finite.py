"""Whether numbers are all finite: exact, at the speed of reading them, and with names when they are not."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from esper.leyline.errors import SnapshotError
from esper.leyline.text import join_names

Bytes = NDArray[np.uint8]

_NUMPY_FLOATS: Final[dict[torch.dtype, Any]] = {
    torch.float32: np.float32,
    torch.float64: np.float64,
    torch.complex64: np.float32,
    torch.complex128: np.float64,
}
_EXPONENTS: Final = {torch.float16: 0x7C00, torch.bfloat16: 0x7F80}
"""Bits of the exponent; all set, the number is infinite or NaN."""
_MAX_NAMES = 3
"""Tensors that a message names; the rest is counted."""


class NotFiniteError(SnapshotError):
    """Says which tensors are not finite."""


def can_be_infinite(dtype: torch.dtype) -> bool:
    """Return whether numbers of `dtype` need a check."""
    return dtype.is_floating_point or dtype.is_complex


def finite_check(data: Bytes, dtype: torch.dtype, scratch: Bytes) -> Callable[[], bool]:
    """Return a function that says whether `data` holds finite numbers only, at the time of the call.

    `scratch` is at least as long as `data` and gets overwritten: a fresh array for every answer would cost more in page
    faults than the answer itself.
    """
    if dtype in _NUMPY_FLOATS:
        numbers = data.view(_NUMPY_FLOATS[dtype])
        tensor = torch.from_numpy(numbers)
        flags = scratch[: numbers.size].view(np.bool_)
        # A finite sum has finite terms; that it may overflow though all terms are finite, costs a second look.
        return lambda: math.isfinite(tensor.sum()) or bool(np.isfinite(numbers, out=flags).all())
    if dtype in _EXPONENTS:
        words = data.view(np.uint16)
        masked = scratch[: data.size].view(np.uint16)
        exponent = _EXPONENTS[dtype]
        return lambda: bool(np.bitwise_and(words, exponent, out=masked).max() < exponent)
    # The eight-bit formats, which numpy does not know.
    narrow = torch.from_numpy(data).view(dtype)
    return lambda: bool(narrow.float().isfinite().all())


def not_finite(tensors: Iterable[tuple[str, Tensor]]) -> dict[str, tuple[int, int]]:
    """Return the numbers of NaNs and infinities in each tensor that has any, by name."""
    found = {}
    for name, tensor in tensors:
        if can_be_infinite(tensor.dtype):
            # Eight-bit formats have no operations of their own.
            wide = tensor.float() if tensor.dtype.itemsize == 1 else tensor
            counts = int(wide.isnan().sum()), int(wide.isinf().sum())
            if any(counts):
                found[name] = counts
    return found


def describe(faults: dict[str, tuple[int, int]]) -> str:
    """Return `faults`, as `not_finite` returns them, as words."""
    described = [
        f"{nans} NaN and {infs} infinite in {name}" for name, (nans, infs) in faults.items()
    ]
    return join_names(described, max_names=_MAX_NAMES)
