"""What a target gives: files, made of chunks that are formatted and kept apart."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from codegen.model import Contract

Root = Literal["package", "docs", "tests"]


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a file; `key` says what of the contract it is about, and is empty for the head of the file."""

    key: str
    text: str


@dataclass(frozen=True, slots=True)
class Output:
    """A file: its path below the target's root, and what it is made of."""

    path: str
    chunks: tuple[Chunk, ...]


@dataclass(frozen=True, slots=True)
class Target:
    """Something that is generated from the contract, and below which root."""

    name: str
    root: Root
    render: Callable[[Contract, str], Iterable[Output]]
