"""What a contract says about change, as it is written: promises, upcasts, exemptions."""

from dataclasses import dataclass
from typing import Annotated, Literal

from .forms import CONSTANT, DATE, PATH, SENTENCE
from .nodes import Bounds, Given, Key, Node


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class PromiseSpec(Node):
    """How far changes may go; what is not said follows from the stability."""

    wire: Annotated[
        Literal["none", "backward", "forward", "full"] | None,
        Key("Whether new readers read old records (backward), old readers new ones, or both."),
    ] = None
    transitive: Annotated[
        bool | None, Key("Whether records of every release stay readable, or of the newest only.")
    ] = None
    source: Annotated[
        Literal["none", "minor", "strict"] | None,
        Key("Whether Python callers may break: always, in minor versions, or in major ones only."),
    ] = None


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class StepSpec(Node):
    """How a value of an old record gets its place and form: one of move, fill and convert."""

    move: Annotated[str | None, Key("Path at which the value was.", form=PATH)] = None
    fill: Annotated[Given | None, Key("Value where the old record has none, or null.")] = None
    convert: Annotated[str | None, Key("Path of the value that is converted.", form=PATH)] = None
    factor: Annotated[float | None, Key("What its numbers are multiplied by.")] = None
    offset: Annotated[float | None, Key("What is then added to them.")] = None
    round: Annotated[bool, Key("Whether they then become integers.")] = False
    clamp: Annotated[Bounds | None, Key("Bounds that they are then moved into.")] = None
    values: Annotated[Given | None, Key("New values of its texts, by the old ones.")] = None
    otherwise: Annotated[str | None, Key("New value of the other texts; kept unless said.")] = None


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class EventUpcastSpec(Node):
    """How old records of an event become new ones."""

    becomes: Annotated[str | None, Key("Its name from then on.", form=CONSTANT)] = None
    fields: Annotated[tuple[StepSpec, ...], Key("Paths in the new record.", names=PATH)] = ()


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class UpcastSpec(Node):
    """How records of all earlier versions become records of this one; never edited once released."""

    doc: Annotated[str, Key("What has changed.", form=SENTENCE)]
    events: Annotated[
        tuple[EventUpcastSpec, ...], Key("Events, by their old names.", names=CONSTANT)
    ]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ExemptionSpec(Node):
    """A finding of the compatibility check that is excused for a while."""

    until: Annotated[str, Key('Last day, like "2026-01-31".', form=DATE)]
    why: Annotated[str, Key("Why it may be.", form=SENTENCE)]
