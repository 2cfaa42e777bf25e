"""Explains a run: all sentences about it, for people and for programs."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from esper.karn.explain.end_rules import judge_end
from esper.karn.explain.finding import EventRef, Finding
from esper.karn.explain.governor_rules import judge_governor
from esper.karn.explain.growth_rules import judge_growth
from esper.karn.explain.log_rules import judge_log
from esper.karn.explain.system_rules import judge_system
from esper.karn.explain.training_rules import judge_training
from esper.karn.story import RunStory
from esper.karn.summary_json import to_json
from esper.leyline.text import printable

_JUDGES: Final = (
    judge_end,
    judge_training,
    judge_growth,
    judge_governor,
    judge_log,
    judge_system,
)
_TITLES: Final = {
    "happened": "What happened",
    "wrong": "What looks wrong",
    "try": "What to try",
}
_MAX_WIDTH = 120
_SHOWN_EVENTS = 2
"""Events whose numbers stand after a sentence; of more only how many there are."""


def explain(story: RunStory) -> tuple[Finding, ...]:
    """Return the sentences about a run: what happened, what looks wrong, and what to try.

    Where nothing looks wrong and there is nothing to try, the last sentence says so.
    """
    found = [finding for judge in _JUDGES for finding in judge(story)]
    if not story.has_epochs:
        found = [replace(one, events=tuple(map(_without_epoch, one.events))) for one in found]
    if not any(finding.kind == "wrong" for finding in found):
        word = "Nothing else looks" if story.num_rollbacks else "Nothing looks"
        text = f"{word} wrong: no threshold of the rules about training, growing, governor, log and machine is crossed."
        found.append(Finding(kind="happened", rule="all_well", text=text, events=found[0].events))
    return tuple(sorted(found, key=lambda one: list(_TITLES).index(one.kind)))


def _without_epoch(event: EventRef) -> EventRef:
    return replace(event, epoch=None)


def as_json(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """Return the sentences as values of JSON; NaN and infinities are texts, as in the log."""
    plain: list[dict[str, Any]] = to_json(list(findings))
    return plain


def describe(
    findings: Sequence[Finding], *, width: int, with_events: bool = False
) -> Iterator[str]:
    """Yield the lines for people: the sentences under a title for each kind, with the events that they are from.

    Args:
        width: characters of a line.
        with_events: whether all events of a sentence are listed after it.
    """
    is_first = True
    for kind, title in _TITLES.items():
        of_kind = [one for one in findings if one.kind == kind]
        if not of_kind:
            continue
        yield from () if is_first else ("",)
        is_first = False
        yield title
        for finding in of_kind:
            place = _place(finding.events)
            yield from _wrap(f"{finding.text}{place}", width, "- ")
            if with_events:
                for event in finding.events:
                    yield from _wrap(_describe_event(event), width, "    ")


def _wrap(text: str, width: int, mark: str) -> list[str]:
    return textwrap.wrap(
        text,
        max(min(width, _MAX_WIDTH), 30),
        initial_indent=mark,
        subsequent_indent=" " * len(mark),
        break_on_hyphens=False,
        break_long_words=False,
    )


def _place(events: Sequence[EventRef]) -> str:
    """Return the place of one or two events in brackets; of more, their number and the first and the last one's place."""
    if not events:
        return ""
    events = sorted(events, key=lambda one: (one.epoch or 0, one.rank or 0, one.seq or 0))
    if len(events) <= _SHOWN_EVENTS:
        return f" [{'; '.join(map(_short, events))}]"
    return f" [{len(events)} events: {_short(events[0])} to {_short(events[-1])}]"


def _short(event: EventRef) -> str:
    rank = f"rank {event.rank}, " if event.rank else ""
    epoch = "" if event.epoch is None else f", epoch {event.epoch}"
    return f"{rank}seq {event.seq}{epoch}"


def _describe_event(event: EventRef) -> str:
    name = "an event" if event.event is None else printable(event.event, 60)
    return f"{name}: rank {event.rank}, boot {printable(event.boot or '?', 40)}, {_short(event)}"
