"""The command compat: reports what a change of the contract breaks, and which alternatives are allowed."""

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
from .comparison import add_today, compare_files, compare_with_archive


def add_options(parser: ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument(
        "contracts",
        nargs="*",
        type=Path,
        metavar="OLD NEW",
        help="contracts or baselines (.json); by default the newest release and the contract",
    )
    parser.add_argument(
        "--format", choices=list(FORMATS), default="text", help="how to print findings"
    )
    parser.add_argument("--rules", action="store_true", help="only list the rules")
    add_today(parser)


def run(options: Namespace, layout: Layout) -> int:
    """Compare two contracts, and print the findings.

    Raises:
        UsageError: there is only one contract to compare, or more than two.
    """
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
        raise UsageError("compat takes two contracts, OLD and NEW, or no arguments")
    sys.stderr.write(report(findings, "text"))
    if found is None:
        return INVALID
    sys.stdout.write(print_report(found, options.format))
    return FINDINGS if found.has_errors else CLEAN


COMMAND = Command(
    "compat",
    "report what a change of the contract breaks, and which alternatives are allowed",
    run,
    add_options,
)
