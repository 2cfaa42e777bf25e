"""`esper query`: answers questions about runs in SQL."""

import argparse
import contextlib
import io
import json
import os
import re
import resource
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, TextIO

from esper.commands.run_arguments import add_run_dir, folder, with_flags
from esper.commands.terminal import flush_output, make_console, print_error, print_line
from esper.karn.sql.answer import WRITERS, Answer, make_answer, write_table
from esper.karn.sql.database import DEFAULT_MEMORY, RunDatabase, sql
from esper.karn.sql.limits import TimeLimit
from esper.karn.sql.row_schema import row_schema
from esper.karn.sql.view_scripts import describe_views, public_views
from esper.leyline.atomic import write_atomically
from esper.leyline.errors import UsageError
from esper.leyline.text import pluralize, printable

NAME = "query"

_FORMATS = ("table", "csv", "json", "parquet")
_TABLE_ROWS = 100
_DEFAULT_TIMEOUT_S = 60.0
_MAX_TIMEOUT_S = 1e6
_USAGE_EXIT_CODE = 2
_INTERRUPTED_EXIT_CODE = 130
_SPARE_BYTES = 2**30
"""Memory beside that of DuckDB's own count: threads, libraries, and lists in the middle of an expression."""
_MAX_PROBLEMS = 5
_UNITS = ("", "k", "m", "g", "t")
"""Units of sizes, each 1000 or 1024 times the one before."""
_EPILOG = """\
views: runs, seeds, epochs, governor and tags join events; each event has a view of its own, such as seed_pruned.

A query is one SELECT. It reads the files of the runs only and writes nothing. In a table and in CSV, control characters are
shown as \\x1b and the like, and in CSV a text that a spreadsheet would take for a formula gets an apostrophe; JSON and
Parquet are exact.

examples:
  esper query "select run, outcome, val_accuracy, num_rollbacks from runs order by val_accuracy desc"
  esper query --run latest "select slot_id, blueprint_id, outcome, reason from seeds"
  esper query "select * from epochs" --format parquet --out epochs.parquet
  esper query --list
  esper query --schema seeds
  esper export --all --to parquet && esper query --parquet export/parquet "select count(*) from epochs"
exit codes: 0 success, 2 a mistake in the query, no answer in time or in memory
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command with its arguments."""
    parser = subparsers.add_parser(
        NAME,
        help="query runs in SQL",
        description="Query runs in SQL: DuckDB over their logs, with a documented view of each event.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("query", nargs="?", metavar="QUERY", help="one SELECT")
    parser.add_argument(
        "--run",
        action="append",
        dest="runs",
        metavar="RUN",
        help="a run's folder, its id, the start of its id, or: latest; can be repeated (default: all runs)",
    )
    add_run_dir(parser)
    parser.add_argument(
        "--parquet",
        type=folder,
        metavar="DIR",
        help="read the files that esper export --to parquet has written there instead of the logs",
    )
    parser.add_argument("--list", action="store_true", dest="is_list", help="list the views")
    parser.add_argument(
        "--schema",
        nargs="?",
        const="",
        metavar="VIEW",
        help="describe the columns of a view, or of all; with --json as a JSON Schema",
    )
    parser.add_argument("--format", choices=_FORMATS, help="format of the answer (default: table)")
    parser.add_argument("--json", action="store_true", help="the same as --format json")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="write the answer there instead of printing it"
    )
    parser.add_argument(
        "--limit",
        type=_count,
        metavar="N",
        help=f"most rows of the answer, 0 for all (default: {_TABLE_ROWS} in a table, else all)",
    )
    parser.add_argument(
        "--timeout",
        type=_seconds,
        default=_DEFAULT_TIMEOUT_S,
        metavar="S",
        help="seconds that a query may take (default: %(default)g)",
    )
    parser.add_argument(
        "--memory",
        default=DEFAULT_MEMORY,
        metavar="SIZE",
        help="most memory that DuckDB may use, such as 512MB (default: %(default)s)",
    )
    parser.set_defaults(run=run, parser=parser)


def run(options: argparse.Namespace) -> int:
    """Answer the query, or describe the views, and return the exit code.

    Raises:
        RunNotFoundError: a run cannot be found.
        LogError: no log can be read.
        UsageError: the query is not one SELECT over the views, has a mistake, or needs too much time or memory.
        MissingExtraError: DuckDB is not installed.
    """
    format_ = _choose_format(options)
    if options.is_list:
        return _list_views(format_ == "json")
    with contextlib.closing(_open(options)) as database:
        if options.schema is not None:
            return _describe_views(database, options.schema, as_json=format_ == "json")
        _print_problems(database)
        limit = options.limit
        if limit is None:
            limit = _TABLE_ROWS if format_ == "table" else 0
        with _bounded_memory(options.memory):
            within = TimeLimit(options.timeout, give_up=_end_process)
            exact = format_ == "parquet"
            answer = make_answer(database, options.query, limit=limit, exact=exact, within=within)
            _write(answer, format_, options.out)
    return 0


def _choose_format(options: argparse.Namespace) -> str:
    """Return the format of the output, and check that the arguments go together.

    Raises:
        UsageError: they do not.
    """
    asked = [options.query is not None, options.is_list, options.schema is not None]
    if sum(asked) != 1:
        got = "none of them" if not any(asked) else "several"
        raise UsageError(
            f'give one of a query, --list and --schema, got {got}; try: esper query "select * from runs"'
        )
    if options.json and options.format not in (None, "json"):
        raise UsageError(f"give one format, got --json and --format {options.format}")
    format_: str = options.format or ("json" if options.json else "table")
    if options.query is None and (format_ not in ("table", "json") or options.out is not None):
        raise UsageError(
            "--list and --schema are printed as a table or with --json; leave --format and --out out"
        )
    if format_ == "parquet" and options.out is None:
        raise UsageError("a Parquet file must have a name; add: --out FILE")
    return format_


def _open(options: argparse.Namespace) -> RunDatabase:
    runs = options.runs
    if options.schema is not None and runs is None and options.parquet is None:
        # The columns are those of the contract, whatever runs there are.
        runs = []
    return sql(runs, run_dir=options.run_dir, parquet=options.parquet, memory=options.memory)


def _print_problems(database: RunDatabase) -> None:
    for problem in database.problems[:_MAX_PROBLEMS]:
        print_error(f"esper query: left out {with_flags(problem)}")
    num_more = len(database.problems) - _MAX_PROBLEMS
    if num_more > 0:
        print_error(f"esper query: left out {pluralize(num_more, 'more run')}; see: esper runs")


def _write(answer: Answer, format_: str, out: Path | None) -> None:
    """Write the answer to standard output, or to a file, which is there only when it is complete."""
    if out is None:
        _write_text(answer, format_, sys.stdout)
        flush_output()
    elif format_ == "parquet":
        write_atomically(out, answer.write_parquet)
    else:

        def write(file: BinaryIO) -> None:
            text = io.TextIOWrapper(file, encoding="utf-8", errors="backslashreplace", newline="")
            _write_text(answer, format_, text)
            # Flushes, and leaves the file open for its owner.
            text.detach()

        write_atomically(out, write)


def _write_text(answer: Answer, format_: str, out: TextIO) -> None:
    if format_ == "table":
        write_table(answer, out, make_console().width, unlimited="--limit 0")
    else:
        WRITERS[format_](answer, out)


def _list_views(as_json: bool) -> int:
    docs = describe_views()
    if as_json:
        print(json.dumps({"views": docs}, indent=2))
        return 0
    width = max(map(len, docs))
    console = make_console()
    for name, doc in docs.items():
        print_line(console, f"{name:{width}}  {doc}")
    return 0


def _describe_views(database: RunDatabase, view: str, *, as_json: bool) -> int:
    names = [view] if view else public_views()
    if as_json:
        schemas = {
            name: row_schema(database.views[name], database.columns(name))
            for name in names
            if database.columns(name)
        }
        print(json.dumps(schemas[view] if view else schemas, indent=2))
        return 0
    console = make_console()
    for name in names:
        columns = database.columns(name)
        print_line(console, f"{name}: {database.views[name]}")
        width = max(len(column.name) for column in columns)
        for column in columns:
            print_line(
                console,
                f"  {column.name:{width}}  {printable(column.type, 40):40}  {column.doc}".rstrip(),
            )
    return 0


def _end_process(error: BaseException) -> None:
    """End the process with its error, as a thread of it works on for DuckDB."""
    print_error(f"esper query: {with_flags(str(error)) or 'ended by SIGINT'}")
    os._exit(_INTERRUPTED_EXIT_CODE if isinstance(error, KeyboardInterrupt) else _USAGE_EXIT_CODE)


@contextlib.contextmanager
def _bounded_memory(memory: str) -> Iterator[None]:
    """Bound the memory of the process, as DuckDB does not count all that a query allocates, such as long lists."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except OSError:
        # Not Linux: DuckDB's own limit must do.
        yield
        return
    wanted = pages * resource.getpagesize() + _count_bytes(memory) + _SPARE_BYTES
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    limits = [one for one in (wanted, soft, hard) if one != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_AS, (min(limits), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _count_bytes(memory: str) -> int:
    """Return the bytes of a size that `sql` has accepted, such as 512MB or 1GiB."""
    found = re.match(r"(\d+) ?([kmgt]?)(i?)", memory.lower())
    assert found is not None
    unit: int = (1024 if found[3] else 1000) ** _UNITS.index(found[2])
    return int(found[1]) * unit


def _count(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 12:
        raise argparse.ArgumentTypeError(f"must be a whole number from 0, got {printable(text)}")
    return int(text)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= _MAX_TIMEOUT_S:
        raise argparse.ArgumentTypeError(f"must be seconds above 0, got {printable(text)}")
    return value
