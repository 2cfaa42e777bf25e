"""`esper lint-log`: validates a run's log."""

import argparse
import json
import re
from collections import Counter
from typing import Any

from esper._generated.registry import VERSION
from esper.commands.run_arguments import add_run_arguments
from esper.leyline.text import printable
from esper.nissa.flaw import Flaw
from esper.nissa.lint import LogLint
from esper.nissa.runs import resolve

_MAX_MESSAGE = 400


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command with its arguments."""
    parser = subparsers.add_parser(
        "lint-log",
        help="validate a run's log",
        description="Validate every line of a run's log against the telemetry contract, and list all flaws.",
        epilog="exit codes: 0 the log is valid, 1 it has flaws, 2 usage. example: esper lint-log latest",
        allow_abbrev=False,
    )
    add_run_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    parser.set_defaults(run=run, parser=parser)


def run(options: argparse.Namespace) -> int:
    """Print the flaws and return the exit code."""
    lint = LogLint(resolve(options.which, options.run_dir))
    counts = _print_json(lint) if options.json else _print_text(lint)
    return 1 if counts else 0


def _print_text(lint: LogLint) -> Counter[tuple[str, str]]:
    counts: Counter[tuple[str, str]] = Counter()
    for flaw in lint:
        counts[_group(flaw)] += 1
        print(f"{printable(flaw.place)}: {_describe(flaw)}")
    if counts:
        print(f"{lint.num_lines} lines, {counts.total()} flaws:")
    else:
        print(f"{lint.num_lines} lines, all valid (contract {VERSION})")
    for (kind, subject), number in counts.most_common():
        print(f"{number:>7}  {kind}  {printable(subject)}".rstrip())
    return counts


def _print_json(lint: LogLint) -> Counter[tuple[str, str]]:
    flaws = list(lint)
    counts = Counter(_group(flaw) for flaw in flaws)
    groups = [
        {"kind": kind, "subject": subject, "count": number}
        for (kind, subject), number in counts.most_common()
    ]
    document = {
        "folder": str(lint.folder),
        "contract": VERSION,
        "num_lines": lint.num_lines,
        "groups": groups,
        "flaws": [_entry(flaw) for flaw in flaws],
    }
    print(json.dumps(document, indent=2))
    return counts


def _group(flaw: Flaw) -> tuple[str, str]:
    """Return the kind and subject of a flaw, for counting; the subject leaves out indices and keys."""
    return flaw.complaint.kind, re.sub(r"\[[^\]]*\]", "[]", flaw.complaint.subject)


def _describe(flaw: Flaw) -> str:
    complaint = flaw.complaint
    subject = f"{printable(complaint.subject)} " if complaint.subject else ""
    return f"{complaint.kind}: {subject}{printable(complaint.message, _MAX_MESSAGE)}"


def _entry(flaw: Flaw) -> dict[str, Any]:
    complaint = flaw.complaint
    return {
        "path": str(flaw.path),
        "line": flaw.line,
        "kind": complaint.kind,
        "event": complaint.event,
        "field": complaint.field,
        "message": complaint.message,
    }
