"""Counts the events of a hub and its log, the source of HUB_STATS."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from esper._generated.records import HubSinkCounts
from esper.nissa.delivery import SinkStats
from esper.nissa.hub import Hub
from esper.nissa.log import RunLog

_MAX_NAME = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class HubReport:
    """Counts of the events so far; the fields are those of HUB_STATS."""

    num_accepted: int
    num_rejected: int
    num_written: int
    num_lost: int
    num_waiting: int
    num_bytes: int
    lag_s: float
    sinks: tuple[HubSinkCounts, ...]


def count_events(hub: Hub, log: RunLog) -> HubReport:
    """Return the counts of `hub` and of `log`, which is attached to it."""
    stats = hub.stats
    of_log = next(one for one in stats.sinks if one.name == RunLog.__name__)
    others = [one for one in stats.sinks if one is not of_log]
    # The log says of a line that it has taken it also when it keeps it in memory.
    num_waiting, num_lost = log.num_waiting, log.num_lost + of_log.num_failed + of_log.num_dropped
    since_ns = [log.waiting_since_ns, *(one.waiting_since_ns for one in others)]
    return HubReport(
        num_accepted=stats.num_sent,
        num_rejected=stats.num_rejected,
        num_written=max(0, of_log.num_written - num_waiting - log.num_lost),
        num_lost=num_lost,
        num_waiting=num_waiting,
        num_bytes=log.num_bytes,
        lag_s=_age_s(since_ns),
        sinks=tuple(_sink_counts(others)),
    )


def _age_s(since_ns: Iterable[int | None]) -> float:
    now_ns = time.monotonic_ns()
    return max((max(0, now_ns - one) / 1e9 for one in since_ns if one is not None), default=0.0)


def _sink_counts(sinks: Iterable[SinkStats]) -> Iterable[HubSinkCounts]:
    seen: Counter[str] = Counter()
    for one in sinks:
        name = one.name[:_MAX_NAME]
        seen[name] += 1
        yield HubSinkCounts(
            sink=name if seen[name] == 1 else f"{name} {seen[name]}",
            num_written=one.num_written,
            num_failed=one.num_failed,
            num_dropped=one.num_dropped,
            # Read while its thread works: it may have taken more than were counted a moment before.
            num_waiting=max(0, one.num_waiting),
        )
