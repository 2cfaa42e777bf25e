"""The command check: compares the files on disk with the contract."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Collection, Iterable

from ..diagnostics.findings import Findings, Span
from ..diagnostics.report import FORMATS, report
from ..output.drift import Drift, find_drift
from ..output.layout import Layout, display_path
from ..output.ownership import find_owned
from ..output.render import render
from .command import CLEAN, DRIFT, INVALID, Command, is_one_document, read_contract
from .options import add_render_options, read_settings

_MAX_LINES = 60


def add_options(parser: ArgumentParser) -> None:
    """Add the options of this command."""
    add_render_options(parser)
    parser.add_argument(
        "--diff",
        action="store_true",
        help=f"print the differences of all files; without it, only if they have at most {_MAX_LINES} lines",
    )
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
    num_lines = sum(drift.diff.count("\n") for drift in drifts)
    is_short = num_lines <= _MAX_LINES
    for drift in drifts if is_short or options.diff else ():
        print(drift.diff, end="")
    for drift in drifts:
        print(f"{display_path(drift.path)}: {'; '.join(drift.reasons)}")
    if drifts:
        subject = (
            "1 generated file differs"
            if len(drifts) == 1
            else f"{len(drifts)} generated files differ"
        )
        if not is_short and not options.diff:
            print(f"the diff has {num_lines} lines; --diff prints it")
        remedies = {drift.remedy for drift in drifts}
        print(f"{subject} from the contract; {_say_remedy(remedies, layout)}")
    return DRIFT if drifts else CLEAN


COMMAND = Command(
    "check",
    "compare the files on disk with the contract",
    run,
    add_options,
    is_for_one=is_one_document,
)


def _say_remedy(remedies: Collection[str], layout: Layout) -> str:
    adopts = "adopt" in remedies or "replace" in remedies
    run = f"run: {layout.command}{' --adopt' if adopts else ''}"
    if "move" not in remedies and "replace" not in remedies:
        return run
    move = "move or remove each that codegen did not write, or that was changed"
    return move if set(remedies) == {"move"} else f"{move}, then {run}"


def _to_findings(drifts: Iterable[Drift], layout: Layout) -> Findings:
    findings = Findings()
    for drift in drifts:
        span = Span(display_path(drift.path).as_posix(), 1, 1)
        hint = _say_remedy({drift.remedy}, layout)
        findings.add(span, "DRIFT", "; ".join(drift.reasons), hint)
    return findings
