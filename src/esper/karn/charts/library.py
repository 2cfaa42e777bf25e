"""Imports the libraries that charts need, which are an extra."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from esper.leyline.errors import MissingExtraError

_EXTRA = "charts"


def import_altair() -> ModuleType:
    """Return the module `altair`, which takes a third of a second to import.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import altair
    except ModuleNotFoundError as error:
        raise MissingExtraError(_EXTRA, package="altair") from error
    return altair


def import_converter() -> ModuleType:
    """Return the module `vl_convert`, which draws charts without a browser.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import vl_convert
    except ModuleNotFoundError as error:
        raise MissingExtraError(_EXTRA, package="vl-convert-python") from error
    return vl_convert


@contextmanager
def unchecked() -> Iterator[None]:
    """Skip Altair's check of every part against its schema, which takes longer than drawing; tests check the charts."""
    import_altair()
    from altair.utils.schemapi import debug_mode

    with debug_mode(False):
        yield
