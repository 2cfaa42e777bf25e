"""Decides which tensors can be copied byte by byte, and refuses all others by name.

A snapshot reads and writes the memory of tensors at their addresses. Many tensors have no memory that holds their elements:
subclasses that wrap other tensors (DTensor, quantized weights, fake tensors), tensors inside `torch.func` transforms, nested
and sparse ones, and tensors whose storage was freed. To read at the address that such a tensor reports would end the process.
"""

from __future__ import annotations

import sys
from bisect import bisect_right
from pathlib import Path

import torch
from torch import Tensor, nn

from esper.leyline.errors import SnapshotError

_MAPS = Path("/proc/self/maps")
"""The memory mappings of this process, on Linux."""


class ReadOnlyMemory:
    """The parts of this process's memory that cannot be written to, such as files mapped with `numpy.memmap(mode="r")`.

    Without this check a rollback that writes there would end the process. Only Linux lists them; elsewhere there are none.
    """

    def __init__(self) -> None:
        """Read the list of the process's memory mappings."""
        self._ends: list[int] = []
        self._ranges: list[tuple[int, int]] = []
        if sys.platform != "linux":
            return
        for line in _MAPS.read_text(errors="replace").splitlines():
            addresses, permissions = line.split(maxsplit=2)[:2]
            if "w" not in permissions:
                start, end = addresses.split("-")
                self._ranges.append((int(start, 16), int(end, 16)))
        self._ends = [end for _, end in self._ranges]

    def holds(self, address: int) -> bool:
        """Return whether `address` cannot be written to."""
        place = bisect_right(self._ends, address)
        return place < len(self._ranges) and self._ranges[place][0] <= address


def find_obstacle(tensor: Tensor, read_only: ReadOnlyMemory) -> str | None:
    """Return why `tensor` cannot be copied byte by byte, as the end of "got ..."; None if it can."""
    kind = type(tensor)
    # The attribute of the class is compared, because asking the tensor itself would run the subclass's code.
    if kind.__torch_dispatch__ is not Tensor.__torch_dispatch__:
        return f"a {kind.__name__}, which handles PyTorch's operations itself"
    with torch._C.DisableTorchFunctionSubclass():
        if tensor.is_meta:
            return "a meta tensor"
        if tensor.is_nested:
            return f"a nested tensor of {tensor.dtype}"
        if tensor.layout is not torch.strided or tensor.is_quantized:
            return f"{tensor.dtype} in {tensor.layout}"
        if _is_transformed(tensor):
            return "a tensor inside a transform of torch.func"
        return _memory_obstacle(tensor, read_only)


def dense_memory(key: str, tensor: Tensor, read_only: ReadOnlyMemory) -> Tensor:
    """Return `tensor` detached, as a plain tensor with every element once, so that it can be copied from and into.

    Raises:
        SnapshotError: the tensor has not been initialised, or its elements are not in dense memory of its own.
    """
    if nn.parameter.is_lazy(tensor):
        raise SnapshotError(f"{key} must have been initialised, got a lazy one; run a batch first")
    obstacle = find_obstacle(tensor, read_only)
    if obstacle is not None:
        raise SnapshotError(
            f"{key} must be a dense tensor in memory of its own, got {obstacle};"
            " convert it to one, or train without a governor"
        )
    with torch._C.DisableTorchFunctionSubclass():
        once = tensor.detach().as_subclass(Tensor)
    for dimension, stride in enumerate(once.stride()):
        # Expanded dimensions repeat the same element, and such a tensor cannot be written to.
        if stride == 0 and once.shape[dimension] > 1:
            once = once.narrow(dimension, 0, 1)
    return once


def _is_transformed(tensor: Tensor) -> bool:
    return torch._C._functorch.is_functorch_wrapped_tensor(tensor) or torch._is_functional_tensor(
        tensor
    )


def _memory_obstacle(tensor: Tensor, read_only: ReadOnlyMemory) -> str | None:
    """Return what is wrong with the memory of a strided tensor; None if its storage holds all its elements."""
    # Other accelerators may report neither addresses nor storages; PyTorch itself copies from and to them.
    if tensor.numel() == 0 or tensor.device.type not in ("cpu", "cuda"):
        return None
    if tensor._is_zerotensor():
        return "zeros without memory"
    last = sum(
        (size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True)
    )
    needed = (tensor.storage_offset() + last + 1) * tensor.dtype.itemsize
    if tensor.data_ptr() == 0 or tensor.untyped_storage().nbytes() < needed:
        return "a tensor whose storage was freed"
    if tensor.device.type == "cpu" and read_only.holds(tensor.data_ptr()):
        return "memory that cannot be written to"
    return None
