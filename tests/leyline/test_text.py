"""Text from outside cannot act upon a terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esper.leyline.text import printable


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
def test_what_is_shown(text, shown):
    assert printable(text) == shown


@given(st.text())
def test_nothing_unprintable_gets_through(text):
    assert printable(text).isprintable()
