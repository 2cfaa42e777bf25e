"""Reads golden records with the generated package, as it is on disk."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module, invalidate_caches
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from ..diagnostics.errors import UsageError

Decode = Callable[[bytes], Any]


def load_decoder(package: str, folder: Path) -> Decode:
    """Import the package in `folder` under its name, whatever else may have that name; return its decoder.

    Raises:
        UsageError: there is no such package.
    """
    with _hidden(package):
        spec = spec_from_file_location(
            package, folder / "__init__.py", submodule_search_locations=[str(folder)]
        )
        assert spec is not None
        assert spec.loader is not None
        module = module_from_spec(spec)
        sys.modules[package] = module
        try:
            spec.loader.exec_module(module)
            decode: Decode = import_module(f"{package}.codec").decode_line
        except (ImportError, OSError) as error:
            raise UsageError(f"{folder} must hold the package {package}: {error}") from None
    return decode


@contextmanager
def _hidden(package: str) -> Iterator[None]:
    """Forget what has been imported as this package for a while."""

    def found() -> list[str]:
        return [name for name in sys.modules if f"{name}.".startswith(f"{package}.")]

    hidden = {name: sys.modules.pop(name) for name in found()}
    # Python tells byte code that is out of date by the second; files may have been written within this one.
    is_written, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    invalidate_caches()
    try:
        yield
    finally:
        sys.dont_write_bytecode = is_written
        for name in found():
            del sys.modules[name]
        sys.modules.update(hidden)
