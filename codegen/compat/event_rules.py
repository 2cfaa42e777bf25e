"""Rules about how an event is told: by which helper, how often, with which keys, how firmly promised."""

from collections.abc import Iterator

from .impact import NOTHING, Break
from .pairs import EventPair
from .rule import Change, Rule


def _find_cadence(pair: EventPair) -> Iterator[Change]:
    if pair.old.cadence != pair.new.cadence:
        yield pair.see(
            "cadence", f"{pair.old.cadence or 'unsaid'} -> {pair.new.cadence or 'unsaid'}"
        )


def _find_classes(pair: EventPair) -> Iterator[Change]:
    for key, old, new in (
        ("payload", pair.old.payload, pair.new.payload),
        ("family", pair.old.family, pair.new.family),
        ("source", pair.old.source, pair.new.source),
    ):
        if old != new:
            yield pair.see(key, f"{key}: {old or 'none'} -> {new or 'none'}")


def _find_retired(pair: EventPair) -> Iterator[Change]:
    if pair.new.retired and not pair.old.retired:
        settled = Break.SOURCE if pair.old.deprecated else NOTHING
        yield pair.see("retired", "nobody can emit it any more", settled=settled)


RULES: tuple[Rule[EventPair], ...] = (
    Rule(
        id="EVT006",
        name="EVENT_CADENCE_CHANGED",
        find=_find_cadence,
        breaks=Break.SEM,
        why="counts, sums and rates over the event mean something else",
        ways=("keep it and add an event with a name of its own",),
    ),
    Rule(
        id="EVT009",
        name="EVENT_CLASS_CHANGED",
        find=_find_classes,
        breaks=Break.SOURCE,
        why="callers import the class or the helper from elsewhere, or by another name",
        by_major=Break.SOURCE,
    ),
    Rule(
        id="EVT011",
        name="EVENT_RETIRED",
        find=_find_retired,
        breaks=Break.SOURCE,
        why="its emission helper is gone",
        ways=("deprecate it for a release first",),
    ),
)
"""Rules about an event that both contracts have."""
