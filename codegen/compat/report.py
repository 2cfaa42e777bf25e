"""Prints the result of a comparison: text with reasons and remedies, JSON, or plain findings for other tools."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from textwrap import indent

from ..contract.model import Contract
from ..diagnostics.findings import Finding
from ..diagnostics.report import report as report_findings
from .classification import Classification, Comparison
from .exemptions import format_exemption
from .remedies import remedies_for


@dataclass(frozen=True, kw_only=True)
class Report:
    """The result of a comparison."""

    contract: Contract
    """The new contract."""
    comparison: Comparison | None
    """None when there is no release to compare with."""
    findings: tuple[Classification, ...]
    """All changes and problems that are not exempted, harmless ones included."""
    excused: tuple[Classification, ...]
    today: date
    name: str = ""
    """The file of the contract, where the report is one of several; empty otherwise."""

    @property
    def has_errors(self) -> bool:
        """Whether anybody is broken whom the contract promised not to break."""
        return any(one.severity == "error" for one in self.findings)


def format_report(report: Report, form: str) -> str:
    """Return a report in a form: one of the `FORMATS` of diagnostics."""
    findings = sorted(report.findings, key=lambda one: (one.change.span, one.key, one.rule.name))
    if form == "text":
        return "".join(_to_text(one, report) for one in findings) + _summarize(report)
    if form == "json":
        return json.dumps([_to_entry(one, report) for one in findings], indent=2) + "\n"
    return report_findings(_to_findings(findings, report), form)


def _to_text(one: Classification, report: Report) -> str:
    rule, change = one.rule, one.change
    head = f"{change.span}: {rule.id} {one.affected}  {change.subject}: {change.description}"
    if one.severity == "info":
        return f"{head}\n"
    since = f" (was {report.comparison.diff.old.version})" if report.comparison else ""
    first, *rest = head.splitlines()
    lines = [first + since, *rest, f"why: {rule.name}: {rule.why}{_name_promise(one, report)}"]
    for remedy in remedies_for(one, report.comparison):
        lines.append(indent(f"remedy: {remedy}", "        ").lstrip())
    if rule.is_exemptable and _ends_with_exemption(one, report):
        lines += ["or, temporarily:", indent(format_exemption(one.key, report.today), "  ")]
    return indent("\n".join(lines), "    ").lstrip() + "\n"


def _name_promise(one: Classification, report: Report) -> str:
    """Return which promise counts, as the end of a sentence; empty where both versions promise the same."""
    if report.comparison is None:
        return ""
    diff = report.comparison.diff
    name = one.change.subject.partition(".")[0]
    pairs = [pair for pair in diff.event_pairs if pair.new.name == name]
    promised = [(pair.old.stability, pair.old.promise) for pair in pairs]
    promised_now = [(pair.new.stability, pair.new.promise) for pair in pairs]
    if promised == promised_now and diff.old.promise == diff.new.promise:
        return ""
    return f"; the promise of {diff.old.version} counts, which was released"


def _ends_with_exemption(one: Classification, report: Report) -> bool:
    """Return whether excusing a finding is enough: it fails the check, and the version is high enough for the change."""
    is_error = one.severity == "error"
    return is_error and (report.comparison is None or report.comparison.is_covered(one))


def _summarize(report: Report) -> str:
    num_errors = sum(one.severity == "error" for one in report.findings)
    findings = "1 finding" if num_errors == 1 else f"{num_errors} findings"
    findings = f"{report.name}: {findings}" if report.name else findings
    excused = f", {len(report.excused)} excused" if report.excused else ""
    comparison = report.comparison
    if comparison is None:
        state = "no release is found" if num_errors else "nothing has been released yet"
        return f"{findings}{excused}; {state}\n"
    old, new = comparison.diff.old.version, comparison.diff.new.version
    bump = comparison.needed_bump
    if bump == "none":
        return f"{findings}{excused}; nothing has changed since {old}\n"
    version = comparison.needed_version
    return f"{findings}{excused}; since {old} the changes need {version} ({bump}), got {new}\n"


def _to_entry(one: Classification, report: Report) -> dict[str, object]:
    span = one.change.span
    return {
        "rule": one.rule.id,
        "level": one.severity,
        "impact": str(one.violated),
        "path": span.path,
        "line": span.line,
        "column": span.column,
        "message": _describe(one, report),
    }


def _to_findings(classified: Iterable[Classification], report: Report) -> Iterable[Finding]:
    for one in classified:
        if one.severity != "info":
            yield Finding(
                span=one.change.span,
                rule=one.rule.id,
                message=f"{one.affected}: {_describe(one, report)}",
                level=one.severity,
            )


def _describe(one: Classification, report: Report) -> str:
    rule, change = one.rule, one.change
    text = f"{rule.name} {change.subject}: {change.description}; {rule.why}"
    remedies = remedies_for(one, report.comparison) if one.severity != "info" else []
    return f"{text}; remedies: {', or '.join(remedies)}" if remedies else text
