"""Static networks of a wanted size: wider and deeper hosts, and hosts with given seeds from the start."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise, product
from typing import Final

import torch
from torch import nn

from esper.kasmina.blueprints.residual import ResidualSeed
from esper.kasmina.gates import QualityGates
from esper.kasmina.graft import find_slots
from esper.kasmina.hosts.transformer import TransformerHost
from esper.kasmina.slot import SeedSlot
from esper.leyline.lifecycle import next_stage
from esper.tolaria.tasks.task import Task

Build = Callable[[], nn.Module]

Fossils = Sequence[tuple[str, str]]
"""The id of each slot that holds a fossil, and the fossil's blueprint."""

_WIDTHS: Final = {"digits": (3, 6, 12), "mnist1d": (16, 16, 16), "pydoc": (64,)}
"""Channels of the blocks of each task's host."""
_NUM_BLOCKS: Final = {"digits": 3, "mnist1d": 3, "pydoc": 2}
_NUM_HEADS: Final = 4
_LARGEST_SCALE: Final = 4.0
_MOST_EXTRA_LAYERS: Final = 3


def num_params(network: nn.Module) -> int:
    """Return the number of parameters of `network`."""
    return sum(parameter.numel() for parameter in network.parameters())


def wider(task: Task, params: int) -> Build:
    """Return a function that builds the host with more channels: the smallest of at least `params` parameters."""
    return _smallest(lambda widths: _plain(task, widths), _widths(task), params)


def deeper(task: Task, params: int) -> Build:
    """Return a function that builds the host with more layers: the smallest of at least `params` parameters."""
    widths = _WIDTHS[task.name]
    extras = product(range(_MOST_EXTRA_LAYERS + 1), repeat=_NUM_BLOCKS[task.name])
    return _smallest(lambda extra: _plain(task, widths, extra), list(extras), params)


def with_fossils(task: Task, fossils: Fossils) -> Build:
    """Return a function that builds the host of `task` with the seeds `fossils`, which take part from the first step."""

    def build() -> nn.Module:
        host = task.build_host()
        slots = {slot.slot_id: slot for slot in find_slots(host).values()}
        for slot_id, blueprint_id in fossils:
            keep_at_once(slots[slot_id], blueprint_id)
        return host

    return build


def keep_at_once(slot: SeedSlot, blueprint_id: str) -> None:
    """Plant a seed and lead it through all its stages, so that it is a fossil at full amplitude."""
    slot.gates = QualityGates(permissive=True)
    slot.germinate(blueprint_id, blend_tempo_epochs=1)
    while next_stage(slot.stage) is not None:
        # The permissive gates ask for a recorded epoch in TRAINING and for a measured contribution in HOLDING.
        slot.record_accuracy(0.0)
        slot.record_contribution(0.0)
        slot.advance_stage()
        slot.step_epoch()


def _smallest(
    build: Callable[[tuple[int, ...]], nn.Module], sizes: Sequence[tuple[int, ...]], params: int
) -> Build:
    """Return the builder of the smallest network of at least `params` parameters, or of the largest there is."""
    with torch.random.fork_rng(devices=[]):
        counts = {index: num_params(build(size)) for index, size in enumerate(sizes)}
    enough = [index for index, count in counts.items() if count >= params]
    best = min(enough, key=counts.__getitem__) if enough else max(counts, key=counts.__getitem__)
    return lambda: build(sizes[best])


def _widths(task: Task) -> list[tuple[int, ...]]:
    """Return the widths of the blocks of wider hosts; those of a transformer are multiples of the number of heads."""
    host = _WIDTHS[task.name]
    step = _NUM_HEADS if task.name == "pydoc" else 1
    scales = (1.0 + number / 100 for number in range(int(100 * (_LARGEST_SCALE - 1.0))))
    return list(dict.fromkeys(tuple(round(w * s / step) * step for w in host) for s in scales))


def _plain(task: Task, widths: Sequence[int], extra: Sequence[int] | None = None) -> nn.Module:
    """Return a host without slots, with `extra` further residual layers after each of its blocks."""
    extra = [0] * _NUM_BLOCKS[task.name] if extra is None else extra
    match task.name:
        case "digits":
            return nn.Sequential(
                *_image_blocks(widths, extra),
                nn.AdaptiveAvgPool2d(1),
                nn.Flatten(),
                nn.Linear(widths[-1], 10),
            )
        case "mnist1d":
            # Three halvings leave 5 of the 40 values of a signal.
            return nn.Sequential(
                *_signal_blocks(widths, extra), nn.Flatten(), nn.Linear(widths[-1] * 5, 10)
            )
        case "pydoc":
            return _transformer(widths[0], extra)
        case name:
            raise ValueError(f"the campaign must know the host of a task, got {name!r}; add it")


def _image_blocks(widths: Sequence[int], extra: Sequence[int]) -> Iterator[nn.Module]:
    for block, (before, after) in enumerate(pairwise((1, *widths))):
        yield from _convolution(before, after)
        if block < 2:
            yield nn.MaxPool2d(2)
        for _ in range(extra[block]):
            yield ResidualSeed(nn.Sequential(*_convolution(after, after)))


def _convolution(before: int, after: int) -> Iterator[nn.Module]:
    yield nn.Conv2d(before, after, 3, padding=1, bias=False)
    yield nn.BatchNorm2d(after)
    yield nn.ReLU()


def _signal_blocks(widths: Sequence[int], extra: Sequence[int]) -> Iterator[nn.Module]:
    for block, (before, after) in enumerate(pairwise((1, *widths))):
        yield nn.Conv1d(before, after, 3, stride=2, padding=1)
        yield nn.ReLU()
        for _ in range(extra[block]):
            # Without the sum, at the learning rate of the task, deeper hosts do not learn at all.
            yield ResidualSeed(nn.Sequential(nn.Conv1d(after, after, 3, padding=1), nn.ReLU()))


def _transformer(width: int, extra: Sequence[int]) -> nn.Module:
    num_layers = _NUM_BLOCKS["pydoc"] + sum(extra)
    return TransformerHost(
        vocab_size=256,
        embed_dim=width,
        num_heads=_NUM_HEADS,
        num_layers=num_layers,
        num_segments=1,
        context_length=64,
        dropout=0.0,
    )
