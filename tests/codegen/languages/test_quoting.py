"""No text of a contract becomes code: it is quoted, or the generator stops."""

import ast
import inspect
import keyword

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError

from codegen.diagnostics.errors import UnprintableError
from codegen.languages.printable import environment
from codegen.languages.python.quoting import Python, code, comment, doc, ident, join, lit

HOSTILE = [
    'x """ + str(print(1)) + """ y',
    "ends with a backslash \\",
    'ends with a quote "',
    'ends with three """',
    r"\N{BULLET} \x \u0041 \'",
    "'''",
    "{{ 7*7 }} {% raw %} ${x} %s",
    "*/ --> </script>",
    "`| a | b |`",
    "'; DROP TABLE events; --",
    "# coding: utf-7",
    "emoji \N{SNOWMAN}",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_is_only_a_docstring(text):
    [node] = ast.parse(doc(text)).body
    assert isinstance(node, ast.Expr)
    assert isinstance(node.value, ast.Constant)
    assert node.value.value == text


@given(st.text(st.characters(exclude_categories=["C"]), min_size=1), st.sampled_from([0, 4, 8]))
def test_a_docstring_reads_back_as_its_text(text, indent):
    [node] = ast.parse(doc(text, indent)).body
    assert ast.get_docstring(ast.Module([node], [])).split() == inspect.cleandoc(text).split()


@given(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.tuples(st.text(), st.integers())
)
def test_a_literal_reads_back_as_its_value(value):
    assert ast.literal_eval(lit(value)) == value


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), print])
def test_a_value_without_a_literal_is_refused(value):
    with pytest.raises(ValueError, match="not a literal"):
        lit(value)


@pytest.mark.parametrize("name", ["", "a b", "1a", "a-b", "a;b", "é", "a.", *keyword.kwlist])
def test_an_invalid_name_is_refused(name):
    with pytest.raises(ValueError, match="not a Python name"):
        ident(name)


@pytest.mark.parametrize("text", ["a\nb", "a\rb", "a\u2028b", "a\x0cb"])
def test_a_comment_is_one_line(text):
    with pytest.raises(ValueError, match="not a comment"):
        comment(text)


def test_only_printable_pieces_can_be_combined():
    assert code("{a} + {b}", a=ident("x"), b=lit(1)) == "x + 1"
    with pytest.raises(TypeError, match="a part of Python source must be Python, got str"):
        code("{a}", a="x")
    with pytest.raises(TypeError, match="a part of Python must be Python, got str"):
        join(", ", [ident("x"), "y"])


@pytest.mark.parametrize("text", HOSTILE)
def test_a_template_that_forgets_to_quote_prints_nothing(text):
    template = environment("python", Python).from_string("x = {{ text }}")
    with pytest.raises(UnprintableError, match="a template of python may print Python only"):
        template.render(text=text)


@pytest.mark.parametrize(
    "source", ["{{ a ~ b }}", "{{ a + 'x' }}", "{{ a | upper }}", "{{ a | safe }}", "{{ [a] }}"]
)
def test_the_result_of_an_expression_in_a_template_is_not_printable(source):
    template = environment("python", Python).from_string(source)
    with pytest.raises(UnprintableError):
        template.render(a=ident("x"), b=ident("y"))


def test_a_template_with_an_undefined_name_prints_nothing():
    template = environment("python", Python).from_string("x = {{ nothing }}")
    with pytest.raises((UndefinedError, UnprintableError)):
        template.render()
