"""Formats generated Python with the pinned black."""

import re
from pathlib import Path

from ..diagnostics.errors import FormatterError
from ..languages.python.quoting import LINE_LENGTH


def installed_version() -> str:
    """Return the version of the black at hand; empty when there is none."""
    # Importing this takes as long as reading a contract, which is wasted where nothing is formatted.
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("black")
    except PackageNotFoundError:
        return ""


def pinned_version(pyproject: Path) -> str:
    """Return the version of black that the project pins."""
    match = re.search(r'"black==([0-9.]+)"', pyproject.read_text(encoding="utf-8"))
    assert match, "pyproject.toml pins black"
    return match.group(1)


def check_version(pinned: str) -> None:
    """Raise FormatterError unless the black at hand is the pinned one: its style moves every year."""
    found = installed_version()
    if found != pinned:
        raise FormatterError(
            f"generated code is formatted by black {pinned}, found {found or 'none'}; "
            f"run: pip install black=={pinned}"
        )


def format_source(source: str) -> str:
    """Format a piece of Python; it ends with one line end."""
    # Importing black takes a fifth of a second, which a check of unchanged files does not need.
    import black
    from black.mode import TargetVersion

    mode = black.Mode(line_length=LINE_LENGTH, target_versions={TargetVersion.PY311})
    return black.format_str(source, mode=mode)
