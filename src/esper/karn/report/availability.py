"""Says whether the packages that a report needs are installed, without importing them."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Final

from esper.leyline.errors import MissingExtraError

_PACKAGES: Final = {"altair": "altair", "vl_convert": "vl-convert-python", "jinja2": "jinja2"}


def can_report() -> bool:
    """Return whether `esper report` can write a page."""
    return all(find_spec(module) is not None for module in _PACKAGES)


def check_report() -> None:
    """Check that everything that a page needs is installed.

    Raises:
        MissingExtraError: a package of the extra `charts` is missing.
    """
    for module, package in _PACKAGES.items():
        if find_spec(module) is None:
            raise MissingExtraError("charts", package=package)
