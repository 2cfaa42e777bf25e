"""Tasks from elsewhere: of a file, `path.py:NAME`, and of installed packages, by entry points."""

from importlib.metadata import EntryPoint
from typing import Final

from esper.leyline.arguments import describe
from esper.leyline.discovery import Discovery
from esper.leyline.errors import UsageError
from esper.tolaria.tasks.task import Task

TASKS: Final[Discovery[Task]] = Discovery(
    noun="task",
    group="esper.tasks",
    remedy="name an esper.Task of it",
    accepts=lambda value: isinstance(value, Task),
)


def load_installed(point: EntryPoint) -> Task:
    """Import the task of an entry point.

    Raises:
        UsageError: it is not a task, or has another name than its entry point.
    """
    task: object = point.load()
    if not isinstance(task, Task) or task.name != point.name:
        got = f"the task {task.name!r}" if isinstance(task, Task) else describe(task)
        raise UsageError(
            f"the entry point {point.name!r} of the group {TASKS.group} must be a task of that name, got {got}"
            f" from {point.value}; correct the package that offers it"
        )
    return task
