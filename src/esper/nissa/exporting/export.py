"""Exports a run into a dataset: reads its log from the position of the last export and adds files with what is new."""

from __future__ import annotations

import gc
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from esper._generated.fields import EVENT_FIELDS
from esper._generated.registry import VERSION
from esper._generated.unknown import UnknownName
from esper.leyline.errors import LogError, UsageError
from esper.leyline.text import printable
from esper.nissa.exporting.compaction import find_mergeable
from esper.nissa.exporting.dataset import Dataset, ExportState
from esper.nissa.reader import MAX_LISTED, LoggedEvent, read_run
from esper.nissa.segments import LOG_FOLDER, find_segments
from esper.nissa.shipping.config import ShipConfig
from esper.nissa.shipping.follower import LogFollower
from esper.nissa.shipping.selection import Withhold, find_withheld
from esper.nissa.writers import find_writers

COMMIT_EVENTS = 50_000
"""Events that are held in memory until files with them are written."""
_BATCH_EVENTS = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportResult:
    """What an export of one run has done."""

    run: str
    """Id of the run; the name of its folder if the log has no event yet."""
    num_added: int
    """Events that are new in the dataset."""
    num_events: int
    """Events of the run in the dataset."""
    is_restarted: bool
    """Whether everything was written again: the run was resumed from an earlier checkpoint, or the choice of sensitive
    fields, the version of the contract, or the files have changed."""
    num_damaged: int
    """Lines of the log that cannot be read, which are left out."""
    unknown: dict[str, int]
    """Names that only a later minor version of the contract knows, and how many lines have them. The log keeps them; an
    Esper of that version exports the run again, with them."""

    def as_dict(self) -> dict[str, Any]:
        """Return the result as values of JSON."""
        return {
            "run": self.run,
            "added": self.num_added,
            "events": self.num_events,
            "is_restarted": self.is_restarted,
            "damaged": self.num_damaged,
            "unknown": self.unknown,
        }


def check_reveal(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names of sensitive fields, sorted.

    Raises:
        UsageError: one is not a sensitive field of the contract.
    """
    reveal = tuple(sorted(set(names)))
    ShipConfig(reveal=reveal).check()
    return reveal


def export_run(run_folder: Path, dataset: Dataset, *, reveal: tuple[str, ...] = ()) -> ExportResult:
    """Add the events of the run in `run_folder` that `dataset` does not have yet.

    Sensitive fields are null, or "withheld" where null is not allowed, but those that `reveal` names. A run that goes on is
    exported up to its newest event. A process that is killed leaves whole files only, and the next export continues.

    Raises:
        RunNotFoundError: `run_folder` does not hold a run log.
        LogError: the log or the state of the export cannot be read.
        UsageError: another process exports the run there, or the dataset has another run with the same id.
        OSError: a file cannot be written.
    """
    _, run_id = find_writers(find_segments(run_folder)[0])
    if run_id is None:
        _check_empty(run_folder)
        return ExportResult(
            run=run_folder.name,
            num_added=0,
            num_events=0,
            is_restarted=False,
            num_damaged=0,
            unknown={},
        )
    with dataset.lock(run_id), _without_garbage_collection():
        return _Export(run_folder, run_id, dataset, reveal).run()


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Do not search for cycles, of which events have none: with many events in memory that takes half of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _check_empty(run_folder: Path) -> None:
    """Check that a log without a readable event has no other lines either.

    Raises:
        LogError: it has, or was written under a later major version of the contract.
    """
    events = read_run(run_folder)
    next(iter(events), None)
    if events.num_damaged:
        raise LogError(f"{run_folder}: no line of the log can be read; see: esper lint-log")


@final
class _Export:
    """One export of one run, while the run is locked in the dataset."""

    def __init__(
        self, run_folder: Path, run_id: str, dataset: Dataset, reveal: tuple[str, ...]
    ) -> None:
        self._folder = run_folder
        self._run_id = run_id
        self._dataset = dataset
        self._reveal = reveal
        self._withhold: dict[str, Withhold | None] = {}
        self._pending: dict[tuple[str, int], list[LoggedEvent]] = defaultdict(list)
        self._num_pending = 0
        self._num_added = 0
        self._is_restarted = False

    def run(self) -> ExportResult:
        """Export what is new."""
        found = self._dataset.load(self._run_id)
        self._check_owner(found)
        if found is not None and found.contract == VERSION and found.reveal == self._reveal:
            self._begin(found)
            self._dataset.remove_unlisted(self._run_id, found)
        else:
            self._restart(is_first=found is None)
        while True:
            events = self._follower.read(_BATCH_EVENTS)
            if self._follower.is_superseded:
                self._restart(is_first=False)
                continue
            self._add(events)
            # Fewer than asked for: the end of the log, as it was when its files were last looked at.
            is_end = len(events) < _BATCH_EVENTS
            if is_end or self._num_pending >= COMMIT_EVENTS:
                self._commit()
            if is_end:
                self._merge_small_files()
                return self._result()

    def _check_owner(self, found: ExportState | None) -> None:
        if found is None or Path(found.folder) == self._folder.resolve():
            return
        if (Path(found.folder) / LOG_FOLDER).is_dir():
            raise UsageError(
                f"runs in one dataset must have different ids, but {printable(self._run_id)} is both"
                f" {printable(found.folder)} and {printable(str(self._folder))}; name another --out for one of them"
            )
        # The run was moved.
        found.folder = str(self._folder.resolve())

    def _begin(self, state: ExportState) -> None:
        """Go on after the position of `state`."""
        self._state = state
        self._unknown = Counter(state.unknown)
        self._follower = LogFollower(self._folder, state.position, on_unknown=self._count_unknown)
        self._pending.clear()
        self._num_pending = 0

    def _restart(self, *, is_first: bool) -> None:
        """Start at the beginning of the log, and remove the files that are there."""
        self._is_restarted |= not is_first
        self._num_added = 0
        self._begin(ExportState(folder=str(self._folder.resolve()), reveal=self._reveal))
        # In this order: after a kill in between, no file counts.
        self._dataset.save(self._run_id, self._state)
        self._dataset.remove_unlisted(self._run_id, self._state)

    def _add(self, events: Iterable[LoggedEvent]) -> None:
        for envelope, payload in events:
            event = envelope.event
            if event not in self._withhold:
                self._withhold[event] = find_withheld(
                    event, EVENT_FIELDS[event], frozenset(self._reveal)
                )
            withhold = self._withhold[event]
            shown = payload if withhold is None else withhold(payload)
            self._pending[event, envelope.rank].append((envelope, shown))
            self._num_pending += 1

    def _commit(self) -> None:
        """Write the pending events into files, then the state that counts them."""
        state = self._state
        has_moved = state.unknown != self._unknown or self._num_pending > 0
        for (_, rank), events in self._pending.items():
            name = self._dataset.add_file(self._run_id, state.num_commits, rank, events)
            state.files[name] = len(events)
        if has_moved:
            state.num_commits += 1
            state.unknown = dict(self._unknown)
            self._dataset.save(self._run_id, state)
        self._num_added += self._num_pending
        self._pending.clear()
        self._num_pending = 0

    def _merge_small_files(self) -> None:
        """Merge files that are small and many, until there are none."""
        state = self._state
        while groups := find_mergeable(state.files):
            for names in groups:
                merged = self._dataset.merge_files(state.num_commits, names)
                state.num_commits += 1
                state.files[merged] = sum(state.files.pop(name) for name in names)
            self._dataset.save(self._run_id, state)
            self._dataset.remove_files(name for names in groups for name in names)

    def _count_unknown(self, names: tuple[UnknownName, ...]) -> None:
        for one in names:
            if one.name in self._unknown or len(self._unknown) < MAX_LISTED:
                self._unknown[one.name] += 1

    def _result(self) -> ExportResult:
        state = self._state
        return ExportResult(
            run=self._run_id,
            num_added=self._num_added,
            num_events=sum(state.files.values()),
            is_restarted=self._is_restarted,
            num_damaged=state.position.num_damaged,
            unknown=dict(self._unknown),
        )
