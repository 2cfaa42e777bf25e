"""The axes of curves: constants, small values, and short times."""

import pytest

from esper.karn.charts.curves import _y_format, _y_scale
from esper.karn.charts.groups import _label

pytest.importorskip("altair", reason="needs the extra: charts")


def rows(*values):
    return [{"y": value} for value in values]


@pytest.mark.parametrize("value", [0.01, 2e-9, -3.0, 0.0])
def test_the_axis_of_a_constant_has_some_height_in_proportion_to_it(value):
    low, high = _y_scale(rows(value, value)).to_dict()["domain"]

    assert low < value < high
    assert high - low == pytest.approx(abs(value) or 1.0)


def test_small_values_have_ticks_with_an_exponent():
    assert _y_format(rows(1e-9, 2e-9)) == {"format": "~g"}
    assert _y_format(rows(0.0, 0.1)) == _y_format(rows(0.0, 0.0)) == {}


def test_the_label_of_a_group_leaves_out_settings_that_its_runs_do_not_have():
    names = ["lr", "task", "policy", "epochs", "faults"]

    assert _label({"task": "mine"}, names) == "task mine"
    assert _label(dict.fromkeys(names[1:], "x"), names) == "task x, policy x, epochs x, 1 more"
