"""What a target gives: files, made of chunks that are formatted and kept apart."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from ..contract.model import Contract

Root = Literal["package", "docs", "tests", "specs"]


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a file; `key` names what of the contract it is about, and is empty for the head of a file."""

    key: str
    text: str


@dataclass(frozen=True, slots=True)
class Output:
    """A file: its path below the target's root, and what it is made of.

    Python is formatted chunk by chunk. In other languages the chunks are put together as they are.
    """

    path: str
    chunks: tuple[Chunk, ...]

    @property
    def body(self) -> str:
        """All of it but the head, which holds the imports of a module."""
        return "\n\n".join(chunk.text for chunk in self.chunks[1:])

    def render(self) -> "Output":
        """Return itself: it has been rendered."""
        return self


@dataclass(frozen=True, slots=True)
class Later:
    """A file that is rendered when it is asked for, so that several can be rendered at once."""

    path: str
    render: Callable[[], Output]


@dataclass(frozen=True, slots=True)
class Target:
    """Something that is generated from the contract: its files, and the root that they cannot leave.

    `outputs` is the table of its files, apart from `render`, so that a template cannot invent one.
    """

    name: str
    root: Root
    outputs: Callable[[Contract], Iterable[str]]
    render: Callable[[Contract, str], Iterable[Output | Later]]
