"""Ramps of the amplitude reach their ends exactly and stay between them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esper._generated.enums import AlphaCurve
from esper.kasmina.alpha import AlphaSchedule
from esper.leyline.errors import SlotError

amplitudes = st.floats(0.0, 1.0)
curves = st.sampled_from(AlphaCurve)


def ramp(schedule: AlphaSchedule) -> list[float]:
    """Step the schedule until it rests, and return the amplitude after each step."""
    alphas = []
    while not schedule.is_resting:
        has_arrived = schedule.step()
        alphas.append(schedule.alpha)
        assert has_arrived == schedule.is_resting
    return alphas


@pytest.mark.parametrize(
    ("curve", "alphas"),
    [
        (AlphaCurve.LINEAR, [0.2, 0.4, 0.6, 0.8, 1.0]),
        (AlphaCurve.COSINE, [0.0955, 0.3455, 0.6545, 0.9045, 1.0]),
        (AlphaCurve.SIGMOID, [0.0242, 0.2301, 0.7699, 0.9758, 1.0]),
    ],
)
def test_a_ramp_follows_its_curve(curve, alphas):
    schedule = AlphaSchedule()
    schedule.retarget(1.0, steps=5, curve=curve)

    assert ramp(schedule) == pytest.approx(alphas, abs=5e-5)


@given(amplitudes, amplitudes, st.integers(1, 20), curves)
def test_a_ramp_is_monotonic_and_ends_at_its_target(start, target, steps, curve):
    schedule = AlphaSchedule(alpha=start)
    schedule.retarget(target, steps=steps, curve=curve)

    alphas = [start, *ramp(schedule)]

    assert len(alphas) == (1 if start == target else steps + 1)
    assert alphas[-1] == target
    assert alphas == sorted(alphas, reverse=target < start)
    assert schedule.is_at_target


def test_without_steps_the_target_is_reached_at_once():
    schedule = AlphaSchedule()
    schedule.retarget(0.7, steps=0)

    assert (schedule.alpha, schedule.is_resting, schedule.step()) == (0.7, True, False)


@pytest.mark.parametrize(("asked", "target"), [(1.5, 1.0), (-0.5, 0.0)])
def test_a_target_is_clamped_to_its_range(asked, target):
    schedule = AlphaSchedule(alpha=0.5)
    schedule.retarget(asked, steps=1)

    assert ramp(schedule) == [target]


def test_without_a_curve_the_previous_one_is_used():
    schedule = AlphaSchedule()
    schedule.retarget(1.0, steps=1, curve=AlphaCurve.COSINE)
    ramp(schedule)

    schedule.retarget(0.0, steps=4)

    assert schedule.curve is AlphaCurve.COSINE
    assert schedule.is_falling


def test_a_ramp_under_way_cannot_be_given_another_target():
    schedule = AlphaSchedule()
    schedule.retarget(1.0, steps=3)
    schedule.step()

    with pytest.raises(SlotError, match=r"must rest .*, got one with 2 steps left"):
        schedule.retarget(0.0, steps=1)
    assert ramp(schedule)[-1] == 1.0


def test_holding_ends_a_ramp():
    schedule = AlphaSchedule()
    schedule.retarget(1.0, steps=3)
    schedule.hold(1.0)

    assert schedule.is_at_target
    assert not schedule.step()
