"""The tasks by name: those that Esper ships, those that users register, and those of installed packages."""

from esper.leyline.arguments import describe
from esper.leyline.discovery import is_place
from esper.leyline.errors import UsageError
from esper.tolaria.tasks.digits import DIGITS
from esper.tolaria.tasks.discovery import TASKS, load_installed
from esper.tolaria.tasks.mnist1d import MNIST1D
from esper.tolaria.tasks.pydoc import PYDOC
from esper.tolaria.tasks.task import Task

_TASKS = {task.name: task for task in (DIGITS, MNIST1D, PYDOC)}


def register_task(task: Task) -> Task:
    """Make `task` known by its name, and return it.

    `load` and `resume_run` find a run's task by the name that the run's files hold, so a program that loads or resumes a run
    of your own task registers the task first. Registering the same object again does nothing.

    Raises:
        UsageError: another task has the name, or `task` is not a `Task`.
    """
    check_task(task)
    if _TASKS.setdefault(task.name, task) is not task:
        raise UsageError(
            f'a task\'s name must be unique, got "{task.name}", which another task has;'
            " choose another name"
        )
    return task


def get_task(name: str) -> Task:
    """Return the task called `name`, or the one at a place in a file, `path.py:NAME`, which is then registered.

    Raises:
        UsageError: no task has the name, or there is none at the place.
    """
    if isinstance(name, str) and name not in _TASKS:
        if is_place(name):
            return register_task(TASKS.load_from_file(name))
        if (point := TASKS.installed().get(name)) is not None:
            return register_task(load_installed(point))
    if not isinstance(name, str) or name not in _TASKS:
        raise UsageError(
            f'no task {_quoted(name)}; there are: {", ".join(task_names())}; a task of your own is made'
            " known with esper.register_task, or named as path.py:NAME"
        )
    return _TASKS[name]


def task_names() -> tuple[str, ...]:
    """Return the names of all tasks, in the order of registration, then those of installed packages."""
    return tuple(dict.fromkeys((*_TASKS, *TASKS.installed())))


def check_task(task: object) -> None:
    """Check that `task` is a `Task`.

    Raises:
        UsageError: it is the name of a task, or anything else.
    """
    if not isinstance(task, Task):
        hint = (
            f"pass esper.get_task({task!r})"
            if task in task_names()
            else "build one with esper.Task"
        )
        raise UsageError(f"a task must be a Task, got {describe(task)}; {hint}")


def _quoted(name: object) -> str:
    return f'"{name}"' if isinstance(name, str) else describe(name)
