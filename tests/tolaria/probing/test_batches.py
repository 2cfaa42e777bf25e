"""Batches are kept as they are, or copied for loaders that use the same memory again."""

from collections import OrderedDict, UserDict, UserList, defaultdict, namedtuple

import numpy as np
import pytest
import torch

from esper.leyline.errors import ProbeError
from esper.tolaria.probing.batches import copied
from esper.tolaria.probing.canary import Canary
from esper.tolaria.probing.config import ProbeConfig
from esper.tolaria.tasks.task import Samples

Pair = namedtuple("Pair", "inputs targets")


@pytest.mark.parametrize(
    "wrap",
    [
        lambda x: x,
        lambda x: (x, 1),
        lambda x: [x],
        lambda x: {"inputs": {"ids": x}},
        lambda x: Pair(x, x),
        lambda x: Samples(inputs=x, targets=x),
        lambda x: OrderedDict(inputs=x),
        lambda x: defaultdict(list, inputs=[x]),
        lambda x: UserDict(inputs=x),
        lambda x: UserList([x]),
    ],
    ids=[
        "tensor",
        "tuple",
        "list",
        "dict",
        "namedtuple",
        "dataclass",
        "ordered dict",
        "defaultdict",
        "UserDict",
        "UserList",
    ],
)
def test_a_copy_shares_no_memory(wrap):
    tensor = torch.zeros(2, requires_grad=True) * 1.0
    batch = wrap(tensor)

    copy = copied(batch)
    tensor.data.fill_(7.0)

    assert type(copy) is type(batch)
    assert "7." not in repr(copy)


def test_other_values_are_copied_too():
    array = np.zeros(2)

    copy = copied((array, "text"))
    array[:] = 7.0

    assert copy[0].tolist() == [0.0, 0.0]


def test_a_batch_that_cannot_be_copied_is_refused_by_the_setting_that_copies_it():
    with pytest.raises(
        ProbeError, match='copyable with keep="copy", got a value of type generator'
    ):
        copied(one for one in (1, 2))


@pytest.mark.parametrize(("keep", "is_same"), [("reference", True), ("copy", False)])
def test_the_canary_keeps_the_first_batch(keep, is_same):
    canary = Canary(ProbeConfig(keep=keep))
    batch = torch.zeros(2)

    kept = canary.batch(batch)

    assert (kept is batch) is is_same
    assert canary.batch(torch.ones(2)) is kept
    canary.renew()
    assert canary.batch(torch.ones(2)) is not kept


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"keep": "view"}, "keep must be 'reference' or 'copy', got 'view'"),
        ({"min_batches": 0}, "min_batches must be at least 1"),
        ({"min_batches": 5}, "max_batches must be at least 5, got 4"),
        ({"canary_interval": -1}, "canary_interval must be at least 0"),
        ({"scale_share": "x"}, "scale_share must be a number"),
        ({"rise_share": -1.0}, "rise_share must be at least 0"),
        ({"patience": 0}, "patience must be at least 1"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        ProbeConfig(**settings)
