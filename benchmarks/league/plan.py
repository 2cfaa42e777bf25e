"""The runs of a campaign, and how they are spread over processes."""

from __future__ import annotations

import multiprocessing
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass

from league.damages import CELLS, Cell
from league.healthy import HEALTHY
from league.score import Seeds
from league.trial import DAMAGED, HEALTHY_KIND, TWIN, Job, Results, Row, run_job

NUM_TWINS = 10
"""Undisturbed runs of each training to which damage is done; more if there are more damaged ones."""
QUICK_KINDS = ("curriculum", "bad_batches", "gaussian_nll")
QUICK_CELLS = ("rate_x100_digits", "wiped_digits", "bit_flipped")


def seeds_from(first: int, *, num_healthy: int, num_damaged: int) -> Seeds:
    """Return so many seeds for each kind, from `first` on."""
    return Seeds(
        healthy=tuple(range(first, first + num_healthy)),
        damaged=tuple(range(first, first + num_damaged)),
        twins=tuple(range(first, first + max(num_damaged, NUM_TWINS))),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """Which runs are made."""

    kinds: tuple[str, ...]
    """Names of healthy kinds."""
    cells: tuple[Cell, ...]
    judges: tuple[str, ...]
    seeds: Seeds

    def jobs(self) -> list[Job]:
        """Return all runs, those that others are compared with first."""
        judges = (None, *self.judges)
        trainings = {cell.training.__name__: None for cell in self.cells}
        return [
            *(
                Job(group=TWIN, kind=training, seed=seed, judges=(None,))
                for training in trainings
                for seed in self.seeds.twins
            ),
            *(
                Job(group=DAMAGED, kind=cell.name, seed=seed, judges=judges)
                for cell in self.cells
                for seed in self.seeds.damaged
            ),
            *(
                Job(group=HEALTHY_KIND, kind=kind, seed=seed, judges=judges)
                for kind in self.kinds
                for seed in self.seeds.healthy
            ),
        ]


def names() -> list[str]:
    """Return the names of all healthy kinds and cells."""
    return [*HEALTHY, *(cell.name for cell in CELLS)]


def run_campaign(campaign: Campaign, results: Results, *, num_processes: int) -> None:
    """Make the runs that `results` lacks; progress goes to stderr."""
    jobs = [job for job in map(results.missing, campaign.jobs()) if job is not None]
    started = time.monotonic()
    for count, rows in enumerate(_run_all(jobs, num_processes), start=1):
        for row in rows:
            results.add(row)
        print(
            f"\r{count} of {len(jobs)} jobs, {time.monotonic() - started:.0f} s: {rows[0].kind},"
            f" seed {rows[0].seed}\x1b[K",
            end="",
            file=sys.stderr,
            flush=True,
        )
    if jobs:
        print(file=sys.stderr)


def _run_all(jobs: Sequence[Job], num_processes: int) -> Iterator[list[Row]]:
    if num_processes == 1:
        yield from map(run_job, jobs)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(num_processes, mp_context=context) as pool:
        for future in as_completed([pool.submit(run_job, job) for job in jobs]):
            yield future.result()
