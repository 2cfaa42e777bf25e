"""The tasks by name."""

from esper.leyline.errors import UsageError
from esper.tolaria.tasks.digits import DIGITS
from esper.tolaria.tasks.task import Task

TASKS = {task.name: task for task in (DIGITS,)}


def get_task(name: str) -> Task:
    """Return the task called `name`.

    Raises:
        UsageError: there is none.
    """
    try:
        return TASKS[name]
    except KeyError:
        raise UsageError(f'no task "{name}"; there are: {", ".join(TASKS)}') from None
