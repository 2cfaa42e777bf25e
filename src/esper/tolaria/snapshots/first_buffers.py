"""Undoes what the first forward pass has done to buffers, before there is a snapshot.

The first snapshot is taken in the first step, after the first forward pass, because some buffers come into being only there.
If that batch has made a running statistic NaN or infinite, only these copies hold its earlier value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from esper.tolaria.snapshots.dense_memory import ReadOnlyMemory, dense_memory, find_obstacle


class FirstBuffers:
    """Holds copies of all buffers in host memory, until the first snapshot."""

    def __init__(self, modules: Iterable[nn.Module], buffers: Iterable[tuple[str, Tensor]]) -> None:
        """Copy `buffers`, all those of `modules` by name, before the first forward pass."""
        self._modules = tuple(modules)
        self._parameters = self._present_parameters()
        self._versions = _versions(self._parameters)
        self._copies: dict[str, tuple[Tensor, Tensor]] = {}
        read_only = ReadOnlyMemory()
        for key, tensor in buffers:
            if not nn.parameter.is_lazy(tensor) and find_obstacle(tensor, read_only) is None:
                # Past autograd, so that a live graph can still be used.
                live = dense_memory(key, tensor, read_only).data
                self._copies[key] = live, live.to("cpu", copy=True)

    def put_back(self, broken: Mapping[str, Tensor]) -> bool:
        """Put all buffers back, and return True; change nothing and return False if that cannot mend `broken`.

        It cannot if a parameter has been written to or replaced since: the loop has loaded other weights, and the buffers
        that came with them are not known here.

        Args:
            broken: the tensors that are not finite, by name.
        """
        parameters = self._present_parameters()
        is_other = len(parameters) != len(self._parameters) or any(
            one is not other for one, other in zip(parameters, self._parameters, strict=True)
        )
        if is_other or _versions(parameters) != self._versions:
            return False
        for key, tensor in broken.items():
            if key not in self._copies or self._copies[key][0].data_ptr() != tensor.data_ptr():
                return False
        for live, saved in self._copies.values():
            live.copy_(saved)
        return True

    def _present_parameters(self) -> list[nn.Parameter]:
        return [one for module in self._modules for one in module.parameters()]


def _versions(parameters: Iterable[nn.Parameter]) -> list[int | None]:
    """Return how often each parameter has been written to; None where PyTorch does not count it."""
    with torch._C.DisableTorchFunctionSubclass():
        return [None if one.is_inference() else one._version for one in parameters]
