"""The command check: compares the files on disk with the contract."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable

from ..diagnostics.findings import Findings, Span
from ..diagnostics.report import FORMATS, report
from ..output.drift import Drift, find_drift
from ..output.layout import Layout, display_path
from ..output.ownership import find_owned
from ..output.render import render
from .command import CLEAN, DRIFT, INVALID, Command, is_one_document, read_contract
from .options import add_render_options, read_settings


def add_options(parser: ArgumentParser) -> None:
    """Add the options of this command."""
    add_render_options(parser)
    parser.add_argument(
        "--format", choices=list(FORMATS), default="text", help="how to print the differences"
    )


def run(options: Namespace, layout: Layout) -> int:
    """Print each file that differs from the contract, with the reason and a diff; change nothing."""
    contract = read_contract(layout, options.format)
    if contract is None:
        return INVALID
    settings = read_settings(options, layout)
    files = render(contract, layout, settings)
    owned = find_owned(files, contract, layout, settings)
    drifts = list(find_drift(files, owned, layout))
    if options.format != "text":
        sys.stdout.write(report(_to_findings(drifts, layout), options.format))
        return DRIFT if drifts else CLEAN
    for drift in drifts:
        print(drift.diff, end="")
    for drift in drifts:
        print(f"{display_path(drift.path)}: {'; '.join(drift.reasons)}")
    if drifts:
        subject = (
            "1 generated file differs"
            if len(drifts) == 1
            else f"{len(drifts)} generated files differ"
        )
        print(f"{subject} from the contract; run: {layout.command}")
    return DRIFT if drifts else CLEAN


COMMAND = Command(
    "check",
    "compare the files on disk with the contract",
    run,
    add_options,
    is_for_one=is_one_document,
)


def _to_findings(drifts: Iterable[Drift], layout: Layout) -> Findings:
    findings = Findings()
    for drift in drifts:
        span = Span(display_path(drift.path).as_posix(), 1, 1)
        findings.add(span, "DRIFT", "; ".join(drift.reasons), f"run: {layout.command}")
    return findings
