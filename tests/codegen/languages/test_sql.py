"""DuckDB reads every quoted value as the original value."""

from collections.abc import Iterator

import duckdb
import pytest
from hypothesis import given
from hypothesis.strategies import characters, floats, integers, text

from codegen.languages.sql import quoting as sql
from codegen.languages.typescript import TypeScript

HOSTILE = ["'", "''", '"', "'; DROP TABLE x; --", "\\'", "*/", "--", "$$", "é\u2028", ""]
VALID = text(characters(exclude_categories=["Cs"], exclude_characters="\0"))


@pytest.fixture(scope="module")
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


def ask(database: duckdb.DuckDBPyConnection, query: str) -> object:
    found = database.execute(query).fetchone()
    assert found is not None
    return found[0]


@pytest.mark.parametrize("plain", HOSTILE)
def test_a_hostile_text_stays_a_text(database: duckdb.DuckDBPyConnection, plain: str) -> None:
    assert ask(database, f"SELECT {sql.lit(plain)}") == plain


@given(plain=VALID)
def test_any_text_stays_a_text(database: duckdb.DuckDBPyConnection, plain: str) -> None:
    assert ask(database, f"SELECT {sql.lit(plain)}") == plain


@given(plain=VALID.filter(bool))
def test_any_name_stays_a_name(database: duckdb.DuckDBPyConnection, plain: str) -> None:
    relation = database.execute(f"SELECT 1 AS {sql.name(plain)}")
    assert [column[0] for column in relation.description or ()] == [plain]


@given(plain=integers(-(2**63), 2**63 - 1) | floats(allow_nan=False, allow_infinity=False))
def test_any_number_stays_a_number(database: duckdb.DuckDBPyConnection, plain: float) -> None:
    assert ask(database, f"SELECT {sql.lit(plain)}::DOUBLE") == float(plain)


@pytest.mark.parametrize(("plain", "token"), [(None, "NULL"), (True, "TRUE"), (False, "FALSE")])
def test_null_and_truth_values_are_keywords(plain: object, token: str) -> None:
    assert sql.lit(plain) == token


def test_a_comment_stays_on_its_line(database: duckdb.DuckDBPyConnection) -> None:
    assert ask(database, f"SELECT 1 {sql.comment('; SELECT 2; */')}\n + 1") == 2


@pytest.mark.parametrize("plain", ["a\nb", "a\rb", "\u2028"])
def test_a_comment_of_two_lines_is_refused(plain: str) -> None:
    with pytest.raises(ValueError, match="a comment must be one line, got "):
        sql.comment(plain)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_without_notation_is_refused(number: float) -> None:
    with pytest.raises(ValueError, match=r"SQL has no literal for (nan|inf)"):
        sql.lit(number)


def test_a_nul_is_refused() -> None:
    with pytest.raises(ValueError, match="SQL text cannot contain a NUL"):
        sql.lit("a\0b")


@pytest.mark.parametrize("part", ["plain", TypeScript("of another language")])
def test_only_sql_becomes_part_of_sql(part: str) -> None:
    with pytest.raises(TypeError, match=r"a part of Sql must be Sql, got (str|TypeScript)"):
        sql.code("SELECT $part", part=part)  # type: ignore[arg-type] # that is refused, too
