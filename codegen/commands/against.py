"""Reads a contract as it is at another commit of its Git repository."""

import subprocess
from pathlib import Path

from ..compile import compile_text
from ..contract.load import MAX_BYTES
from ..contract.model import Contract
from ..diagnostics.errors import UsageError
from ..diagnostics.findings import Findings

_PREFIX = "git:"


def read_against(against: str, spec: Path, findings: Findings) -> Contract | None:
    """Return the contract at `spec` as it is at `against`, which is git:REF; None, with findings, if it is not valid.

    Nothing is fetched: REF is a branch, tag or commit that the repository has already.

    Raises:
        UsageError: `against` has another form, Git is not installed, or REF or the file in it does not exist.
    """
    ref = against.removeprefix(_PREFIX)
    # Git would take a leading dash for an option, and a colon for the end of REF.
    is_plain = ref.isprintable() and not ref.startswith("-") and ":" not in ref
    if not against.startswith(_PREFIX) or not ref or not is_plain:
        raise UsageError(f"--against must look like git:main, got {against!r}")
    name = f"{against}:{spec.name}"
    # Git keeps a symbolic link as the path that it leads to.
    file = spec.resolve()
    text = _show(file.parent, ref, file.name)
    return compile_text(text, name, findings)


def _show(folder: Path, ref: str, file: str) -> str:
    size = int(_cat(folder, "-s", ref, file))
    if size > MAX_BYTES:
        raise UsageError(f"a contract has at most {MAX_BYTES} bytes, got {size} at {ref}")
    try:
        return _cat(folder, "blob", ref, file).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{file} at {ref} must be UTF-8") from None


def _cat(folder: Path, what: str, ref: str, file: str) -> bytes:
    """Return what `git cat-file` prints about a file at REF; unlike `git show`, it refuses ranges and folders."""
    command = ["git", "-C", str(folder), "cat-file", what, f"{ref}:./{file}"]
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except FileNotFoundError:
        raise UsageError("--against needs Git, which is not installed") from None
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or ["it failed"]
        raise UsageError(
            f"Git cannot show {file} at {ref}: {lines[0].removeprefix('fatal: ')};"
            " fetch it (in CI, with fetch-depth: 0), or commit the contract first"
        )
    return done.stdout
