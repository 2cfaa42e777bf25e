"""The parts of a contract that are about change: promises, upcasts of old records, and exemptions.

These classes are both the form in the file and the model: nothing in them has to be resolved.
"""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from .forms import CONSTANT, DATE, PATH, SENTENCE
from .nodes import Bounds, Given, Key, Node

WireMode = Literal["none", "backward", "forward", "full"]
SourceMode = Literal["none", "minor", "strict"]

MAX_EXEMPTION_DAYS = 180
"""Days for which a finding, or a gap in coverage, may be exempted; then somebody has to review it."""


@dataclass(frozen=True, kw_only=True)
class Promise(Node):
    """How far changes may go; a key that is left out follows from the stability."""

    # Every promise stands under the key `promise`, so the name does not distinguish them.
    name: str = field(default="", compare=False, repr=False)

    wire: Annotated[
        WireMode | None,
        Key("Whether new readers read old records (backward), old readers new ones, or both."),
    ] = None
    transitive: Annotated[
        bool | None,
        Key("Whether records of every release stay readable, or only those of the newest."),
    ] = None
    source: Annotated[
        SourceMode | None,
        Key("When a change may break Python callers: always, in minor or only in major versions."),
    ] = None


@dataclass(frozen=True, kw_only=True)
class Step(Node):
    """How one value of an old record is carried over: exactly one of move, fill and convert."""

    move: Annotated[str | None, Key("Old path of the value.", form=PATH)] = None
    fill: Annotated[
        Given | None, Key("Value to use where the old record has no value, or null.")
    ] = None
    convert: Annotated[str | None, Key("Old path of the value to convert.", form=PATH)] = None
    factor: Annotated[float | None, Key("Factor by which its numbers are multiplied.")] = None
    offset: Annotated[float | None, Key("Number that is then added to them.")] = None
    round: Annotated[bool, Key("Whether they are then rounded to integers.")] = False
    clamp: Annotated[Bounds | None, Key("Bounds to which they are then clamped.")] = None
    values: Annotated[Given | None, Key("New values of its texts, by the old ones.")] = None
    otherwise: Annotated[
        str | None, Key("New value of all other texts; by default they are kept.")
    ] = None

    @property
    def path(self) -> str:
        """The path in the new record: keys on the wire, as in `seeds[].alpha` for each item of the list seeds."""
        return self.name


@dataclass(frozen=True, kw_only=True)
class EventUpcast(Node):
    """How old records of an event become new ones."""

    becomes: Annotated[str | None, Key("New name of the event.", form=CONSTANT)] = None
    fields: Annotated[tuple[Step, ...], Key("Steps, by path in the new record.", names=PATH)] = ()

    @property
    def event(self) -> str:
        """The old name of the event."""
        return self.name

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps, which the file lists under `fields`."""
        return self.fields


@dataclass(frozen=True, kw_only=True)
class Upcast(Node):
    """How records of all earlier versions become records of this one; never edited once released."""

    doc: Annotated[str, Key("Description of the change.", form=SENTENCE)]
    events: Annotated[tuple[EventUpcast, ...], Key("Events, by their old names.", names=CONSTANT)]

    @property
    def version(self) -> str:
        """The version to which records are brought."""
        return self.name


@dataclass(frozen=True, kw_only=True)
class Exemption(Node):
    """A finding of the compatibility check that is excused for a limited time."""

    until: Annotated[str, Key('Last day of the exemption, like "2026-01-31".', form=DATE)]
    why: Annotated[str, Key("Reason for the exemption.", form=SENTENCE)]
