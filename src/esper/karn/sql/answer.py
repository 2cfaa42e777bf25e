"""The answer to a query, and how it is written: as a table, CSV, JSON or Parquet.

Texts of a log come from anybody. A table and CSV show characters that a terminal would act on as `\\x1b` and the like; JSON
escapes everything beyond ASCII, and so holds the exact text; Parquet is exact and not for a terminal. In CSV, a text that a
spreadsheet would take for a formula gets an apostrophe before it.
"""

from __future__ import annotations

import csv
import importlib.util
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, BinaryIO, Final, TextIO, TypedDict, TypeVar, final

from rich.cells import cell_len

from esper.karn.sql.database import RunDatabase
from esper.karn.sql.limits import TimeLimit
from esper.karn.sql.statement import describe_error
from esper.leyline.errors import MissingExtraError, UsageError
from esper.leyline.text import pluralize, printable

if TYPE_CHECKING:
    import duckdb

_BATCH_ROWS = 10_000
_MAX_CELL = 60
"""Most characters of a cell of a table."""
_MAX_TEXT = 1_000_000_000
_FORMULA_STARTS = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
"""What a spreadsheet takes for the start of a formula; the last four are the full-width forms of the first four."""
_NUMBERS = ("INT", "DOUBLE", "FLOAT", "DECIMAL")

_END = re.compile(r";\s*(--[^\n]*\s*)*\Z")
"""The end of a statement, which may not be inside another one."""

Row = tuple[Any, ...]
_ResultT = TypeVar("_ResultT")


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerColumn:
    """A column of an answer."""

    name: str
    type: str
    """Type in SQL."""
    doc: str | None
    """Description, with the unit in brackets; None unless the column is one of a view."""


@final
class Answer:
    """The rows of a query, which DuckDB finds while they are read.

    Attributes:
        columns: the columns.
        has_more: whether there are more rows than the limit; known after the rows have been read.
    """

    def __init__(
        self,
        columns: Sequence[AnswerColumn],
        cursor: duckdb.DuckDBPyConnection,
        query: str,
        *,
        limit: int,
        within: TimeLimit,
    ) -> None:
        """Hold a query, of which the first `limit` rows are read, or all if that is 0, `within` a time."""
        self.columns = tuple(columns)
        self.has_more = False
        self._cursor = cursor
        self._query = query
        self._limit = limit
        self._within = within

    def rows(self) -> Iterator[Row]:
        """Run the query and yield its rows; the time in which they are written somewhere does not count.

        Raises:
            UsageError: DuckDB cannot run the query, or needs more time or memory.
        """
        num_rows = 0
        self._do(lambda: self._cursor.execute(self._query))
        while batch := self._do(lambda: self._cursor.fetchmany(_BATCH_ROWS)):
            for row in batch:
                if self._limit and num_rows == self._limit:
                    self.has_more = True
                    return
                num_rows += 1
                yield row

    def write_parquet(self, file: BinaryIO) -> None:
        """Run the query and write a Parquet file.

        Raises:
            UsageError: DuckDB cannot run the query, or needs more time or memory.
            MissingExtraError: pyarrow is not installed.
        """
        if importlib.util.find_spec("pyarrow") is None:
            raise MissingExtraError("export", package="pyarrow")
        import pyarrow.parquet

        def read() -> pyarrow.Table:
            return self._cursor.sql(self._query).to_arrow_table()

        table = self._do(read)
        pyarrow.parquet.write_table(table.slice(0, self._limit or None), file, compression="zstd")

    def _do(self, work: Callable[[], _ResultT]) -> _ResultT:
        import duckdb

        try:
            return self._within.run(self._cursor, work)
        except duckdb.Error as error:
            raise UsageError(describe_error(error)) from None
        except MemoryError:
            raise UsageError(
                "a query must need no more than the allowed memory, got one that does; simplify it, or allow more: `memory`"
            ) from None


def make_answer(
    database: RunDatabase, query: str, *, limit: int, exact: bool, within: TimeLimit
) -> Answer:
    """Check a query and return its answer, before it is run.

    Args:
        database: the runs.
        query: one SELECT over the views.
        limit: most rows of the answer; 0 for all.
        exact: whether types stay as they are, for Parquet; else times with a time zone become texts.
        within: the time that the query may take.

    Raises:
        UsageError: the query is something else than a SELECT that reads the views, or has a mistake.
    """
    prepared = database.prepare(query)
    docs = _find_docs(database, prepared.views)
    relation = prepared.relation
    columns = [
        AnswerColumn(name=name, type=str(type_), doc=docs.get((name, str(type_))))
        for name, type_ in zip(relation.columns, relation.types, strict=True)
    ]
    if not exact and any("TIME ZONE" in one.type for one in columns):
        query = _cast_times(query, columns)
    return Answer(columns, prepared.cursor, query, limit=limit, within=within)


def _cast_times(query: str, columns: Sequence[AnswerColumn]) -> str:
    """Return the query with times as texts: Python has no time zones without a further package."""
    chosen = ", ".join(
        f"#{number}::VARCHAR" if "TIME ZONE" in column.type else f"#{number}"
        for number, column in enumerate(columns, start=1)
    )
    return f"SELECT {chosen} FROM (\n{_END.sub('', query)}\n)"


def _find_docs(database: RunDatabase, views: Sequence[str]) -> dict[tuple[str, str], str]:
    """Return the descriptions of the columns of views, by name and type."""
    return {
        (column.name, column.type): column.doc
        for view in reversed(views)
        for column in database.columns(view)
        if column.doc
    }


def write_table(answer: Answer, out: TextIO, width: int, *, unlimited: str) -> None:
    """Write a table for people; one that is wider than `width` as a block of lines for each row.

    `unlimited` is the option that shows all rows, which is named if there are more.
    """
    rows = [[_to_cell(value) for value in row] for row in answer.rows()]
    names = [printable(column.name, _MAX_CELL) for column in answer.columns]
    widths = [
        max(map(cell_len, [name, *(row[number] for row in rows)]))
        for number, name in enumerate(names)
    ]
    if sum(widths) + 2 * len(widths) > width and rows:
        longest = max(map(cell_len, names))
        for number, row in enumerate(rows, start=1):
            out.write(f"row {number}\n")
            for name, cell in zip(names, row, strict=True):
                out.write(f"  {_pad(name, longest)}  {cell}\n")
    else:
        is_number = [
            column.type.startswith(_NUMBERS) or "INT" in column.type for column in answer.columns
        ]
        for line in [names, ["-" * one for one in widths], *rows]:
            cells = [
                _pad(cell, wide, to_right=right)
                for cell, wide, right in zip(line, widths, is_number, strict=True)
            ]
            out.write("  ".join(cells).rstrip() + "\n")
    more = f", and more: {unlimited}" if answer.has_more else ""
    out.write(f"({pluralize(len(rows), 'row')}{more})\n")


class ColumnJson(TypedDict):
    """A column of an answer."""

    name: str
    type: str
    """Its type in DuckDB."""
    description: str | None


class AnswerJson(TypedDict):
    """The answer to a query."""

    columns: list[ColumnJson]
    rows: list[dict[str, object]]
    """Values by the name of the column; `esper query --schema VIEW --json` describes those of a view."""
    has_more: bool
    """Whether rows were left out because of the limit."""


def write_csv(answer: Answer, out: TextIO) -> None:
    """Write CSV with a header; lists, maps and records are JSON, null is empty."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([_to_csv(column.name) for column in answer.columns])
    for row in answer.rows():
        writer.writerow([_to_csv(value) for value in row])


def write_json(answer: Answer, out: TextIO) -> None:
    """Write one JSON object with columns and rows; NaN and infinities are texts, as in the log."""
    names = unique_names(answer.columns)
    columns: list[ColumnJson] = [
        {"name": name, "type": column.type, "description": column.doc}
        for name, column in zip(names, answer.columns, strict=True)
    ]
    out.write(f'{{"columns": {json.dumps(columns)}, "rows": [')
    separator = "\n"
    for row in answer.rows():
        plain = {name: to_plain(value) for name, value in zip(names, row, strict=True)}
        out.write(f"{separator}{json.dumps(plain)}")
        separator = ",\n"
    out.write(f'\n], "has_more": {json.dumps(answer.has_more)}}}\n')


def unique_names(columns: Sequence[AnswerColumn]) -> list[str]:
    """Return names for the keys of an object: a name that is there already gets a number."""
    names: list[str] = []
    for column in columns:
        name, number = column.name, 1
        while name in names:
            number += 1
            name = f"{column.name}_{number}"
        names.append(name)
    return names


def to_plain(value: Any) -> Any:
    """Return a value of DuckDB as values of JSON."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else _NOT_FINITE.get(value, "NaN")
        case Decimal():
            return to_plain(float(value))
        case Mapping():
            return {str(to_plain(key)): to_plain(item) for key, item in value.items()}
        case list() | tuple():
            return [to_plain(item) for item in value]
        case datetime() | date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case bytes():
            return value.hex()
        case _:
            return str(value)


_NOT_FINITE: Final = {math.inf: "Infinity", -math.inf: "-Infinity"}


def _to_cell(value: Any) -> str:
    plain = to_plain(value)
    if isinstance(plain, float):
        return f"{plain:.6g}"
    return printable(_to_text(plain), _MAX_CELL)


def _to_csv(value: Any) -> Any:
    plain = to_plain(value)
    if plain is None or isinstance(plain, bool | int | float):
        return json.dumps(plain) if isinstance(plain, bool) else plain
    text = _to_text(plain)
    # The apostrophe is decided by the text as it was: an escaped line end would no longer look like one.
    is_formula = isinstance(value, str) and text.startswith(_FORMULA_STARTS)
    shown = printable(text, _MAX_TEXT)
    return f"'{shown}" if is_formula else shown


def _to_text(plain: Any) -> str:
    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)


def _pad(text: str, width: int, *, to_right: bool = False) -> str:
    space = " " * (width - cell_len(text))
    return f"{space}{text}" if to_right else f"{text}{space}"


WRITERS: Final[Mapping[str, Callable[[Answer, TextIO], None]]] = {
    "csv": write_csv,
    "json": write_json,
}
"""Formats that are texts for programs, by name."""
