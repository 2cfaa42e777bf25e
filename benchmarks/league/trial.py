"""One kind or cell with one seed under all judges: the runs, and the row of the results that each becomes."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import msgspec
import torch

from league.damages import CELLS
from league.healthy import HEALTHY
from league.judges import JUDGES, Entry, code_of, would_act
from league.training import Damage, Run, Training, train

HEALTHY_KIND, TWIN, DAMAGED = "healthy", "twin", "damaged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Runs of one kind with one seed; each judge has one."""

    group: str
    """`HEALTHY_KIND`, `DAMAGED`, or `TWIN` for the undisturbed run of a training to which damage is done."""
    kind: str
    """Name of the healthy kind, the cell, or the training."""
    seed: int
    judges: tuple[str | None, ...]
    """The judges that still have to run; None stands for a run without one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The result of one run."""

    group: str
    kind: str
    seed: int
    judge: str | None
    """None for the run without a judge."""
    code: str
    """Hash of the code that decides the result."""
    rollbacks: list[int]
    skips: list[int]
    num_clips: int
    stop: int | None
    held_out: float | None
    """Loss on held-out data at the end; None if it is not finite."""
    seconds: float

    @property
    def key(self) -> tuple[str, str, int, str | None, str]:
        """All that tells it from other rows."""
        return self.group, self.kind, self.seed, self.judge, self.code


class Results:
    """The rows so far, in a file to which each is added as soon as it is known, so that a campaign can go on later."""

    def __init__(self, folder: Path | None) -> None:
        """Read the rows in `folder`; with None, nothing is kept."""
        self._file = None if folder is None else folder / "rows.jsonl"
        self._rows: dict[tuple[str, str, int, str | None, str], Row] = {}
        if self._file is not None and self._file.exists():
            for line in self._file.read_bytes().splitlines():
                try:
                    row = msgspec.json.decode(line, type=Row)
                except msgspec.DecodeError:
                    # The end of a campaign that was killed.
                    continue
                self._rows[row.key] = row

    def add(self, row: Row) -> None:
        """Keep a row."""
        self._rows[row.key] = row
        if self._file is not None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._file.open("ab") as file:
                file.write(msgspec.json.encode(row) + b"\n")

    def find(self, group: str, kind: str, seed: int, judge: str | None) -> Row | None:
        """Return the row that the present code has written, or None."""
        return self._rows.get((group, kind, seed, judge, code_of(group, judge)))

    def missing(self, job: Job) -> Job | None:
        """Return `job` without the runs that are known; None if all are."""
        judges = tuple(
            judge for judge in job.judges if self.find(job.group, job.kind, job.seed, judge) is None
        )
        return replace(job, judges=judges) if judges else None


def run_job(job: Job) -> list[Row]:
    """Make all runs of `job`."""
    torch.set_num_threads(1)
    # The governor warns of everything that it does; the league counts it.
    logger = logging.getLogger("esper")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        return list(_rows(job))
    finally:
        logger.setLevel(level)


def _rows(job: Job) -> Iterator[Row]:
    started = time.monotonic()
    plain = _run(job, None)
    yield _row(job, None, plain, started)
    for name in job.judges:
        if name is None:
            continue
        started = time.monotonic()
        entry = JUDGES[name]
        # A judge that does nothing leaves the run as it is.
        run = _run(job, entry) if would_act(entry, plain) else plain
        yield _row(job, name, run, started)


def _run(job: Job, entry: Entry | None) -> Run:
    training, damage = _build(job)
    # What a network draws while it trains depends on the seed alone, not on what was drawn to build it or its judge.
    judge = None if entry is None else entry.build(training)
    torch.manual_seed(job.seed)
    return train(training, judge, damage)


def _build(job: Job) -> tuple[Training, Damage | None]:
    cells = {cell.name: cell for cell in CELLS}
    if job.group == HEALTHY_KIND:
        return HEALTHY[job.kind](job.seed), None
    if job.group == DAMAGED:
        return cells[job.kind].training(job.seed), cells[job.kind].damage
    training = next(cell.training for cell in CELLS if cell.training.__name__ == job.kind)
    return training(job.seed), None


def _row(job: Job, judge: str | None, run: Run, started: float) -> Row:
    fields = asdict(job)
    del fields["judges"]
    is_finite = abs(run.held_out) <= sys.float_info.max
    return Row(
        **fields,
        judge=judge,
        code=code_of(job.group, judge),
        rollbacks=run.rollbacks,
        skips=run.skips,
        num_clips=len(run.clips),
        stop=run.stop,
        held_out=run.held_out if is_finite else None,
        seconds=round(time.monotonic() - started, 3),
    )
