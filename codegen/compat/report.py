"""Prints verdicts: for people with reasons and ways forward, for programs, and as plain findings."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from textwrap import indent

from ..contract.model import Contract
from ..diagnostics.findings import Finding
from ..diagnostics.report import report as report_findings
from .exemptions import spell_exemption
from .releases import Passage
from .remedies import ways_of
from .verdict import Verdict


@dataclass(frozen=True, kw_only=True)
class Report:
    """What came of a comparison."""

    contract: Contract
    """The new contract."""
    passage: Passage | None
    """From which contract to which; None when nothing has been released that could be compared with."""
    verdicts: tuple[Verdict, ...]
    excused: tuple[Verdict, ...]
    today: date

    @property
    def has_errors(self) -> bool:
        """Whether anybody is broken whom the contract promised not to break."""
        return any(verdict.weight == "error" for verdict in self.verdicts)


def print_report(report: Report, form: str) -> str:
    """Print a report as text, json, github or sarif; the text ends with a line end."""
    verdicts = sorted(report.verdicts, key=lambda one: (one.sighting.span, one.key, one.rule.name))
    if form == "text":
        return "".join(_to_text(one, report) for one in verdicts) + _summarize(report)
    if form == "json":
        return json.dumps([_to_entry(one, report) for one in verdicts], indent=2) + "\n"
    return report_findings(_to_findings(verdicts, report), form)


def _to_text(verdict: Verdict, report: Report) -> str:
    sighting = verdict.sighting
    head = (
        f"{sighting.span}: {verdict.rule.id} {verdict.level}  {sighting.subject}: {sighting.what}"
    )
    since = f" (was {report.passage.scene.old.version})" if report.passage else ""
    if verdict.weight == "info":
        return f"{head}\n"
    first, *rest = head.splitlines()
    lines = [first + since, *rest, f"why: {verdict.rule.name}: {verdict.rule.why}"]
    lines += [indent(f"way: {way}", "     ").lstrip() for way in ways_of(verdict, report.passage)]
    if verdict.rule.is_exemptable:
        lines += ["or, for a while:", indent(spell_exemption(verdict.key, report.today), "  ")]
    return indent("\n".join(lines), "    ").lstrip() + "\n"


def _summarize(report: Report) -> str:
    num_errors = sum(verdict.weight == "error" for verdict in report.verdicts)
    findings = "1 finding" if num_errors == 1 else f"{num_errors} findings"
    excused = f", {len(report.excused)} excused" if report.excused else ""
    if report.passage is None:
        return f"{findings}{excused}; nothing has been released yet\n"
    old, new = report.passage.scene.old.version, report.passage.scene.new.version
    needed = report.passage.needed
    if needed == "none":
        return f"{findings}{excused}; nothing has changed since {old}\n"
    version = report.passage.needed_version
    return f"{findings}{excused}; since {old} the changes need {version} ({needed}), got {new}\n"


def _to_entry(verdict: Verdict, report: Report) -> dict[str, object]:
    span = verdict.sighting.span
    return {
        "rule": verdict.rule.id,
        "level": verdict.level,
        "path": span.path,
        "line": span.line,
        "column": span.column,
        "message": _say(verdict, report),
    }


def _to_findings(verdicts: Iterable[Verdict], report: Report) -> Iterable[Finding]:
    for verdict in verdicts:
        if verdict.weight != "info":
            yield Finding(
                span=verdict.sighting.span,
                rule=verdict.rule.id,
                message=f"{verdict.level}: {_say(verdict, report)}",
                level=verdict.weight,
            )


def _say(verdict: Verdict, report: Report) -> str:
    rule, sighting = verdict.rule, verdict.sighting
    text = f"{rule.name} {sighting.subject}: {sighting.what}; {rule.why}"
    ways = ways_of(verdict, report.passage) if verdict.weight != "info" else []
    return f"{text}; ways forward: {', or '.join(ways)}" if ways else text
