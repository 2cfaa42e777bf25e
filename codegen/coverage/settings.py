"""What coverage must reach, and which gaps are excused: a file beside the contract.

It is a file of its own because the contract says what leaves the process, not how far our code has come in using it:
an excuse must not change the contract's hash, its version, or what is generated from it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, get_args

from ..contract.bind import Binder
from ..contract.forms import DATE, EXEMPTED, SENTENCE
from ..contract.load import load
from ..contract.nodes import Key, Node
from ..diagnostics.findings import Findings
from .point import Measure

PERCENTAGE, CALENDAR = "COV016", "COV017"


@dataclass(frozen=True, kw_only=True)
class FloorsSpec(Node):
    """Percentages below which coverage fails, of what is declared and not excused."""

    emitted: Annotated[int, Key("Events that the code emits.")] = 100
    noticed: Annotated[int, Key("Events of which the code reads any field.")] = 100
    read: Annotated[int, Key("Fields that the code reads.")] = 100
    varied: Annotated[int, Key("Fields that the code gives more than one constant.")] = 100
    seen: Annotated[int, Key("Events that occur in the log.")] = 100
    moved: Annotated[int, Key("Fields that leave their default, null or emptiness in the log.")] = (
        100
    )

    def of(self, measure: Measure) -> int:
        """Return the floor of a measure."""
        floors: dict[Measure, int] = {
            "emitted": self.emitted,
            "noticed": self.noticed,
            "read": self.read,
            "varied": self.varied,
            "seen": self.seen,
            "moved": self.moved,
        }
        return floors[measure]


@dataclass(frozen=True, kw_only=True)
class SuppressionSpec(Node):
    """A gap that is excused for a while; its name is the rule and what it is about."""

    until: Annotated[str, Key('Last day, like "2026-01-31".', form=DATE)]
    why: Annotated[str, Key("Why it may be.", form=SENTENCE)]


@dataclass(frozen=True, kw_only=True)
class SettingsSpec(Node):
    """The settings of coverage."""

    floors: Annotated[FloorsSpec, Key("What coverage must reach.")] = FloorsSpec()
    suppressions: Annotated[
        tuple[SuppressionSpec, ...],
        Key("Gaps that are excused, by rule and what they are about.", names=EXEMPTED),
    ] = ()


def load_settings(path: Path, name: str, findings: Findings) -> SettingsSpec | None:
    """Read the settings at `path`, which findings call `name`; None when there is something wrong with them.

    Without a file every floor is 100 and nothing is excused.
    """
    if not path.exists():
        return SettingsSpec()
    document = load(path, name, findings)
    if document is None:
        return None
    settings = Binder(findings).bind(SettingsSpec, document)
    if settings is not None:
        _check_floors(settings.floors, findings)
        _check_days(settings.suppressions, findings)
    return None if findings.has_errors else settings


def _check_floors(floors: FloorsSpec, findings: Findings) -> None:
    for measure in get_args(Measure):
        floor = floors.of(measure)
        if not 0 <= floor <= 100:
            message = f"a floor must be in [0, 100], got {floor}"
            findings.add(floors.at(measure), PERCENTAGE, message)


def _check_days(suppressions: Iterable[SuppressionSpec], findings: Findings) -> None:
    for one in suppressions:
        try:
            date.fromisoformat(one.until)
        except ValueError:
            message = f'a day must be in the calendar, got "{one.until}"'
            findings.add(one.at("until"), CALENDAR, message)
