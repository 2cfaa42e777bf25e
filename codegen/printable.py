"""Text that a template may print.

A template prints what it is given, so a text from the contract could become code. Here it cannot: templates
print instances of a target's own `Printable` class only, and those are made by that target's quoting functions.
"""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from codegen.errors import UnprintableError

TEMPLATES = Path(__file__).parent / "templates"


class Printable(str):
    """Text in one output language that means what was meant; subclassed for each language."""

    __slots__ = ()


def environment(target: str, printable: type[Printable]) -> Environment:
    """Make the template environment of a target, which prints instances of `printable` only."""

    def finalize(value: object) -> object:
        if type(value) is not printable:
            raise UnprintableError(
                f"a template of {target} may print {printable.__name__} only, got {type(value).__name__}"
            )
        return value

    return Environment(
        loader=FileSystemLoader(TEMPLATES / target),
        undefined=StrictUndefined,
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
        autoescape=False,
    )
