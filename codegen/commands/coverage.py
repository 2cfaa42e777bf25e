"""The command coverage: measures how much of the contract the code or a log uses, and records which modules use it."""

import sys
from argparse import ArgumentParser, Namespace
from datetime import UTC, datetime
from pathlib import Path

from ..atomic import write_atomically
from ..contract.model import Contract
from ..contract.users import Users, format_users, users_path
from ..coverage.floors import check_floors
from ..coverage.log_coverage import measure_log
from ..coverage.points import Point
from ..coverage.report import to_json, to_text
from ..coverage.settings import SettingsSpec, load_settings
from ..coverage.users import compare_users, find_users
from ..diagnostics.errors import UsageError
from ..diagnostics.findings import Findings
from ..diagnostics.report import FORMATS, report
from ..history.decoding import load_decoder
from ..output.layout import Layout, display_path, is_folder_of
from .command import CLEAN, FINDINGS, INVALID, Command, is_one_document, read_contract
from .options import program_name

_SETTINGS = "coverage.yaml"
_EXAMPLE = "floors: {emitted: 100, read: 80}"


def add_options(parser: ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument(
        "--log",
        type=Path,
        metavar="RUN",
        help="measure this folder of a run, or log file, instead of the code",
    )
    parser.add_argument(
        "--record",
        action="store_true",
        help="only record which modules emit each event and read each field, for the reference",
    )
    parser.add_argument(
        "--source",
        type=Path,
        metavar="DIR",
        help="root of the code; default: the root of the package",
    )
    parser.add_argument(
        "--format", choices=list(FORMATS), default="text", help="how to print findings"
    )


def run(options: Namespace, layout: Layout) -> int:
    """Measure the coverage by the code or by a log, check it against the floors, and print it.

    Raises:
        UsageError: --record is combined with --log, the root of the code is not known, or mypy is not installed.
        ScanError: the code cannot be scanned.
        LogError: the log cannot be used.
    """
    contract = read_contract(layout, with_users=not options.record)
    settings = _read_settings(layout)
    if contract is None or settings is None:
        return INVALID
    findings = Findings()
    if options.log is not None:
        if options.record:
            raise UsageError("--record is about the code and --log is not; give one of them")
        decode = load_decoder(layout.package, layout.roots["package"])
        points = measure_log(contract, decode, options.log)
    else:
        root = display_path(options.source or _import_root(layout))
        points = _measure_code(contract, layout, root, findings)
        users = find_users(points, root)
        if options.record:
            return _write_users(users, layout)
        # Recorded users appear only in the reference, which not every layout has.
        if ("docs" in layout.roots or "markdown" in layout.roots) and users_path(
            layout.spec
        ).exists():
            path = display_path(users_path(layout.spec)).as_posix()
            compare_users(contract.users, users, path, _record_hint(layout), findings)
    today = datetime.now(UTC).date()
    shares = check_floors(points, settings, today, findings)
    if options.format == "text":
        name = _settings_name(layout)
        sys.stdout.write(to_text(points, shares, findings, settings_name=name, today=today))
        if not layout.spec.with_name(_SETTINGS).exists():
            print(
                f"nothing is required, because there is no {name}; write floors into it, like {_EXAMPLE}"
            )
    elif options.format == "json":
        sys.stdout.write(to_json(points, shares, findings))
    else:
        sys.stdout.write(report(findings, options.format))
    return FINDINGS if len(findings) else CLEAN


COMMAND = Command(
    "coverage",
    "find events and fields that are not emitted, not read, constant, or (--log) missing in a run",
    run,
    add_options,
    is_for_one=is_one_document,
)


def _record_hint(layout: Layout) -> str:
    # The command of this project also records the users; that of the table does not.
    command = layout.command
    if not command.startswith("make "):
        command = f"{program_name()} coverage --record"
    return f"run: {command}"


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
        # Importing mypy takes longer than a whole run with --log, which does not need it.
        from ..coverage.code_coverage import measure_code
    except ImportError as error:
        raise UsageError(
            f"the code is scanned with mypy, which cannot be imported: {error}; install it"
        ) from None
    return measure_code(contract, layout.package, root, findings)


def _import_root(layout: Layout) -> Path:
    """Return the folder from which the package is imported."""
    folder = layout.roots["package"].resolve()
    if not is_folder_of(folder, layout.package):
        raise UsageError(
            f"the path of the package must end like its name {layout.package}, got {folder};"
            " name the root of the code with --source"
        )
    return folder.parents[layout.package.count(".")]


def _write_users(users: Users, layout: Layout) -> int:
    path = users_path(layout.spec)
    text = format_users(users)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        write_atomically(path, text.encode())
        print("wrote", display_path(path))
    return CLEAN
