"""validate: judge a contract and print what is wrong with it."""

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from ..compile import compile_contract
from ..diagnostics.findings import Findings
from ..diagnostics.report import FORMATS, report
from ..output.layout import Layout
from .command import CLEAN, FINDINGS, INVALID, Command


def add_options(parser: ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("file", nargs="?", type=Path, help="the contract; ours unless said")
    parser.add_argument(
        "--format", choices=list(FORMATS), default="text", help="how to print findings"
    )


def run(options: Namespace, layout: Layout) -> int:
    """Judge the contract."""
    findings = Findings()
    path = options.file or layout.spec
    compile_contract(path, options.file.as_posix() if options.file else layout.spec_name, findings)
    sys.stdout.write(report(findings, options.format))
    if findings.has_errors:
        return INVALID
    return FINDINGS if len(findings) else CLEAN


COMMAND = Command("validate", "judge a contract and print what is wrong with it", run, add_options)
