"""Prints findings as text, as JSON, and in the formats of GitHub, GitLab, JUnit and SARIF."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from .findings import Finding

# Characters that XML 1.0 cannot contain, not even escaped.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
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


def _to_gitlab(findings: list[Finding]) -> str:
    """Write the code quality report of GitLab, which tells old findings from new ones by their fingerprints."""
    counts: Counter[tuple[str, ...]] = Counter()
    entries = []
    for one in findings:
        # Without the line, a finding stays the same when other parts of the file move.
        identity = (one.rule, one.span.path, one.message)
        counts[identity] += 1
        text = "\n".join([*identity, str(counts[identity])])
        entries.append(
            {
                "description": _say(one),
                "check_name": one.rule,
                "fingerprint": _hash(text),
                "severity": "major" if one.level == "error" else "minor",
                "location": {"path": one.span.path, "lines": {"begin": one.span.line}},
            }
        )
    return json.dumps(entries, indent=2) + "\n"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def _to_junit(findings: list[Finding]) -> str:
    """Write the results of tests: an error is a test that failed, a warning one that printed something.

    Without findings there is one test that passed, because some readers refuse a report without tests.
    """
    cases = [_to_case(one) for one in findings]
    cases = cases or ['    <testcase name="no findings" classname="codegen"/>\n']
    num_failures = sum(one.level == "error" for one in findings)
    counts = f'tests="{len(cases)}" failures="{num_failures}"'
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites {counts}>\n'
        f'  <testsuite name="codegen" {counts} errors="0">\n{"".join(cases)}  </testsuite>\n</testsuites>\n'
    )


def _to_case(finding: Finding) -> str:
    span = finding.span
    name = quoteattr(_NOT_XML.sub("", f"{finding.rule} {span}"))
    path = quoteattr(_NOT_XML.sub("", span.path))
    text = _NOT_XML.sub("", _say(finding))
    if finding.level == "error":
        result = f"<failure type={quoteattr(finding.rule)} message={quoteattr(text)}>{escape(f'{span}: {text}')}</failure>"
    else:
        result = f"<system-out>{escape(f'{span}: warning: {text}')}</system-out>"
    return f"    <testcase name={name} classname={path}>{result}</testcase>\n"


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
    "gitlab": _to_gitlab,
    "junit": _to_junit,
    "sarif": _to_sarif,
}
