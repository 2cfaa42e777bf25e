"""Finishes a rendered file: formats its Python, and puts the header on it that certifies the text."""

import ast
from pathlib import Path

from ..diagnostics.errors import FormatterError
from ..targets.target import Chunk, Output
from .formatting import format_source, installed_version
from .header import (
    ContractHashes,
    Header,
    Part,
    hash_part,
    hash_text,
    join_file,
    split_file,
)
from .layout import Layout, Settings, read_exactly

UNFORMATTED = "none"
"""The formatter in the header of a file that black does not format."""


class Finisher:
    """Finishes files; parts that the header of a file on disk certifies are reused instead of formatted again."""

    def __init__(self, hashes: ContractHashes, layout: Layout, settings: Settings) -> None:
        self._hashes = hashes
        self._origin = f"{layout.spec_name}; edit that instead, then: {layout.command}"
        self._formatter = installed_version() if settings.is_formatted else UNFORMATTED
        self._reuses_parts = not settings.is_fresh

    def finish(self, output: Output, path: Path) -> str:
        """Return the final text of a file that is to be written to `path`.

        Raises:
            FormatterError: black changed the meaning of the code, and not only its layout.
        """
        known = self._find_formatted(path) if path.suffix == ".py" else {}
        texts = [self._format(chunk, path, known) for chunk in output.chunks]
        body = _join(texts) if path.suffix == ".py" else "".join(texts)
        parts = (
            Part(chunk.key, hash_part(chunk.text), text.count("\n"))
            for chunk, text in zip(output.chunks, texts, strict=True)
        )
        header = Header(
            spec=self._hashes.hash_of(chunk.key for chunk in output.chunks),
            formatter=self._formatter if path.suffix == ".py" else UNFORMATTED,
            text=hash_text(body),
            parts=tuple(parts),
        )
        return join_file(path, self._origin, header, body)

    def _find_formatted(self, path: Path) -> dict[str, str]:
        """Return the certified parts of the file on disk, by the hashes of the texts they were rendered from."""
        found = split_file(path, read_exactly(path)) if path.is_file() else None
        if found is None or not self._reuses_parts:
            return {}
        header, body = found
        if header.formatter != self._formatter or header.text != hash_text(body):
            return {}
        parts = {}
        lines = body.splitlines(keepends=True)
        start = 0
        for part in header.parts:
            while lines[start : start + 1] == ["\n"]:
                start += 1
            parts[part.hash] = "".join(lines[start : start + part.num_lines])
            start += part.num_lines
        return parts

    def _format(self, chunk: Chunk, path: Path, known: dict[str, str]) -> str:
        if path.suffix != ".py":
            return chunk.text
        if self._formatter == UNFORMATTED:
            return chunk.text.rstrip("\n") + "\n"
        found = known.get(hash_part(chunk.text))
        return found if found is not None else _format_safely(chunk, path)


def _format_safely(chunk: Chunk, path: Path) -> str:
    text = format_source(chunk.text)
    if _dump(chunk.text) != _dump(text):
        raise FormatterError(
            f"black changed the meaning of {chunk.key or 'the head'} in {path.name}"
        )
    return text


def _join(texts: list[str]) -> str:
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
