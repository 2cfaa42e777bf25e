"""Compares generated files on disk with their text as rendered, and explains the differences. Nothing is written.

Two files are equal if their bytes are. Headers only help to explain why they are not.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from difflib import unified_diff
from pathlib import Path
from typing import Literal

from ..diagnostics.errors import ManifestError
from ..reading import has_bytes
from .finish import Rendered
from .header import hash_text, split_file
from .layout import Layout, display_path, read_exactly
from .manifest import (
    COMMENT,
    NAME,
    format_manifest,
    hash_bytes,
    is_manifest_of,
    manifest_path,
    read_manifest,
)
from .ownership import Owned

_LINE_ENDS = "line ends: they are CRLF and must be LF, as `eol=lf` in .gitattributes makes them; the text is the same"
_FOREIGN = "foreign: it has no header of codegen"
_GENERATOR = "generator:"


@dataclass(frozen=True, slots=True)
class Drift:
    """A file that differs from the contract: the reasons, the diff, whether to write, remove or keep it, and the remedy.

    The remedy is to run the generator, to run it with --adopt, to move the file, or to move it and then run with --adopt.
    """

    path: Path
    reasons: tuple[str, ...]
    diff: str
    verb: Literal["write", "remove", "keep"] = "write"
    remedy: Literal["run", "adopt", "move", "replace"] = "run"


def find_drift(files: Iterable[Rendered], owned: Owned, layout: Layout) -> Iterator[Drift]:
    """Yield every file that differs from the text that belongs there, or that should not exist."""
    found = [drift for file in files if (drift := _compare(file, owned)) is not None]
    yield from _explain_further(found, owned)
    yield from _compare_list(owned, layout)
    for stale in owned.stale:
        if not stale.obstacle:
            reason = "extra: it is not a file of the contract any more"
            yield Drift(
                stale.path, (reason,), _diff(stale.path, read_exactly(stale.path), ""), "remove"
            )
        else:
            reason = f"extra: it is not a file of the contract any more, and {stale.obstacle}; move or remove it"
            yield Drift(stale.path, (reason,), "", "keep", "move")
    for path in owned.left_over:
        yield Drift(path, ("left over: a run was killed while it wrote this",), "", "remove")
    for path in owned.strangers:
        reason = "extra: it was not written by codegen and is in its folder; move it"
        yield Drift(path, (reason,), "", "keep", "move")


def _explain_further(drifts: list[Drift], owned: Owned) -> Iterator[Drift]:
    """Yield the drifts, and say of files that codegen wrote that the contract has changed if it has.

    The header of a file has a hash of the parts of the contract that it names, but other parts and the version may
    decide its text as well.
    """
    has_changed = any(one.startswith("contract:") for drift in drifts for one in drift.reasons)
    if owned.before is not None and owned.before.version != owned.after.version:
        has_changed = True
    for drift in drifts:
        is_written = _is_as_listed(drift.path, owned)
        if has_changed and is_written and drift.reasons[0].startswith(_GENERATOR):
            drift = replace(drift, reasons=("contract: changed since", *drift.reasons[1:]))
        yield drift


def _is_as_listed(path: Path, owned: Owned) -> bool:
    entry = owned.before.entries.get(path) if owned.before is not None else None
    return entry is not None and path.is_file() and hash_bytes(path.read_bytes()) in entry.hashes


def _compare(file: Rendered, owned: Owned) -> Drift | None:
    path = file.path
    if not path.exists():
        reason = "missing: it was never generated, or was removed"
        return Drift(path, (reason,), _diff(path, "", file.text))
    if has_bytes(path, file.text.encode()):
        return None
    if not path.is_file():
        return Drift(path, ("foreign: it is not a file",), "", remedy="move")
    found = read_exactly(path)
    reasons = tuple(_explain(file, found))
    diff = "" if reasons == (_LINE_ENDS,) else _diff(path, found, file.text)
    is_foreign = reasons == (_FOREIGN,) and not _is_as_listed(path, owned)
    return Drift(path, reasons, diff, remedy="move" if is_foreign else "run")


def _explain(file: Rendered, found: str) -> Iterator[str]:
    """Yield at least one reason why a file on disk differs from its text as rendered."""
    text = found.replace("\r\n", "\n")
    if text == file.text != found:
        yield _LINE_ENDS
        return
    on_disk, wanted = split_file(file.path, text), split_file(file.path, file.text)
    assert wanted, "everything that is rendered has a header"
    if on_disk is None:
        yield _FOREIGN
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
            f"{_GENERATOR} changed since, or somebody edited the text and the hash in its header"
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
        is_list = COMMENT in found
        yield Drift(path, (f"damaged: {error}",), "", remedy="adopt" if is_list else "replace")
        return
    else:
        reason = "list: it does not name the files, the version and the hashes as they are now"
        if listed is not None and not is_manifest_of(listed, layout):
            reason = f"foreign: by its {NAME} the folder belongs to the package {listed.package} of {listed.contract}"
            yield Drift(path, (reason,), "", remedy="adopt")
            return
        if any(len(one.hashes) > 1 for one in (listed.entries.values() if listed else ())):
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
