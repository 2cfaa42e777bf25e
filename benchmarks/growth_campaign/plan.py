"""The runs of a campaign, and their distribution over processes."""

from __future__ import annotations

import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from typing import Final

from growth_campaign.arms import ARMS, GROWN, START
from growth_campaign.policies import Twin
from growth_campaign.store import Store
from growth_campaign.trial import Job, Outcome, Split, run

Results = Mapping[Job, Outcome]
Seeds = tuple[tuple[str, str], ...]

FIRST_SEED: Final[dict[Split, int]] = {"decision": 100, "test": 0}
"""Development never trains with a seed of the published table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How a task is run."""

    task: str
    epochs: int
    seeds: int
    """Seeds of each arm."""
    main_seeds: int
    """Seeds of the two arms whose difference is the aim: grown, and the same network from the start."""

    def at_most(self, seeds: int) -> Size:
        """Return the same size with at most `seeds` seeds of any arm."""
        return replace(self, seeds=min(seeds, self.seeds), main_seeds=min(seeds, self.main_seeds))


FULL: Final = (
    Size(task="digits", epochs=60, seeds=10, main_seeds=10),
    # One run differs from the next by a point of accuracy, and the aim is half a point.
    Size(task="mnist1d", epochs=60, seeds=10, main_seeds=90),
    Size(task="pydoc", epochs=20, seeds=10, main_seeds=10),
)
QUICK: Final = (
    Size(task="digits", epochs=6, seeds=2, main_seeds=2),
    Size(task="mnist1d", epochs=3, seeds=2, main_seeds=2),
    Size(task="pydoc", epochs=1, seeds=2, main_seeds=2),
)


def run_campaign(
    sizes: Sequence[Size],
    arms: Mapping[str, Collection[str]],
    split: Split,
    store: Store,
    processes: int,
) -> Results:
    """Make the runs that `store` lacks and return all; the grown ones first, because other arms copy from them.

    Args:
        sizes: how each task is run.
        arms: names of the arms of each task; grown is always one.
        split: the split on which qualities are measured.
        store: finished runs.
        processes: runs that are made at the same time.
    """
    wanted = {task: {GROWN, *names} for task, names in arms.items()}
    first = [
        Job(task=size.task, arm=arm.name, seed=seed, split=split, epochs=size.epochs)
        for size in sizes
        for arm in ARMS
        if arm.name in wanted[size.task] and not arm.needs_grown
        for seed in _seeds(size, arm.name, split)
    ]
    results = dict(_run_jobs(first, store, processes))
    grown = {(job.task, job.seed): out for job, out in results.items() if job.arm == GROWN}
    modal = {size.task: _modal(results, size.task) for size in sizes}
    second = [
        Job(
            task=size.task,
            arm=arm.name,
            seed=seed,
            split=split,
            epochs=size.epochs,
            twin=_twin(grown[size.task, seed], modal[size.task]),
        )
        for size in sizes
        for arm in ARMS
        if arm.name in wanted[size.task] and arm.needs_grown
        for seed in _seeds(size, arm.name, split)
    ]
    return {**results, **dict(_run_jobs(second, store, processes))}


def _seeds(size: Size, arm: str, split: Split) -> range:
    num = size.main_seeds if arm in (GROWN, START) else size.seeds
    return range(FIRST_SEED[split], FIRST_SEED[split] + num)


def _twin(outcome: Outcome, modal: Seeds) -> Twin:
    return Twin(
        plantings=outcome.plantings,
        rejuvenations=outcome.rejuvenations,
        num_params=outcome.num_params,
        flops=outcome.flops,
        modal=modal,
    )


def _modal(results: Results, task: str) -> Seeds:
    """Return the seeds that most grown networks of `task` have kept; of equally frequent ones the most seeds."""
    kept = Counter(
        tuple((planting.slot_id, planting.blueprint_id) for planting in outcome.plantings)
        for job, outcome in results.items()
        if (job.task, job.arm) == (task, GROWN)
    )
    return max(kept, key=lambda seeds: (kept[seeds], len(seeds), seeds))


def _run_jobs(jobs: Sequence[Job], store: Store, processes: int) -> dict[Job, Outcome]:
    """Return the outcomes of all jobs, in their order; progress goes to stderr."""
    found = {job: outcome for job in jobs if (outcome := store.load(job)) is not None}
    missing = [job for job in jobs if job not in found]
    if processes == 1:
        for count, job in enumerate(missing, start=1):
            found[job] = _run_and_save(job, store)
            _show(count, missing, job)
    else:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(processes, mp_context=context) as pool:
            futures = {pool.submit(_run_and_save, job, store): job for job in missing}
            for count, future in enumerate(as_completed(futures), start=1):
                found[futures[future]] = future.result()
                _show(count, missing, futures[future])
    return {job: found[job] for job in jobs}


def _run_and_save(job: Job, store: Store) -> Outcome:
    """Make a run and save its outcome, so that the next campaign finds it even if this one is killed."""
    outcome = run(job)
    store.save(job, outcome)
    return outcome


def _show(count: int, jobs: Sequence[Job], job: Job) -> None:
    print(
        f"{time.strftime('%H:%M:%S')} {count} of {len(jobs)}: {job.task}, {job.arm}, seed {job.seed}",
        file=sys.stderr,
        flush=True,
    )
