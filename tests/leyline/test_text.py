"""Text from outside is made safe for a terminal, shortened, and counted in correct plurals."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esper.leyline.text import (
    did_you_mean,
    join_names,
    pluralize,
    printable,
    printable_message,
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("r0c0", "r0c0"),
        ("größer ▁█", "größer ▁█"),
        ("\x1b]0;owned\x07", r"\x1b]0;owned\x07"),
        ("two\nlines", r"two\nlines"),
        ("\u202eevil", r"\u202eevil"),
        ("half \ud800", r"half \ud800"),
        ("x" * 300, "x" * 197 + "..."),
    ],
)
def test_printable_text(text, shown):
    assert printable(text) == shown


@given(st.text())
def test_the_result_is_always_printable(text):
    assert printable(text).isprintable()


@pytest.mark.parametrize(
    ("number", "counted"), [(0, "0 flaws"), (1, "1 flaw"), (2, "2 flaws"), (12345, "12,345 flaws")]
)
def test_numbers_have_their_plural(number, counted):
    assert pluralize(number, "flaw") == counted


@pytest.mark.parametrize(
    ("names", "joined"),
    [([], ""), (["a"], "a"), (["a", "b"], "a, b"), (["a", "b", "c", "d"], "a, b and 2 more")],
)
def test_only_the_first_names_are_listed(names, joined):
    assert join_names(names, max_names=2) == joined


def test_a_long_message_is_cut_in_the_middle_so_that_its_remedy_is_kept():
    shown = printable_message("no run " + "x" * 5000 + "\x1b; see esper runs")

    assert len(shown) <= 1010
    assert shown.startswith("no run xxx")
    assert shown.endswith(r"x\x1b; see esper runs")


@pytest.mark.parametrize(
    ("given", "hint"), [("trian", "; did you mean train?"), ("zzz", ""), ("x" * 10**6, "")]
)
def test_suggestions(given, hint):
    assert did_you_mean(given, ["train", "runs"]) == hint
