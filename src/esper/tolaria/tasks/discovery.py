"""Tasks from elsewhere: of a file, `path.py:NAME`, and of installed packages, by entry points."""

import importlib.util
import sys
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Final

from esper.leyline.arguments import describe
from esper.leyline.errors import UsageError
from esper.tolaria.tasks.task import Task

ENTRY_POINTS: Final = "esper.tasks"
"""The group of entry points by which a package offers tasks; the name of an entry point is the task's."""


def is_place(name: str) -> bool:
    """Return whether `name` is a place in a file, such as `my_task.py:TASK`, and not the name of a task."""
    return name.rpartition(":")[0].endswith(".py")


def load_from_file(place: str) -> Task:
    """Run the Python file of `place`, `path.py:NAME`, and return the task that it calls NAME.

    What the file itself raises is not caught.

    Raises:
        UsageError: there is no such file, or no task of that name in it.
    """
    path_text, _, name = place.rpartition(":")
    path = Path(path_text)
    if not path.is_file():
        raise UsageError(f"a task's file must exist, got {path_text!r}; write path.py:NAME")
    module_name = f"esper_task_{path.stem}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses and pickle look their module up.
    sys.modules[module_name] = module
    spec.loader.exec_module(module)
    tasks = {key: value for key, value in vars(module).items() if isinstance(value, Task)}
    if name not in tasks:
        raise UsageError(
            f"{path_text} must hold the task {name!r}, got a file with"
            f" {', '.join(tasks) or 'no task at its top level'}; name an esper.Task of it"
        )
    return tasks[name]


def installed() -> dict[str, EntryPoint]:
    """Return the entry points of tasks by name; nothing is imported."""
    return {point.name: point for point in entry_points(group=ENTRY_POINTS)}


def load_installed(point: EntryPoint) -> Task:
    """Import the task of an entry point.

    Raises:
        UsageError: it is not a task, or has another name than its entry point.
    """
    task: object = point.load()
    if not isinstance(task, Task) or task.name != point.name:
        got = f"the task {task.name!r}" if isinstance(task, Task) else describe(task)
        raise UsageError(
            f"the entry point {point.name!r} of the group {ENTRY_POINTS} must be a task of that name, got {got}"
            f" from {point.value}; correct the package that offers it"
        )
    return task
