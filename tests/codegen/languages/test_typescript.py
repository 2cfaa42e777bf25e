"""Whatever is put into TypeScript stays a literal, a key or a comment."""

import json
import re

import pytest
from hypothesis import given
from hypothesis.strategies import characters, text

from codegen.languages import typescript

HOSTILE = ['"', "\\", '\\"; alert(1); "', "*/ alert(1) /*", "`${x}`", "</script>", "\u2028", "é"]


@pytest.mark.parametrize("told", HOSTILE)
def test_a_hostile_text_is_a_literal(told: str) -> None:
    assert json.loads(typescript.lit(told)) == told


@given(told=text())
def test_any_text_is_a_literal_of_one_line_in_ascii(told: str) -> None:
    token = typescript.lit(told)
    assert json.loads(token) == told
    assert re.fullmatch(r'"(?:[^"\\\n\r]|\\.)*"', token)
    assert token.isascii()


@given(told=text(characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"])))
def test_a_comment_ends_where_it_should(told: str) -> None:
    assert typescript.doc(told).index("*/", 3) == len(typescript.doc(told)) - 2


def test_a_comment_says_what_it_was_told() -> None:
    assert typescript.doc("a */ b") == "/** a *\\/ b */"


@pytest.mark.parametrize("told", ["a\nb", "\r", "\u2029"])
def test_a_comment_of_two_lines_is_refused(told: str) -> None:
    with pytest.raises(ValueError, match="a comment must be one line, got "):
        typescript.doc(told)


@pytest.mark.parametrize(
    ("told", "token"), [("a_1", "a_1"), ("odd key", '"odd key"'), ("1", '"1"')]
)
def test_a_key_is_quoted_where_it_must_be(told: str, token: str) -> None:
    assert typescript.key(told) == token


@pytest.mark.parametrize("told", ["", "a b", "1a", "a;b", "é"])
def test_what_is_no_name_is_refused(told: str) -> None:
    with pytest.raises(ValueError, match="not a valid TypeScript name: "):
        typescript.name(told)
