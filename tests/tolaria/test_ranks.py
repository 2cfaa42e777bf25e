"""Tests that the governor refuses to be one of several ranks."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch.distributed as dist
from torch import nn
from torch.testing._internal.distributed.fake_pg import FakeStore

from esper.leyline.errors import UsageError
from esper.tolaria.governor import TolariaGovernor

MESSAGE = r"^a governor must be in a process group of one rank, got 2 ranks, which .*; train in one"


@contextmanager
def process_group(ranks: int) -> Iterator[None]:
    """Pretend to be the first of several ranks, of which the others do not exist."""
    dist.init_process_group("fake", store=FakeStore(), rank=0, world_size=ranks)
    try:
        yield
    finally:
        dist.destroy_process_group()


def test_a_governor_cannot_be_built_on_one_of_several_ranks():
    with process_group(2), pytest.raises(UsageError, match=MESSAGE):
        TolariaGovernor(nn.Linear(2, 2))


@pytest.mark.parametrize("judge", [TolariaGovernor.before_step, TolariaGovernor.check_vital_signs])
def test_a_process_group_that_is_made_later_is_refused_at_the_next_loss(judge):
    governor = TolariaGovernor(nn.Linear(2, 2))
    judge(governor, 1.0)

    with process_group(2), pytest.raises(UsageError, match=MESSAGE):
        judge(governor, 1.0)


def test_a_process_group_of_one_rank_is_accepted():
    with process_group(1):
        assert TolariaGovernor(nn.Linear(2, 2)).before_step(1.0).may_step
