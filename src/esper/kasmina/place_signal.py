"""The place signal: how strongly a newborn seed at each empty slot would be pulled by the loss.

A seed that is a linear layer with zero weights W, added to the features x of each position, leaves the output of the network
as it is. Its gradient is dL/dW = sum of g x^T over samples and positions, where g is the gradient of the loss at the slot's
output, and the norm of this matrix is how fast the loss falls at first when W learns. GradMax (Evci et al.,
arXiv:2201.05125) and TINY (Verbockhaven et al., arXiv:2405.19816) choose where to grow by the same matrix.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar, final

import torch
from torch import Tensor, nn

from esper.kasmina.probe import evaluating
from esper.kasmina.slot import SeedSlot
from esper.kasmina.topology import Layout, check_features
from esper.leyline.arguments import check_callable, instance_of

_Batch = TypeVar("_Batch")


def place_signals(
    model: nn.Module,
    slots: Mapping[str, SeedSlot],
    batches: Iterable[_Batch],
    loss: Callable[[_Batch], Tensor],
) -> dict[str, float]:
    """Return, by name, the place signal of the empty slots among `slots`: the norm of the gradient of a newborn linear seed.

    `loss` runs `model` on a batch of training samples and returns the mean loss, 0-dim. The gradient is the mean over the
    `batches`, so the signal is in units of the loss for a unit of weight. Compare the signals of one call: they shrink as the
    network learns. A slot that did not run is left out, and so are all if there are no batches.

    The model runs in evaluation mode, without dropout and with the running statistics of its norm layers. Weights, `.grad`,
    buffers and random generators are left as they were.

    Raises:
        SlotError: the features of a slot do not have its layout and channels.
        ValueError: an argument is of another type, or `loss` returned no loss with gradients.
    """
    instance_of("a model", model, nn.Module)
    _check_kind(
        "slots", slots, Mapping, "pass a dictionary of slots by name, such as find_slots(model)"
    )
    for name, slot in slots.items():
        instance_of(f"slot {name!r}", slot, SeedSlot)
    _check_kind("batches", batches, Iterable, "pass a list of batches")
    check_callable("loss", loss)
    empty = {name: slot for name, slot in slots.items() if slot.is_empty}
    if not empty:
        return {}
    sums: dict[str, Tensor] = {}
    num_batches = 0
    with evaluating(model), torch.enable_grad(), _own_random_numbers(model), _uncompiled():
        for batch in batches:
            num_batches += 1
            for name, gradient in _gradients(empty, lambda batch=batch: loss(batch)).items():  # type: ignore[misc] # mypy's lambda with a default
                sums[name] = sums[name] + gradient if name in sums else gradient
    # The host waits for the device here, once.
    norms = torch.stack([gradient.norm() for gradient in sums.values()]).tolist() if sums else []
    return {name: norm / num_batches for name, norm in zip(sums, norms, strict=True)}


def _gradients(slots: Mapping[str, SeedSlot], loss: Callable[[], Tensor]) -> dict[str, Tensor]:
    """Return the gradient of a linear seed with zero weights, (C, C), in each slot that runs in `loss`."""
    calls = {name: _Calls(slot.layout, slot.channels, slot.slot_id) for name, slot in slots.items()}
    with ExitStack() as stack:
        for name, slot in slots.items():
            stack.callback(slot.register_forward_hook(calls[name].record).remove)
        value = _checked_loss(loss())
    shifts = [shift for one in calls.values() for shift in one.shifts]
    if not shifts:
        return {}
    if not value.requires_grad:
        raise ValueError(
            "the loss of place_signals must have gradients, got one without; compute it from the output of the model, without"
            " detach, item, no_grad or inference_mode"
        )
    # Not `backward`, which would add to the gradients of the parameters.
    gradients = iter(torch.autograd.grad(value, shifts, allow_unused=True))
    return {
        name: one.gradient([next(gradients) for _ in one.shifts])
        for name, one in calls.items()
        if one.shifts
    }


def _check_kind(name: str, value: object, kind: type[Any], remedy: str) -> None:
    """Check that `value` is an instance of the abstract class `kind`.

    Raises:
        ValueError: it is not.
    """
    instance_of(name, value, kind, remedy)


def _checked_loss(value: object) -> Tensor:
    """Return the result of the user's loss function.

    Raises:
        ValueError: it is not a tensor with one element.
    """
    loss = instance_of(
        "the loss of place_signals", value, Tensor, "return the mean loss of the batch"
    )
    if loss.numel() != 1:
        raise ValueError(
            f"the loss of place_signals must have one element, got shape {tuple(loss.shape)}; return the mean loss of the batch"
        )
    return loss


@final
class _Calls:
    """The calls of one slot in a forward pass: a network may call a slot more than once."""

    def __init__(self, layout: Layout, channels: int, slot_id: str) -> None:
        self._layout = layout
        self._channels = channels
        self._slot_id = slot_id
        self._features: list[Tensor] = []
        self.shifts: list[Tensor] = []

    def record(self, _slot: nn.Module, _arguments: Any, features: Tensor) -> Tensor:
        """Add zeros to the features that the slot returns, whose gradient is that of its output."""
        check_features(features, self._layout, self._channels, self._slot_id)
        shift = torch.zeros_like(features, requires_grad=True)
        # A copy, because a later module may write into the features.
        self._features.append(features.detach().clone())
        self.shifts.append(shift)
        return features + shift

    def gradient(self, shift_gradients: list[Tensor | None]) -> Tensor:
        """Return the sum of g x^T over calls, samples and positions, (C, C), in float32 or better."""
        total = torch.zeros((), device=self._features[0].device)
        for features, gradient in zip(self._features, shift_gradients, strict=True):
            if gradient is not None:
                g, x = (self._by_position(one) for one in (gradient, features))
                total = total + g.T @ x
        return total

    def _by_position(self, features: Tensor) -> Tensor:
        """Return the vectors of all samples and positions as rows, (N, C)."""
        axis = min(self._layout.channel_axis, features.ndim - 1)
        rows = features.movedim(axis, -1).reshape(-1, self._channels)
        return rows.to(torch.promote_types(rows.dtype, torch.float32))


@contextmanager
def _own_random_numbers(model: nn.Module) -> Iterator[None]:
    """Let the model draw random numbers, on its devices, without spending those of the caller."""
    of_model = {one.device for one in (*model.parameters(), *model.buffers())}
    by_type: dict[str, list[torch.device]] = {}
    for device in of_model:
        by_type.setdefault(device.type, []).append(device)
    with ExitStack() as stack:
        stack.enter_context(torch.random.fork_rng(devices=[]))
        for kind, devices in by_type.items():
            if kind not in ("cpu", "meta"):
                stack.enter_context(torch.random.fork_rng(devices=devices, device_type=kind))
        yield


@contextmanager
def _uncompiled() -> Iterator[None]:
    """Run compiled modules as they were before: code that is compiled already calls no new hooks."""
    if "torch._dynamo" not in sys.modules:
        yield
        return
    with torch.compiler.set_stance("force_eager"):
        yield
