"""Accepts a query if it is one SELECT that reads the views and nothing else, as DuckDB's own parser sees it.

The type of a statement alone would not do: `WITH x AS (COPY ... TO 'file') SELECT 1` is of the type SELECT, as are calls of
functions that read files. So the parsed query is walked, and only what is known to be harmless passes. The
database itself has no access to other files either.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

from esper.leyline.errors import UsageError
from esper.leyline.text import did_you_mean, printable, printable_message

if TYPE_CHECKING:
    import duckdb

MAX_QUERY = 1_000_000
"""Most characters of a query."""
_QUERY_NODES = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"})
_SHOWN = frozenset({"DESCRIBE", "SUMMARY"})
_TABLE_FUNCTIONS = frozenset(
    {
        *("unnest", "range", "generate_series", "repeat", "repeat_row", "json_each", "json_tree"),
        *("histogram", "histogram_values", "regexp_split_to_table", "generate_subscripts"),
    }
)
_REFUSED_FUNCTIONS = frozenset(
    {
        *("current_setting", "getvariable", "getenv", "write_log", "parse_duckdb_log_message"),
        *(
            "nextval",
            "currval",
            "setval",
            "setseed",
            "sleep_ms",
            "pg_sleep",
            "stats",
            "vector_type",
        ),
        *("current_query", "current_query_id", "current_connection_id", "current_transaction_id"),
        *("txid_current", "in_search_path", "json_serialize_sql", "json_serialize_plan"),
        *("json_deserialize_sql", "json_execute_serialized_sql", "query", "query_table"),
    }
)
"""Functions that read the state of the process or change the state of the database."""
_REFUSED_PREFIXES = ("__internal", "duckdb_", "pragma_", "read_", "pg_read", "http", "load_")
_UNKNOWN_COLUMN = re.compile(
    r'Referenced column "(?P<name>[^"]*)" not found|does not have a column named "(?P<other>[^"]*)"'
)
_OWN: tuple[list[str], ...] = ([], ["main"], ["memory", "main"])
"""Names of the schema of the views."""
_RULE = "a query must be one SELECT that reads the views"


def check_query(
    connection: duckdb.DuckDBPyConnection, query: str, views: Collection[str]
) -> set[str]:
    """Check that `query` is one SELECT over `views`, and return the names of those that it reads.

    Raises:
        UsageError: it is not.
    """
    tree = _parse(connection, query)
    used: set[str] = set()
    names: set[str] = set()
    for node in _walk(tree):
        kind = node.get("type")
        if "cte_map" in node:
            names.update(one["key"].lower() for one in node["cte_map"].get("map", ()))
        if isinstance(kind, str) and kind.endswith("_NODE") and kind not in _QUERY_NODES:
            raise _refuse(kind.removesuffix("_QUERY_NODE").removesuffix("_NODE"))
        if "info_type" in node:
            raise _refuse(str(node["info_type"]).removesuffix("_INFO"))
        if kind == "SHOW_REF" and node.get("show_type") not in _SHOWN:
            raise _refuse("SHOW")
        if kind == "TABLE_FUNCTION":
            _check_table_function(node["function"])
        elif "function_name" in node:
            _check_function(node)
        if kind == "BASE_TABLE":
            used.add(_name_table(node))
    known = {view.lower(): view for view in views}
    for name in sorted(used - set(known) - names):
        raise UsageError(
            f'no view "{printable(name)}"{did_you_mean(name, views) or "; esper query --list shows the views"}'
        )
    return {known[name] for name in used & set(known)}


def _parse(connection: duckdb.DuckDBPyConnection, query: str) -> Any:
    """Return the parsed query as values of JSON.

    Raises:
        UsageError: it cannot be parsed, or is not one SELECT.
    """
    import duckdb

    if not query.strip():
        raise UsageError(f'{_RULE}, got an empty one; try: esper query "select * from runs"')
    if len(query) > MAX_QUERY or "\0" in query:
        raise UsageError(
            f"a query must have at most {MAX_QUERY:,} characters, none of them \\0; shorten it"
        )
    try:
        query.encode()
        statements = connection.extract_statements(query)
    except duckdb.Error as error:
        raise UsageError(describe_error(error)) from None
    except UnicodeEncodeError:
        raise UsageError(
            "a query must be text that UTF-8 can encode; remove the lone surrogates"
        ) from None
    if len(statements) != 1:
        raise UsageError(f"{_RULE}, got {len(statements)} statements; run them one by one")
    if statements[0].type != duckdb.StatementType.SELECT:
        kind = statements[0].type.name
        hint = "; write: FROM (SELECT ...) PIVOT (...)" if kind == "MULTI" else ""
        raise UsageError(f"{_RULE}, got {kind}{hint or '; remove it'}")
    found = connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [query]).fetchall()
    try:
        tree = json.loads(found[0][0])
    except RecursionError:
        raise UsageError(
            "a query must be nested less deeply than Python can read; simplify it"
        ) from None
    if tree.get("error"):
        raise UsageError(
            f"{_RULE}, got one that cannot be checked ({printable(str(tree.get('error_message')))}); simplify it"
        )
    return tree["statements"]


def _walk(tree: Any) -> Iterator[dict[str, Any]]:
    """Yield every node of the parsed query; a loop instead of a recursion, as queries may be nested deeply."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)


def _name_table(node: dict[str, Any]) -> str:
    """Return the name of a table in lower case; those of other schemas and databases have a dot and so match no view."""
    path = [node.get("catalog_name"), node.get("schema_name"), node["table_name"]]
    parts = [str(part).lower() for part in path if part]
    return parts[-1] if parts[:-1] in _OWN else ".".join(parts)


def _check_table_function(function: dict[str, Any]) -> None:
    name = str(function.get("function_name", "")).lower()
    if name not in _TABLE_FUNCTIONS or function.get("schema") or function.get("catalog"):
        raise UsageError(
            f"{_RULE}, got the table function {printable(name)}; those that may be used are: {', '.join(sorted(_TABLE_FUNCTIONS))}"
        )


def _check_function(node: dict[str, Any]) -> None:
    name = str(node["function_name"]).lower()
    if name in _REFUSED_FUNCTIONS or name.startswith(_REFUSED_PREFIXES):
        raise UsageError(f"{_RULE}, got the function {printable(name)}; remove it")


def _refuse(kind: str) -> UsageError:
    return UsageError(f"{_RULE}, got {printable(kind)}; remove it")


def describe_error(error: Exception, columns: Collection[str] = ()) -> str:
    """Return DuckDB's message in one line, and for a column that it does not know the most similar one of `columns`."""
    text = str(error)
    unknown = _UNKNOWN_COLUMN.search(text)
    if unknown is not None:
        name = unknown["name"] or unknown["other"]
        hint = did_you_mean(name, columns) or "; esper query --schema VIEW shows the columns"
        return f'no column "{printable(name)}"{hint}'
    text = text.partition("\n\nPossible solutions")[0]
    text = re.sub(r"\n\nLINE (\d+):.*", r" (line \1)", text, flags=re.DOTALL)
    return printable_message(" ".join(text.split()))
