"""Options that several commands share."""

import re
from argparse import ArgumentParser, Namespace
from pathlib import Path

from ..diagnostics.errors import UsageError
from ..languages.python.quoting import ident
from ..output.formatting import check_version, pinned_version
from ..output.layout import PROJECT, Layout, foreign_layout, our_layout
from ..output.settings import Settings
from ..targets.table import NAMES

# Paths are printed in the headers of generated files, in comments and texts of several languages.
_PLAIN_PATH = re.compile(r"[^\x00-\x1f\x7f\"'`\\<>*|?]+")


def add_layout_options(parser: ArgumentParser) -> None:
    """Add the options that say which contract it is and where its files go."""
    group = parser.add_argument_group("another contract than ours (all three together)")
    group.add_argument("--spec", type=Path, metavar="FILE", help="the contract")
    group.add_argument("--out", type=Path, metavar="DIR", help="where its package goes")
    group.add_argument("--package", metavar="NAME", help="by what name the package is imported")


def choose_layout(options: Namespace) -> Layout:
    """Return the layout that the options describe, ours when they say nothing."""
    given = (options.spec, options.out, options.package)
    if not any(given):
        return our_layout()
    if not all(given):
        raise UsageError("--spec, --out and --package belong together; give all three")
    try:
        ident(options.package)
    except ValueError:
        message = f"--package must be a dotted name like audit.events, got {options.package!r}"
        raise UsageError(message) from None
    for name, path in (("--spec", options.spec), ("--out", options.out)):
        if not _PLAIN_PATH.fullmatch(str(path)):
            raise UsageError(f"{name} must be a path of plain characters, got {str(path)!r}")
    return foreign_layout(*given)


def add_render_options(parser: ArgumentParser) -> None:
    """Add the options that say what is rendered and how."""
    parser.add_argument(
        "--target", action="append", choices=NAMES, default=[], help="only this; may be repeated"
    )
    parser.add_argument("--no-format", action="store_true", help="leave Python as it was rendered")
    parser.add_argument(
        "--fresh", action="store_true", help="format also what is certified on disk"
    )


def read_settings(options: Namespace) -> Settings:
    """Return what the options say; the formatter at hand must be the pinned one."""
    if not options.no_format:
        check_version(pinned_version(PROJECT / "pyproject.toml"))
    return Settings(
        targets=frozenset(options.target),
        is_formatted=not options.no_format,
        is_fresh=options.fresh,
    )
