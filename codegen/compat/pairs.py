"""Events and enums as they were and as they are."""

from collections.abc import Iterator
from dataclasses import dataclass

from ..contract.model import Enum, Event, Value
from ..diagnostics.findings import Span
from .impact import NOTHING, Break
from .modes import Mode
from .rule import Change, Upcastable
from .steps import Place, Steps, quote_path


@dataclass(frozen=True)
class EventPair:
    """An event that both contracts have."""

    old: Event
    new: Event
    mode: Mode

    @property
    def is_revised(self) -> bool:
        """Whether the event has a new revision, with a note that says what has changed."""
        is_noted = self.new.note is not None and self.new.note != self.old.note
        return self.new.revision > self.old.revision and is_noted

    def see(self, key: str, what: str, *, settled: Break = NOTHING) -> Change:
        """Note a change of what the event says under `key`."""
        return Change(
            subject=self.new.name,
            span=self.new.at(key),
            what=what,
            mode=self.mode,
            settled=settled,
            is_revised=self.is_revised,
        )


@dataclass(frozen=True, slots=True)
class Move:
    """A value that is found under another parent than before."""

    pair: EventPair
    old: str
    new: str
    value: Value


@dataclass(frozen=True)
class EnumPair:
    """An enum that both contracts have, and everywhere in payloads where its members are found."""

    steps: Steps
    old: Enum
    new: Enum
    mode: Mode
    places: tuple[Place, ...]

    def see(
        self, name: str, span: Span, what: str, *, breaks: Break | None = None, renames: str = ""
    ) -> Change:
        """Note a change of the member `name`, or of the enum; `renames` is what an upcast would replace."""
        return Change(
            subject=f"{self.new.name}.{name}" if name else self.new.name,
            span=span,
            what=what,
            mode=self.mode,
            breaks=breaks,
            upcasts=tuple(self._find_upcasts(renames)) if renames else (),
        )

    def _find_upcasts(self, member: str) -> Iterator[Upcastable]:
        for place in self.places:
            _, steps = self.steps.follow(place.event)
            step = steps.get(place.path)
            names = step.values.value if step and step.values else None
            text = f"{{convert: {quote_path(place.path)}, values: {{{member}: ...}}}}"
            is_known = isinstance(names, dict) and member in names
            is_given = step is not None and (is_known or step.otherwise is not None)
            yield Upcastable(place.event, f"{quote_path(place.path)}: {text}", is_given)
