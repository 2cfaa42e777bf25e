"""Options that several commands share."""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterable

from codegen.formatting import check_version, pinned_version
from codegen.layout import PROJECT, Layout
from codegen.model import Contract
from codegen.render import Rendered, render
from codegen.targets.table import TARGETS


def add_render_options(parser: ArgumentParser) -> None:
    """Add the options that say what is rendered and how."""
    names = [target.name for target in TARGETS]
    parser.add_argument(
        "--target", action="append", choices=names, default=[], help="only this; may be repeated"
    )
    parser.add_argument("--no-format", action="store_true", help="leave Python as it was rendered")


def render_files(contract: Contract, layout: Layout, options: Namespace) -> Iterable[Rendered]:
    """Render as the options say; the formatter at hand must be the pinned one."""
    if not options.no_format:
        check_version(pinned_version(PROJECT / "pyproject.toml"))
    return render(contract, layout, names=options.target, is_formatted=not options.no_format)
