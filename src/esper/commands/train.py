"""`esper train`: trains a network on a task, or resumes a run, and prints the summary.

Its options are the fields of `RunSettings`, apart from `--run-dir` and `--resume`.
"""

import argparse
import shlex
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from esper._generated.enums import RunOutcome
from esper.commands.run_arguments import DEFAULT_RUN_DIR, add_run_dir
from esper.commands.ship import add_to
from esper.commands.terminal import (
    discard_output,
    flush_output,
    make_console,
    print_error,
    print_line,
)
from esper.karn.report.availability import can_report
from esper.karn.story import RunStory
from esper.karn.summary import render
from esper.leyline.discovery import is_place
from esper.leyline.errors import UsageError
from esper.leyline.policy import GrowthPolicy
from esper.nissa.runs import resolve
from esper.nissa.sinks.progress import ProgressSink
from esper.tamiyo.registry import DEFAULT, absolute, build_policy
from esper.tolaria.training.run_settings import SETTINGS, RunSettings, Setting, load_settings
from esper.tolaria.training.stop_request import StopAtOnce, StopRequest, exit_code

if TYPE_CHECKING:
    # The command line starts without PyTorch.
    from esper.tolaria.tasks.task import Task

_EPILOG = """\
examples:
  esper train                             grow a network on digits, some ten seconds on a laptop
  esper train --seed 3 --epochs 80        another seed, more epochs
  esper train --task my_task.py:TASK      a task of your own, in a Python file
  esper train --policy none               the host alone; esper policies lists the policies
  esper train --inject-fault nan@12       break the run at epoch 12 and watch the governor roll back
  esper train --to tensorboard            carry the events to TensorBoard while the run goes on
  esper train --resume latest             continue a run that was killed or interrupted

signals:    the first Ctrl-C, SIGTERM or SIGHUP ends the run in order, with the network saved,
            the second one at once; the run can be resumed
exit codes: 0 all epochs are trained, 1 the end of the log is missing,
            2 bad usage, 3 the governor stopped the run, 70 the run failed,
            130, 143, 129 ended by Ctrl-C, SIGTERM, SIGHUP
"""

# The help lists how to train, then the folder, then comparison, faults and checkpoints.
_SETTING_BEFORE_RUN_DIR = "detector"

_POLICY_OF_EARLIER_VERSIONS = "heuristic"
"""Their settings do not name the policy."""

_CHANGEABLE_ON_RESUME = ("epochs", "device")

NAME = "train"

_EXIT_CODES: dict[RunOutcome | None, int] = {RunOutcome.COMPLETED: 0, RunOutcome.STOPPED: 3}
_NOT_COMPLETED = 1
"""Exit code if the log does not hold the end, which was lost on a full disk for example."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command with its arguments."""
    parser = subparsers.add_parser(
        NAME,
        help="grow a network on a task",
        description="Grow a network on a task, under the governor, and compare it with its host alone.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    for setting in SETTINGS:
        add_option(parser, setting)
        if setting.name == _SETTING_BEFORE_RUN_DIR:
            add_run_dir(parser)
    parser.add_argument(
        "--resume",
        metavar="RUN",
        help="continue a run from its newest checkpoint; --epochs may be raised",
    )
    add_to(parser, config_flag="--ship-config")
    parser.add_argument(
        "--sample-system",
        type=float,
        dest="system_interval_s",
        metavar="SECONDS",
        help="time between two samples of processor, memory, disk and GPUs, which need the extra: system; 0: never (default: 5)",
    )
    parser.set_defaults(run=run, parser=parser)


def run(options: argparse.Namespace) -> int:
    """Train, print the summary, and return the exit code.

    Raises:
        UsageError: an argument cannot be used.
        RunNotFoundError: the run to resume does not exist, or its settings are missing or damaged.
        CheckpointError, LogError: the files of the run to resume do not fit the task or each other.
        MissingExtraError: the task needs a package that is not installed.
    """
    given = given_settings(options)
    task = given.get("task", "")
    console = make_console()
    start = _start if options.resume is None else _resume
    stop = StopRequest(lambda line: print_line(console, line))
    with stop:
        try:
            story = start(options, given, console, stop)
        except Exception as error:
            if stop.number is None:
                raise
            # An import that is interrupted may raise anything.
            raise StopAtOnce(stop.number) from error
    try:
        render(story, console)
        if can_report():
            print_line(console, f"To see it with charts: {_report_command(options.run_dir)}")
        if story.outcome is RunOutcome.INTERRUPTED:
            print_line(console, f"To continue: {_resume_command(story, task, options.run_dir)}")
        flush_output()
    except OSError as error:
        # The run counts, not whether somebody reads about it.
        discard_output()
        print_error(f"esper train: the summary cannot be printed ({error.strerror})")
    if story.outcome is RunOutcome.INTERRUPTED:
        return exit_code(stop.number or signal.SIGINT)
    return _EXIT_CODES.get(story.outcome, _NOT_COMPLETED)


def _resume_command(story: RunStory, task: str, run_dir: Path) -> str:
    # The run's files hold the name of its task alone, so that of a file has to be given again.
    place = ["--task", task] if is_place(task) else []
    return _with_run_dir(["esper", "train", "--resume", story.folder.name, *place], run_dir)


def _report_command(run_dir: Path) -> str:
    return _with_run_dir(["esper", "report", "latest"], run_dir)


def _with_run_dir(words: list[str], run_dir: Path) -> str:
    place = [] if run_dir == DEFAULT_RUN_DIR else ["--run-dir", str(run_dir)]
    return shlex.join([*words, *place])


def add_option(parser: argparse.ArgumentParser, setting: Setting) -> None:
    """Add the option of `setting`, which is in the parsed namespace only if the user gives it."""
    option = setting.option
    common: dict[str, Any] = {
        "dest": setting.name,
        "default": argparse.SUPPRESS,
        # argparse formats help texts with `%`.
        "help": _help_text(setting).replace("%", "%%"),
    }
    if setting.type is bool:
        # A switch turns the default around.
        parser.add_argument(setting.flag, action="store_const", const=not setting.default, **common)
        return
    parser.add_argument(
        setting.flag,
        type=setting.type,
        choices=setting.choices or None,
        metavar=option.metavar,
        action="append" if setting.is_repeatable else "store",
        **common,
    )


def given_settings(options: argparse.Namespace) -> dict[str, Any]:
    """Return the settings that the user gave, by field name.

    Raises:
        UsageError: a value is outside its limits.
    """
    given = {}
    for setting in SETTINGS:
        if setting.name in options:
            value = getattr(options, setting.name)
            value = tuple(value) if setting.is_repeatable else value
            setting.check(setting.flag, value)
            given[setting.name] = value
    return given


def _help_text(setting: Setting) -> str:
    if setting.type is bool or setting.is_repeatable:
        return setting.option.help
    default = setting.option.default_text or setting.default
    return f"{setting.option.help} (default: {default})"


def _start(
    options: argparse.Namespace, given: dict[str, Any], console: Console, stop: StopRequest
) -> RunStory:
    # PyTorch takes a second to import, which commands that only read a run need not pay.
    from esper.running import run_task
    from esper.tolaria.tasks.registry import get_task

    # As it was asked for, so that the run is resumed with the same policy, from any folder.
    given["policy"] = absolute(given.get("policy", DEFAULT))
    settings = RunSettings(**given)
    task = get_task(settings.task)
    return run_task(
        task,
        settings,
        policy=_policy(task, settings),
        run_dir=options.run_dir,
        to=options.to,
        ship_config=options.ship_config,
        system_interval_s=options.system_interval_s,
        should_stop=stop.is_made,
        **_progress(console, settings.epochs_of(task)),
    )


def _resume(
    options: argparse.Namespace, given: dict[str, Any], console: Console, stop: StopRequest
) -> RunStory:
    from esper.running import resume_run
    from esper.tolaria.tasks.registry import get_task

    if is_place(given.get("task", "")):
        # The run's files hold the name of the task alone; this makes it known.
        get_task(given.pop("task"))
    for setting in SETTINGS:
        if setting.name in given and setting.name not in _CHANGEABLE_ON_RESUME:
            raise UsageError(
                f"{setting.flag} must be given when a run starts, got it with --resume; leave it out"
            )
    folder = resolve(options.resume, options.run_dir)
    settings = load_settings(folder).resumed(**given)
    task = get_task(settings.task)
    return resume_run(
        folder,
        policy=_policy(task, settings),
        to=options.to,
        ship_config=options.ship_config,
        system_interval_s=options.system_interval_s,
        should_stop=stop.is_made,
        notify=lambda line: print_line(console, line),
        **given,
        **_progress(console, settings.epochs_of(task)),
    )


def _policy(task: "Task", settings: RunSettings) -> GrowthPolicy | None:
    """Return a new policy of the run, with the blueprints that suit the task's host."""
    name = _POLICY_OF_EARLIER_VERSIONS if settings.policy is None else settings.policy
    return build_policy(name, blueprint_ids=task.blueprint_ids, seed=settings.seed)


def _progress(console: Console, epochs: int) -> dict[str, Any]:
    """Return the arguments of a run that show its progress on `console`."""
    return {
        "sinks": [ProgressSink(console, epochs=epochs, title="growing")],
        "baseline_sinks": [ProgressSink(console, epochs=epochs, title="host alone")],
    }
