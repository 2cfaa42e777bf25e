"""Formats generated Python with black, in the version that the project pins."""

import re
from pathlib import Path

from ..diagnostics.errors import FormatterError
from ..languages.python.quoting import LINE_LENGTH


def installed_version(distribution: str = "black") -> str:
    """Return the version of a distribution that is installed; an empty text if it is not."""
    # Importing this takes as long as reading a contract, which is wasted if nothing is formatted and there is no cache.
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""


def pinned_version(pyproject: Path) -> str:
    """Return the version of black that generated code is formatted with.

    A checkout pins it in `pyproject`; an installed distribution, which does not have that file, in its metadata.
    """
    if pyproject.is_file():
        text = pyproject.read_text(encoding="utf-8")
    else:
        from importlib.metadata import requires

        text = "\n".join(requires("esper-codegen") or ())
    match = re.search(r"\bblack==([0-9.]+)", text)
    assert match, "the extra pins black"
    return match.group(1)


def check_version(pinned: str) -> None:
    """Check that the installed black is the pinned one; black's style changes every year.

    Raises:
        FormatterError: it is another version, or black is not installed.
    """
    installed = installed_version()
    if installed != pinned:
        found = f"{installed} is installed" if installed else "black is not installed"
        raise FormatterError(
            f"generated code is formatted by black {pinned}, but {found}; run: pip install black=={pinned}, or do without: --no-format"
        )


def format_source(source: str) -> str:
    """Format a piece of Python; the result ends with one line end."""
    # Importing black takes a fifth of a second, and checking unchanged files does not need it.
    import black
    from black.mode import TargetVersion

    mode = black.Mode(line_length=LINE_LENGTH, target_versions={TargetVersion.PY311})
    # `black.format_str` formats its own result again, which takes more than half of the time, for the sake of statements that
    # our templates do not have; tests compare both on all kinds of generated code. The version of black is pinned exactly.
    return black._format_str_once(source, mode=mode)
