"""The injections, each a context manager: it breaks something on entry and, unless the damage is meant to last, repairs it on exit."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import torch
from torch import Tensor

from esper._generated.channel import Payload
from esper._generated.envelope import Envelope
from esper.tolaria.governor import TolariaGovernor
from esper.tolaria.snapshots.buffers import SnapshotBuffers
from esper.tolaria.snapshots.retention import SnapshotKeeper
from faults_campaign.loop import TrainingRun


@contextmanager
def nan_loss(run: TrainingRun) -> Iterator[None]:
    """Make the loss NaN, and with it every gradient."""
    hook = run.network.model.register_forward_hook(
        lambda _module, _inputs, logits: logits * torch.nan
    )
    yield
    hook.remove()


@contextmanager
def nan_inputs(run: TrainingRun) -> Iterator[None]:
    """Make every input NaN: the loss and the running statistics of batch norm become NaN."""
    inputs = run.samples.inputs
    before = inputs.clone()
    inputs.fill_(torch.nan)
    yield
    inputs.copy_(before)


@contextmanager
def infinite_gradient(run: TrainingRun) -> Iterator[None]:
    """Make one gradient infinite."""
    hook = run.network.host_parameters[0].register_hook(lambda gradient: gradient * torch.inf)
    yield
    hook.remove()


@contextmanager
def nan_host_weight(run: TrainingRun) -> Iterator[None]:
    """Set one weight of the host to NaN."""
    _set_nan(run.network.host_parameters[0])
    yield


def has_blending_seed(run: TrainingRun) -> bool:
    """Return whether a live seed contributes to the network's output."""
    return any(slot.is_unsettled and slot.alpha > 0.0 for slot in run.network.slots.values())


@contextmanager
def nan_seed_weight(run: TrainingRun) -> Iterator[None]:
    """Set one weight of a live seed that contributes to the output to NaN."""
    slot = next(s for s in run.network.slots.values() if s.is_unsettled and s.alpha > 0.0)
    _set_nan(next(iter(slot.seed_parameters())))
    yield


def has_moment(run: TrainingRun) -> bool:
    """Return whether the optimizer has a momentum for the host's first weight: it has none right after a rollback."""
    network = run.network
    state = network.follower.optimizer.state.get(network.host_parameters[0], {})
    return state.get("momentum_buffer") is not None


@contextmanager
def nan_moment(run: TrainingRun) -> Iterator[None]:
    """Set one value in the optimizer's momentum of a weight to NaN."""
    network = run.network
    _set_nan(network.follower.optimizer.state[network.host_parameters[0]]["momentum_buffer"])
    yield


@contextmanager
def learning_rate_x100(run: TrainingRun) -> Iterator[None]:
    """Multiply every learning rate by a hundred."""
    run.learning_rate_scale = 100.0
    yield
    run.learning_rate_scale = 1.0


@contextmanager
def wiped_weights(run: TrainingRun) -> Iterator[None]:
    """Set every weight of the host to zero."""
    with torch.no_grad():
        for parameter in run.network.host_parameters:
            parameter.zero_()
    yield


DRIFT_PER_STEP = 0.07
"""Standard deviation of a step of the random walk, as a share of the weights' root mean square."""


@contextmanager
def drifting_weights(run: TrainingRun) -> Iterator[None]:
    """Move every weight of the host by one step of a random walk."""
    generator = torch.Generator().manual_seed((run.seed << 20) + run.step)
    with torch.no_grad():
        for parameter in run.network.host_parameters:
            size = parameter.square().mean().sqrt()
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.add_(noise * size * DRIFT_PER_STEP)
    yield


@contextmanager
def shuffled_labels(run: TrainingRun) -> Iterator[None]:
    """Permute the labels of the training images."""
    targets = run.samples.targets
    before = targets.clone()
    generator = torch.Generator().manual_seed((run.seed << 20) + run.step)
    targets.copy_(before[torch.randperm(len(before), generator=generator)])
    yield
    targets.copy_(before)


@contextmanager
def other_order(run: TrainingRun) -> Iterator[None]:
    """Change only the order of the batches of later epochs."""
    run.order_seed = run.seed + 1_000_000
    yield


@contextmanager
def flipped_bit(run: TrainingRun) -> Iterator[None]:
    """Flip a bit in the newest snapshot."""
    newest = _keeper(run).newest
    assert newest is not None
    buffer = next(iter(newest.buffers._buffers.values()))
    buffer[0] ^= 1 << 4
    yield


@contextmanager
def interrupted_copy(run: TrainingRun) -> Iterator[None]:
    """Make every snapshot fail in the middle of its copy."""

    def fill(buffers: SnapshotBuffers) -> float:
        buffers.checksum = None
        pairs = [pair for block in buffers.blocks for pair in block.byte_pairs]
        for buffer, source in pairs[: len(pairs) // 2]:
            buffer[:] = source
        raise RuntimeError("injected in the middle of a copy")

    with patch.object(SnapshotBuffers, "fill", fill):
        yield


@contextmanager
def no_memory(run: TrainingRun) -> Iterator[None]:
    """Make every snapshot need new memory, whose allocation fails."""
    _keeper(run)._store._free.clear()
    with patch("esper.tolaria.snapshots.buffers.allocate", side_effect=MemoryError("injected")):
        yield


class _RaisingSink:
    """Raises at every event."""

    def write(self, envelope: Envelope, payload: Payload) -> None:
        """Raise an error."""
        raise OSError("injected by the fault campaign")

    def close(self) -> None:
        """Raise an error."""
        raise OSError("injected by the fault campaign")


class _HangingSink:
    """Blocks at its first event until it is released."""

    def __init__(self) -> None:
        self.is_released = threading.Event()

    def write(self, envelope: Envelope, payload: Payload) -> None:
        """Block."""
        self.is_released.wait()

    def close(self) -> None:
        """Do nothing."""


@contextmanager
def raising_sink(run: TrainingRun) -> Iterator[None]:
    """Attach a sink that raises at every event."""
    sink = run.hub.attach(_RaisingSink())
    yield
    run.hub.detach(sink)


@contextmanager
def hanging_sink(run: TrainingRun) -> Iterator[None]:
    """Attach a sink that blocks at its first event."""
    sink = run.hub.attach(_HangingSink())
    yield
    run.hub.detach(sink)
    sink.is_released.set()


def _keeper(run: TrainingRun) -> SnapshotKeeper:
    """Return the governor's snapshot keeper, a private part: damaged memory does not use the public interface either."""
    assert isinstance(run.guardian, TolariaGovernor)
    return run.guardian._recovery._keeper


def _set_nan(tensor: Tensor) -> None:
    with torch.no_grad():
        tensor.view(-1)[0] = torch.nan
