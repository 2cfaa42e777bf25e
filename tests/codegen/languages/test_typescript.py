"""A quoted text stays a literal, a key or a comment of TypeScript."""

import json
import re

import pytest
from hypothesis import given
from hypothesis.strategies import characters, text

from codegen.languages import typescript

HOSTILE = ['"', "\\", '\\"; alert(1); "', "*/ alert(1) /*", "`${x}`", "</script>", "\u2028", "é"]


@pytest.mark.parametrize("plain", HOSTILE)
def test_a_hostile_text_is_a_literal(plain: str) -> None:
    assert json.loads(typescript.lit(plain)) == plain


@given(plain=text())
def test_any_text_is_a_literal_of_one_line_in_ascii(plain: str) -> None:
    token = typescript.lit(plain)
    assert json.loads(token) == plain
    assert re.fullmatch(r'"(?:[^"\\\n\r]|\\.)*"', token)
    assert token.isascii()


@given(plain=text(characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"])))
def test_a_comment_ends_where_it_should(plain: str) -> None:
    assert typescript.doc(plain).index("*/", 3) == len(typescript.doc(plain)) - 2


def test_a_comment_keeps_its_text() -> None:
    assert typescript.doc("a */ b") == "/** a *\\/ b */"


@pytest.mark.parametrize("plain", ["a\nb", "\r", "\u2029"])
def test_a_comment_of_two_lines_is_refused(plain: str) -> None:
    with pytest.raises(ValueError, match="a comment must be one line, got "):
        typescript.doc(plain)


@pytest.mark.parametrize(
    ("plain", "token"), [("a_1", "a_1"), ("odd key", '"odd key"'), ("1", '"1"')]
)
def test_a_key_is_quoted_where_it_must_be(plain: str, token: str) -> None:
    assert typescript.key(plain) == token


@pytest.mark.parametrize("plain", ["", "a b", "1a", "a;b", "é"])
def test_an_invalid_name_is_refused(plain: str) -> None:
    with pytest.raises(ValueError, match="not a valid TypeScript name: "):
        typescript.name(plain)
