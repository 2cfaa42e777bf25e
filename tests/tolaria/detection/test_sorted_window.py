"""Tests that a sorted window gives the same as sorting all values at every step."""

from hypothesis import given
from hypothesis import strategies as st

from esper.tolaria.detection.sorted_window import SortedWindow

NUMBERS = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60)


@given(NUMBERS, st.integers(1, 12))
def test_median_and_deviation_are_those_of_the_newest_values(numbers, size):
    window = SortedWindow(size)
    for count, number in enumerate(numbers, start=1):
        window.push(number)
        newest = sorted(numbers[max(0, count - size) : count])
        median = newest[len(newest) // 2]
        distances = sorted(abs(value - median) for value in newest)

        assert window.median() == median
        assert window.median_deviation() == distances[len(distances) // 2]


@given(NUMBERS, st.integers(1, 12))
def test_keeps_the_newest_values_oldest_first(numbers, size):
    window = SortedWindow(size, numbers)

    assert window.values() == numbers[-size:]
    assert len(window) == min(size, len(numbers))
    assert window.is_full == (len(numbers) >= size)


def test_can_be_cleared_and_used_again():
    window = SortedWindow(3, [1.0, 2.0])

    window.clear()
    window.push(7.0)

    assert (window.values(), window.median()) == ([7.0], 7.0)
