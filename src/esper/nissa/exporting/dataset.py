"""A folder of exported tables: files by event, run and rank, and a state file for each run that says which ones count.

    event=EPOCH_COMPLETED/run=20260101-120000-digits-s1-ab12/rank=0/part-000000.parquet
    .esper-export/run-20260101-120000-digits-s1-ab12.json

A file is written under a temporary name and renamed. The state file is replaced in one step after that, and lists the
files up to its position in the log. After a kill there may be files that it does not list: complete ones, with events
that no other file has. They are removed before anything is added, so that no event is there twice. Only a kill in the moment
between the writing of a merged file and the removal of the files in it leaves both, until the next export.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final
from urllib.parse import unquote_to_bytes

from esper._generated.registry import VERSION
from esper.leyline.atomic import write_atomically
from esper.leyline.errors import LogError, UsageError
from esper.leyline.text import printable
from esper.nissa.exporting.formats import Format
from esper.nissa.reader import LoggedEvent
from esper.nissa.shipping.follower import LogPosition

_STATE_FOLDER = ".esper-export"
_FORMAT_FILE = "format.json"
_UNSAFE = re.compile(r"[^\w.+-]")
"""Characters of a run's id that are written as %XX in a path; readers of hive partitions convert them back."""


@dataclass(slots=True, kw_only=True)
class ExportState:
    """How far the export of a run is, and the choices that its files depend on."""

    folder: str
    """Path of the run's folder."""
    reveal: tuple[str, ...] = ()
    """Sensitive fields that are in the files."""
    contract: str = VERSION
    """Version of the contract whose columns the files have."""
    position: LogPosition = field(default_factory=LogPosition)
    files: dict[str, int] = field(default_factory=dict)
    """Rows of each file, by its path in the dataset."""
    num_commits: int = 0
    """Times that files were added; it numbers them."""
    unknown: dict[str, int] = field(default_factory=dict)
    """Names that only later versions of the contract know, and how many lines have them."""


@final
class Dataset:
    """A folder that `open_dataset` has opened for files of one format."""

    def __init__(self, folder: Path, format_: Format) -> None:
        """Use `folder`, which belongs to an export in this format."""
        self.folder = folder
        self.format = format_

    @contextmanager
    def lock(self, run_id: str) -> Iterator[None]:
        """Keep other processes from exporting the run `run_id` into this folder.

        Raises:
            UsageError: another process does so now.
        """
        path = self.folder / _STATE_FOLDER / f"run-{_encode(run_id)}.lock"
        with path.open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UsageError(
                    f"one process at a time exports {printable(run_id)} to {printable(str(self.folder))}, and another"
                    " one does now; wait until it ends"
                ) from None
            except OSError:
                # The file system has no locks.
                pass
            yield

    def load(self, run_id: str) -> ExportState | None:
        """Return the state of the run `run_id`; None if it has none, or a file that it lists is gone.

        Raises:
            LogError: the state file is damaged.
        """
        path = self._state_path(run_id)
        try:
            plain: dict[str, Any] = json.loads(path.read_bytes())
            position = LogPosition.from_json(plain.pop("position"))
            reveal = tuple(plain.pop("reveal"))
            state = ExportState(position=position, reveal=reveal, **plain)
            is_whole = all((self.folder / name).is_file() for name in state.files)
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
            raise LogError(
                f"{path} must be as it was written, got a file that cannot be read ({error}); remove it to export the"
                " whole run again"
            ) from error
        return state if is_whole else None

    def states(self) -> Iterator[tuple[str, ExportState]]:
        """Yield id and state of each run of which all files are there, by name.

        Raises:
            LogError: a state file is damaged.
        """
        for path in sorted((self.folder / _STATE_FOLDER).glob("run-*.json")):
            run_id = os.fsdecode(unquote_to_bytes(path.stem.removeprefix("run-")))
            state = self.load(run_id)
            if state is not None:
                yield run_id, state

    def save(self, run_id: str, state: ExportState) -> None:
        """Store the state of the run `run_id`; it is on the disk when this returns.

        Raises:
            OSError: it cannot be written; the old one is kept.
        """
        plain = {
            "folder": state.folder,
            "reveal": list(state.reveal),
            "contract": state.contract,
            "position": state.position.to_json(),
            "files": state.files,
            "num_commits": state.num_commits,
            "unknown": state.unknown,
        }
        content = json.dumps(plain).encode()
        write_atomically(self._state_path(run_id), lambda file: file.write(content))

    def add_file(self, run_id: str, number: int, rank: int, events: Sequence[LoggedEvent]) -> str:
        """Write a file with `events`, which are of one kind and one rank, and return its path in the dataset.

        Raises:
            OSError: it cannot be written.
        """
        event = events[0][0].event
        name = f"{_run_folder(event, run_id)}/rank={rank}/{_file_name(number, self.format)}"
        write_atomically(self.folder / name, lambda file: self.format.write(event, events, file))
        return name

    def merge_files(self, number: int, names: Sequence[str]) -> str:
        """Write a file with the rows of `names`, which are in one folder and stay, and return its path in the dataset.

        Raises:
            OSError: it cannot be written, or one cannot be read.
        """
        paths = [self.folder / name for name in names]
        merged = paths[0].with_name(_file_name(number, self.format))
        write_atomically(merged, lambda file: self.format.merge(paths, file))
        return merged.relative_to(self.folder).as_posix()

    def remove_files(self, names: Iterable[str]) -> None:
        """Remove files, which the state does not list any more.

        Raises:
            OSError: one cannot be removed.
        """
        for name in names:
            (self.folder / name).unlink(missing_ok=True)

    def remove_unlisted(self, run_id: str, state: ExportState) -> None:
        """Remove the files of the run `run_id` that its state does not list, which a kill or a new start has left.

        Raises:
            OSError: one cannot be removed.
        """
        listed = {self.folder / name for name in state.files}
        state_path = self._state_path(run_id)
        for path in state_path.parent.glob(f".{state_path.name}.*.tmp"):
            path.unlink()
        for event in self.folder.glob("event=*"):
            run = event / _run_folder("", run_id).partition("/")[2]
            for path in (*run.glob("rank=*/part-*"), *run.glob("rank=*/.part-*.tmp")):
                if path not in listed:
                    path.unlink()
            for folder in (*run.glob("rank=*"), run, event):
                # It is not empty.
                with suppress(OSError):
                    folder.rmdir()

    def _state_path(self, run_id: str) -> Path:
        return self.folder / _STATE_FOLDER / f"run-{_encode(run_id)}.json"


def open_dataset(folder: Path, format_: Format) -> Dataset:
    """Make `folder` a dataset of files in this format, or continue the one that is there.

    Raises:
        UsageError: the folder holds other files or another format, or cannot be written.
        MissingExtraError: the package that the format needs is not installed.
    """
    format_.check_installed()
    shown = printable(str(folder))
    try:
        held = _find_format(folder)
        if held is not None and held != format_.name:
            raise UsageError(
                f"an export must have one format, but {shown} holds {printable(held)}; name another --out"
            )
        if held is not None:
            return Dataset(folder, format_)
        if folder.exists() and any(one.name != _STATE_FOLDER for one in folder.iterdir()):
            raise UsageError(
                f"an export must have a folder of its own, but {shown} holds other files; name another --out"
            )
        content = json.dumps({"format": format_.name}).encode()
        path = folder / _STATE_FOLDER / _FORMAT_FILE
        write_atomically(path, lambda file: file.write(content))
    except OSError as error:
        raise UsageError(
            f"--out must be a folder that can be written, got {shown} ({error.strerror}); name another"
        ) from error
    return Dataset(folder, format_)


def find_dataset(folder: Path, format_: Format) -> Dataset:
    """Return the dataset that an export has made in `folder`, to read it.

    Raises:
        UsageError: there is none, or one of another format.
    """
    shown = printable(str(folder))
    try:
        held = _find_format(folder)
    except OSError:
        held = None
    if held is None:
        raise UsageError(
            f"an export must be a folder that esper export has made, got {shown}; make it with: esper export --all"
            f" --to {format_.name} --out {shown}"
        )
    if held != format_.name:
        raise UsageError(
            f"an export must hold {format_.name} files here, but {shown} holds {printable(held)}; export to another folder"
        )
    return Dataset(folder, format_)


def _find_format(folder: Path) -> str | None:
    """Return the name of the format of the export in `folder`; None if there is no export.

    Raises:
        UsageError: the file that names it is damaged.
        OSError: it cannot be read.
    """
    path = folder / _STATE_FOLDER / _FORMAT_FILE
    try:
        return str(json.loads(path.read_bytes())["format"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{printable(str(path))} is damaged; name another folder, or remove {printable(str(folder))}"
        ) from error


def _file_name(number: int, format_: Format) -> str:
    return f"part-{number:06d}.{format_.name}"


def _run_folder(event: str, run_id: str) -> str:
    return f"event={event}/run={_encode(run_id)}"


def _encode(run_id: str) -> str:
    """Return a run's id so that it can be a part of a path, whatever its characters."""

    def escape(match: re.Match[str]) -> str:
        return "".join(f"%{byte:02X}" for byte in os.fsencode(match[0]))

    return _UNSAFE.sub(escape, run_id)
