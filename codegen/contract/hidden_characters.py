"""Finds characters that a reader of the contract would not see, or would see in another order."""

import re

from ..diagnostics.findings import Findings, Span

# Controls but the line feed, surrogates, and Unicode's format characters and line separators:
# all of these hide text, reorder it, or end a line in one tool and not in another.
_HIDDEN = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u180e\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff\U000110bd\U000e0000-\U000e007f]"
)
_MAX_REPORTED = 20


def find_unprintable(text: str, where: str | Span, findings: Findings) -> bool:
    """Add a finding for each hidden character of `text`; return whether there were any.

    `where` is the name of the file that the text is, or the place of the value that it is.
    """
    matches = [
        match for _, match in zip(range(_MAX_REPORTED), _HIDDEN.finditer(text), strict=False)
    ]
    for match in matches:
        character = f"U+{ord(match.group()):04X}"
        if match.group() == "\t":
            message, hint = "tabs are refused", "use spaces"
        else:
            message, hint = f"the hidden character {character} is refused", "remove it"
        findings.add(_locate(text, match.start(), where), "YAML013", message, hint)
    return bool(matches)


def _locate(text: str, index: int, where: str | Span) -> Span:
    if isinstance(where, Span):
        return where
    line_start = text.rfind("\n", 0, index) + 1
    return Span(where, text.count("\n", 0, line_start) + 1, index - line_start + 1)
