"""Text that a template may print.

A template prints what it is given, so a text from the contract could become code. Here it cannot: templates
print instances of a target's own `Printable` class only, and those are made by that target's quoting functions.
"""

from pathlib import Path

from jinja2 import BytecodeCache, Environment, FileSystemLoader, StrictUndefined
from jinja2.bccache import Bucket

from ..atomic import write_atomically
from ..diagnostics.errors import UnprintableError

TEMPLATES = Path(__file__).parents[1] / "templates"


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
        bytecode_cache=_Compiled(TEMPLATES / target / "__pycache__"),
    )


class _Compiled(BytecodeCache):
    """Keeps compiled templates beside them, as Python keeps compiled modules; jinja2 checks that they are current."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load_bytecode(self, bucket: Bucket) -> None:
        try:
            with (self._folder / bucket.key).open("rb") as file:
                bucket.load_bytecode(file)
        except OSError:
            # It has not been compiled yet.
            bucket.reset()

    def dump_bytecode(self, bucket: Bucket) -> None:
        try:
            self._folder.mkdir(exist_ok=True)
            write_atomically(self._folder / bucket.key, bucket.bytecode_to_string())
        except OSError:
            # What cannot be kept is compiled again.
            return
