"""Rules about the machine: a disk or memory nearly full, memory that grows, a process that gets too little of the processors."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median
from typing import Any

from esper.karn.charts.rows import points_of
from esper.karn.explain.finding import Finding, problem, refs
from esper.karn.explain.thresholds import THRESHOLDS as T
from esper.karn.story import Event, RunStory

_GIB = 1 << 30


def judge_system(story: RunStory) -> Iterator[Finding]:
    """Yield what the samples of the machine say; nothing if there are none."""
    for event in story.system_newest:
        yield from _judge_disk(event)
        yield from _judge_memory(event)
    events = story.system_newest
    if events:
        yield from _judge_growth(story, events)
        yield from _judge_load(story, events)


def _judge_disk(event: Event[Any]) -> Iterator[Finding]:
    free, total = event.payload.disk_free_bytes, event.payload.disk_total_bytes
    if free is None or not total or free > T.disk_free_share * total:
        return
    yield from problem(
        "disk_nearly_full",
        f"The disk of the run is nearly full: {free / _GIB:.1f} of {total / _GIB:.1f} GiB are free ({100 * free / total:.1f} %).",
        f"Make room, for example with esper gc; threshold: {100 * T.disk_free_share:g} %.",
        numbers={
            "disk_free_bytes": free,
            "disk_total_bytes": total,
            "threshold": T.disk_free_share,
        },
        events=refs(event),
    )


def _judge_memory(event: Event[Any]) -> Iterator[Finding]:
    used, total = event.payload.memory_used_bytes, event.payload.memory_total_bytes
    if used is None or not total or used < T.memory_used_share * total:
        return
    yield from problem(
        "memory_nearly_full",
        f"The memory of the machine is nearly full: {used / _GIB:.1f} of {total / _GIB:.1f} GiB are used.",
        f"Use smaller batches, or stop other processes; threshold: {100 * T.memory_used_share:g} %.",
        numbers={
            "memory_used_bytes": used,
            "memory_total_bytes": total,
            "threshold": T.memory_used_share,
        },
        events=refs(event),
    )


def _values(story: RunStory, name: str) -> list[float]:
    series = story.system.get(name)
    return [] if series is None else [value for _, value in points_of(series)]


def _judge_growth(story: RunStory, events: tuple[Event[Any], ...]) -> Iterator[Finding]:
    """Yield that the memory of the process grew over the second half of the run, when everything has been allocated."""
    values = _values(story, "process_memory_bytes")
    if len(values) < T.min_samples:
        return
    half = values[len(values) // 2 :]
    part = max(len(half) // 4, 1)
    start, end = median(half[:part]), median(half[-part:])
    if start <= 0 or end < (1 + T.memory_growth) * start:
        return
    yield from problem(
        "memory_grows",
        f"The memory of the process grew from {start / _GIB:.2f} to {end / _GIB:.2f} GiB in the second half of the samples.",
        "Look for tensors that are kept with their graph, such as losses in a list; threshold: growth by"
        f" {100 * T.memory_growth:g} %.",
        numbers={"start_bytes": start, "end_bytes": end, "threshold": T.memory_growth},
        events=refs(*events),
    )


def _judge_load(story: RunStory, events: tuple[Event[Any], ...]) -> Iterator[Finding]:
    busy, own = _values(story, "cpu_utilization"), _values(story, "process_cpus")
    provenance = story.provenance
    num_cpus = None if provenance is None else provenance.num_cpus
    if min(len(busy), len(own)) < T.min_samples or not num_cpus:
        return
    load, used = median(busy), median(own)
    share = used / (load / 100 * num_cpus) if load > 0 else 1.0
    if load < T.machine_busy or share >= T.process_share:
        return
    yield from problem(
        "starved",
        f"Other processes take the processors: they are {load:.0f} % busy, and the run uses {used:.1f} of {num_cpus}.",
        f"Stop other processes, or give the run processors of its own; threshold: {T.machine_busy:g} % busy, less than"
        f" {100 * T.process_share:g} % of it by the run.",
        numbers={
            "cpu_utilization": load,
            "process_cpus": used,
            "num_cpus": num_cpus,
            "threshold": T.process_share,
        },
        events=refs(*events),
    )
