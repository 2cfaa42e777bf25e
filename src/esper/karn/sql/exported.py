"""The files of an export as the source of the views: `esper export --to parquet` has written them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from esper._generated.fields import EVENT_FIELDS
from esper._generated.registry import VERSION
from esper.leyline.errors import LogError, RunNotFoundError
from esper.leyline.text import did_you_mean, join_names, printable
from esper.nissa.exporting.dataset import find_dataset
from esper.nissa.exporting.formats import FORMATS

_MAX_LISTED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedRun:
    """A run in an export."""

    run_id: str
    folder: Path
    """Where the run was when it was exported."""
    files: tuple[str, ...]
    """Paths of its files in the export."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """An export, with the runs of it that are queried."""

    folder: Path
    runs: tuple[ExportedRun, ...]

    def group_files(self) -> dict[str, list[str]]:
        """Return the paths of the files of each event, from run to run."""
        files: dict[str, list[str]] = defaultdict(list)
        for run in self.runs:
            for name in run.files:
                event = name.partition("/")[0].removeprefix("event=")
                files[event].append(str(self.folder / name))
        return files


def find_export(folder: Path, run_ids: Sequence[str] | None) -> Export:
    """Return the export in `folder`, with the runs that have these ids; None for all of them.

    Raises:
        UsageError: the folder holds no export to Parquet.
        LogError: the state of the export is damaged, or of another version of the contract.
        RunNotFoundError: a run is not in the export.
    """
    runs = {}
    # Absolute, because DuckDB compares paths with those that it may read.
    folder = folder.resolve()
    for run_id, state in find_dataset(folder, FORMATS["parquet"]).states():
        if state.contract != VERSION:
            raise LogError(
                f"{printable(str(folder))}: an export must have the columns of contract {VERSION}, but that of"
                f" {printable(run_id)} has those of {printable(state.contract)}; call esper export again"
            )
        files = tuple(sorted(filter(_is_own, state.files)))
        runs[run_id] = ExportedRun(run_id=run_id, folder=Path(state.folder), files=files)
    if run_ids is None:
        return Export(folder=folder, runs=tuple(runs.values()))
    for run_id in run_ids:
        if run_id not in runs:
            names = join_names([*map(printable, runs)], max_names=_MAX_LISTED)
            hint = did_you_mean(run_id, runs) or (f"; it has: {names}" if names else "")
            raise RunNotFoundError(
                f'no run "{printable(run_id)}" in the export {printable(str(folder))}{hint}'
            )
    return Export(folder=folder, runs=tuple(runs[run_id] for run_id in dict.fromkeys(run_ids)))


def _is_own(name: str) -> bool:
    """Return whether a file that a state lists is one of the export, which may come from somebody else."""
    parts = PurePosixPath(name).parts
    return parts[0].removeprefix("event=") in EVENT_FIELDS and ".." not in parts
