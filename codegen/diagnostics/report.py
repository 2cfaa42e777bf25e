"""Prints findings as text, as JSON, as annotations for GitHub, and as SARIF for code scanners."""

import json
from collections.abc import Callable, Iterable
from typing import Any

from .findings import Finding

_SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def report(findings: Iterable[Finding], form: str) -> str:
    """Return the findings in one of the `FORMATS`; the text ends with a line end unless it is empty."""
    return FORMATS[form](list(findings))


def _to_text(findings: list[Finding]) -> str:
    return "".join(f"{one.span}: {one.level} {one.rule} {_say(one)}\n" for one in findings)


def _to_json(findings: list[Finding]) -> str:
    entries = [
        {
            "rule": one.rule,
            "level": one.level,
            "path": one.span.path,
            "line": one.span.line,
            "column": one.span.column,
            "message": one.message,
            "hint": one.hint,
        }
        for one in findings
    ]
    return json.dumps(entries, indent=2) + "\n"


def _to_github(findings: list[Finding]) -> str:
    return "".join(
        f"::{one.level} file={_escape_property(one.span.path)},line={one.span.line},"
        f"col={one.span.column},title={_escape_property(one.rule)}::{_escape(_say(one))}\n"
        for one in findings
    )


def _to_sarif(findings: list[Finding]) -> str:
    rules = [{"id": rule} for rule in sorted({one.rule for one in findings})]
    run = {
        "tool": {"driver": {"name": "codegen", "rules": rules}},
        "results": [_to_result(one) for one in findings],
    }
    log = {"$schema": _SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(log, indent=2) + "\n"


def _to_result(finding: Finding) -> dict[str, Any]:
    region = {"startLine": finding.span.line, "startColumn": finding.span.column}
    location = {"artifactLocation": {"uri": finding.span.path}, "region": region}
    return {
        "ruleId": finding.rule,
        "level": finding.level,
        "message": {"text": _say(finding)},
        "locations": [{"physicalLocation": location}],
    }


def _say(finding: Finding) -> str:
    return f"{finding.message}; {finding.hint}" if finding.hint else finding.message


def _escape(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escape_property(text: str) -> str:
    return _escape(text).replace(":", "%3A").replace(",", "%2C")


FORMATS: dict[str, Callable[[list[Finding]], str]] = {
    "text": _to_text,
    "json": _to_json,
    "github": _to_github,
    "sarif": _to_sarif,
}
