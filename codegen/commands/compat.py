"""The command compat: reports who is broken by a change of the contract, and the remedies."""

import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path, PurePosixPath

from ..compat.catalogue import compare_contracts, describe_rules
from ..compat.classification import Classification, apply_rules
from ..compat.exemptions import apply_exemptions
from ..compat.report import Report, format_report
from ..compat.rules.archive import EDITED_RULE
from ..compat.rules.archive import RULES as ARCHIVE_RULES
from ..compile import compile_contract
from ..contract.model import Contract
from ..diagnostics.errors import UsageError
from ..diagnostics.findings import Findings
from ..diagnostics.report import FORMATS, report
from ..history.archive import FOLDER, Release, folder_of, read_release, read_releases
from ..output.layout import Layout
from .command import CLEAN, FINDINGS, INVALID, Command


def add_options(parser: ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument(
        "contracts",
        nargs="*",
        type=Path,
        metavar="OLD NEW",
        help="contracts (.yaml) or baselines (.json); default: the newest release and the contract",
    )
    parser.add_argument(
        "--format", choices=list(FORMATS), default="text", help="how to print findings"
    )
    parser.add_argument("--rules", action="store_true", help="only list the rules")
    add_today_option(parser)


def add_today_option(parser: ArgumentParser) -> None:
    """Add the option --today, the day for which it is decided whether exemptions have expired."""
    parser.add_argument(
        "--today",
        type=_parse_day,
        default=datetime.now(UTC).date(),
        metavar="DATE",
        help="the day on which exemptions must still hold; default: today",
    )


def run(options: Namespace, layout: Layout) -> int:
    """Compare two contracts and print the report, or list the rules.

    Raises:
        UsageError: the number of contracts is neither zero nor two.
    """
    if options.rules:
        sys.stdout.write(describe_rules())
        return CLEAN
    findings = Findings()
    if not options.contracts:
        result = compare_with_archive(layout, options.today, findings)
    elif len(options.contracts) == 2:
        old, new = options.contracts
        result = _compare_files(old, new, options.today, findings)
    else:
        raise UsageError(
            "compat takes two contracts, OLD and NEW, or no arguments,"
            f" got {len(options.contracts)}"
        )
    sys.stderr.write(report(findings, "text"))
    if result is None:
        return INVALID
    sys.stdout.write(format_report(result, options.format))
    return FINDINGS if result.has_errors else CLEAN


COMMAND = Command(
    "compat",
    "report who is broken by a change of the contract, and the remedies",
    run,
    add_options,
)


def compare_with_archive(
    layout: Layout, today: date, findings: Findings, *, is_release: bool = False
) -> Report | None:
    """Compare the newest release with the contract of a layout; None when one of them cannot be read."""
    contract = compile_contract(layout.spec, layout.spec_name, findings)
    releases = read_archive(layout, findings)
    if contract is None or findings.has_errors:
        return None
    classified = apply_rules(ARCHIVE_RULES, [releases], "none")
    old = releases[-1] if releases else None
    return _compare(old, contract, today, classified, is_release=is_release)


def read_archive(layout: Layout, findings: Findings) -> tuple[Release, ...]:
    """Read all releases of the contract of a layout, the oldest first; unreadable ones are added to `findings`."""
    name = (PurePosixPath(layout.spec_name).parent / FOLDER).as_posix()
    return read_releases(folder_of(layout.spec), name, findings)


def _compare_files(old: Path, new: Path, today: date, findings: Findings) -> Report | None:
    before, after = _read(old, findings), _read(new, findings)
    if before is None or after is None or findings.has_errors:
        return None
    releases = [one for one in (before, after) if isinstance(one, Release)]
    contract = after.baseline.contract if isinstance(after, Release) else after
    return _compare(before, contract, today, apply_rules([EDITED_RULE], [releases], "none"))


def _compare(
    old: Contract | Release | None,
    new: Contract,
    today: date,
    archive_findings: Iterable[Classification],
    *,
    is_release: bool = False,
) -> Report:
    classified = list(archive_findings)
    comparison = None
    if old is not None:
        if isinstance(old, Release):
            comparison, changes = compare_contracts(old.baseline.contract, new, old.baseline.shapes)
        else:
            comparison, changes = compare_contracts(old, new, {})
        classified += changes
    remaining, excused = apply_exemptions(classified, new.exemptions, today, is_release=is_release)
    return Report(
        contract=new,
        comparison=comparison,
        findings=tuple(remaining),
        excused=tuple(excused),
        today=today,
    )


def _read(path: Path, findings: Findings) -> Contract | Release | None:
    name = path.as_posix()
    if path.suffix == ".json":
        return read_release(path, name, findings)
    return compile_contract(path, name, findings)


def _parse_day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f'a day must look like "2026-01-31", got "{text}"') from None
