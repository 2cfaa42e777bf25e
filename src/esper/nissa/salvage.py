"""Writes a clean copy of a run log: its valid lines, in files of the same names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from esper._generated.checks import ContractError
from esper._generated.codec import inspect_line
from esper.leyline.errors import LogError
from esper.nissa.reader import is_later_major, read_version
from esper.nissa.segments import LOG_FOLDER, Segment, find_segments, is_torn, read_lines
from esper.nissa.writers import find_writers


@dataclass(frozen=True, slots=True, kw_only=True)
class Salvage:
    """The outcome of copying a log."""

    folder: Path
    """The folder with the copy; its log can be read like that of any run."""
    num_lines: int
    """Lines that were copied."""
    num_left_out: int
    """Lines that were left out: damaged ones, and unfinished last lines."""


def salvage(run_folder: Path, target: Path) -> Salvage:
    """Copy the valid lines of the log of `run_folder`, byte for byte, to files of the same names in `target`.

    A line is valid if `read_run` would read it. Other files of the run are not copied.

    Raises:
        RunNotFoundError: `run_folder` does not hold a run log.
        LogError: a file cannot be read or written, `target` holds a log already, or a later major version of the
            contract wrote a file, so that this version cannot tell which of its lines are valid.
    """
    segments, _ = find_segments(run_folder)
    _, run_id = find_writers(segments)
    folder = target / LOG_FOLDER
    if folder.exists():
        raise LogError(f"a copy must go to a new folder, but {folder} exists; choose another")
    num_lines = num_left_out = 0
    try:
        folder.mkdir(parents=True)
        for segment in segments:
            counts = _copy(segment, folder / segment.path.name, run_id)
            num_lines += counts[0]
            num_left_out += counts[1]
    except OSError as error:
        raise LogError(
            f"a copy must be writable, got {folder} ({error.strerror}); choose another folder"
        ) from error
    return Salvage(folder=target, num_lines=num_lines, num_left_out=num_left_out)


def _copy(segment: Segment, path: Path, run_id: str | None) -> tuple[int, int]:
    """Copy one file and return the numbers of lines copied and left out."""
    owner = run_id, segment.rank, segment.boot
    num_lines = num_left_out = num_later = 0
    with path.open("xb") as file:
        for _, data in read_lines(segment.path):
            if not is_torn(data) and _is_valid(data, owner):
                num_lines += 1
                file.write(data)
            else:
                num_left_out += 1
                num_later += is_later_major(read_version(data))
    if num_later and not num_lines:
        raise LogError(
            f"{segment.path} was written under a later major version of the contract: update Esper"
        )
    return num_lines, num_left_out


def _is_valid(data: bytes, owner: tuple[str | None, int, str]) -> bool:
    """Return whether a line can be read and belongs to the run, rank and boot id of `owner`."""
    try:
        envelope, _, _ = inspect_line(data)
    except ContractError:
        return False
    return (envelope.run, envelope.rank, envelope.boot) == owner
