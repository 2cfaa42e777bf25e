"""Prints coverage as a table or as JSON."""

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from typing import Any

from ..diagnostics.findings import Findings
from ..diagnostics.report import report
from .floors import Share, exemption_name
from .points import Measure, Point

_SUGGESTED_DAYS = 90


def to_text(
    points: Sequence[Point],
    shares: Sequence[Share],
    findings: Findings,
    *,
    settings_name: str,
    today: date,
) -> str:
    """Return a table with a row for each event and record, the allowed gaps, the findings, and exemptions to paste."""
    measures = [share.measure for share in shares]
    rows = [["", *measures], *_owner_rows(points, measures), *_share_rows(shares)]
    allowed = [share for share in shares if share.reaches_floor and share.gaps]
    reported = [gap for share in shares if not share.reaches_floor for gap in share.gaps]
    parts = [
        _align(rows),
        *(_list_allowed_gaps(share) for share in allowed),
        report(findings, "text"),
        _suggest_exemptions(reported, settings_name, today),
    ]
    return "".join(parts)


def to_json(points: Iterable[Point], shares: Iterable[Share], findings: Findings) -> str:
    """Return a JSON object with the shares, every point with the places that cover it, and the findings."""
    document = {
        "shares": [_share_entry(share) for share in shares],
        "points": [_point_entry(point) for point in points],
        "findings": json.loads(report(findings, "json")),
    }
    return json.dumps(document, indent=2) + "\n"


def _owner_rows(points: Sequence[Point], measures: Sequence[Measure]) -> Iterator[list[str]]:
    for owner in dict.fromkeys(point.owner for point in points):
        own = [point for point in points if point.owner == owner]
        yield [owner, *(_cell([one for one in own if one.measure == name]) for name in measures)]


def _cell(points: Sequence[Point]) -> str:
    return f"{sum(point.is_covered for point in points)}/{len(points)}" if points else ""


def _share_rows(shares: Sequence[Share]) -> Iterator[list[str]]:
    yield ["all", *(f"{share.num_covered}/{share.num_declared}" for share in shares)]
    yield ["", *(f"{share.percent:.1f} %" for share in shares)]
    yield ["floor", *(f"{share.floor} %" for share in shares)]
    if any(share.num_excused for share in shares):
        yield ["excused", *(str(share.num_excused) for share in shares)]


def _align(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *others in rows:
        cells = [first.ljust(widths[0]), *map(str.rjust, others, widths[1:])]
        lines.append("  ".join(cells).rstrip() + "\n")
    return "".join(lines)


def _list_allowed_gaps(share: Share) -> str:
    lines = [f"not {share.measure}, but allowed by the floor:\n"]
    for owner in dict.fromkeys(gap.owner for gap in share.gaps):
        fields = [gap.name.partition(".")[2] for gap in share.gaps if gap.owner == owner]
        lines.append(f"  {owner} {', '.join(fields)}".rstrip() + "\n")
    return "".join(lines)


def _suggest_exemptions(gaps: Sequence[Point], settings_name: str, today: date) -> str:
    """Return the YAML of exemptions of the gaps; the author has to fill in the reason, which must not be empty."""
    if not gaps:
        return ""
    until = today + timedelta(days=_SUGGESTED_DAYS)
    head = f"to accept gaps for a time, add to {settings_name}, under exemptions, and say why:\n"
    return head + "".join(
        f'  {exemption_name(gap)}: {{until: "{until}", why: ""}}\n' for gap in gaps
    )


def _share_entry(share: Share) -> dict[str, Any]:
    return {
        "measure": share.measure,
        "covered": share.num_covered,
        "declared": share.num_declared,
        "excused": share.num_excused,
        "percent": round(share.percent, 1),
        "floor": share.floor,
    }


def _point_entry(point: Point) -> dict[str, Any]:
    return {
        "measure": point.measure,
        "name": point.name,
        "path": point.span.path,
        "line": point.span.line,
        "column": point.span.column,
        "covered": point.is_covered,
        "places": [str(place) for place in point.places],
    }
