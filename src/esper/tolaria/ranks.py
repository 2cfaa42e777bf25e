"""Refuses to govern one of several ranks, until ranks can agree on verdicts."""

from __future__ import annotations

from typing import Final

import torch.distributed

from esper.leyline.errors import UsageError

_IS_AVAILABLE: Final = torch.distributed.is_available()


def check_single_rank() -> None:
    """Check that this process is not one of several ranks of `torch.distributed`.

    Each rank would judge its own losses, and one that rolls back alone has other weights than the rest from then on. There
    is no setting to allow it: whoever agrees on verdicts outside the governor cannot make it restore the same snapshot
    everywhere either.

    Raises:
        UsageError: the default process group has more than one rank.
    """
    if not (_IS_AVAILABLE and torch.distributed.is_initialized()):
        return
    ranks = torch.distributed.get_world_size()
    if ranks > 1:
        raise UsageError(
            f"a governor must be in a process group of one rank, got {ranks} ranks, which would each roll back for"
            " themselves and then hold different weights; train in one process, or without a governor"
        )
