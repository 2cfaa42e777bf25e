"""The settings of coverage, in a file next to the contract: floors, and exemptions of single gaps.

They are not part of the contract, because that describes the telemetry and not how much of it one code base uses: a
exemption must not change the hash of the contract, its version, or the generated code.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, get_args

from ..contract.bind import Binder
from ..contract.forms import EXEMPTED
from ..contract.load import load
from ..contract.nodes import Key, Node
from ..contract.promises import Exemption
from ..diagnostics.findings import Findings
from .points import Measure

PERCENTAGE, CALENDAR = "COV016", "COV017"


@dataclass(frozen=True, kw_only=True)
class FloorsSpec(Node):
    """The least percentages of declared events or fields that must be covered; exempted gaps do not count."""

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


NO_FLOORS = FloorsSpec(emitted=0, noticed=0, read=0, varied=0, seen=0, moved=0)


@dataclass(frozen=True, kw_only=True)
class SettingsSpec(Node):
    """The settings of coverage."""

    floors: Annotated[FloorsSpec, Key("The least percentages that must be covered.")] = FloorsSpec()
    exemptions: Annotated[
        tuple[Exemption, ...],
        Key("Gaps that are accepted for a time, by rule and event or field.", names=EXEMPTED),
    ] = ()


def load_settings(path: Path, name: str, findings: Findings) -> SettingsSpec | None:
    """Read the settings at `path`; None, with findings, when they are not valid.

    `name` is the name of the file in findings. Without a file nothing is required, so that the first run of a project shows
    what its code uses; in a file, a floor that is left out is 100.
    """
    if not path.exists():
        return SettingsSpec(floors=NO_FLOORS)
    document = load(path, name, findings)
    if document is None:
        return None
    settings = Binder(findings).bind(SettingsSpec, document)
    if settings is not None:
        _check_floors(settings.floors, findings)
        _check_days(settings.exemptions, findings)
    return None if findings.has_errors else settings


def _check_floors(floors: FloorsSpec, findings: Findings) -> None:
    for measure in get_args(Measure):
        floor = floors.of(measure)
        if not 0 <= floor <= 100:
            message = f"a floor must be in [0, 100], got {floor}"
            findings.add(floors.at(measure), PERCENTAGE, message)


def _check_days(exemptions: Iterable[Exemption], findings: Findings) -> None:
    for one in exemptions:
        try:
            date.fromisoformat(one.until)
        except ValueError:
            message = f'a day must be in the calendar, got "{one.until}"'
            findings.add(one.at("until"), CALENDAR, message)
