"""Hints for texts of a wrong form: what a reader of another language probably meant."""

import re

from .forms import CONSTANT, NAME, TYPE, TYPE_NAME, VERSION, Form

_LIST = re.compile(r"(?:list|tuple|set|sequence|array)[\[<](\w+)(?:, *\.\.\.)?[\]>]", re.I)
_MAP = re.compile(r"(?:dict|map|mapping|record)[\[<] *(?:str|string) *, *(\w+)[\]>]", re.I)
_NULLABLE = re.compile(r"(\w+)(?:\?| *\| *(?:None|null))|Optional\[(\w+)\]", re.I)
_OTHER_TYPES = {
    "string": "write str",
    "text": "write str",
    "integer": "write int",
    "long": "write int",
    "number": "write float, or int",
    "double": "write float",
    "boolean": "write bool",
    "object": "declare a record, and write its name",
    "dict": 'write a map like "float{}", or declare a record',
    "list": 'write a list like "str[]"',
    "bytes": "there is no type for bytes; write them as a str, in hexadecimal or base 64",
    **dict.fromkeys(
        ["datetime", "date", "time", "timestamp", "timedelta", "duration"],
        "a time is an int or a float with a unit, like ms",
    ),
}


def hint_for_text(form: Form, text: str, *, is_field: bool = False) -> str:
    """Return a hint for a text that does not have a form; empty if there is none.

    `is_field` is whether the text is the name of a field, which can have another key on the line.
    """
    if form is TYPE:
        return hint_for_type(text)
    if form is VERSION:
        return "write it like 2.0.0"
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+|[0-9]+", text)
    if not words or not re.fullmatch(r"[A-Za-z0-9_ .-]+", text):
        return ""
    meant = {
        NAME: "_".join(words).lower(),
        CONSTANT: "_".join(words).upper(),
        TYPE_NAME: "".join(one[:1].upper() + one[1:] for one in words),
    }.get(form)
    if meant is None or meant == text or not form.fits(meant):
        return ""
    rest = f", and keep the key with wire: {text}" if is_field else ""
    return f"write {meant}{rest}"


def hint_for_type(text: str) -> str:
    """Return a hint for a type that is not known; empty if there is none."""
    for pattern, brackets in ((_LIST, "[]"), (_MAP, "{}")):
        match = pattern.fullmatch(text)
        if match:
            return f'write "{match[1]}{brackets}", in quotes'
    match = _NULLABLE.fullmatch(text)
    if match:
        return f"write {match[1] or match[2]}, and add nullable: true"
    return _OTHER_TYPES.get(text.lower(), "")
