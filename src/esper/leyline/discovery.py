"""Objects from elsewhere: of a file, `path.py:NAME`, and of installed packages, by entry points."""

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Generic, TypeVar, final

from esper.leyline.errors import UsageError

_T = TypeVar("_T")


def is_place(name: str) -> bool:
    """Return whether `name` is a place in a file, such as `my_task.py:TASK`, and not the name of something known."""
    return name.rpartition(":")[0].endswith(".py")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Discovery(Generic[_T]):
    """Finds objects of one kind that users have written."""

    noun: str
    """The word for one in messages, such as `task`."""
    group: str
    """The group of entry points by which a package offers them; the name of an entry point is the object's."""
    remedy: str
    """The end of the message about a file without the object."""
    accepts: Callable[[object], bool]
    """Returns whether an object is of this kind."""

    def load_from_file(self, place: str) -> _T:
        """Run the Python file of `place`, `path.py:NAME`, and return the object that it calls NAME.

        What the file itself raises is not caught.

        Raises:
            UsageError: there is no such file, or no object of the kind has that name in it.
        """
        path_text, _, name = place.rpartition(":")
        path = Path(path_text)
        if not path.is_file():
            raise UsageError(
                f"a {self.noun}'s file must exist, got {path_text!r}; write path.py:NAME"
            )
        module_name = f"esper_{self.noun}_{path.stem}"
        spec = importlib.util.spec_from_file_location(module_name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        # Dataclasses and pickle look their module up.
        sys.modules[module_name] = module
        spec.loader.exec_module(module)
        found = {key: value for key, value in vars(module).items() if self.accepts(value)}
        if name not in found:
            raise UsageError(
                f"{path_text} must hold the {self.noun} {name!r}, got a file with"
                f" {', '.join(found) or f'no {self.noun} at its top level'}; {self.remedy}"
            )
        value: _T = found[name]
        return value

    def installed(self) -> dict[str, EntryPoint]:
        """Return the entry points by name; nothing is imported."""
        return {point.name: point for point in entry_points(group=self.group)}
