"""Judges coverage: where a share is below its floor, every gap is a finding, and so is a useless excuse."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import get_args

from ..diagnostics.findings import Findings
from .point import Measure, Point
from .settings import FloorsSpec, SettingsSpec, SuppressionSpec

FLOOR = "COV011"
UNKNOWN, UNUSED, EXPIRED, TOO_FAR = "COV012", "COV013", "COV014", "COV015"
MAX_DAYS = 180
"""Days for which a gap may be excused; longer, and nobody remembers it."""


@dataclass(frozen=True, slots=True)
class Gap:
    """How a gap in a measure is told: its rule, what is wrong, and the way out."""

    rule: str
    message: str
    hint: str


GAPS: Mapping[Measure, Gap] = {
    "emitted": Gap("COV001", "nobody emits {name}", "emit it, or retire it"),
    "noticed": Gap("COV002", "nobody reads anything of {name}", "read it, or retire it"),
    "read": Gap("COV003", "nobody reads {name}", "read it, or retire it"),
    "varied": Gap("COV004", "{name} is given nothing but {instead}", "capture it, or retire it"),
    "seen": Gap("COV005", "{name} does not occur in the log", "have the run exercise it"),
    "moved": Gap("COV006", "{name} is always {instead} in the log", "have the run exercise it"),
}
_MEASURE_OF = {gap.rule: measure for measure, gap in GAPS.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """How much of what is declared, and not excused, is covered by one measure."""

    measure: Measure
    num_covered: int
    num_declared: int
    num_excused: int
    floor: int
    gaps: tuple[Point, ...]

    @property
    def percent(self) -> float:
        """The share; 100 when nothing is declared."""
        return 100.0 * self.num_covered / self.num_declared if self.num_declared else 100.0

    @property
    def is_enough(self) -> bool:
        """Whether the floor is reached."""
        return self.percent >= self.floor


def excuse_for(point: Point) -> str:
    """Return the name under which a gap is excused."""
    return f"{GAPS[point.measure].rule} {point.name}"


def judge(
    points: Collection[Point], settings: SettingsSpec, today: date, findings: Findings
) -> list[Share]:
    """Add what is wrong to `findings`; return the share of each measure that was taken."""
    shares = list(_shares(points, settings, today))
    for share in shares:
        if not share.is_enough:
            _blame(share, settings.floors, findings)
    _judge_suppressions(settings.suppressions, points, findings)
    for one in settings.suppressions:
        _judge_date(one, today, findings)
    return shares


def _shares(points: Iterable[Point], settings: SettingsSpec, today: date) -> Iterator[Share]:
    active = {one.name for one in settings.suppressions if date.fromisoformat(one.until) >= today}
    for measure in get_args(Measure):
        taken = [point for point in points if point.measure == measure]
        gaps = [point for point in taken if not point.is_covered]
        left = tuple(gap for gap in gaps if excuse_for(gap) not in active)
        if taken:
            yield Share(
                measure=measure,
                num_covered=len(taken) - len(gaps),
                num_declared=len(taken) - len(gaps) + len(left),
                num_excused=len(gaps) - len(left),
                floor=settings.floors.of(measure),
                gaps=left,
            )


def _blame(share: Share, floors: FloorsSpec, findings: Findings) -> None:
    gap = GAPS[share.measure]
    for point in share.gaps:
        message = gap.message.format(name=point.name, instead=point.instead)
        findings.add(point.span, gap.rule, message, gap.hint)
    # At a floor of 100 the gaps say it all.
    if share.floor < 100:
        message = (
            f"at least {share.floor} % must be {share.measure}, got {share.percent:.1f} %"
            f" ({share.num_covered} of {share.num_declared})"
        )
        findings.add(floors.at(share.measure), FLOOR, message, f"close some gaps of {gap.rule}")


def _judge_suppressions(
    suppressions: Iterable[SuppressionSpec], points: Collection[Point], findings: Findings
) -> None:
    measures = {point.measure for point in points}
    excusable = {excuse_for(point) for point in points if not point.is_covered}
    for one in suppressions:
        rule = one.name.partition(" ")[0]
        if rule not in _MEASURE_OF:
            message = f"{rule} is no rule that can be excused"
            findings.add(one.span, UNKNOWN, message, f"there are: {', '.join(_MEASURE_OF)}")
        elif _MEASURE_OF[rule] in measures and one.name not in excusable:
            findings.add(one.span, UNUSED, f"nothing is excused by {one.name}", "remove it")


def _judge_date(one: SuppressionSpec, today: date, findings: Findings) -> None:
    until = date.fromisoformat(one.until)
    latest = today + timedelta(days=MAX_DAYS)
    if until < today:
        message = f"the excuse for {one.name} ended on {until}"
        findings.add(one.at("until"), EXPIRED, message, "close the gap, or excuse it anew")
    elif until > latest:
        message = f"a gap is excused for at most {MAX_DAYS} days, got {until}"
        findings.add(one.at("until"), TOO_FAR, message, f"the last day is {latest}")
