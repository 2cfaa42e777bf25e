"""Which snapshots are kept."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esper.tolaria.snapshots.ring import Ring


def numbered(number: int) -> SimpleNamespace:
    """Return what the ring looks at of a snapshot."""
    return SimpleNamespace(info=SimpleNamespace(snapshot_id=number))


def numbers(ring: Ring) -> list[int]:
    return [kept.info.snapshot_id for kept in ring.newest_first]


def filled(count: int, *, ages=(2, 8), has_proved=lambda kept: True) -> Ring:
    ring = Ring(ages)
    for number in range(count):
        ring.add(numbered(number), has_proved=has_proved)
    return ring


def test_places_are_renewed_more_and_more_slowly():
    history = [numbers(filled(count)) for count in range(1, 14)]

    assert history[:4] == [[0], [1, 0], [2, 0], [3, 2, 0]]
    assert history[-1] == [12, 10, 6]


def test_keeps_one_for_each_age_and_the_newest():
    assert len(filled(100, ages=(1, 5, 25))) == 4
    assert len(filled(100, ages=())) == 1


@given(st.integers(1, 60), st.integers(1, 20))
def test_one_that_has_proved_itself_is_always_kept(count, probation):
    ring = Ring((2, 8))
    for number in range(count):
        proved = number - probation
        ring.add(numbered(number), has_proved=lambda kept, to=proved: kept.info.snapshot_id <= to)

    oldest = numbers(ring)[-1]
    assert count - 1 - oldest >= min(probation, count - 1)


@given(st.sets(st.integers(0, 30)), st.sampled_from([(1,), (2, 8), (1, 3, 8)]))
def test_one_that_has_proved_itself_is_not_given_up_for_one_that_has_not(proved, ages):
    ring = Ring(ages)
    for number in range(30):
        had_one = bool(set(numbers(ring)) & proved)
        ring.add(numbered(number), has_proved=lambda kept: kept.info.snapshot_id in proved)
        assert not had_one or set(numbers(ring)) & proved


@pytest.mark.parametrize(("to", "left"), [(3, [3, 2, 0]), (2, [2, 0]), (0, [0])])
def test_gives_up_the_future_that_will_not_happen(to, left):
    ring = filled(4)

    ring.drop_newer(numbered(to))

    assert numbers(ring) == left


def test_gives_up_one():
    ring = filled(4)

    ring.drop(ring.newest_first[1])

    assert numbers(ring) == [3, 0]


def test_takes_back_one_where_its_age_belongs():
    ring = filled(4)
    ring.drop_newer(numbered(2))

    ring.bring_back(numbered(3))
    ring.bring_back(numbered(1))

    assert numbers(ring) == [3, 2, 1, 0]

    ring.trim(lambda kept: kept.info.snapshot_id != 2)

    assert numbers(ring) == [3, 1, 0]
