"""Reads unquoted YAML words: true, false, null, a decimal integer, a decimal fraction, or text.

A word that YAML 1.1, YAML 1.2 and people do not all read in the same way is a finding.
"""

import math
import re

from ..diagnostics.findings import Findings, Span

_MAX_INT = 2**63

_INT = re.compile(r"-?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"-?(0|[1-9][0-9]*)\.[0-9]+(e[+-][0-9]+)?")
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None}
_DOUBTFUL = re.compile(r"yes|no|on|off|y|n|none|nil", re.I)
_AMBIGUOUS = (
    (re.compile(r"|~"), 'write null, or "" for an empty text'),
    (re.compile(r"yes|no|on|off|y|n|true|false", re.I), "write true or false, or quote it"),
    (re.compile(r"null|none|nil", re.I), "write null, or quote it"),
    (re.compile(r"[-+]?0[0-9_]+"), "write it without leading zeros, or quote it"),
    (re.compile(r"[-+]?0[xob][0-9a-f_]+", re.I), "write it in decimal, or quote it"),
    (re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?"), "quote it"),
    (re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}.*"), "quote it"),
    (re.compile(r"[-+]?\.(nan|inf)", re.I), "write a finite number, or quote it"),
    (
        re.compile(r"[-+]?([0-9_]+(\.[0-9_]+)?|\.[0-9_]+)\.?(e[-+]?[0-9_]+)?", re.I),
        "write it like 12, 0.5 or 1.0e-3, or quote it",
    ),
)


def is_doubtful(text: str) -> bool:
    """Return whether an unquoted word is a text in YAML 1.2, but true, false or null elsewhere or to some people."""
    return _DOUBTFUL.fullmatch(text) is not None


def read_plain(text: str, span: Span, findings: Findings) -> str | int | float | bool | None:
    """Return the value of an unquoted word; an ambiguous word is a finding, and its value is its text."""
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return _read_int(text, span, findings)
    if _FLOAT.fullmatch(text):
        return _read_float(text, span, findings)
    for pattern, hint in _AMBIGUOUS:
        if pattern.fullmatch(text):
            findings.add(span, "YAML011", f"{text[:40] or 'an empty value'} is ambiguous", hint)
            return text
    return text


def _read_int(text: str, span: Span, findings: Findings) -> int:
    # The length comes first: int() itself refuses thousands of digits, with no place.
    if len(text) > 20 or not -_MAX_INT <= int(text) < _MAX_INT:
        findings.add(span, "YAML012", f"an integer must fit 64 bits, got {text[:40]}")
        return 0
    if text == "-0":
        findings.add(span, "YAML011", "-0 is ambiguous", "write 0, or -0.0")
    return int(text)


def _read_float(text: str, span: Span, findings: Findings) -> float:
    value = float(text)
    if math.isinf(value):
        findings.add(span, "YAML012", f"a number must be finite, got {text[:40]}")
        return 0.0
    return value
