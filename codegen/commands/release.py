"""The command release: stores a baseline of the contract, and golden records of every event."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ..compat.golden import RULE as GOLDEN_RULE
from ..compat.golden import Reading
from ..compat.report import Report, print_report
from ..compat.verdict import apply
from ..contract.model import Contract
from ..diagnostics.findings import Findings
from ..diagnostics.report import report
from ..history.archive import Release, folder_of
from ..history.baseline import write_baseline
from ..history.decoding import load_decoder
from ..history.golden import write_golden
from ..history.shapes import find_shapes
from ..output.layout import Layout
from . import check
from .command import CLEAN, FINDINGS, INVALID, Command
from .comparison import add_today, compare_with_archive, read_archive
from .options import add_render_options


def add_options(parser: ArgumentParser) -> None:
    """Add the options of this command."""
    add_render_options(parser)
    add_today(parser)


def run(options: Namespace, layout: Layout) -> int:
    """Store the release, unless generated files are out of date, a promise is broken, or old records are unreadable."""
    code = check.run(options, layout)
    if code != CLEAN:
        return code
    findings = Findings()
    found = compare_with_archive(layout, options.today, findings, is_release=True)
    if found is None:
        sys.stderr.write(report(findings, "text"))
        return INVALID
    releases = read_archive(layout, findings)
    if found.passage is not None and found.passage.needed == "none" and not found.has_errors:
        print(f"{found.contract.version} is released already, and nothing has changed since")
        return FINDINGS
    golden = write_golden(found.contract)
    if not found.has_errors:
        found = _read_back(found, layout, releases, golden)
    sys.stdout.write(print_report(found, "text"))
    if found.has_errors:
        return FINDINGS
    for path in _freeze(found.contract, layout, releases, golden):
        print(f"wrote {path}")
    for verdict in found.excused:
        print(f"remove the exemption {verdict.key}; it is no longer needed")
    return CLEAN


COMMAND = Command(
    "release", "store a baseline and golden records of the contract", run, add_options
)


def _read_back(found: Report, layout: Layout, releases: tuple[Release, ...], golden: str) -> Report:
    """Add to a report the golden records, old and new, that the generated package cannot read."""
    contract = found.contract
    decode = load_decoder(layout.package, layout.roots["package"])
    texts = [(one.golden_name, str(one.version), one.golden or "") for one in releases]
    texts.append((f"{contract.version}.jsonl", contract.version, golden))
    readings = [
        Reading(*text, contract, decode, is_newest=index >= len(texts) - 2)
        for index, text in enumerate(texts)
    ]
    unreadable = apply([GOLDEN_RULE], readings, "none")
    return replace(found, verdicts=(*found.verdicts, *unreadable))


def _freeze(
    contract: Contract, layout: Layout, releases: tuple[Release, ...], golden: str
) -> Iterator[Path]:
    previous = releases[-1].baseline.digest if releases else ""
    shapes = find_shapes(contract)
    text = write_baseline(contract, previous=previous, golden=golden, shapes=shapes)
    folder = folder_of(layout.spec)
    folder.mkdir(exist_ok=True)
    # The baseline is written last: an interrupted release then leaves no baseline without golden records.
    for suffix, content in ((".jsonl", golden), (".json", text)):
        path = folder / f"{contract.version}{suffix}"
        with path.open("x", encoding="utf-8") as file:
            file.write(content)
        yield path
