"""Tests of the memory of a snapshot, for tensors larger than a block and with any strides."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from esper.tolaria.snapshots.buffer_layout import (
    ALIGNMENT,
    BLOCK_BYTES,
    Layout,
    contiguous_strides,
    is_dense,
)
from esper.tolaria.snapshots.buffers import SnapshotBuffers
from tests.tolaria.networks import inventory_of, same, scramble, state_of

LARGE = {
    "plain": lambda: torch.arange(3 * 2**18 + 5, dtype=torch.float32),
    "channels last": lambda: torch.rand(4, 8, 128, 160).to(memory_format=torch.channels_last),
    "transposed": lambda: torch.rand(700, 900).t(),
    "every other": lambda: torch.rand(700, 1800)[:, ::2],
    "conjugate": lambda: torch.rand(400, 400, dtype=torch.complex64).conj(),
}


def filled(model: nn.Module) -> SnapshotBuffers:
    buffers = SnapshotBuffers()
    buffers.set_layout(Layout(inventory_of(model), unchecked=()))
    buffers.fill()
    return buffers


def holding(tensor: torch.Tensor) -> nn.Module:
    model = nn.Module()
    model.register_buffer("small", torch.ones(3))
    model.register_buffer("large", tensor)
    return model


@pytest.mark.parametrize("build", LARGE.values(), ids=LARGE.keys())
def test_large_tensors_are_restored_completely(build):
    model = holding(build())
    buffers = filled(model)
    before = state_of(model)
    scramble(model)

    buffers.write_back()

    assert same(state_of(model), before)
    assert torch.equal(buffers.view("large"), model.large)


@pytest.mark.parametrize("where", [0.0, 0.5, 0.999])
@pytest.mark.parametrize("bit", [0, 7])
def test_a_flipped_bit_is_detected_at_any_position(where, bit):
    buffers = filled(holding(LARGE["plain"]()))
    bits = buffers.view("large").view(torch.uint8)
    assert buffers.is_intact()

    bits[int(where * len(bits))] ^= 1 << bit

    assert not buffers.is_intact()


def test_equal_numbers_set_to_zero_are_detected():
    buffers = filled(nn.BatchNorm1d(1024))

    buffers.view("weight").zero_()

    assert not buffers.is_intact()


def test_two_exchanged_blocks_are_detected():
    buffers = filled(holding(LARGE["plain"]()))
    numbers = buffers.view("large")
    size = BLOCK_BYTES // numbers.itemsize
    first, second = numbers[:size].clone(), numbers[size : 2 * size].clone()

    numbers[:size], numbers[size : 2 * size] = second, first

    assert not buffers.is_intact()


def test_buffers_that_were_never_filled_are_not_intact():
    buffers = SnapshotBuffers()
    buffers.set_layout(Layout(inventory_of(nn.Linear(2, 2)), unchecked=()))

    assert not buffers.is_intact()


def test_memory_is_reallocated_only_if_the_size_differs_much():
    buffers = filled(nn.Linear(100, 100))
    address = buffers.view("weight").data_ptr()

    for size, is_same in ((100, True), (90, True), (10, False)):
        buffers.set_layout(Layout(inventory_of(nn.Linear(size, size)), unchecked=()))
        buffers.fill()
        assert (buffers.view("weight").data_ptr() == address) is is_same


@given(st.lists(st.integers(0, 3_000_000), min_size=1, max_size=8))
def test_blocks_cover_every_byte_once_and_fit_the_cache(sizes):
    model = nn.Module()
    for index, size in enumerate(sizes):
        model.register_buffer(f"b{index}", torch.empty(size, dtype=torch.uint8))

    layout = Layout(inventory_of(model), unchecked=())

    stop = 0
    for block in layout.blocks:
        assert block.start == stop
        assert block.start % ALIGNMENT == 0
        assert 0 < block.stop - block.start <= BLOCK_BYTES + ALIGNMENT
        stop = block.stop
    assert [stop] == list(layout.sizes.values())
    assert layout.num_bytes == sum(sizes)


@given(st.lists(st.integers(1, 4), max_size=4), st.permutations(range(4)))
def test_a_tensor_is_dense_in_any_order_of_its_dimensions(shape, order):
    tensor = torch.zeros(shape)

    assert is_dense(tensor.permute([place for place in order if place < len(shape)]))
    assert contiguous_strides(shape) == tensor.stride()


def test_a_tensor_with_gaps_is_not_dense():
    assert not is_dense(torch.zeros(4, 4)[:, ::2])
    assert not is_dense(torch.zeros(1).expand(4))
