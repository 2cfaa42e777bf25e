"""Describes the parameters of a run's network and the cost of its training."""

from __future__ import annotations

from collections.abc import Iterator

from esper._generated.run import LoopStartedPayload
from esper.karn.story import RunStory


def describe_parameters(story: RunStory) -> str:
    """Return the parameters of the grown network beside those of the host alone."""
    grown, host, added = story.num_params, story.num_host_params, story.params_added
    if isinstance(story.started, LoopStartedPayload) and (grown is None or not story.slots):
        return "not reported" if grown is None else f"{grown:,}"
    if grown is None or host is None or added is None:
        return "not in the log"
    share_added = 100 * added / host if host else 0.0
    share = f", {share_added:+{fixed(share_added, 1)}} %" if host else ""
    return f"grown {grown:,}, host alone {host:,} ({added:+,}{share})"


def describe_cost(story: RunStory) -> Iterator[str]:
    """Yield parameter updates and FLOPs, if the log contains them."""
    if story.num_updates is not None and story.num_flops is not None:
        yield f"{story.num_updates:,} parameter updates, {story.num_flops:.3g} FLOPs"


def fixed(number: float, num_decimals: int) -> str:
    """Return the format of a number: with fixed decimals, or an exponent if it would have more than nine digits."""
    return f".{num_decimals}f" if abs(number) < 1e9 else ".3e"
