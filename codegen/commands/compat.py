"""compat: tell what a change of the contract breaks, and which ways forward are legal."""

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from ..compat.catalogue import print_rules
from ..compat.report import print_report
from ..diagnostics.errors import UsageError
from ..diagnostics.findings import Findings
from ..diagnostics.report import FORMATS, report
from ..output.layout import Layout
from .command import CLEAN, FINDINGS, INVALID, Command
from .comparing import add_today, compare_files, compare_with_archive


def add_options(parser: ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument(
        "contracts",
        nargs="*",
        type=Path,
        metavar="OLD NEW",
        help="contracts or baselines (.json); the newest release and our contract unless said",
    )
    parser.add_argument(
        "--format", choices=list(FORMATS), default="text", help="how to print findings"
    )
    parser.add_argument("--rules", action="store_true", help="only list the rules")
    add_today(parser)


def run(options: Namespace, layout: Layout) -> int:
    """Compare and print."""
    if options.rules:
        sys.stdout.write(print_rules())
        return CLEAN
    findings = Findings()
    if not options.contracts:
        found = compare_with_archive(layout, options.today, findings)
    elif len(options.contracts) == 2:
        old, new = options.contracts
        found = compare_files(old, new, options.today, findings)
    else:
        raise UsageError("compat takes two contracts, OLD and NEW, or none at all")
    sys.stderr.write(report(findings, "text"))
    if found is None:
        return INVALID
    sys.stdout.write(print_report(found, options.format))
    return FINDINGS if found.has_errors else CLEAN


COMMAND = Command(
    "compat", "tell whom a change of the contract breaks, and the ways forward", run, add_options
)
