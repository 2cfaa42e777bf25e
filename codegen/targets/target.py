"""The classes of targets: a target renders files, and a file consists of chunks that are formatted one by one."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from ..contract.model import Contract

Root = Literal["package", "docs", "tests", "specs"]


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a file; `key` names the part of the contract that it is about, and is empty for the head of a file."""

    key: str
    text: str


@dataclass(frozen=True, slots=True)
class Output:
    """A rendered file: its path below the root of the target, and its chunks.

    Python is formatted chunk by chunk; the chunks of other languages are joined as they are.
    """

    path: str
    chunks: tuple[Chunk, ...]

    @property
    def body(self) -> str:
        """The text without the head, which holds the imports of a module."""
        return "\n\n".join(chunk.text for chunk in self.chunks[1:])


@dataclass(frozen=True, slots=True)
class Target:
    """A kind of output: its files, and the root below which they are.

    `outputs` lists the paths of the files. It does not depend on `render`, so a template cannot add a file. `render`
    takes the contract and the dotted name of the generated package; it may be lazy.
    """

    name: str
    root: Root
    outputs: Callable[[Contract], Iterable[str]]
    render: Callable[[Contract, str], Iterable[Output]]
