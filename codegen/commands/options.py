"""Options that several commands share."""

from argparse import ArgumentParser, Namespace

from codegen.formatting import check_version, pinned_version
from codegen.layout import PROJECT
from codegen.settings import Settings
from codegen.targets.table import TARGETS


def add_render_options(parser: ArgumentParser) -> None:
    """Add the options that say what is rendered and how."""
    names = [target.name for target in TARGETS]
    parser.add_argument(
        "--target", action="append", choices=names, default=[], help="only this; may be repeated"
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
