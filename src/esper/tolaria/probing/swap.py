"""Runs the network with the weights of a snapshot for a moment, in place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from torch import Tensor

from esper.tolaria.snapshots.restore import RestorePlan


@contextmanager
def swapped_in(plan: RestorePlan) -> Iterator[None]:
    """Write the tensors of a snapshot into the network, and the present ones back at the end.

    Live seeds are switched off meanwhile, because a rollback would prune them. The weights are written past autograd,
    which keeps the version counters of a live graph; the present ones lie in a copy of their own until they are back.
    Extra states of modules and optimizer states stay as they are.
    """
    pairs: list[tuple[Tensor, Tensor]] = [
        (live.data, saved) for live, saved in plan.saved_tensors()
    ]
    present = [live.clone() for live, _ in pairs]
    try:
        with ExitStack() as stack:
            for slot in plan.slots.values():
                if slot.is_unsettled:
                    stack.enter_context(slot.force_alpha(0.0))
            for live, saved in pairs:
                live.copy_(saved)
            yield
    finally:
        for (live, _), values in zip(pairs, present, strict=True):
            live.copy_(values)
