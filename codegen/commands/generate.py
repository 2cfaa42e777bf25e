"""generate: write what the contract says, and remove what it no longer says."""

import sys
from argparse import ArgumentParser, Namespace

from ..output.drift import find_drift
from ..output.layout import Layout
from ..output.paths import near
from ..output.render import render
from ..output.watch import watch
from ..output.write import find_extras, write_all
from .command import CLEAN, INVALID, Command
from .contract import read_contract
from .options import add_render_options, read_settings


def add_options(parser: ArgumentParser) -> None:
    """Add the options of this command."""
    add_render_options(parser)
    parser.add_argument("--dry-run", action="store_true", help="only list what would be done")
    parser.add_argument(
        "--diff", action="store_true", help="only print what would change, as a diff"
    )
    parser.add_argument(
        "--watch", action="store_true", help="do it again whenever the contract changes"
    )


def run(options: Namespace, layout: Layout) -> int:
    """Generate once, or until it is interrupted."""
    if options.watch:
        return watch(layout.spec, lambda: _generate(options, layout))
    return _generate(options, layout)


def _generate(options: Namespace, layout: Layout) -> int:
    contract = read_contract(layout)
    if contract is None:
        return INVALID
    settings = read_settings(options)
    files = render(contract, layout, settings)
    extras = find_extras(files, layout, settings)
    if options.diff or options.dry_run:
        for drift in find_drift(files, extras):
            sys.stdout.write(
                drift.diff if options.diff else f"would {drift.verb} {near(drift.path)}\n"
            )
        return CLEAN
    for path in write_all(files):
        print("wrote", near(path))
    for path in extras:
        path.unlink()
        print("removed", near(path))
    return CLEAN


COMMAND = Command(
    "generate", "write what the contract says, and remove what it no longer says", run, add_options
)
