"""The command coverage: compares the contract with the code that uses it, or with a log; records its users."""

import sys
from argparse import ArgumentParser, Namespace
from datetime import UTC, datetime
from pathlib import Path

from ..atomic import write_atomically
from ..contract.model import Contract
from ..contract.users import Users, print_users, users_path
from ..coverage.judge import judge
from ..coverage.point import Point
from ..coverage.recorded import measure_log
from ..coverage.settings import SettingsSpec, load_settings
from ..coverage.table import to_json, to_text
from ..coverage.users import find_users, judge_record
from ..diagnostics.errors import UsageError
from ..diagnostics.findings import Findings
from ..diagnostics.report import FORMATS, report
from ..output.layout import Layout, near
from .command import CLEAN, FINDINGS, INVALID, Command, read_contract

_SETTINGS = "coverage.yaml"


def add_options(parser: ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument(
        "--log",
        type=Path,
        metavar="RUN",
        help="compare with the folder or log file of this run instead of the code",
    )
    parser.add_argument(
        "--record",
        action="store_true",
        help="only write the list of modules that emit events and read fields, for the reference",
    )
    parser.add_argument(
        "--source",
        type=Path,
        metavar="DIR",
        help="root of the code; by default that of the package",
    )
    parser.add_argument(
        "--format", choices=list(FORMATS), default="text", help="how to print findings"
    )


def run(options: Namespace, layout: Layout) -> int:
    """Measure the code or the log, and print the coverage and the findings.

    Raises:
        UsageError: the options contradict each other, mypy is not installed, or the code cannot be found.
    """
    contract = read_contract(layout, with_users=not options.record)
    settings = _read_settings(layout)
    if contract is None or settings is None:
        return INVALID
    findings = Findings()
    if options.log is not None:
        if options.record:
            raise UsageError("--record is about the code and --log is not; give one of them")
        points = measure_log(contract, layout.package, options.log)
    else:
        root = near(options.source or _root_of(layout))
        points = _measure_code(contract, layout, root, findings)
        users = find_users(points, root)
        if options.record:
            return _record(users, layout)
        # Only the reference lists users, and not every layout has one.
        if "docs" in layout.roots:
            path = near(users_path(layout.spec)).as_posix()
            judge_record(contract.users, users, path, f"run: {layout.command}", findings)
    today = datetime.now(UTC).date()
    shares = judge(points, settings, today, findings)
    if options.format == "text":
        name = _settings_name(layout)
        sys.stdout.write(to_text(points, shares, findings, settings_name=name, today=today))
    elif options.format == "json":
        sys.stdout.write(to_json(points, shares, findings))
    else:
        sys.stdout.write(report(findings, options.format))
    return FINDINGS if len(findings) else CLEAN


COMMAND = Command(
    "coverage",
    "find events and fields that are not emitted, not read, always the same, or (--log) not in a run",
    run,
    add_options,
)


def _read_settings(layout: Layout) -> SettingsSpec | None:
    findings = Findings()
    settings = load_settings(layout.spec.with_name(_SETTINGS), _settings_name(layout), findings)
    sys.stderr.write(report(findings, "text"))
    return settings


def _settings_name(layout: Layout) -> str:
    return Path(layout.spec_name).with_name(_SETTINGS).as_posix()


def _measure_code(
    contract: Contract, layout: Layout, root: Path, findings: Findings
) -> list[Point]:
    try:
        # Importing mypy takes longer than all of `--log`.
        from ..coverage.static import measure_code
    except ImportError as error:
        raise UsageError(
            f"the code is scanned with mypy, which cannot be imported: {error}; install it"
        ) from None
    return measure_code(contract, layout.package, root, findings)


def _root_of(layout: Layout) -> Path:
    """Return the folder from which the package is imported.

    Raises:
        UsageError: the package is in a folder of another name.
    """
    folder = layout.roots["package"].resolve()
    parts = layout.package.split(".")
    if list(folder.parts[-len(parts) :]) != parts:
        raise UsageError(
            f"the path of the package must end like its name {layout.package}, got {folder};"
            " name the root of the code with --source"
        )
    return folder.parents[len(parts) - 1]


def _record(users: Users, layout: Layout) -> int:
    path = users_path(layout.spec)
    text = print_users(users)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        write_atomically(path, text.encode())
        print("wrote", near(path))
    return CLEAN
