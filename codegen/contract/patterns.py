"""The patterns that a contract may use: those that mean the same everywhere and cannot run away.

A pattern is a choice of sequences; an item of a sequence is a character, an escaped one, or a class of
characters, once or repeated. Without groups no repetition holds another, so matching never blows up, and
without shorthands like \\d no two languages differ over what matches.
"""

import re

_ESCAPED = r"\\[.*+?()\[\]{}|^$\\/-]"
_CLASS = rf"\[\^?(?:[^\[\]\\^]|{_ESCAPED})+\]"
_ITEM = rf"(?:{_CLASS}|{_ESCAPED}|[^\\.^$*+?()\[\]{{}}|])"
_COUNT = r"(?:[*+?]|\{[0-9]{1,4}(?:,[0-9]{0,4})?\})"
_PATTERN = re.compile(rf"(?:{_ITEM}{_COUNT}?|\|)*")
_HINT = (
    "use characters, classes like [a-z0-9], the repeats ? * + {2,8}, and | between whole choices"
)


def find_flaw(pattern: str) -> tuple[str, str] | None:
    """Return why a pattern cannot be used and the way out; None when it can."""
    match = _PATTERN.match(pattern)
    assert match, "the empty pattern matches everywhere"
    if match.end() < len(pattern):
        return f"the pattern is not understood from {pattern[match.end() :][:20]!r} on", _HINT
    try:
        re.compile(pattern)
    except (re.error, OverflowError) as error:
        return f"not a pattern: {error}", _HINT
    return None
