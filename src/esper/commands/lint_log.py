"""`esper lint-log`: validates the log of a run."""

import argparse
import json
import re
from collections import Counter
from typing import TypedDict

from esper._generated.registry import VERSION
from esper.commands.run_arguments import add_run_arguments, folder
from esper.karn.log_problems import describe_unknown
from esper.karn.log_story import UnknownInLog
from esper.karn.run import name_unknown
from esper.karn.summary_json import to_json
from esper.leyline.text import pluralize, printable
from esper.nissa.lint import Flaw, LogLint
from esper.nissa.runs import resolve
from esper.nissa.salvage import Salvage, salvage

NAME = "lint-log"

_MAX_MESSAGE = 400
_MAX_PATH = 4096


class FlawGroupJson(TypedDict):
    """Flaws of one kind and subject."""

    kind: str
    subject: str
    count: int


class FlawJson(TypedDict):
    """A flaw of a line."""

    path: str
    line: int
    kind: str
    event: str | None
    field: str | None
    message: str


class LintJson(TypedDict):
    """The flaws of a log."""

    folder: str
    contract: str
    num_lines: int
    groups: list[FlawGroupJson]
    unknown: tuple[UnknownInLog, ...]
    """Names that a later version of the contract has added."""
    salvage: Salvage | None
    """The copy of the log without the lines that cannot be read."""
    flaws: list[FlawJson]


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command with its arguments."""
    parser = subparsers.add_parser(
        NAME,
        help="validate the log of a run",
        description=(
            "Validate every line of a run's log against the telemetry contract and report each flaw."
            " With --salvage, write a copy of the log without its damaged lines, too."
        ),
        epilog="exit codes: 0 all lines are valid, 1 the log has flaws, 2 bad usage. example: esper lint-log latest",
        allow_abbrev=False,
    )
    add_run_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    parser.add_argument(
        "--salvage",
        type=folder,
        metavar="FOLDER",
        help="write the valid lines to FOLDER/log, under the same file names",
    )
    parser.set_defaults(run=run, parser=parser)


def run(options: argparse.Namespace) -> int:
    """Print the flaws and return the exit code: 0 if there are no flaws, 1 otherwise.

    Raises:
        RunNotFoundError: no run matches, or several do.
        LogError: a file of the log cannot be read, or the copy cannot be written.
    """
    run_folder = resolve(options.which, options.run_dir)
    copy = None if options.salvage is None else salvage(run_folder, options.salvage)
    linter = LogLint(run_folder)
    counts = _print_json(linter, copy) if options.json else _print_text(linter, copy)
    return 1 if counts else 0


def _print_text(linter: LogLint, copy: Salvage | None) -> Counter[tuple[str, str]]:
    counts: Counter[tuple[str, str]] = Counter()
    for flaw in linter:
        counts[_group(flaw)] += 1
        print(f"{printable(flaw.place)}: {_describe(flaw)}")
    num_lines = pluralize(linter.num_lines, "line")
    if counts:
        print(f"{num_lines}, {pluralize(counts.total(), 'flaw')}:")
    else:
        print(f"{num_lines}, all valid (contract {VERSION})")
    for (kind, subject), number in counts.most_common():
        print(f"{number:>7}  {kind}  {printable(subject)}".rstrip())
    if linter.unknown:
        print(describe_unknown(name_unknown(linter.unknown)))
    if copy is not None:
        copied, left_out = pluralize(copy.num_lines, "line"), f"{copy.num_left_out:,} left out"
        print(f"{copied} copied to {printable(str(copy.folder), _MAX_PATH)}, {left_out}")
    return counts


def _print_json(linter: LogLint, copy: Salvage | None) -> Counter[tuple[str, str]]:
    flaws = list(linter)
    counts = Counter(_group(flaw) for flaw in flaws)
    groups: list[FlawGroupJson] = [
        {"kind": kind, "subject": subject, "count": number}
        for (kind, subject), number in counts.most_common()
    ]
    document: LintJson = {
        "folder": str(linter.folder),
        "contract": VERSION,
        "num_lines": linter.num_lines,
        "groups": groups,
        "unknown": name_unknown(linter.unknown),
        "salvage": copy,
        "flaws": [_entry(flaw) for flaw in flaws],
    }
    print(json.dumps(to_json(document), indent=2))
    return counts


def _group(flaw: Flaw) -> tuple[str, str]:
    """Return the kind and subject by which flaws are counted; all items of a list or map count as one subject."""
    return flaw.violation.kind, re.sub(r"\[[^\]]*\]", "[]", flaw.violation.subject)


def _describe(flaw: Flaw) -> str:
    violation = flaw.violation
    subject = f"{printable(violation.subject)} " if violation.subject else ""
    return f"{violation.kind}: {subject}{printable(violation.message, _MAX_MESSAGE)}"


def _entry(flaw: Flaw) -> FlawJson:
    violation = flaw.violation
    return {
        "path": str(flaw.path),
        "line": flaw.line,
        "kind": violation.kind,
        "event": violation.event,
        "field": violation.field,
        "message": violation.message,
    }
