"""What a command is."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import dataclass

from ..output.layout import Layout

CLEAN = 0
FINDINGS = 1
INVALID = 2
DRIFT = 3


@dataclass(frozen=True, slots=True)
class Command:
    """A command: its name, what it does, the options it takes, and the function that returns its exit code."""

    name: str
    summary: str
    run: Callable[[Namespace, Layout], int]
    add_options: Callable[[ArgumentParser], None]
