"""The list of runs in a campaign, and their distribution over processes."""

from __future__ import annotations

import multiprocessing
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from typing import Literal, Self

from faults_campaign.catalogue import CONTROL, FAULTS
from faults_campaign.guardians import GOVERNOR, GOVERNORS, GUARDIANS
from faults_campaign.schedule import Fault
from faults_campaign.trial import Outcome, run_trainer, run_trial

NUM_PROCESSES = 2

Kind = Literal["grown", "host", "trainer"]
"""The campaign's loop with growth, the same loop with the host alone, or the trainer of `esper train` on digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A run of the campaign that is still to be made."""

    seed: int
    fault: str | None = None
    """None for a clean run."""
    guardian: str = GOVERNOR
    kind: Kind = "grown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """The number of runs of each kind."""

    faults: int
    """Runs of each fault under our governor."""
    peers: int
    """Runs of each fault, and clean ones, under each other guardian."""
    grown: int
    """Clean runs with growth; at least as many as `faults`, which are compared with them."""
    host: int
    """Clean runs of the host alone."""
    trainer: int
    """Clean runs of `Trainer`."""

    def with_seeds(self, num: int) -> Self:
        """Return the same size with `num` seeds for each fault."""
        return replace(self, faults=num, grown=max(num, self.grown))


FULL = Size(faults=10, peers=3, grown=50, host=20, trainer=30)
QUICK = Size(faults=2, peers=1, grown=2, host=1, trainer=1)


def plan(size: Size, faults: Sequence[Fault]) -> list[Job]:
    """Return the runs of a campaign over `faults`; a guardian that lacks the part that a fault breaks is not given it."""
    return [
        *(Job(seed=seed) for seed in range(size.grown)),
        *(
            Job(seed=seed, fault=fault.name)
            for fault in (*faults, CONTROL)
            for seed in range(size.faults)
        ),
        *(
            Job(seed=seed, fault=None if fault is None else fault.name, guardian=guardian)
            for guardian in GUARDIANS
            if guardian != GOVERNOR
            for fault in (None, *faults)
            if fault is None or not fault.is_inner or guardian in GOVERNORS
            for seed in range(size.peers)
        ),
        *(Job(seed=seed, kind="host") for seed in range(size.host)),
        *(Job(seed=seed, kind="trainer") for seed in range(size.trainer)),
    ]


def run_jobs(jobs: Sequence[Job]) -> Iterator[tuple[Job, Outcome | BaseException]]:
    """Make all runs and yield each job with its outcome, in the order in which they end; progress goes to stderr.

    A run that raised has its error as its outcome, so that the other runs are not lost.
    """
    started = time.monotonic()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(NUM_PROCESSES, mp_context=context) as pool:
        futures = {pool.submit(_run, job): job for job in jobs}
        for count, future in enumerate(as_completed(futures), start=1):
            job = futures[future]
            print(
                f"\r{count} of {len(jobs)} runs, {time.monotonic() - started:.0f} s:"
                f" {job.guardian}, {job.fault or 'clean'}, seed {job.seed}\x1b[K",
                end="",
                file=sys.stderr,
                flush=True,
            )
            yield job, future.exception() or future.result()
    print(file=sys.stderr)


def _run(job: Job) -> Outcome:
    if job.kind == "trainer":
        return run_trainer(job.seed)
    faults = {fault.name: fault for fault in (*FAULTS, CONTROL)}
    fault = None if job.fault is None else faults[job.fault]
    return run_trial(job.guardian, fault, job.seed, grows=job.kind == "grown")
