"""Arguments of a wrong type or range are refused with the rule and the value."""

import math

import pytest

from esper.leyline.arguments import (
    check_callable,
    check_methods,
    describe,
    instance_of,
    real_number,
    text_of_length,
    whole_number,
)
from esper.leyline.errors import SlotError


def test_numbers_of_numpy_become_those_of_python():
    np = pytest.importorskip("numpy")

    assert type(whole_number("n", np.int64(3))) is int
    assert type(real_number("x", np.float32(0.5))) is float


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (2.5, "n must be a whole number, got 2.5"),
        ("3", "n must be a whole number, got '3'"),
        (True, "n must be a whole number, got True"),
        (None, "n must be a whole number, got None"),
        (0, "n must be at least 1, got 0"),
    ],
)
def test_a_value_that_is_not_such_a_whole_number(value, message):
    with pytest.raises(SlotError, match=message):
        whole_number("n", value, minimum=1, error=SlotError)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("1", "x must be a number, got '1'"),
        (False, "x must be a number, got False"),
        (float("nan"), "x must be at least 0, got nan"),
        (-1, "x must be at least 0, got -1"),
    ],
)
def test_a_value_that_is_not_such_a_number(value, message):
    with pytest.raises(ValueError, match=message):
        real_number("x", value, minimum=0.0)


def test_a_number_above_minus_infinity_may_not_be_nan():
    assert real_number("x", -math.inf, minimum=-math.inf) == -math.inf
    assert math.isnan(real_number("x", math.nan))
    with pytest.raises(ValueError, match="x must be other than NaN, got nan"):
        real_number("x", math.nan, minimum=-math.inf)


@pytest.mark.parametrize("value", [3, "", "abcd"])
def test_a_text_that_is_too_short_too_long_or_not_a_string(value):
    with pytest.raises(ValueError, match=r"t must (be a string|have 1 to 3 characters), got "):
        text_of_length("t", value, 1, 3)


def test_an_object_of_another_type():
    with pytest.raises(
        ValueError, match=r"^d must be of type dict, got a value of type list; use a dict$"
    ):
        instance_of("d", [], dict, "use a dict")
    with pytest.raises(ValueError, match="f must be a function, got 3; pass the function"):
        check_callable("f", 3)


def test_a_class_in_place_of_an_instance():
    with pytest.raises(
        ValueError, match=r"a sink must be an instance, got the class list; write list\(\)"
    ):
        check_methods("a sink", list, ["append"], "")


def test_missing_methods_are_named():
    message = (
        "must have append, write, close, got a value of type list without write, close; inherit"
    )
    with pytest.raises(ValueError, match=message):
        check_methods("a sink", [], ["append", "write", "close"], "inherit")


def test_long_values_are_shown_by_their_type():
    assert describe("x" * 500) == "a value of type str"
    assert describe(list) == "the class list"
