"""Compares contracts for the commands compat and release: two files, or the newest release and the contract."""

from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path, PurePosixPath

from ..compat.archive import EDITED
from ..compat.archive import RULES as ARCHIVE_RULES
from ..compat.exemptions import excuse
from ..compat.judge import judge
from ..compat.report import Report
from ..compat.verdict import Verdict, apply
from ..compile import compile_contract
from ..contract.model import Contract
from ..diagnostics.findings import Findings
from ..history.archive import FOLDER, Release, folder_of, read_release, read_releases
from ..output.layout import Layout


def add_today(parser: ArgumentParser) -> None:
    """Add the option for the day on which exemptions are judged."""
    parser.add_argument(
        "--today",
        type=_read_day,
        default=datetime.now(UTC).date(),
        metavar="DATE",
        help="the day on which exemptions are judged; by default today",
    )


def compare_with_archive(
    layout: Layout, today: date, findings: Findings, *, is_release: bool = False
) -> Report | None:
    """Compare the newest release with the contract of a layout; return None, with findings, if either has errors."""
    contract = compile_contract(layout.spec, layout.spec_name, findings)
    releases = read_archive(layout, findings)
    if contract is None or findings.has_errors:
        return None
    verdicts = apply(ARCHIVE_RULES, [releases], "none")
    old = releases[-1] if releases else None
    return _compare(old, contract, today, verdicts, is_release=is_release)


def compare_files(old: Path, new: Path, today: date, findings: Findings) -> Report | None:
    """Compare two files, each a contract or a released baseline; return None, with findings, if either has errors."""
    before, after = _read(old, findings), _read(new, findings)
    if before is None or after is None or findings.has_errors:
        return None
    releases = [one for one in (before, after) if isinstance(one, Release)]
    contract = after.baseline.contract if isinstance(after, Release) else after
    return _compare(before, contract, today, apply([EDITED], [releases], "none"))


def read_archive(layout: Layout, findings: Findings) -> tuple[Release, ...]:
    """Return the releases of the contract of a layout, the oldest first."""
    name = (PurePosixPath(layout.spec_name).parent / FOLDER).as_posix()
    return read_releases(folder_of(layout.spec), name, findings)


def _compare(
    old: Contract | Release | None,
    new: Contract,
    today: date,
    verdicts: Iterable[Verdict],
    *,
    is_release: bool = False,
) -> Report:
    verdicts = list(verdicts)
    passage = None
    if old is not None:
        baseline = old.baseline if isinstance(old, Release) else None
        contract = old.baseline.contract if isinstance(old, Release) else old
        passage, seen = judge(contract, new, baseline.shapes if baseline else {})
        verdicts += seen
    standing, excused = excuse(verdicts, new.exemptions, today, is_release=is_release)
    return Report(
        contract=new, passage=passage, verdicts=tuple(standing), excused=tuple(excused), today=today
    )


def _read(path: Path, findings: Findings) -> Contract | Release | None:
    name = path.as_posix()
    if path.suffix == ".json":
        return read_release(path, name, findings)
    return compile_contract(path, name, findings)


def _read_day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f'a day must be written like "2026-01-31", got "{text}"') from None
