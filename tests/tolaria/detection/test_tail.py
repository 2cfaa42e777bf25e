"""What is usual for a series is no evidence; spikes of another size are not usual."""

import pytest

from esper.tolaria.detection.tail import Tail


@pytest.mark.parametrize(("size", "is_rarer"), [(2.0, False), (9.0, True)])
def test_much_larger_spikes_need_no_more_patience_because_of_small_ones(size, is_rarer):
    tail = Tail()
    for _ in range(40):
        for is_above in [True, True, *[False] * 8]:
            tail.note(is_above, 1.0)
    for _ in range(2):
        tail.note(True, size)

    assert tail.is_rarer(1e-4) is is_rarer
    assert Tail.from_list(tail.to_list()) == tail
