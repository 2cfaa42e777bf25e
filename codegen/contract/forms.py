"""The forms of texts in a contract: names, units, versions, sentences."""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Form:
    """A kind of text: its description in messages, the pattern that the whole text matches, and its maximum length."""

    words: str
    pattern: str
    max_length: int = 64

    def fits(self, text: str) -> bool:
        """Return whether `text` has this form."""
        return len(text) <= self.max_length and re.fullmatch(self.pattern, text) is not None


NAME = Form("a lower-case name like order_id", r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
TYPE_NAME = Form("a name like OrderState", r"[A-Z][A-Za-z0-9]*")
CONSTANT = Form("an upper-case name like ORDER_PLACED", r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")
TYPE = Form('a type like int, OrderState or "str[]"', r"[A-Za-z][A-Za-z0-9]*(\[\]|\{\})*", 80)
UNIT = Form('a unit like ms, pp or "1"', r"[A-Za-z0-9%/^*.µ°-]+", 32)
VERSION = Form("a version like 1.0.0", r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)", 32)
WIRE_NAME = Form("a key like order_id", r"[!#-\[\]-~]([ !#-\[\]-~]*[!#-\[\]-~])?")
SENTENCE = Form("one paragraph of text", r"[^\s\n](.*\S)?", 2000)
REGEX = Form("a pattern", r".+", 256)
DATE = Form('a day like "2026-01-31"', r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])", 10)
PATH = Form(
    "a path like reason or items[].price",
    r"([A-Za-z_][A-Za-z0-9_-]*(\[\]|\{\})*\.)*[A-Za-z_][A-Za-z0-9_-]*",
    128,
)
EXEMPTED = Form(
    "a rule and its subject, like FLD001 ORDER_PLACED.total",
    r"[A-Z]{3}[0-9]{3} [A-Za-z][A-Za-z0-9_.-]*",
    160,
)
