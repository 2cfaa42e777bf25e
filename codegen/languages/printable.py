"""Text that templates may print, and the environment that refuses to print any other text.

If a template could print a text of the contract directly, that text could become code. So a template prints only
instances of its language's own subclass of `Printable`, which only the quoting functions of that language create.
"""

from pathlib import Path

from jinja2 import Environment, FileSystemBytecodeCache, FileSystemLoader, StrictUndefined
from jinja2.bccache import Bucket

from ..diagnostics.errors import UnprintableError

TEMPLATES = Path(__file__).parents[1] / "templates"


class Printable(str):
    """Correctly quoted text in one output language; each language has a subclass."""

    __slots__ = ()


class BytecodeCache(FileSystemBytecodeCache):
    """Keeps compiled templates in `__pycache__` next to them; jinja2 compiles a template again if it has changed.

    If that folder cannot be written, as in a read-only installation, each process compiles the templates it uses.
    """

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Store a compiled template if possible."""
        try:
            Path(self.directory).mkdir(exist_ok=True)
            super().dump_bytecode(bucket)
        except OSError:
            return


def environment(target: str, printable: type[Printable]) -> Environment:
    """Return the environment for the templates of a target, which prints only instances of `printable`.

    Rendering a template that prints any other value raises UnprintableError.
    """

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
        bytecode_cache=BytecodeCache(str(TEMPLATES / target / "__pycache__")),
    )
