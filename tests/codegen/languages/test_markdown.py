"""An independent parser reads every quoted text as the original text."""

import pytest
from hypothesis import example, given
from hypothesis.strategies import characters, text
from markdown_it import MarkdownIt
from markdown_it.token import Token

from codegen.languages.markdown import quoting as markdown

PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
HOSTILE = [
    "`code`", "a | b", "*a* _b_ ~~c~~", "[link](http://x)", "![i](j)", "<script>alert(1)</script>",
    "<!-- c -->", "&amp; &#124;", "\\", "\\|", "a\\", "# heading", "- item", "+ item", "1. item",
    "1) item", "---", "===", "> quote", "    code", "$x$", "snake_case _word_", "\\`", "``", "` a",
]  # fmt: skip
LINES = text(characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1)


def read_cell(cell: str) -> list[Token]:
    """Parse a table with one cell; return the tokens in it."""
    tokens = PARSER.parse(f"| head |\n| --- |\n| {cell} |\n")
    inline = [token for token in tokens if token.type == "inline"]
    assert len(inline) == 2, "one heading, one cell"
    return inline[1].children or []


def read_paragraph(line: str) -> list[Token]:
    """Parse a document of one paragraph; return the tokens in it."""
    opening, inline, closing = PARSER.parse(f"{line}\n")
    assert (opening.type, closing.type) == ("paragraph_open", "paragraph_close")
    return inline.children or []


def read_text(tokens: list[Token]) -> str:
    """Return the joined texts of tokens, all of which must be texts."""
    assert {token.type for token in tokens} <= {"text", "text_special"}
    return "".join(token.content for token in tokens)


@pytest.mark.parametrize("plain", [one.strip() for one in HOSTILE])
def test_a_hostile_text_stays_a_text(plain: str) -> None:
    assert read_text(read_paragraph(markdown.text(plain))) == plain
    assert read_text(read_cell(markdown.text(plain))) == plain


@given(plain=LINES.map(str.strip).filter(bool))
def test_any_text_stays_a_text(plain: str) -> None:
    assert read_text(read_paragraph(markdown.text(plain))) == plain
    assert read_text(read_cell(markdown.text(plain))) == plain


@given(plain=LINES)
@example("a|b")
@example("`")
@example("a\\")
@example(" ")
def test_any_span_is_code(plain: str) -> None:
    for tokens in (read_paragraph(markdown.span(plain)), read_cell(markdown.span(plain))):
        if tokens[0].type == "code_inline":
            (token,) = tokens
            assert token.content == plain
        else:
            assert (tokens[0].content, tokens[-1].content) == ("<code>", "</code>")
            assert read_text(tokens[1:-1]) == plain


@pytest.mark.parametrize("plain", ["a\nb", "a\tb", "\u2028"])
def test_a_text_of_two_lines_is_refused(plain: str) -> None:
    with pytest.raises(ValueError, match="a text must be one line, got "):
        markdown.text(plain)


def test_an_anchor_is_a_name() -> None:
    assert markdown.link("Seed[]", "seed") == "[`Seed[]`](#seed)"
    with pytest.raises(ValueError, match=r"not a valid anchor: 'a\)'"):
        markdown.link("a", "a)")
