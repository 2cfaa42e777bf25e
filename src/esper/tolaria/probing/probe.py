"""Calls the user's probe, a function from a batch to losses, without side effects."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from numbers import Real
from typing import Any

import torch
from torch import Tensor, nn

from esper.leyline.arguments import check_callable, describe
from esper.leyline.errors import ProbeError
from esper.leyline.text import join_names
from esper.tolaria.probing.isolation import Surroundings
from esper.tolaria.probing.swap import swapped_in
from esper.tolaria.snapshots.restore import RestorePlan

ProbeFunction = Callable[[Any], Tensor | float]
"""Maps a batch to its losses under the present weights: one for each sample, (B,), or one number."""


class Probe:
    """Evaluates batches under the present weights and under those of a snapshot, and leaves nothing behind."""

    def __init__(self, function: ProbeFunction, modules: Iterable[nn.Module]) -> None:
        """Evaluate with `function`.

        Args:
            function: returns the losses of a batch, a tensor (B,) or a single number.
            modules: the networks that it may run; their buffers, modes and gradients are put back after each call.
        """
        self._function = function
        self._modules = tuple(modules)
        self._is_repeatable = False
        self._writes_weights = False  # and puts them back

    def losses(self, batch: Any, plan: RestorePlan | None = None) -> list[Tensor]:
        """Return the losses of `batch`, float64 (B,) or (), under the present weights and those that `plan` restores.

        Both start from the same random state. The first call of all evaluates the present weights twice.

        Raises:
            ProbeError: the probe returned neither a 1-dim tensor nor a number, it changed weights, or it answered
                differently when it was called again with the same weights and the same batch.
        """
        around = Surroundings(self._modules)
        try:
            with torch.no_grad():
                around.reset()
                if self._is_repeatable and not self._writes_weights:
                    results = [_as_losses(self._function(batch))]
                    _check_unwritten(around)
                else:
                    with self._unchanged_weights():
                        results = [_as_losses(self._function(batch))]
                if not self._is_repeatable:
                    self._writes_weights = bool(around.written_parameters())
                    around.reset()
                    self._check_repeatable(results[0], _as_losses(self._function(batch)))
                if plan is not None:
                    around.reset()
                    with swapped_in(plan):
                        results.append(_as_losses(self._function(batch)))
        finally:
            around.restore()
        if results[0].shape != results[-1].shape:
            raise ProbeError(
                "a probe must return as many losses for the same batch whatever the weights, got"
                f" {results[0].numel()} and {results[-1].numel()}; do not leave samples out"
            )
        return results

    @contextmanager
    def _unchanged_weights(self) -> Iterator[None]:
        """Put the weights back at the end, and check that they were the same.

        It copies them, so that this is done in the first call, and in the others only if that one has written to weights:
        to score averaged ones, or as an embedding with `max_norm` does. Otherwise their version counters suffice.

        Raises:
            ProbeError: after the first call a parameter has other values than at the start.
        """
        weights = [
            (name, one.data, one.data.clone())
            for root in self._modules
            for name, one in root.named_parameters()
            if not nn.parameter.is_lazy(one)
        ]
        changed = []
        try:
            yield
        finally:
            for name, live, before in weights:
                if not _is_same(live, before):
                    changed.append(name)
                    live.copy_(before)
        if changed and not self._is_repeatable:
            raise ProbeError(
                f"a probe must not change weights, got other values in {join_names(changed, max_names=3)}, which have"
                " been put back; evaluate other weights with torch.func.functional_call, or a copy of the network"
            )

    def _check_repeatable(self, first: Tensor, second: Tensor) -> None:
        # Some kernels of other devices add up in any order.
        is_on_host = all(one.is_cpu for root in self._modules for one in root.parameters())
        tolerance = 0.0 if is_on_host else 1e-3
        if first.shape != second.shape or not torch.allclose(
            first, second, rtol=tolerance, atol=0.0, equal_nan=True
        ):
            raise ProbeError(
                "a probe must return the same losses for the same weights and the same batch, got"
                f" {_mean(first):.6g} and then {_mean(second):.6g} on average; most likely it draws from a"
                " generator of its own, or a module counts its calls in a Python attribute: pass the random"
                " numbers in with the batch, or keep the count in a buffer"
            )
        self._is_repeatable = True


def _check_unwritten(around: Surroundings) -> None:
    """Check by the version counters that no weight was written to.

    Raises:
        ProbeError: one was, although the first call of the probe had written to none.
    """
    if names := around.written_parameters():
        raise ProbeError(
            f"a probe must not change weights, got one that wrote to {join_names(names, max_names=3)}, which it did not"
            " do in its first call, so that they cannot be put back; load the last checkpoint, and evaluate other"
            " weights with torch.func.functional_call, or a copy of the network"
        )


def checked_probe(function: ProbeFunction, modules: Iterable[nn.Module]) -> Probe:
    """Return a probe that calls `function`, see `Probe`.

    Raises:
        ValueError: it cannot be called, or it is a module, which returns outputs and not losses.
    """
    if isinstance(function, nn.Module):
        raise ValueError(
            "probe must be a function from a batch to losses, got a module; write"
            " probe=lambda batch: loss_function(model(batch[0]), batch[1])"
        )
    check_callable("probe", function)
    return Probe(function, modules)


def _is_same(one: Tensor, other: Tensor) -> bool:
    """Return whether two tensors of the same form hold the same numbers; NaN equals NaN."""
    # These formats lack comparisons.
    if one.dtype is torch.complex32:
        one, other = one.to(torch.complex64), other.to(torch.complex64)
    elif one.dtype.itemsize == 1 and one.is_floating_point():
        one, other = one.float(), other.float()
    is_equal = torch.equal(one, other)
    return is_equal or bool(((one == other) | (one.isnan() & other.isnan())).all())


def _mean(losses: Tensor) -> float:
    return float(losses.mean())


def _holds_losses(tensor: Tensor) -> bool:
    """Return whether `tensor` is dense, has at most one dimension and an element, and holds real numbers."""
    is_dense = tensor.layout is torch.strided and not tensor.is_nested and not tensor.is_meta
    is_real = tensor.dtype is not torch.bool and not tensor.is_complex()
    return is_dense and is_real and tensor.ndim <= 1 and tensor.numel() > 0


def _as_losses(value: object) -> Tensor:
    """Return what a probe returned as a float64 tensor in host memory, (B,) or ().

    Raises:
        ProbeError: it is neither a number nor a tensor of real numbers with at most one dimension and an element.
    """
    if isinstance(value, Tensor) and _holds_losses(value):
        return value.detach().to("cpu", torch.float64)
    if isinstance(value, Real) and not isinstance(value, bool):
        return torch.tensor(float(value), dtype=torch.float64)
    got = describe(value)
    if isinstance(value, Tensor):
        place = "" if value.layout is torch.strided else f" in {value.layout}"
        place = " on the meta device" if value.is_meta else place
        got = f"a tensor of {value.dtype}{place} and shape {tuple(value.shape)}"
    raise ProbeError(
        f"a probe must return one loss for each sample of the batch, or a single number, got {got};"
        ' pass reduction="none", and take the mean over all dimensions but the first'
    )
