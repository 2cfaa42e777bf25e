"""The tasks by name: those that Esper ships and those that users register."""

from esper.leyline.arguments import describe
from esper.leyline.errors import UsageError
from esper.tolaria.tasks.digits import DIGITS
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
    """Return the task called `name`.

    Raises:
        UsageError: no task has the name.
    """
    if not isinstance(name, str) or name not in _TASKS:
        raise UsageError(
            f'no task {_quoted(name)}; there are: {", ".join(task_names())}; a task of your own is made'
            " known with esper.register_task"
        )
    return _TASKS[name]


def task_names() -> tuple[str, ...]:
    """Return the names of all tasks, in the order of registration."""
    return tuple(_TASKS)


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
