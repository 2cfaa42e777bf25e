"""Opens runs as a database: DuckDB in memory, with a view of each event over the files of the runs, and nothing else."""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self, final

from esper.karn.run_html import render_views
from esper.karn.sql.connection import (
    LOGS,
    READ_EVENTS,
    add_folders,
    add_read_events,
    connect,
    lock,
    quote_text,
)
from esper.karn.sql.exported import Export, find_export
from esper.karn.sql.log_files import RunFiles, find_files, is_encodable
from esper.karn.sql.statement import check_query, describe_error
from esper.karn.sql.view_scripts import EVENT_VIEWS, describe_views, load_scripts, public_views
from esper.leyline.arguments import describe
from esper.leyline.errors import LogError, MissingExtraError, UsageError
from esper.leyline.text import did_you_mean, pluralize, printable
from esper.nissa.runs import list_runs, resolve

if TYPE_CHECKING:
    import duckdb

DEFAULT_MEMORY = "1GB"
"""Memory of DuckDB for one database."""
_MEMORY = re.compile(r"[1-9][0-9]{0,8} ?([kmgt]i?)?b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a view."""

    name: str
    type: str
    """Type in SQL."""
    doc: str
    """Description, with the unit in brackets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedQuery:
    """A query that was checked."""

    views: tuple[str, ...]
    """The views that it reads."""
    relation: duckdb.DuckDBPyRelation
    cursor: duckdb.DuckDBPyConnection
    """The connection that will run it."""


@final
class RunDatabase:
    """Runs as tables, with a view of each event and views that join them; `esper.sql` opens it.

        with esper.sql("latest") as runs:
            print(runs.sql("SELECT epoch, val_loss FROM epochs ORDER BY epoch").df())

    Queries can read the files of the runs only, write nothing, and change no setting. Leaving the context closes it.

    Attributes:
        runs: the folders of the runs.
        problems: a message for each run that was left out because its log cannot be read.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        runs: Sequence[Path],
        *,
        read_events: Iterable[str],
        logs: Sequence[str],
        exported: dict[str, list[str]],
        problems: Sequence[str],
    ) -> None:
        """Use a connection; `sql` prepares and locks it."""
        self.runs = tuple(runs)
        self.problems = tuple(problems)
        self._connection = connection
        self._logs = [*logs]
        self._read_events = frozenset(read_events)
        self._exported = exported
        self._created: set[str] = set()
        self._is_complete = False
        self._own = self._cursor()

    @property
    def views(self) -> dict[str, str]:
        """The descriptions of the views, by name."""
        return describe_views()

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """The connection, with all views and their descriptions, for what a SELECT cannot do, such as tables of your own in memory.

        Its queries are not checked, but no other files can be read or written through it either.
        """
        if not self._is_complete:
            for name in public_views():
                self._create(name)
            self._comment()
            self._is_complete = True
        return self._own

    def sql(self, query: str) -> duckdb.DuckDBPyRelation:
        """Return the answer to one SELECT over the views, as a relation of DuckDB with `df()`, `pl()` and `fetchall()`.

        Raises:
            UsageError: the query is something else than a SELECT that reads the views, or has a mistake.
        """
        return self.prepare(query).relation

    def prepare(self, query: str) -> PreparedQuery:
        """Check a query, and return it before it is run.

        Raises:
            UsageError: the query is something else than a SELECT that reads the views, or has a mistake.
        """
        import duckdb

        if not isinstance(query, str):
            raise UsageError(f"a query must be a text, got {describe(query)}")
        names = sorted(check_query(self._own, query, public_views()))
        for name in names:
            self._create(name)
        # Of its own, so that answers which are not read to their end do not block others.
        cursor = self._cursor()
        try:
            return PreparedQuery(views=tuple(names), relation=cursor.sql(query), cursor=cursor)
        except duckdb.Error as error:
            columns = [one.name for name in names for one in self.columns(name)]
            raise UsageError(describe_error(error, columns)) from None

    def columns(self, view: str) -> tuple[Column, ...]:
        """Return the columns of a view.

        Raises:
            UsageError: there is no such view.
        """
        if view not in public_views():
            raise UsageError(f'no view "{printable(view)}"{did_you_mean(view, public_views())}')
        self._create(view)
        docs = load_scripts()[view].columns
        return tuple(
            Column(name=name, type=type_, doc=docs.get(name, ""))
            for name, type_ in self._describe(f'"{view}"')
        )

    def _repr_html_(self) -> str:
        """Return a table of the views, which notebooks show."""
        return render_views(pluralize(len(self.runs), "run"), self.views)

    def close(self) -> None:
        """Close the database."""
        self._connection.close()

    def __enter__(self) -> Self:
        """Return the database."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the database."""
        self.close()

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        """Return a further connection to the database, which knows the files of the logs."""
        cursor = self._connection.cursor()
        # An empty file, from which DuckDB takes nothing but the columns, where there are no logs.
        cursor.execute("SET VARIABLE run_log = ?", [self._logs or [os.devnull]])
        return cursor

    def _create(self, name: str) -> None:
        """Create a view, after those that it reads."""
        scripts = load_scripts()
        if name in self._created or name not in scripts:
            return
        self._created.add(name)
        script = scripts[name]
        for source in script.sources:
            self._create(source)
        query = script.query
        is_generated = name in EVENT_VIEWS or name.startswith("_")
        if is_generated and (self._read_events or self._exported or not self._logs):
            self._own.execute(f'CREATE VIEW {LOGS}."{name}" AS {query}')
            query = self._unite(name, _find_events(query))
        self._own.execute(f'CREATE VIEW "{name}" AS {query}')

    def _comment(self) -> None:
        """Attach the descriptions to the views, for tools that show them; this takes longer than a small query."""
        statements = []
        for name in public_views():
            script = load_scripts()[name]
            statements.append(f'COMMENT ON VIEW "{name}" IS {quote_text(script.doc)};')
            statements += [
                f'COMMENT ON COLUMN "{name}"."{column}" IS {quote_text(script.columns[column])};'
                for column, _ in self._describe(f'"{name}"')
                if column in script.columns
            ]
        self._own.execute("".join(statements))

    def _unite(self, name: str, events: Sequence[str]) -> str:
        """Return the query of a generated view whose events come from several sources."""
        columns = self._describe(f'{LOGS}."{name}"')
        # Without a log, this branch gives the columns their types.
        condition = "" if self._logs else " WHERE false"
        parts = [f'SELECT * FROM {LOGS}."{name}"{condition}']
        for event in events:
            for source in self._other_sources(event):
                own = {column for column, _ in self._describe(source)}
                chosen = [
                    f'TRY_CAST({_name(column) if column in own else "NULL"} AS {type_}) AS {_name(column)}'
                    for column, type_ in columns
                ]
                parts.append(f"SELECT {', '.join(chosen)} FROM {source}")
        return " UNION ALL ".join(parts)

    def _other_sources(self, event: str) -> Iterable[str]:
        """Return the tables besides the logs that have events of a kind."""
        if event in self._read_events:
            yield f'{READ_EVENTS}."{event.lower()}"'
        if event in self._exported:
            files = ", ".join(map(quote_text, self._exported[event]))
            yield (
                f"read_parquet([{files}], hive_partitioning = true,"
                " hive_types = {'event': VARCHAR, 'run': VARCHAR, 'rank': BIGINT})"
            )

    def _describe(self, source: str) -> list[tuple[str, str]]:
        """Return names and types of the columns of a table."""
        rows = self._own.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
        return [(row[0], row[1]) for row in rows]


def sql(
    runs: str | Path | Iterable[str | Path] | None = None,
    *,
    run_dir: str | Path = "runs",
    parquet: str | Path | None = None,
    memory: str = DEFAULT_MEMORY,
) -> RunDatabase:
    """Open runs as tables in DuckDB, for SQL.

        with esper.sql("latest") as runs:
            runs.sql("SELECT blueprint_id, stage, reason FROM seeds").show()

    Args:
        runs: a run or several, each the path of its folder, its id, the start of its id or "latest"; all by default.
        run_dir: the folder of runs in which ids are looked up.
        parquet: a folder that `esper export --to parquet` has written; its files are read instead of the logs. Then `runs`
            are ids in it.
        memory: most memory that DuckDB uses, such as "512MB"; a query that needs more fails.

    Raises:
        RunNotFoundError: no run matches, or several do.
        LogError: no log can be read; where some can, `RunDatabase.problems` has the others.
        UsageError: two runs have the same id, or an argument cannot be used.
        MissingExtraError: DuckDB is not installed.
    """
    if importlib.util.find_spec("duckdb") is None:
        raise MissingExtraError("sql", package="duckdb")
    if not isinstance(memory, str) or not _MEMORY.fullmatch(memory):
        raise UsageError(f'`memory` must be a size such as "512MB", got {describe(memory)}')
    chosen = [runs] if isinstance(runs, str | Path) else runs
    if chosen is not None:
        chosen = list(chosen)
        for one in chosen:
            if not isinstance(one, str | Path):
                raise UsageError(
                    f'a run must be a path or an id, got {describe(one)}; try "latest"'
                )
    if parquet is not None:
        if not is_encodable(Path(parquet).absolute()):
            raise UsageError(
                f"the folder of an export must have a name that UTF-8 can encode, got {printable(str(parquet))}; rename it"
            )
        ids = None if chosen is None else [str(one) for one in chosen]
        return _open_export(find_export(Path(parquet), ids), memory)
    root = Path(run_dir)
    folders = list_runs(root) if chosen is None else [resolve(str(one), root) for one in chosen]
    return _open_logs(list(dict.fromkeys(folders)), memory)


def _open_export(export: Export, memory: str) -> RunDatabase:
    connection = connect(memory)
    exported = export.group_files()
    # `tags` are those that the runs have now, if their folders are still there.
    add_folders(connection, [(run.run_id, run.folder) for run in export.runs])
    lock(connection, files=[], folders=[export.folder])
    return RunDatabase(
        connection,
        [run.folder for run in export.runs],
        logs=(),
        read_events=(),
        exported=exported,
        problems=(),
    )


def _open_logs(folders: Sequence[Path], memory: str) -> RunDatabase:
    found: dict[str, RunFiles] = {}
    problems: list[str] = []
    connection = connect(memory)
    events: set[str] = set()
    for folder in folders:
        try:
            files = find_files(folder)
            other = found.get(files.run_id)
            if other is not None:
                raise UsageError(
                    f"runs must have different ids, but {printable(files.run_id)} is both {printable(str(other.folder))}"
                    f" and {printable(str(folder))}; name one of them"
                )
            if not files.is_plain:
                events |= add_read_events(connection, files.folder)
            found[files.run_id] = files
        except LogError as error:
            if len(folders) == 1:
                raise
            problems.append(f"{folder.name}: {error}")
    if problems and not found:
        raise LogError(problems[0])
    paths = [str(path.resolve()) for one in found.values() if one.is_plain for path in one.paths]
    add_folders(connection, [(one.run_id, one.folder) for one in found.values()])
    lock(connection, files=paths, folders=[])
    return RunDatabase(
        connection,
        [one.folder for one in found.values()],
        logs=paths,
        read_events=events,
        exported={},
        problems=problems,
    )


def _find_events(query: str) -> list[str]:
    """Return the events that a generated view selects."""
    return re.findall(r"'(\w+)'", query.rpartition("WHERE")[2])


def _name(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
