"""Texts that a hostile program might write into a log, and stories in which every text is one of them."""

import copy
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from types import MappingProxyType

TEXTS = {
    "image": '<img src=x onerror="alert(1)">',
    "script": '"></script><script>alert(1)</script>',
    "style": "</style><style>*{display:none}</style>",
    "svg": "</text></svg><svg onload=alert(1)>",
    "attribute": '" onmouseover="alert(1)" x=\'',
    "link": "javascript:alert(1)",
    "comment": "--><!-- <![CDATA[ ]]> &lt;b&gt; &#60;script&#62;",
    "template": "{{ 7 * 7 }}{% for x in y %}${7*7}",
    "expression": "datum['constructor']('alert(1)')()",
    "ansi": "\x1b[2J\x1b]52;c;ZXZpbA==\x07\x1b]8;;http://evil\x07",
    "bidi": "safe\u202egpj.exe\u2066\u200b\ufeff",
    "control": "a\x00b\r\n\u2028c\x85d",
    "surrogate": "lone \ud800 surrogate",
    "long": "x" * 1_000_000,
    "path": "../../../../etc/passwd",
    "formula": "=cmd|' /C calc'!A0",
    "markdown": "[x](http://evil) ![y](http://evil/z) `code` **b** | c | <b> # @someone http://evil www.evil",
}
"""By the kind of attack."""

_OF_THE_PROGRAM = {"axis", "event", "field", "kind"}
"""Fields that the fold sets and that no log can choose."""


def poison(story, text):
    """Return a copy of a story in which every text that comes from a log is `text`."""
    return _poison(story, text)


def _poison(value, text):
    if isinstance(value, str):
        return text
    if isinstance(value, Enum | Path) or value is None:
        return value
    if is_dataclass(value):
        changed = copy.copy(value)
        for field in fields(value):
            if field.name not in _OF_THE_PROGRAM:
                # The classes are frozen, and those of the contract check their values.
                object.__setattr__(changed, field.name, _poison(getattr(value, field.name), text))
        return changed
    if isinstance(value, dict | MappingProxyType):
        return {
            _poison(key, text) + str(number): _poison(item, text)
            for number, (key, item) in enumerate(value.items())
        }
    if isinstance(value, tuple):
        return tuple(_poison(item, text) for item in value)
    return value
