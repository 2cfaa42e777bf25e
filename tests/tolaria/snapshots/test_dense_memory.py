"""Tests that no tensor ends the process: it is saved and restored, or refused by name."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from esper.leyline.errors import SnapshotError
from esper.tolaria.snapshots.dense_memory import ReadOnlyMemory, dense_memory, find_obstacle
from tests.tolaria.networks import store_for, take
from tests.tolaria.snapshots.foreign_tensors import PLACES, REFUSED, SAVED


@pytest.fixture(scope="module")
def outcomes() -> dict[str, dict[str, str]]:
    """Return what became of each kind of tensor in each place, each in a process of its own."""
    found = subprocess.run(
        [sys.executable, "-m", "tests.tolaria.snapshots.foreign_tensors"],
        capture_output=True,
        check=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        text=True,
    )
    return json.loads(found.stdout)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", SAVED)
def test_a_tensor_with_memory_of_its_own_is_restored(outcomes, kind, place):
    assert outcomes[kind][place] == "saved"


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", REFUSED)
def test_any_other_tensor_is_refused_by_name(outcomes, kind, place):
    name = {"companion": "other/odd", "optimizer": "optimizer0/weight/odd"}.get(place, "odd")
    expected = f"{name} must be a dense tensor in memory of its own, got "
    outcome = outcomes[kind][place]

    if place != "non_persistent":
        assert outcome.startswith(expected)
    elif kind == "differentiated":
        # Inside such a transform no tensor can be copied, those of the network included.
        assert outcome.startswith("a snapshot must be copied whole")
    else:
        assert outcome == "left out"


def test_a_refusal_says_what_the_tensor_is():
    with pytest.raises(SnapshotError, match=r"^w must be .*, got a meta tensor; convert it to one"):
        dense_memory("w", torch.ones(2, device="meta"), ReadOnlyMemory())


def test_memory_that_is_freed_later_is_refused_too():
    model = nn.Linear(2, 2)
    store = store_for(model)
    take(store)
    model.weight.untyped_storage().resize_(0)

    with pytest.raises(
        SnapshotError, match=r"weight must be .*, got a tensor whose storage was fr"
    ):
        take(store)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lists the mappings of a process")
def test_knows_which_memory_cannot_be_written_to(tmp_path):
    (tmp_path / "file").write_bytes(bytes(1 << 16))
    mapped = np.memmap(tmp_path / "file", np.uint8, "r")
    copied = np.memmap(tmp_path / "file", np.uint8, "c")
    memory = ReadOnlyMemory()

    assert memory.holds(mapped.ctypes.data)
    assert not memory.holds(copied.ctypes.data)
    assert find_obstacle(torch.ones(3), memory) is None
