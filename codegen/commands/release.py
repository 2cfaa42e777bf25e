"""The command release: stores a compatible contract unchanged, with golden records of every event."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ..compat.classification import apply_rules
from ..compat.report import Report, format_report
from ..compat.rules.archive import GOLDEN_RULE, GoldenFile
from ..contract.model import Contract
from ..diagnostics.findings import Findings
from ..diagnostics.report import report
from ..history.archive import Release
from ..history.baseline import write_baseline
from ..history.decoding import load_decoder
from ..history.golden import write_golden
from ..history.shapes import find_shapes
from ..output.layout import Layout, display_path
from . import check
from .command import CLEAN, FINDINGS, INVALID, Command
from .compat import add_today_option, archive_of, compare_with_archive, read_archive
from .options import add_render_options


def add_options(parser: ArgumentParser) -> None:
    """Add the options of this command."""
    add_render_options(parser)
    add_today_option(parser)
    parser.add_argument(
        "--first",
        action="store_true",
        help="there is no earlier release, although the contract mentions earlier versions",
    )


def run(options: Namespace, layout: Layout) -> int:
    """Write a release, unless the generated code is stale, a change breaks somebody, or old records are unreadable.

    Raises:
        UsageError: the generated package cannot be imported.
        SampleError: a field has no sample for the golden records.
    """
    code = check.run(Namespace(**{**vars(options), "format": "text", "diff": False}), layout)
    if code != CLEAN:
        return code
    findings = Findings()
    result = compare_with_archive(
        layout, options.today, findings, is_release=True, is_first=options.first
    )
    if result is None:
        sys.stderr.write(report(findings, "text"))
        return INVALID
    releases = read_archive(layout, findings)
    is_unchanged = result.comparison is not None and result.comparison.needed_bump == "none"
    if is_unchanged and not result.has_errors:
        print(f"{result.contract.version} is released already, and nothing has changed since")
        return FINDINGS
    golden = write_golden(result.contract)
    if not result.has_errors:
        result = _check_golden_records(result, layout, releases, golden)
    sys.stdout.write(format_report(result, "text"))
    if result.has_errors:
        return FINDINGS
    for path in _write_release(result.contract, layout, releases, golden):
        print("wrote", display_path(path))
    for one in result.excused:
        print(f"remove the exemption {one.key}; it is no longer needed")
    return CLEAN


COMMAND = Command(
    "release",
    "store the contract as a release, with golden records",
    run,
    add_options,
    is_for_one=lambda options: True,
)


def _check_golden_records(
    result: Report, layout: Layout, releases: tuple[Release, ...], golden: str
) -> Report:
    """Add a finding for every golden record, old or new, that the generated package cannot read."""
    contract = result.contract
    decode = load_decoder(layout.package, layout.roots["package"])
    texts = [(one.golden_name, str(one.version), one.golden or "") for one in releases]
    texts.append((f"{contract.version}.jsonl", contract.version, golden))
    promised = releases[-1].baseline.contract if releases else contract
    files = [
        GoldenFile(*text, contract, promised, decode, is_newest=index >= len(texts) - 2)
        for index, text in enumerate(texts)
    ]
    unreadable = apply_rules([GOLDEN_RULE], files, "none")
    return replace(result, findings=(*result.findings, *unreadable))


def _write_release(
    contract: Contract, layout: Layout, releases: tuple[Release, ...], golden: str
) -> Iterator[Path]:
    previous = releases[-1].baseline.digest if releases else ""
    shapes = find_shapes(contract)
    text = write_baseline(
        contract, name=layout.spec.name, previous=previous, golden=golden, shapes=shapes
    )
    folder = archive_of(layout)
    folder.mkdir(parents=True, exist_ok=True)
    # The baseline is written last: if writing stops in between, there is no release without golden records.
    for suffix, content in ((".jsonl", golden), (".json", text)):
        path = folder / f"{contract.version}{suffix}"
        with path.open("x", encoding="utf-8") as file:
            file.write(content)
        yield path
