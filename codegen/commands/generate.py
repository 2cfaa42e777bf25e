"""The command generate: writes the files of the contract, and removes those that no longer belong to it."""

import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path

from ..output.drift import find_drift
from ..output.layout import Layout, display_path
from ..output.ownership import check_folders, check_ownership, find_owned
from ..output.render import render
from ..output.write import write_all
from .command import CLEAN, FINDINGS, INVALID, Command, read_contract
from .options import add_render_options, read_settings

_POLL_S = 0.3


def add_options(parser: ArgumentParser) -> None:
    """Add the options of this command."""
    add_render_options(parser)
    parser.add_argument("--dry-run", action="store_true", help="only list the files that change")
    parser.add_argument("--diff", action="store_true", help="only print the changes, as a diff")
    parser.add_argument(
        "--watch", action="store_true", help="generate again whenever the contract changes"
    )
    parser.add_argument(
        "--adopt",
        action="store_true",
        help="take over files that have a header of this contract and are not in the list of generated files",
    )


def run(options: Namespace, layout: Layout) -> int:
    """Generate once, or with --watch until the process is interrupted."""
    if options.watch:
        return _watch(layout.spec, lambda: _generate(options, layout))
    return _generate(options, layout)


def _generate(options: Namespace, layout: Layout) -> int:
    contract = read_contract(layout)
    if contract is None:
        return INVALID
    settings = read_settings(options, layout)
    files = render(contract, layout, settings)
    if options.diff or options.dry_run:
        check_folders(layout)
        owned = find_owned(files, contract, layout, settings, adopts=options.adopt)
        check_ownership(files, owned.before, layout, adopts=options.adopt)
        for drift in find_drift(files, owned, layout):
            sys.stdout.write(
                drift.diff if options.diff else f"would {drift.verb} {display_path(drift.path)}\n"
            )
        return CLEAN
    changes = write_all(files, contract, layout, settings, adopts=options.adopt)
    for change in changes:
        print(change.verb, display_path(change.path))
    kept = [change for change in changes if change.verb == "kept"]
    for change in kept:
        print(
            f"{display_path(change.path)} is not a file of the contract any more, and {change.reason}; move or remove it",
            file=sys.stderr,
        )
    return FINDINGS if kept else CLEAN


def _watch(path: Path, act: Callable[[], int]) -> int:
    """Call `act` now and after every change of the file, until Ctrl-C; return its last exit code."""
    code = act()
    seen = _stamp(path)
    print(f"watching {path}; Ctrl-C ends it", flush=True)
    try:
        while True:
            time.sleep(_POLL_S)
            if _stamp(path) != seen:
                seen = _stamp(path)
                code = act()
    except KeyboardInterrupt:
        return code


def _stamp(path: Path) -> tuple[int, int]:
    """Return numbers that change with the file; while an editor replaces it, it may be missing for a moment."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return 0, 0
    return status.st_mtime_ns, status.st_size


COMMAND = Command(
    "generate",
    "write the files of the contract, and remove those that no longer belong to it",
    run,
    add_options,
    is_for_one=lambda options: options.watch,
)
