"""One sentence about a run, with its numbers and the events that it is from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from esper.karn.seed_story import EvidencePoint, GateStory, SeedStory, Step
from esper.karn.story import Event

Kind = Literal["happened", "wrong", "try"]
Value = int | float | str | bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRef:
    """An event in the log: rank, process and number name one line of it."""

    rank: int | None
    boot: str | None
    seq: int | None
    event: str | None
    """Name of the event, such as SEED_PRUNED."""
    epoch: int | None
    """Epoch, from 1; None if the training loop had not set one yet, or counts none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A sentence about a run. Its text is printable."""

    kind: Kind
    """happened, wrong (it looks wrong), or try (advice)."""
    rule: str
    """Stable name of the rule that made the sentence, such as `overfitting`."""
    text: str
    numbers: Mapping[str, Value] = field(default_factory=dict)
    """The numbers of the sentence, by name; None where the log lacks one."""
    events: tuple[EventRef, ...] = ()
    """The events that it is from; empty only where it is about lines that the log lacks or that cannot be read."""


Located = Event[Any] | Step | GateStory | EvidencePoint | None


def refs(*items: Located) -> tuple[EventRef, ...]:
    """Return where events are in the log, each once; those that are None are left out."""
    return tuple(dict.fromkeys(_refer(item) for item in items if item is not None))


def seed_refs(seed: SeedStory) -> tuple[EventRef, ...]:
    """Return the events of a seed's stages and of its newest comparison."""
    return refs(*seed.steps, *seed.evidences[-1:])


def problem(
    rule: str,
    text: str,
    advice: str | None,
    *,
    numbers: Mapping[str, Value],
    events: Iterable[EventRef] = (),
) -> Iterator[Finding]:
    """Yield what looks wrong and, unless `advice` is None, what to try, both from the same events."""
    found = tuple(events)
    yield Finding(kind="wrong", rule=rule, text=text, numbers=numbers, events=found)
    if advice is not None:
        yield Finding(kind="try", rule=rule, text=advice, numbers=numbers, events=found)


def _refer(item: Event[Any] | Step | GateStory | EvidencePoint) -> EventRef:
    name: str | None
    match item:
        case Event():
            name = item.payload.EVENT
        case GateStory():
            name = "SEED_GATE_EVALUATED"
        case Step() | EvidencePoint():
            name = item.event
    return EventRef(rank=item.rank, boot=item.boot, seq=item.seq, event=name, epoch=item.epoch)
