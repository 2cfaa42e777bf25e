"""Command-line options that several commands share."""

import re
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path

from ..diagnostics.errors import UsageError
from ..languages.python.quoting import ident
from ..output.cache import VARIABLE, find_cache
from ..output.formatting import check_version, pinned_version
from ..output.layout import PROJECT, Layout, Settings, foreign_layout, our_layout
from ..targets.table import NAMES

# Headers of generated files contain these paths, in comments and texts of several languages.
_PLAIN_PATH = re.compile(r"[^\x00-\x1f\x7f\"'`\\<>*|?]+")


def add_layout_options(parser: ArgumentParser) -> None:
    """Add the options for a contract of another project and the folder of its files."""
    group = parser.add_argument_group("a contract of another project (all three together)")
    group.add_argument("--spec", type=_read_path, metavar="FILE", help="the contract")
    group.add_argument("--out", type=_read_path, metavar="DIR", help="the folder of its package")
    group.add_argument(
        "--package", metavar="NAME", help="the name by which the package is imported"
    )


def choose_layout(options: Namespace) -> Layout:
    """Return the layout that the options describe; without options, that of this project.

    Raises:
        UsageError: an option is missing or not valid.
    """
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
    """Add the options for selecting and formatting files."""
    parser.add_argument(
        "--target",
        action="append",
        choices=NAMES,
        default=[],
        help="only this target; may be repeated",
    )
    parser.add_argument("--no-format", action="store_true", help="do not format Python")
    parser.add_argument(
        "--no-cache",
        "--fresh",
        action="store_true",
        help=f"render and format everything again; the cache is outside the project, {VARIABLE} moves it",
    )


def read_settings(options: Namespace, layout: Layout) -> Settings:
    """Return the settings that the options describe.

    Raises:
        FormatterError: Python is to be formatted, and the installed black is not the pinned version.
        UsageError: the folder of the cache is inside the project.
    """
    if not options.no_format:
        check_version(pinned_version(PROJECT / "pyproject.toml"))
    return Settings(
        targets=frozenset(options.target),
        is_formatted=not options.no_format,
        cache=None if options.no_cache else find_cache(layout.spec),
    )


def _read_path(text: str) -> Path:
    if not text:
        raise ArgumentTypeError("must be a path, got an empty text")
    return Path(text)
