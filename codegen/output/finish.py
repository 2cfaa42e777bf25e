"""From what a target rendered to the text of a file: formatted, and with a header that certifies it."""

import ast
from pathlib import Path

from ..diagnostics.errors import FormatterError
from ..targets.target import Chunk, Output
from .fingerprint import Meanings, hash_text
from .formatting import format_source, installed_version
from .layout import Layout
from .paths import read_found
from .provenance import Header, Part, hash_part, print_file, split_file
from .settings import Settings

UNFORMATTED = "none"


class Finisher:
    """Finishes the files of one target; what is certified on disk is taken from there, not formatted again."""

    def __init__(self, meanings: Meanings, layout: Layout, settings: Settings) -> None:
        self._meanings = meanings
        self._origin = f"{layout.spec_name}; edit that instead, then: {layout.command}"
        self._formatter = installed_version() if settings.is_formatted else UNFORMATTED
        self._is_trusting = not settings.is_fresh

    def finish(self, output: Output, path: Path) -> str:
        """Return the text of the file that is to stand at `path`."""
        known = self._find_formatted(path) if path.suffix == ".py" else {}
        texts = [self._format(chunk, path, known) for chunk in output.chunks]
        body = _join(texts) if path.suffix == ".py" else "".join(texts)
        parts = (
            Part(chunk.key, hash_part(chunk.text), text.count("\n"))
            for chunk, text in zip(output.chunks, texts, strict=True)
        )
        header = Header(
            spec=self._meanings.hash_of(chunk.key for chunk in output.chunks),
            formatter=self._formatter if path.suffix == ".py" else UNFORMATTED,
            text=hash_text(body),
            parts=tuple(parts),
        )
        return print_file(path, self._origin, header, body)

    def _find_formatted(self, path: Path) -> dict[str, str]:
        """List the parts of the file on disk that are certified, by the hash of what each comes from."""
        found = split_file(path, read_found(path)) if path.is_file() else None
        if found is None or not self._is_trusting:
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
        raise FormatterError(f"formatting changed {chunk.key or 'the head'} of {path.name}")
    return text


def _join(texts: list[str]) -> str:
    """Put formatted parts together as black and isort want it."""
    head, *rest = texts
    body = "\n\n".join(rest)
    # After imports there are two empty lines before a class or function, and one before anything else.
    gap = "\n\n" if body.startswith(("class ", "def ", "@")) else "\n"
    return head + gap + body if body else head


def _dump(source: str) -> str:
    """Spell a syntax tree; black may change the white space of docstrings, and nothing else."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            text = node.value.value
            if isinstance(text, str):
                node.value.value = " ".join(text.split())
    return ast.dump(tree)
