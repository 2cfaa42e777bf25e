"""Measures how far the weights have moved since a snapshot, compared with how far training usually moves them.

Damage moves weights much farther than the optimizer does in as many steps. Other data do not: at the first batch of
other data the loss is high, but no step has been taken on them yet.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, zip_longest
from typing import Final

import torch
from torch import Tensor
from torch.optim import Optimizer

from esper.tolaria.snapshots.inventory import Inventory
from esper.tolaria.snapshots.store import Snapshot, SnapshotContext

_CHUNK: Final = 1 << 20
"""Elements that are compared at once: no large copy is made."""
_LEAST_SHARE: Final = 0.5
"""Usual distance per element of a tensor, at least, as a share of that of all weights: a single bias may have stood still."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Travel:
    """How far the weights have moved since a trusted snapshot; 1 is the farthest that is usual in as many steps."""

    whole: float
    """That of all weights together."""
    largest: float
    """That of the tensor that has moved the most by this measure."""
    rate: float
    """The present learning rate as a multiple of the highest one so far; the largest of all parameter groups."""
    since: int
    """Steps that the weights of the trusted snapshot had been trained for."""


class TravelMeter:
    """Compares distances; those between two snapshots, which do not change, are computed once."""

    def __init__(self) -> None:
        """Start without any distance."""
        self._known: dict[tuple[int, int], dict[str, float]] = {}

    def measure(
        self,
        reference: Snapshot,
        kept: Iterable[Snapshot],
        now: Inventory,
        *,
        progress: int,
        learning_rates: Sequence[float],
    ) -> Travel | None:
        """Return how far the weights have moved since `reference`; None if nothing shows how far they usually move.

        Args:
            reference: an intact snapshot, whose weights are trusted.
            kept: further snapshots; those of weights trained for fewer steps than `reference` show what is usual.
            now: the current inventory.
            progress: steps that the present weights have been trained for.
            learning_rates: the present ones, of all parameter groups.
        """
        start = reference.context.progress
        older = {one.context.progress: one for one in kept if one.context.progress < start}
        in_order = [*(older[at] for at in sorted(older)), reference]
        self._forget_others(in_order)
        usual: dict[str, float] = {}
        for earlier, later in pairwise(in_order):
            duration = later.context.progress - earlier.context.progress
            # A random walk, which training resembles more than a straight line.
            scale = math.sqrt(max(1, progress - start) / duration)
            scale *= _faster(learning_rates, earlier.context, later.context)
            for key, distance in self._between(earlier, later).items():
                usual[key] = max(usual.get(key, 0.0), distance * scale)
        keys = [key for key in usual if _form(now, key) == _form(reference.inventory, key)]
        moved = _distances([(now.tensors[key], reference.buffers.view(key)) for key in keys])
        return _travel(
            dict(zip(keys, moved, strict=True)),
            usual,
            {key: math.prod(now.entries[key].shape) for key in keys},
            rate=_ratio(learning_rates, reference.context.highest_rates),
            since=start,
        )

    def _between(self, earlier: Snapshot, later: Snapshot) -> dict[str, float]:
        """Return the distances of the tensors that both snapshots hold; empty if one of the snapshots is corrupt."""
        numbers = earlier.info.snapshot_id, later.info.snapshot_id
        if numbers not in self._known:
            self._known[numbers] = {}
            if earlier.buffers.is_intact() and later.buffers.is_intact():
                keys = [
                    key
                    for key in later.inventory.entries
                    if _form(earlier.inventory, key) == _form(later.inventory, key) is not None
                ]
                distances = _distances(
                    [(earlier.buffers.view(key), later.buffers.view(key)) for key in keys]
                )
                self._known[numbers] = dict(zip(keys, distances, strict=True))
        return self._known[numbers]

    def _forget_others(self, snapshots: Iterable[Snapshot]) -> None:
        numbers = {one.info.snapshot_id for one in snapshots}
        self._known = {pair: one for pair, one in self._known.items() if numbers.issuperset(pair)}


def learning_rates(optimizers: Iterable[Optimizer]) -> tuple[float, ...]:
    """Return the learning rates of all parameter groups, 0 where an optimizer has none."""
    groups = (group for optimizer in optimizers for group in optimizer.param_groups)
    return tuple(float(group.get("lr", 0.0)) for group in groups)


def higher_rates(rates: Sequence[float], others: Sequence[float]) -> tuple[float, ...]:
    """Return the higher learning rate of each parameter group; groups may have been added since `others`."""
    return tuple(map(max, zip_longest(rates, others[: len(rates)], fillvalue=0.0)))


def _travel(
    moved: Mapping[str, float],
    usual: Mapping[str, float],
    sizes: Mapping[str, int],
    *,
    rate: float,
    since: int,
) -> Travel | None:
    """Return the distances `moved` as multiples of `usual`, by key; None if weights usually stand still or are not finite."""
    whole_usual = math.hypot(*(usual[key] for key in moved))
    whole = math.hypot(*moved.values()) / whole_usual if whole_usual else math.nan
    if not math.isfinite(whole):
        return None
    per_element = _LEAST_SHARE * whole_usual / math.sqrt(sum(sizes.values()))
    largest = max(
        distance / max(usual[key], per_element * math.sqrt(sizes[key]))
        for key, distance in moved.items()
        if sizes[key]
    )
    return Travel(whole=whole, largest=largest, rate=rate, since=since)


def _faster(now: Sequence[float], earlier: SnapshotContext, later: SnapshotContext) -> float:
    """Return how much faster weights may move than between two snapshots, by a learning rate that has been used before."""
    allowed = [min(pair) for pair in zip(now, later.highest_rates, strict=False)]
    between = [max(pair) for pair in zip(earlier.rates, later.rates, strict=False)]
    return max(1.0, _ratio(allowed, between))


def _ratio(rates: Sequence[float], others: Sequence[float]) -> float:
    """Return the largest ratio of two learning rates of one group; 1 if nothing is known."""
    pairs = zip(rates, others, strict=False)
    return max((rate / other for rate, other in pairs if other > 0.0), default=1.0)


def _form(inventory: Inventory, key: str) -> str | None:
    """Return the form of a floating-point parameter; None if it is something else."""
    entry = inventory.entries.get(key)
    if entry is None or entry.part != "parameter":
        return None
    return entry.form if entry.dtype.is_floating_point or entry.dtype.is_complex else None


def _distances(pairs: Sequence[tuple[Tensor, Tensor]]) -> list[float]:
    """Return the Euclidean distance of each pair of tensors of one shape; each device is waited for once."""
    norms = [torch.stack(_norms(one, other)) for one, other in pairs]
    totals: list[float] = [0.0] * len(pairs)
    for device in {norm.device for norm in norms}:
        places = [place for place, norm in enumerate(norms) if norm.device == device]
        values = torch.stack([torch.linalg.vector_norm(norms[place]) for place in places]).tolist()
        for place, value in zip(places, values, strict=True):
            totals[place] = value
    return totals


def _norms(one: Tensor, other: Tensor) -> list[Tensor]:
    """Return the norms of the differences of two tensors, chunk by chunk."""
    chunks = zip(one.reshape(-1).split(_CHUNK), other.reshape(-1).split(_CHUNK), strict=True)
    return [torch.linalg.vector_norm(_wide(a) - _wide(b.to(a.device))) for a, b in chunks]


def _wide(tensor: Tensor) -> Tensor:
    """Return half-precision numbers in single precision, whose squares do not overflow so soon."""
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor
