"""Tests that the check for finite numbers agrees with PyTorch for every dtype."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from esper.tolaria.snapshots.finite import can_be_infinite, count_not_finite, describe, finite_check

DTYPES = [
    torch.float16,
    torch.bfloat16,
    torch.float32,
    torch.float64,
    torch.complex32,
    torch.complex64,
    torch.complex128,
    torch.float8_e4m3fn,
    torch.float8_e5m2,
]
BYTES = st.binary(min_size=16, max_size=160).map(lambda data: data[: len(data) // 16 * 16])


@pytest.mark.filterwarnings("ignore:ComplexHalf support is experimental")
@given(data=BYTES, dtype=st.sampled_from(DTYPES))
def test_agrees_with_pytorch_on_any_bytes(data, dtype):
    array = np.frombuffer(data, np.uint8).copy()
    numbers = torch.from_numpy(array).view(dtype)
    is_narrow = dtype.itemsize == 1
    wide = numbers.float() if is_narrow else numbers
    if dtype is torch.complex32:
        wide = numbers.to(torch.complex64)

    is_finite = finite_check(array, dtype, np.empty_like(array))()

    assert is_finite == bool(wide.isfinite().all())


def test_reads_the_numbers_at_every_call():
    array = np.zeros(64, np.uint8)
    check = finite_check(array, torch.float32, np.empty_like(array))
    assert check()

    array.view(np.float32)[3] = np.nan

    assert not check()


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.uint8])
def test_integers_need_no_check(dtype):
    assert not can_be_infinite(dtype)


def test_counts_and_describes_numbers_that_are_not_finite():
    broken = torch.tensor([1.0, torch.nan, torch.inf, -torch.inf])
    named = {"a": broken, "b": torch.zeros(2), "c": torch.ones(2, dtype=torch.int64)}

    faults = count_not_finite(named.items())

    assert faults == {"a": (1, 2)}
    assert describe(faults) == "1 NaN and 2 infinite in a"
