"""A curve keeps a bounded number of points, and its extremes."""

import math
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from esper.karn.series import MAX_BUCKETS, MAX_RAW, SeriesBuilder, build_series


def build(values):
    builder = SeriesBuilder()
    for x, y in enumerate(values):
        builder.add(x, y)
    return build_series(
        [builder], name="loss", axis="step", event="EPOCH_COMPLETED", field="val_loss"
    )


@given(st.lists(st.floats(), max_size=200))
def test_a_short_curve_has_every_point(values):
    series = build(values)

    finite = [value for value in values if math.isfinite(value)]
    assert [y for y in series.y if y is not None] == finite
    assert (series.num_points, series.is_thinned) == (len(values), False)
    assert series.num_nonfinite == len(values) - len(finite)
    assert [mark.x for mark in series.marks] == [
        x for x, value in enumerate(values) if not math.isfinite(value)
    ][:100]


def test_a_long_curve_keeps_its_ends_and_extremes():
    chance = Random(3)
    values = [chance.random() for _ in range(300_000)]
    values[123_457], values[7], values[299_000] = 50.0, -50.0, math.nan

    series = build(values)

    assert len(series.x) <= 4 * MAX_BUCKETS + MAX_RAW
    assert (series.low, series.high, series.num_points, series.is_thinned) == (
        -50,
        50,
        300_000,
        True,
    )
    assert (series.x[0], series.x[-1], series.num_nonfinite) == (0, 299_999, 1)
    assert series.x[series.y.index(50.0)] == 123_457
    assert list(series.x) == sorted(set(series.x))
    assert series.marks[0].x == 299_000


def test_each_stretch_of_a_long_curve_keeps_its_extremes():
    values = [math.sin(x / 100) for x in range(50_000)]

    series = build(values)

    for start in range(0, 50_000, 1000):
        part = [y for x, y in zip(series.x, series.y, strict=True) if start <= x < start + 1000]
        assert max(part) >= max(values[start : start + 1000]) - 1e-3


def test_unit_and_description_come_from_the_contract():
    series = build([1.0])
    assert series.unit == "nats"
    assert series.doc.startswith("Loss on the validation set")
