"""From what a target rendered to the text of a file: formatted, and with a header that certifies it."""

import ast
from dataclasses import replace
from pathlib import Path

from codegen.errors import FormatterError
from codegen.fingerprint import hash_meaning, hash_text
from codegen.formatting import format_source, installed_version
from codegen.layout import Layout
from codegen.model import Contract
from codegen.output import Chunk, Output
from codegen.provenance import Header, Part, hash_part, print_file, split_file

UNFORMATTED = "none"
UNRELATED = "none"


class Finisher:
    """Finishes the files of one target; what is certified on disk is taken from there, not formatted again."""

    def __init__(
        self, contract: Contract, layout: Layout, generator: str, is_formatted: bool
    ) -> None:
        self._contract = contract
        self._origin = f"{layout.spec_name}; edit that instead, then: {layout.command}"
        self._generator = generator
        self._formatter = installed_version() if is_formatted else UNFORMATTED
        nodes = (*contract.enums, *contract.owners, *contract.families)
        self._meanings: dict[str, object] = {one.name: one for one in nodes}
        self._meanings |= {"Context": contract.context, "Envelope": contract.envelope}

    def finish(self, output: Output, path: Path) -> str:
        """Return the text of the file that is to stand at `path`."""
        old, known = None, {}
        found = split_file(path, path.read_text(encoding="utf-8")) if path.is_file() else None
        if found is not None and hash_text(found[1]) == found[0].text:
            old, known = found[0], self._split_parts(*found)
        texts = [self._format(chunk, path, known) for chunk in output.chunks]
        body = _join(texts) if path.suffix == ".py" else "".join(texts)
        parts = (
            Part(chunk.key, hash_part(chunk.text), text.count("\n"))
            for chunk, text in zip(output.chunks, texts, strict=True)
        )
        header = Header(
            spec=self._hash_spec(output),
            generator=self._generator,
            formatter=self._formatter if path.suffix == ".py" else UNFORMATTED,
            text=hash_text(body),
            parts=tuple(parts),
        )
        if old is not None and replace(old, generator=self._generator) == header:
            # The generator has changed, but not what it makes of this contract.
            header = old
        return print_file(path, self._origin, header, body)

    def _hash_spec(self, output: Output) -> str:
        """Hash the parts of the contract that the chunks of a file are about; of all, when they name none."""
        if not output.says_contract:
            return UNRELATED
        keys = [chunk.key for chunk in output.chunks if chunk.key in self._meanings]
        nodes = [self._meanings[key] for key in keys] or [self._contract]
        return hash_text("".join(hash_meaning(node) for node in nodes))

    def _split_parts(self, header: Header, body: str) -> dict[str, str]:
        """List the formatted parts of a certified file by the hash of what each comes from."""
        if header.formatter != self._formatter:
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
        text = known.get(hash_part(chunk.text))
        if text is None:
            text = format_source(chunk.text)
        if not _means_the_same(chunk.text, text):
            raise FormatterError(f"formatting changed {chunk.key or 'the head'} of {path.name}")
        return text


def _join(texts: list[str]) -> str:
    """Put formatted parts together as black and isort want it."""
    head, *rest = texts
    body = "\n\n".join(rest)
    # After imports there are two empty lines before a class or function, and one before anything else.
    gap = "\n\n" if body.startswith(("class ", "def ", "@")) else "\n"
    return head + gap + body if body else head


def _means_the_same(raw: str, formatted: str) -> bool:
    """Compare syntax trees; black may strip the white space around docstrings, and nothing else."""
    return _dump(raw) == _dump(formatted)


def _dump(source: str) -> str:
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            text = node.value.value
            if isinstance(text, str):
                node.value.value = " ".join(text.split())
    return ast.dump(tree)
