"""`esper tasks`: lists the tasks that `esper train --task` knows."""

import argparse
import re

from esper.commands.terminal import make_console, print_line

NAME = "tasks"

_EPILOG = """\
A task of your own: esper train --task my_task.py:TASK, where TASK is an esper.Task in that file.
An installed package adds tasks with entry points of the group esper.tasks.
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command, which has no arguments."""
    parser = subparsers.add_parser(
        NAME,
        help="list the tasks",
        description="List the tasks by name, with their kind, metric, epochs and a hash of data that may differ elsewhere.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(run=run, parser=parser)


def run(_options: argparse.Namespace) -> int:
    """Print a line for each task and return exit code 0.

    Raises:
        UsageError: an entry point is not a task.
    """
    from esper.tolaria.tasks.registry import get_task, task_names

    console = make_console()
    names = task_names()
    width = max(map(len, names))
    for task in map(get_task, names):
        kind = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(task.objective).__name__).lower()
        metric = f"{task.objective.metric} in %"
        data = "" if task.data_hash is None else f", data {task.data_hash()[:12]}"
        print_line(console, f"{task.name:<{width}}  {kind}, {metric}, {task.epochs} epochs{data}")
    return 0
