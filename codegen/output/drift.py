"""Compares generated files on disk with their text as rendered, and finds out why they differ. Nothing is written."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path
from typing import Literal

from .header import Header, hash_text, split_file
from .layout import display_path, read_exactly
from .render import Rendered


@dataclass(frozen=True, slots=True)
class Drift:
    """A file that differs from the contract: the reasons, the diff, and whether to write or remove it."""

    path: Path
    reasons: tuple[str, ...]
    diff: str
    verb: Literal["write", "remove"] = "write"


def find_drift(files: Iterable[Rendered], extras: Iterable[Path]) -> Iterator[Drift]:
    """Yield the files that differ from the text on disk, and `extras`, which should not exist."""
    for file in files:
        path, text = file.path, file.text
        if not path.exists():
            yield Drift(
                path, ("missing: it was never generated, or was removed",), _diff(path, "", text)
            )
            continue
        found = read_exactly(path)
        reasons = tuple(_find_reasons(path, found, text))
        if reasons:
            yield Drift(path, reasons, _diff(path, found, text))
    for path in extras:
        found = read_exactly(path)
        reason = "extra: it is not a file of the contract any more"
        if split_file(path, found) is None:
            reason = "extra: it was not written by codegen and is in its folder; move it"
        yield Drift(path, (reason,), _diff(path, found, ""), verb="remove")


def _find_reasons(path: Path, found: str, expected: str) -> Iterator[str]:
    on_disk, wanted = split_file(path, found), split_file(path, expected)
    assert wanted, "everything that is rendered has a header"
    if found == expected:
        return
    if on_disk is None:
        yield "foreign: it has no header of codegen"
        return
    (old, body), (new, _) = on_disk, wanted
    if old.text != hash_text(body):
        yield "hand edit: its text is not as codegen wrote it"
    elif old == new:
        yield "hand edit: its header is not as codegen wrote it"
    if old.formatter != new.formatter:
        yield f"formatter: written with black {old.formatter}, now black {new.formatter}"
    if old.spec != new.spec:
        yield f"contract: changed since ({_name_changes(old, new)})"
    if old.parts != new.parts and old.spec == new.spec:
        yield "generator: changed since; or the contract changed in a part that this header does not cover"


def _name_changes(old: Header, new: Header) -> str:
    before, after = ({part.key: part.hash for part in one.parts} for one in (old, new))
    keys = [key for key in {**before, **after} if key and before.get(key) != after.get(key)]
    return ", ".join(keys) or "only in descriptions"


def _diff(path: Path, found: str, expected: str) -> str:
    lines = unified_diff(
        found.splitlines(keepends=True),
        expected.splitlines(keepends=True),
        f"{display_path(path)} (on disk)",
        f"{display_path(path)} (from the contract)",
    )
    return "".join(lines)
