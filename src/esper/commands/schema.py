"""`esper schema`: prints the JSON Schema of what a command prints with `--json`."""

import argparse
import json
from collections.abc import Callable
from typing import Any, Final, TypedDict

from esper.commands.terminal import make_console, print_line

NAME = "schema"

_EPILOG = """\
The schemas are made from the types that the commands print and from the contract. esper tail --json prints a line of the
log, whose schema is that of the contract for readers; esper watch --json prints an object a line.

examples:
  esper schema                    list the views
  esper schema explain            the schema of: esper explain RUN --json
  esper query --schema seeds --json   that of the rows of a view of SQL
"""


class ViewsJson(TypedDict):
    """The views that have a schema, with what each describes."""

    views: dict[str, str]


def _summary() -> Any:
    from esper.karn.summary_json import TaggedSummaryJson

    return TaggedSummaryJson


def _explain() -> Any:
    from esper.karn.explain.finding import Finding

    return list[Finding]


def _report() -> Any:
    from esper.karn.report.report_json import ReportJson

    return ReportJson


def _compare() -> Any:
    from esper.karn.compare.comparison import Comparison

    return Comparison


def _runs() -> Any:
    from esper.commands.runs import RunsJson

    return RunsJson


def _watch() -> Any:
    from esper.karn.watch.state_json import WatchJson

    return WatchJson


def _query() -> Any:
    from esper.karn.sql.answer import AnswerJson

    return AnswerJson


def _lint_log() -> Any:
    from esper.commands.lint_log import LintJson

    return LintJson


def _tasks() -> Any:
    from esper.commands.tasks import TaskJson

    return list[TaskJson]


def _blueprints() -> Any:
    from esper.commands.blueprints import BlueprintJson

    return list[BlueprintJson]


def _policies() -> Any:
    from esper.commands.policies import PolicyJson

    return list[PolicyJson]


_TYPES: Final[dict[str, tuple[str, Callable[[], Any] | None]]] = {
    "summary": ("the summary of a run", _summary),
    "explain": ("the sentences about a run", _explain),
    "report": ("the content of a report", _report),
    "compare": ("the differences between runs", _compare),
    "runs": ("the list of runs", _runs),
    "watch": ("the state of a run", _watch),
    "tail": ("a line of the log", None),
    "query": ("the answer to a query", _query),
    "lint-log": ("the flaws of a log", _lint_log),
    "tasks": ("the tasks", _tasks),
    "blueprints": ("the blueprints of seeds", _blueprints),
    "policies": ("the growth policies", _policies),
    "schema": ("the list of views", lambda: ViewsJson),
}


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command with its arguments."""
    parser = subparsers.add_parser(
        NAME,
        help="print the JSON Schema of what a command prints with --json",
        description="Print the JSON Schema of what a command prints with --json, or list the commands that have one.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "view",
        nargs="?",
        choices=tuple(_TYPES),
        metavar="VIEW",
        help=f"one of: {', '.join(_TYPES)} (default: list them)",
    )
    parser.add_argument("--json", action="store_true", help="list the views as one JSON object")
    parser.set_defaults(run=run, parser=parser)


def run(options: argparse.Namespace) -> int:
    """Print the schema, or the list of views, and return exit code 0."""
    if options.view is not None:
        print(json.dumps(view_schema(options.view), indent=2))
        return 0
    docs = {name: doc for name, (doc, _) in _TYPES.items()}
    if options.json:
        document: ViewsJson = {"views": docs}
        print(json.dumps(document, indent=2))
        return 0
    console = make_console()
    for name, doc in docs.items():
        print_line(console, f"{name:<12}{doc}")
    return 0


def view_schema(view: str) -> dict[str, Any]:
    """Return the JSON Schema of what the command `view` prints with `--json`."""
    # Imported late: parsing the sources for their descriptions is needed by no other command.
    from esper.karn.view_schema import make_schema
    from esper.telemetry import READER_SCHEMA_PATH

    doc, find = _TYPES[view]
    if find is None:
        schema: dict[str, Any] = json.loads(READER_SCHEMA_PATH.read_text(encoding="utf-8"))
        return schema
    return make_schema(find(), title=f"esper {view} --json: {doc}")
