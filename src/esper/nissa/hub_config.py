"""The limits of a hub, and the counts of its events."""

from dataclasses import dataclass

from esper.nissa.delivery import SinkStats


@dataclass(frozen=True, slots=True, kw_only=True)
class HubConfig:
    """Limits on the memory, failures and time that a slow or failing sink may cost."""

    queue_size: int = 4096
    """Events that may wait in a sink's queue; further ones are dropped for that sink. One step of a vectorised
    environment emits some hundred at once."""
    max_failures: int = 10
    """Exceptions in a row after which a sink is closed. Synchronous sinks, such as the run log, are never closed for
    theirs."""
    close_timeout_s: float = 5.0
    """Seconds that all sinks together have to process their queues when the hub closes, and one sink when it is
    detached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HubStats:
    """Counts of a hub's events."""

    num_sent: int
    """Events that were numbered and passed to the sinks."""
    num_lost: int
    """Events that were emitted after the hub was closed."""
    num_rejected: int
    """Events that broke the contract and were not sent."""
    sinks: tuple[SinkStats, ...]
    """Counts of each attached sink; synchronous sinks first."""
