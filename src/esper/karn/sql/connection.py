"""Connects to a DuckDB in memory that reads certain files only, and fills its tables of folders, tags and events."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from esper.karn.sql.view_scripts import FOLDERS, TAGS
from esper.leyline.errors import EsperError
from esper.leyline.text import encodable
from esper.nissa.reader import LoggedEvent, read_run
from esper.nissa.tables import to_table
from esper.nissa.tags import read_tags

if TYPE_CHECKING:
    import duckdb

LOGS = "logs"
"""Schema of the generated views where those that queries see have other sources too."""
READ_EVENTS = "read_events"
"""Schema of the tables with the events that went through the reader."""
_CHUNK_EVENTS = 50_000


def connect(memory: str) -> duckdb.DuckDBPyConnection:
    """Return a database in memory that loads nothing, has no place for temporary files, and does not see Python's variables."""
    import duckdb

    return duckdb.connect(
        config={
            "memory_limit": memory,
            "temp_directory": "",
            "python_enable_replacements": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allow_community_extensions": False,
            "allow_persistent_secrets": False,
        }
    )


def lock(
    connection: duckdb.DuckDBPyConnection, *, files: Sequence[str], folders: Sequence[Path]
) -> None:
    """Let the database read these files only, and keep its settings as they are."""
    connection.execute(f"CREATE SCHEMA {LOGS}")
    connection.execute("SET GLOBAL TimeZone = 'UTC'")
    paths = ", ".join(map(quote_text, [*files] or [os.devnull]))
    connection.execute(f"SET allowed_paths = [{paths}]")
    connection.execute(
        f"SET allowed_directories = [{', '.join(quote_text(str(one)) for one in folders)}]"
    )
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def add_folders(connection: duckdb.DuckDBPyConnection, runs: Sequence[tuple[str, Path]]) -> None:
    """Add the tables of folders and tags, which are not in the logs."""
    tags = {run_id: _tags_of(folder) for run_id, folder in runs}
    connection.execute(
        f'CREATE TABLE "{FOLDERS}" AS SELECT unnest(?::VARCHAR[]) AS "run", unnest(?::VARCHAR[]) AS "folder",'
        ' unnest(?::VARCHAR[][]) AS "tags"',
        [
            [one for one, _ in runs],
            [encodable(str(one)) for _, one in runs],
            [[*tags[one]] for one, _ in runs],
        ],
    )
    rows = [(run_id, tag, note) for run_id, held in tags.items() for tag, note in held.items()]
    connection.execute(
        f'CREATE TABLE "{TAGS}" AS SELECT unnest(?::VARCHAR[]) AS "run", unnest(?::VARCHAR[]) AS "tag",'
        ' unnest(?::VARCHAR[]) AS "note"',
        [[row[index] for row in rows] for index in range(3)],
    )


def _tags_of(folder: Path) -> dict[str, str | None]:
    try:
        return read_tags(folder)
    except EsperError:
        # A damaged file of tags must not hide the run.
        return {}


def add_read_events(connection: duckdb.DuckDBPyConnection, folder: Path) -> set[str]:
    """Add the events of a run through the reader, to a table for each kind, and return their kinds.

    Raises:
        LogError: the log cannot be read.
        MissingExtraError: pyarrow is not installed.
    """
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {READ_EVENTS}")
    added: set[str] = set()
    waiting: dict[str, list[LoggedEvent]] = defaultdict(list)
    for one in read_run(folder):
        of_kind = waiting[one[0].event]
        of_kind.append(one)
        if len(of_kind) >= _CHUNK_EVENTS:
            _insert(connection, one[0].event, of_kind)
            of_kind.clear()
    for event, of_kind in waiting.items():
        _insert(connection, event, of_kind)
        added.add(event)
    return added


def _insert(
    connection: duckdb.DuckDBPyConnection, event: str, events: Sequence[LoggedEvent]
) -> None:
    connection.register("chunk", to_table(event, events))
    table = f'{READ_EVENTS}."{event.lower()}"'
    connection.execute(f"CREATE TABLE IF NOT EXISTS {table} AS FROM chunk WHERE false")
    connection.execute(f"INSERT INTO {table} FROM chunk")
    connection.unregister("chunk")


def quote_text(text: str) -> str:
    """Return a text as a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"
