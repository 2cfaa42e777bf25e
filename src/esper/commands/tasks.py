"""`esper tasks`: lists the tasks that `esper train --task` knows."""

import argparse
import json
import re
from typing import TypedDict

from esper.commands.terminal import make_console, print_line

NAME = "tasks"

_EPILOG = """\
A task of your own: esper train --task my_task.py:TASK, where TASK is an esper.Task in that file.
An installed package adds tasks with entry points of the group esper.tasks.
"""


class TaskJson(TypedDict):
    """A task."""

    name: str
    kind: str
    metric: str
    """What its accuracies are, in percent."""
    epochs: int
    data_hash: str | None
    """Hash of data that may differ elsewhere; null if they cannot."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command with its arguments."""
    parser = subparsers.add_parser(
        NAME,
        help="list the tasks",
        description="List the tasks by name, with their kind, metric, epochs and a hash of data that may differ elsewhere.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--json", action="store_true", help="print one JSON list instead of text")
    parser.set_defaults(run=run, parser=parser)


def run(options: argparse.Namespace) -> int:
    """Print a line for each task and return exit code 0.

    Raises:
        UsageError: an entry point is not a task.
    """
    from esper.tolaria.tasks.registry import get_task, task_names

    console = make_console()
    names = task_names()
    tasks: list[TaskJson] = [
        {
            "name": task.name,
            "kind": re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(task.objective).__name__).lower(),
            "metric": task.objective.metric,
            "epochs": task.epochs,
            "data_hash": None if task.data_hash is None else task.data_hash(),
        }
        for task in map(get_task, names)
    ]
    if options.json:
        print(json.dumps(tasks, indent=2))
        return 0
    width = max(map(len, names))
    for one in tasks:
        data = "" if one["data_hash"] is None else f", data {one['data_hash'][:12]}"
        text = f"{one['kind']}, {one['metric']} in %, {one['epochs']} epochs{data}"
        print_line(console, f"{one['name']:<{width}}  {text}")
    return 0
