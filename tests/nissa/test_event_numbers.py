"""Event numbers are new or repeated, whatever order they come in and however large they are."""

from hypothesis import given
from hypothesis import strategies as st

from esper.nissa.event_numbers import EventNumbers


@given(st.lists(st.integers(0, 12) | st.integers(0, 2**63 - 1)))
def test_a_number_is_new_once(numbers):
    seen = EventNumbers()

    assert [seen.add(number) for number in numbers] == [
        number not in numbers[:index] for index, number in enumerate(numbers)
    ]


def test_unreadable_lines_use_up_numbers():
    seen = EventNumbers()
    seen.add(0)
    seen.num_unreadable += 2

    assert [seen.is_next(number) for number in (0, 1, 2, 3, 4)] == [False, True, True, True, False]
    seen.add(3)
    assert [seen.is_next(number) for number in (4, 5)] == [True, False]
