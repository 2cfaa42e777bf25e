"""Compares generated files on disk with their text as rendered, and explains the differences. Nothing is written.

Two files are equal if their bytes are. Headers only help to explain why they are not.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path
from typing import Literal

from ..diagnostics.errors import ManifestError
from ..reading import has_bytes
from .finish import Rendered
from .header import hash_text, split_file
from .layout import Layout, display_path, read_exactly
from .manifest import NAME, format_manifest, is_manifest_of, manifest_path, read_manifest
from .ownership import Owned

_LINE_ENDS = "line ends: they are CRLF and must be LF, as `eol=lf` in .gitattributes makes them; the text is the same"


@dataclass(frozen=True, slots=True)
class Drift:
    """A file that differs from the contract: the reasons, the diff, and whether to write, remove or keep it."""

    path: Path
    reasons: tuple[str, ...]
    diff: str
    verb: Literal["write", "remove", "keep"] = "write"


def find_drift(files: Iterable[Rendered], owned: Owned, layout: Layout) -> Iterator[Drift]:
    """Yield every file that differs from the text that belongs there, or that should not exist."""
    for file in files:
        drift = _compare(file)
        if drift is not None:
            yield drift
    yield from _compare_list(owned, layout)
    for stale in owned.stale:
        if not stale.obstacle:
            reason = "extra: it is not a file of the contract any more"
            yield Drift(
                stale.path, (reason,), _diff(stale.path, read_exactly(stale.path), ""), "remove"
            )
        else:
            reason = f"extra: it is not a file of the contract any more, and {stale.obstacle}; move or remove it"
            yield Drift(stale.path, (reason,), "", "keep")
    for path in owned.left_over:
        yield Drift(path, ("left over: a run was killed while it wrote this",), "", "remove")
    for path in owned.strangers:
        reason = "extra: it was not written by codegen and is in its folder; move it"
        yield Drift(path, (reason,), "", "keep")


def _compare(file: Rendered) -> Drift | None:
    path = file.path
    if not path.exists():
        reason = "missing: it was never generated, or was removed"
        return Drift(path, (reason,), _diff(path, "", file.text))
    if has_bytes(path, file.text.encode()):
        return None
    if not path.is_file():
        return Drift(path, ("foreign: it is not a file",), "")
    found = read_exactly(path)
    reasons = tuple(_explain(file, found))
    return Drift(path, reasons, "" if reasons == (_LINE_ENDS,) else _diff(path, found, file.text))


def _explain(file: Rendered, found: str) -> Iterator[str]:
    """Yield at least one reason why a file on disk differs from its text as rendered."""
    text = found.replace("\r\n", "\n")
    if text == file.text != found:
        yield _LINE_ENDS
        return
    on_disk, wanted = split_file(file.path, text), split_file(file.path, file.text)
    assert wanted, "everything that is rendered has a header"
    if on_disk is None:
        yield "foreign: it has no header of codegen"
        return
    (old, body), (new, new_body) = on_disk, wanted
    if old.text != hash_text(body):
        yield f"hand edit: its text is not as codegen wrote it{_name_parts(file, text)}"
        return
    has_reason = False
    for is_other, reason in (
        (old.formatter != new.formatter, f"formatter: written with black {old.formatter}, now black {new.formatter}"),
        (old.spec != new.spec, f"contract: changed since{_name_parts(file, text)}"),
        (old.origin != new.origin, f"header: it names another contract or command: {old.origin}"),
    ):  # fmt: skip
        if is_other:
            has_reason = True
            yield reason
    if old.spec == new.spec and old.formatter == new.formatter and body != new_body:
        yield (
            "generator: changed since, or somebody edited the text and the hash in its header"
            f"{_name_parts(file, text)}"
        )
    elif not has_reason:
        yield "hand edit: its header is not as codegen wrote it"


def _name_parts(file: Rendered, found: str) -> str:
    """Return, in parentheses, the keys of the parts that are not in the file as they must be."""
    keys = dict.fromkeys(key for key, text in file.parts if key and text.strip() not in found)
    return f" ({', '.join(keys)})" if keys else ""


def _compare_list(owned: Owned, layout: Layout) -> Iterator[Drift]:
    """Compare the list of generated files with what it must say."""
    path = manifest_path(layout)
    text = format_manifest(owned.after, layout.package_root)
    if not path.exists():
        yield Drift(path, ("missing: it lists the generated files",), _diff(path, "", text))
        return
    if has_bytes(path, text.encode()):
        return
    found = read_exactly(path) if path.is_file() else ""
    if found.replace("\r\n", "\n") == text:
        yield Drift(path, (_LINE_ENDS,), "")
        return
    try:
        listed = read_manifest(path)
    except ManifestError as error:
        reason = f"damaged: {error}"
    else:
        reason = "list: it does not name the files, the version and the hashes as they are now"
        if listed is not None and not is_manifest_of(listed, layout):
            reason = f"foreign: by its {NAME} the folder belongs to the package {listed.package} of {listed.contract}"
        elif any(len(one.hashes) > 1 for one in (listed.entries.values() if listed else ())):
            reason = "left over: a run was killed before it had written everything"
    yield Drift(path, (reason,), _diff(path, found, text))


def _diff(path: Path, found: str, expected: str) -> str:
    lines = unified_diff(
        found.splitlines(keepends=True),
        expected.splitlines(keepends=True),
        f"{display_path(path)} (on disk)",
        f"{display_path(path)} (from the contract)",
    )
    return "".join(lines)
