"""Checks coverage against its floors: below a floor, every gap is a finding, and so is a useless exemption."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import get_args

from ..contract.promises import MAX_EXEMPTION_DAYS, Exemption
from ..diagnostics.findings import Findings
from .points import Measure, Point
from .settings import FloorsSpec, SettingsSpec

FLOOR = "COV011"
UNKNOWN, UNUSED, EXPIRED, TOO_FAR = "COV012", "COV013", "COV014", "COV015"


@dataclass(frozen=True, slots=True)
class GapText:
    """The rule and the texts that report a gap in a measure."""

    rule: str
    message: str
    hint: str


GAP_TEXTS: Mapping[Measure, GapText] = {
    "emitted": GapText("COV001", "no code emits {name}", "emit it, or retire it"),
    "noticed": GapText("COV002", "no code reads any field of {name}", "read one, or retire it"),
    "read": GapText("COV003", "no code reads {name}", "read it, or retire it"),
    "varied": GapText("COV004", "{name} is always {only_value}", "capture it, or retire it"),
    "seen": GapText("COV005", "{name} does not occur in the log", "have the run emit it"),
    "moved": GapText(
        "COV006", "{name} is always {only_value} in the log", "have the run change it"
    ),
}
_MEASURE_OF = {gap.rule: measure for measure, gap in GAP_TEXTS.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """The share of declared events or fields that one measure covers; exempted gaps do not count."""

    measure: Measure
    num_covered: int
    num_declared: int
    num_excused: int
    floor: int
    """The percentage that must be covered."""
    gaps: tuple[Point, ...]

    @property
    def percent(self) -> float:
        """The share in percent; 100 when nothing is declared."""
        return 100.0 * self.num_covered / self.num_declared if self.num_declared else 100.0

    @property
    def reaches_floor(self) -> bool:
        """Whether the share is at least the floor."""
        return self.percent >= self.floor


def exemption_name(point: Point) -> str:
    """Return the name of an exemption of this gap: `COV003 SEED_PRUNED.reason`."""
    return f"{GAP_TEXTS[point.measure].rule} {point.name}"


def check_floors(
    points: Collection[Point], settings: SettingsSpec, today: date, findings: Findings
) -> list[Share]:
    """Return the share of each measure in `points`; add gaps below a floor and bad exemptions to `findings`."""
    shares = list(_compute_shares(points, settings, today))
    for share in shares:
        if not share.reaches_floor:
            _report_gaps(share, settings.floors, findings)
    _check_names(settings.exemptions, points, findings)
    for one in settings.exemptions:
        _check_date(one, today, findings)
    return shares


def _compute_shares(
    points: Iterable[Point], settings: SettingsSpec, today: date
) -> Iterator[Share]:
    active = {one.name for one in settings.exemptions if date.fromisoformat(one.until) >= today}
    for measure in get_args(Measure):
        measured = [point for point in points if point.measure == measure]
        gaps = [point for point in measured if not point.is_covered]
        remaining = tuple(gap for gap in gaps if exemption_name(gap) not in active)
        if measured:
            yield Share(
                measure=measure,
                num_covered=len(measured) - len(gaps),
                num_declared=len(measured) - len(gaps) + len(remaining),
                num_excused=len(gaps) - len(remaining),
                floor=settings.floors.of(measure),
                gaps=remaining,
            )


def _report_gaps(share: Share, floors: FloorsSpec, findings: Findings) -> None:
    text = GAP_TEXTS[share.measure]
    for point in share.gaps:
        message = text.message.format(name=point.name, only_value=point.only_value)
        findings.add(point.span, text.rule, message, text.hint)
    # At a floor of 100 % the gaps themselves are enough.
    if share.floor < 100:
        message = (
            f"at least {share.floor} % must be {share.measure}, got {share.percent:.1f} %"
            f" ({share.num_covered} of {share.num_declared})"
        )
        findings.add(floors.at(share.measure), FLOOR, message, f"close some gaps of {text.rule}")


def _check_names(
    exemptions: Iterable[Exemption], points: Collection[Point], findings: Findings
) -> None:
    measures = {point.measure for point in points}
    gaps = {exemption_name(point) for point in points if not point.is_covered}
    for one in exemptions:
        rule = one.name.partition(" ")[0]
        if rule not in _MEASURE_OF:
            message = f"{rule} is not a rule that can be exempted"
            findings.add(one.span, UNKNOWN, message, f"there are: {', '.join(_MEASURE_OF)}")
        elif _MEASURE_OF[rule] in measures and one.name not in gaps:
            findings.add(one.span, UNUSED, f"there is no gap {one.name}", "remove the exemption")


def _check_date(one: Exemption, today: date, findings: Findings) -> None:
    until = date.fromisoformat(one.until)
    latest = today + timedelta(days=MAX_EXEMPTION_DAYS)
    if until < today:
        message = f"the exemption of {one.name} ended on {until}"
        findings.add(one.at("until"), EXPIRED, message, "close the gap, or set a new day")
    elif until > latest:
        message = f"a gap may be exempted for at most {MAX_EXEMPTION_DAYS} days, got {until}"
        findings.add(one.at("until"), TOO_FAR, message, f"the last day is {latest}")
