"""Finishes a rendered file: formats its Python, part by part, and puts a header on it."""

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..diagnostics.errors import FormatterError
from ..targets.target import Chunk, Output
from .cache import CachedFile, CachedPart, hash_part
from .formatting import format_source, installed_version
from .header import ContractHashes, Header, hash_text, join_file
from .layout import Layout, Settings

UNFORMATTED = "none"
"""The formatter in the header of a file that black does not format."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A generated file: its path, its target, its text, and the final texts of its parts, each with its key."""

    path: Path
    target: str
    text: str
    parts: tuple[tuple[str, str], ...] = ()


class Finisher:
    """Finishes files; a part that is known to be formatted already is not formatted again."""

    def __init__(self, hashes: ContractHashes, layout: Layout, settings: Settings) -> None:
        self._hashes = hashes
        self._origin = layout.header_origin
        self._formatter = installed_version() if settings.is_formatted else UNFORMATTED

    def format_parts(self, output: Output, known: Mapping[str, str]) -> CachedFile:
        """Return a file with its parts formatted; `known` has formatted parts by the hashes of their rendered texts.

        Raises:
            FormatterError: black changed the meaning of the code, and not only its layout.
        """
        parts = []
        for chunk in output.chunks:
            rendered = hash_part(chunk.text)
            text = known.get(rendered)
            if text is None or not _is_python(output.path):
                text = self._format(chunk, output.path)
            parts.append(CachedPart(chunk.key, rendered, text))
        return CachedFile(
            output.path, self._hashes.hash_of(part.key for part in parts), tuple(parts)
        )

    def finish(self, file: CachedFile, path: Path, target: str) -> Rendered:
        """Return the file with its header, as it is to be written to `path`."""
        texts = [part.text for part in file.parts]
        is_python = _is_python(file.path)
        body = _join(texts) if is_python else "".join(texts)
        header = Header(
            origin=self._origin,
            spec=file.spec,
            formatter=self._formatter if is_python else UNFORMATTED,
            text=hash_text(body),
        )
        parts = tuple((part.key, part.text) for part in file.parts)
        return Rendered(path, target, join_file(path, header, body), parts)

    def _format(self, chunk: Chunk, path: str) -> str:
        if not _is_python(path):
            return chunk.text
        if self._formatter == UNFORMATTED:
            return chunk.text.rstrip("\n") + "\n"
        return _format_safely(chunk, path)


def _is_python(path: str) -> bool:
    return path.endswith(".py")


def _format_safely(chunk: Chunk, path: str) -> str:
    text = format_source(chunk.text)
    if _dump(chunk.text) != _dump(text):
        raise FormatterError(f"black changed the meaning of {chunk.key or 'the head'} in {path}")
    return text


def _join(texts: Iterable[str]) -> str:
    """Join formatted parts with as many empty lines as black and isort put between them."""
    head, *rest = texts
    body = "\n\n".join(rest)
    # After imports, a class or function follows two empty lines, and anything else follows one.
    gap = "\n\n" if body.startswith(("class ", "def ", "@")) else "\n"
    return head + gap + body if body else head


def _dump(source: str) -> str:
    """Return the syntax tree as text, ignoring white space in docstrings: black may change only that."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            text = node.value.value
            if isinstance(text, str):
                node.value.value = " ".join(text.split())
    return ast.dump(tree)
