"""Command-line options that several commands share, and the choice of the contracts that a command is about."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from dataclasses import replace
from pathlib import Path, PurePosixPath

from ..configuration.layouts import choose_layouts
from ..configuration.table import find_configuration, read_configuration
from ..diagnostics.errors import UsageError
from ..languages.python.quoting import ident
from ..output.cache import VARIABLE, find_cache
from ..output.formatting import check_version, pinned_version
from ..output.layout import PROJECT, Layout, Settings, foreign_layout, is_plain, our_layout
from ..targets.table import NAMES

_INSTALLED = "esper_codegen"


def program_name() -> str:
    """Return the command that people type: the console script, or the module in this project's checkout."""
    root = (__package__ or "").partition(".")[0]
    return "esper-codegen" if root == _INSTALLED else "python -m codegen"


def add_layout_options(parser: ArgumentParser) -> None:
    """Add the options that select the contract and the folders of its files."""
    group = parser.add_argument_group(
        "the contract",
        "By default every contract in the table [tool.esper-codegen] of the nearest pyproject.toml.",
    )
    group.add_argument("--config", type=_read_path, metavar="FILE", help="a pyproject.toml")
    group.add_argument("--contract", metavar="NAME", help="only this contract of the table")
    group.add_argument(
        "--spec",
        type=_read_path,
        metavar="FILE",
        help="a contract that is not in a table; needs --out and --package",
    )
    group.add_argument("--out", type=_read_path, metavar="DIR", help="the folder of its package")
    group.add_argument(
        "--package", metavar="NAME", help="the name by which the package is imported"
    )
    group.add_argument(
        "--history",
        type=_read_path,
        metavar="DIR",
        help="the folder of its releases; default: history, next to the contract",
    )


def find_layouts(options: Namespace) -> list[Layout]:
    """Return the layouts that the options describe, those of the nearest table, or that of this project.

    Raises:
        UsageError: an option is missing or not valid, the table is not valid, or there is no contract.
    """
    _check_options(options)
    path = None
    if options.spec is None:
        path = options.config or find_configuration(Path.cwd())
    if path is not None:
        layouts = choose_layouts(
            read_configuration(path),
            options.contract,
            out=None if options.out is None else PurePosixPath(options.out.as_posix()),
            package=options.package,
        )
    elif any((options.spec, options.contract, options.out, options.package)):
        layouts = [_layout_without_table(options)]
    else:
        layouts = [_our_layout()]
    if options.history is not None:
        if len(layouts) > 1:
            raise UsageError("--history is for one contract; select it with --contract")
        layouts = [replace(layouts[0], history=options.history)]
    for layout in layouts:
        # Without this, nothing would seem to have been released.
        if layout.history is not None and layout.history.exists() and not layout.history.is_dir():
            raise UsageError(f"the history must be a folder, got {layout.history}")
    return layouts


def _check_options(options: Namespace) -> None:
    for name in ("spec", "out", "history"):
        path = vars(options)[name]
        if path is not None and not is_plain(str(path)):
            raise UsageError(f"--{name} must be a path of plain characters, got {str(path)!r}")
    if options.package is not None:
        try:
            ident(options.package)
        except ValueError:
            message = f"--package must be a dotted name like audit.events, got {options.package!r}"
            raise UsageError(message) from None


def _layout_without_table(options: Namespace) -> Layout:
    if options.contract is not None or options.config is not None:
        raise UsageError(
            "--contract and --config are about a table in a pyproject.toml, and --spec is not;"
            " give one of them"
        )
    given = (options.spec, options.out, options.package)
    if not all(given):
        raise UsageError("--spec, --out and --package belong together; give all three")
    return foreign_layout(*given, program=program_name())


def _our_layout() -> Layout:
    layout = our_layout()
    # An installed package has no contract of its own.
    if not layout.spec.is_file():
        raise UsageError(
            "no pyproject.toml here or above has a table [tool.esper-codegen];"
            f" `{program_name()} init` makes a first contract"
        )
    return layout


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
    """Return the settings that the options and the layout describe.

    Raises:
        FormatterError: Python is to be formatted, and the installed black is not the pinned version.
        UsageError: the folder of the cache is inside the project.
    """
    is_formatted = layout.is_formatted and not options.no_format
    if is_formatted:
        check_version(pinned_version(PROJECT / "pyproject.toml"))
    return Settings(
        targets=frozenset(options.target),
        is_formatted=is_formatted,
        cache=None if options.no_cache else find_cache(layout.spec),
    )


def _read_path(text: str) -> Path:
    if not text:
        raise ArgumentTypeError("must be a path, got an empty text")
    return Path(text)
