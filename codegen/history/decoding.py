"""Loads the decoder of a generated package, as it is on disk, to read golden records with it."""

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
    """Import the package in `folder`, even if another one of this name is already imported; return its decoder.

    Raises:
        UsageError: `folder` does not hold this package.
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
            codec = import_module(f"{package}.codec")
            # Modules that it imported later would not come from `folder`, because the package is hidden again.
            codec.preload_events()
            decode: Decode = codec.decode_line
        except (AttributeError, ImportError, OSError) as error:
            raise UsageError(f"{folder} must hold the package {package}: {error}") from None
    return decode


@contextmanager
def _hidden(package: str) -> Iterator[None]:
    """Remove a package and its modules from `sys.modules` within the context, and put them back at its end."""

    def loaded() -> list[str]:
        return [name for name in sys.modules if f"{name}.".startswith(f"{package}.")]

    hidden = {name: sys.modules.pop(name) for name in loaded()}
    # Python compares byte code with its source by a time in whole seconds, and the files may have been written just now.
    is_written, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    invalidate_caches()
    try:
        yield
    finally:
        sys.dont_write_bytecode = is_written
        for name in loaded():
            del sys.modules[name]
        sys.modules.update(hidden)
