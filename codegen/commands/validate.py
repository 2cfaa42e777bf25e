"""The command validate: checks a contract and prints the findings."""

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from ..compile import compile_contract
from ..diagnostics.findings import Findings
from ..diagnostics.report import FORMATS, report
from ..output.layout import Layout
from .command import CLEAN, FINDINGS, INVALID, Command, is_one_document


def add_options(parser: ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument(
        "file", nargs="?", type=Path, help="the contract; by default that of this project"
    )
    parser.add_argument(
        "--format", choices=list(FORMATS), default="text", help="how to print findings"
    )


def run(options: Namespace, layout: Layout) -> int:
    """Check the contract of a layout, and print the findings."""
    return _validate(layout.spec, layout.spec_name, options)


def run_on_file(options: Namespace) -> int | None:
    """Check the contract that the command line names; return None if it names no contract."""
    if options.file is None:
        return None
    return _validate(options.file, options.file.as_posix(), options)


def _validate(path: Path, name: str, options: Namespace) -> int:
    findings = Findings()
    compile_contract(path, name, findings)
    sys.stdout.write(report(findings, options.format))
    if findings.has_errors:
        return INVALID
    return FINDINGS if len(findings) else CLEAN


COMMAND = Command(
    "validate",
    "check a contract and print the findings",
    run,
    add_options,
    run_alone=run_on_file,
    is_for_one=is_one_document,
)
