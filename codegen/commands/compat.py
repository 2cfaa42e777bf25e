"""The command compat: reports who is broken by a change of the contract, and the remedies."""

import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime
from os.path import relpath
from pathlib import Path, PurePosixPath

from ..compat.catalogue import compare_contracts, describe_rules
from ..compat.classification import Classification, apply_rules
from ..compat.exemptions import apply_exemptions
from ..compat.report import Report, format_report
from ..compat.rules.archive import EDITED_RULE
from ..compat.rules.archive import RULES as ARCHIVE_RULES
from ..compat.rules.history import RULES as HISTORY_RULES
from ..compat.rules.history import History
from ..compile import compile_contract
from ..contract.model import Contract
from ..diagnostics.errors import UsageError
from ..diagnostics.findings import Findings
from ..diagnostics.report import FORMATS
from ..history.archive import Release, choose_folder, read_release, read_releases
from ..output.layout import Layout
from .against import read_against
from .command import CLEAN, FINDINGS, INVALID, Command, is_one_document, print_findings

_UNCHANGED_VERSION = "SPC001"


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
        "--against",
        metavar="git:REF",
        help="compare with the contract at a branch, tag or commit of Git, instead of the newest release",
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
    """Compare the contract of a layout with its newest release, or with a version in Git, and print the report.

    Raises:
        UsageError: Git cannot show the other version.
    """
    findings = Findings()
    if options.against is None:
        result = compare_with_archive(layout, options.today, findings)
    else:
        old = read_against(options.against, layout.spec, findings)
        new = compile_contract(layout.spec, layout.spec_name, findings)
        result = _compare_both(old, new, options.today, findings)
        if result is not None:
            # A version is raised once after a release, and not with every commit.
            rest = [one for one in result.findings if one.rule.id != _UNCHANGED_VERSION]
            result = replace(result, findings=tuple(rest))
    if result is not None and options.num_contracts > 1:
        result = replace(result, name=layout.spec_name)
    return _print(result, findings, options)


def run_on_files(options: Namespace) -> int | None:
    """List the rules, or compare the two contracts on the command line; return None if neither is asked for.

    Raises:
        UsageError: the number of contracts is neither zero nor two, or there is another one in --against.
    """
    if options.rules:
        sys.stdout.write(describe_rules())
        return CLEAN
    if not options.contracts:
        return None
    if len(options.contracts) != 2:
        raise UsageError(
            "compat takes two contracts, OLD and NEW, or no arguments,"
            f" got {len(options.contracts)}"
        )
    if options.against is not None:
        raise UsageError("--against names the old contract, and so does OLD; give one of them")
    findings = Findings()
    before, after = (_read(path, findings) for path in options.contracts)
    return _print(_compare_both(before, after, options.today, findings), findings, options)


def _print(result: Report | None, findings: Findings, options: Namespace) -> int:
    print_findings(findings, options.format, is_valid=result is not None)
    if result is None:
        return INVALID
    sys.stdout.write(format_report(result, options.format))
    return FINDINGS if result.has_errors else CLEAN


COMMAND = Command(
    "compat",
    "report who is broken by a change of the contract, and the remedies",
    run,
    add_options,
    run_alone=run_on_files,
    is_for_one=is_one_document,
)


def compare_with_archive(
    layout: Layout,
    today: date,
    findings: Findings,
    *,
    is_release: bool = False,
    is_first: bool = False,
) -> Report | None:
    """Compare the newest release with the contract of a layout; None when one of them cannot be read.

    `is_first` says that there is no earlier release, whatever the contract mentions.
    """
    contract = compile_contract(layout.spec, layout.spec_name, findings)
    releases = read_archive(layout, findings)
    if contract is None or findings.has_errors:
        return None
    history = History(
        contract=contract,
        releases=releases,
        folder=archive_of(layout),
        name=_archive_name(layout),
        spec=layout.spec,
        is_first=is_first,
        is_release=is_release,
    )
    classified = [
        *apply_rules(ARCHIVE_RULES, [releases], "none"),
        *apply_rules(HISTORY_RULES, [history], "none"),
    ]
    old = releases[-1] if releases else None
    return _compare(old, contract, today, classified, is_release=is_release)


def read_archive(layout: Layout, findings: Findings) -> tuple[Release, ...]:
    """Read all releases of the contract of a layout, the oldest first; unreadable ones are added to `findings`."""
    return read_releases(archive_of(layout), _archive_name(layout), findings)


def _archive_name(layout: Layout) -> str:
    folder = relpath(archive_of(layout), layout.spec.parent)
    return (PurePosixPath(layout.spec_name).parent / folder).as_posix()


def archive_of(layout: Layout) -> Path:
    """Return the folder with the releases of the contract of a layout.

    Raises:
        UsageError: the folder next to the contract holds releases of a contract that no longer exists.
    """
    return layout.history or choose_folder(layout.spec)


def _compare_both(
    before: Contract | Release | None,
    after: Contract | Release | None,
    today: date,
    findings: Findings,
) -> Report | None:
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
