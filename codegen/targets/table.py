"""The table of targets; each is a module of this package with a `TARGET`."""

from collections.abc import Collection, Iterator
from importlib import import_module

from .target import Target

NAMES = (
    "python",
    "channel",
    "contract_schema",
    "json_schema",
    "sql",
    "typescript",
    "markdown",
    "strategies",
    "arrow",
)


def load_targets(wanted: Collection[str] = ()) -> Iterator[Target]:
    """Import and yield the wanted targets, by default all; importing the others would take time for nothing."""
    for name in NAMES:
        if not wanted or name in wanted:
            target: Target = import_module(f".{name}", __package__).TARGET
            yield target
