"""`esper ship`: carries the log of a run to other tools."""

import argparse
import json
from pathlib import Path
from typing import Any

from esper.commands.run_arguments import add_run_arguments
from esper.commands.terminal import make_console, print_error, print_line
from esper.leyline.errors import MissingExtraError, UsageError
from esper.leyline.text import encodable, pluralize, printable
from esper.nissa.runs import resolve
from esper.nissa.shipping.config import LEVEL_ORDER, ShipConfig, load_config
from esper.nissa.shipping.registry import BUILT_IN, Target, check_installed, load_sink, sink_names
from esper.nissa.shipping.status import read_status
from esper.nissa.shipping.supervisor import Ending, Outcome, supervise
from esper.tolaria.training.stop_request import StopRequest, exit_code

NAME = "ship"

_EPILOG = """\
examples:
  esper ship latest --to tensorboard          then: tensorboard --logdir runs
  esper ship latest --to csv:table --follow   carry events while the run goes on, into the folder table
  esper ship latest --to my_sink.py:MySink    a sink of your own: a subclass of esper.LogSink
  esper ship latest --status                  how far each sink is

Each sink has a process of its own and a position in the log, in the run's folder: after a kill, an outage or a restart
it continues there. A finished run can be shipped at any time.
exit codes: 0 the sinks have all events, 1 a sink does not, 2 bad usage
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command with its arguments."""
    parser = subparsers.add_parser(
        NAME,
        help="carry the log of a run to other tools",
        description="Carry the events of a run's log to other tools, each from where it was.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_run_arguments(parser)
    add_to(parser, config_flag="--config")
    parser.add_argument(
        "--follow", action="store_true", help="wait for further events until the run has ended"
    )
    add_selection(parser)
    parser.add_argument(
        "--status", action="store_true", help="only print how far each sink of the run is"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    parser.set_defaults(run=run, parser=parser)


def add_to(parser: argparse.ArgumentParser, *, config_flag: str) -> None:
    """Add the options that name sinks and the file with their settings."""
    # Not the names of installed packages, whose search takes a tenth of the time that a command needs to start.
    parser.add_argument(
        "--to",
        action="append",
        default=[],
        metavar="NAME[:ARG]",
        help=f"a sink: {', '.join(BUILT_IN)}, one of an installed package, or FILE.py:CLASS; can be repeated",
    )
    parser.add_argument(
        config_flag,
        dest="ship_config",
        type=Path,
        metavar="FILE",
        help="settings of sinks, a TOML file with tables [defaults] and [sinks.NAME]",
    )


def add_selection(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose events and fields."""
    parser.add_argument(
        "--events",
        action="append",
        metavar="PATTERN",
        help="carry only events of these names, such as GOVERNOR_*; can be repeated",
    )
    parser.add_argument(
        "--exclude", action="append", metavar="PATTERN", help="leave out events of these names"
    )
    parser.add_argument(
        "--min-level", choices=LEVEL_ORDER, help="leave out events below this level"
    )
    parser.add_argument(
        "--sample",
        action="append",
        metavar="PATTERN=PART",
        help="carry only a part of the events of these names, such as METRICS_LOGGED=0.1",
    )
    parser.add_argument(
        "--reveal",
        action="append",
        metavar="EVENT.FIELD",
        help="carry this sensitive field, too, such as RUN_FINISHED.error_message",
    )


def given_settings(options: argparse.Namespace) -> dict[str, Any]:
    """Return the settings of sinks that the user gave as options.

    Raises:
        UsageError: a sample is not of the form PATTERN=PART.
    """
    given = {
        "events": options.events,
        "exclude": options.exclude,
        "reveal": options.reveal,
        "min_level": options.min_level,
        "sample": dict(map(_parse_sample, options.sample)) if options.sample else None,
    }
    return {name: value for name, value in given.items() if value is not None}


def run(options: argparse.Namespace) -> int:
    """Ship, print how that went, and return the exit code.

    Raises:
        RunNotFoundError: no run matches, or several do.
        UsageError: a sink or a setting cannot be used.
    """
    folder = resolve(options.which, options.run_dir)
    if options.status:
        return _print_status(folder, options.json)
    targets = _find_targets(options)
    _check_encodable(str(folder.absolute()), *(target.text for target, _ in targets))
    is_skipped = len(targets) < len(options.to)
    with StopRequest(lambda _: print_error("esper ship: ends after a last commit")) as stop:
        outcomes = supervise(folder, targets, follow=options.follow, should_stop=stop.is_made)
    _print_outcomes(outcomes, as_json=options.json)
    if stop.number is not None:
        return exit_code(stop.number)
    if any(one.ending is Ending.REFUSED for one in outcomes):
        return 2
    return 1 if is_skipped or any(one.ending is not Ending.FINISHED for one in outcomes) else 0


def _find_targets(options: argparse.Namespace) -> list[tuple[Target, ShipConfig]]:
    """Return the sinks to ship to with their settings; print a note for each whose package is missing.

    Raises:
        UsageError: there is no sink, or one is named twice, or a setting cannot be used.
        MissingExtraError: the package of the only sink is missing.
    """
    if not options.to:
        raise UsageError(f"name a sink, such as --to csv; there are: {', '.join(sink_names())}")
    given = given_settings(options)
    found: list[tuple[Target, ShipConfig]] = []
    for text in options.to:
        target = Target.parse(text)
        if any(target.label == one.label for one, _ in found):
            raise UsageError(f"a sink must be named once, got --to {text} twice")
        config = load_config(options.ship_config, target.name, given)
        try:
            check_installed(load_sink(target.name), target.name)
        except MissingExtraError as error:
            if len(options.to) == 1:
                raise
            print_error(f"esper ship: {target.text} is skipped: {error}")
            continue
        found.append((target, config))
    return found


def _check_encodable(*texts: str) -> None:
    """Check that texts can be passed to the processes of the sinks, and be written into their logs.

    Raises:
        UsageError: one has bytes that are not UTF-8.
    """
    for text in texts:
        if text != encodable(text):
            raise UsageError(
                f"folders and sinks must have names in UTF-8, got {printable(text)}; rename it, or make a link to it"
            )


def _parse_sample(text: str) -> tuple[str, float]:
    pattern, _, part = text.rpartition("=")
    try:
        return pattern, float(part)
    except ValueError as error:
        raise UsageError(
            f"--sample must be PATTERN=PART, such as METRICS_LOGGED=0.1, got {text}"
        ) from error


def _print_outcomes(outcomes: list[Outcome], *, as_json: bool) -> None:
    if as_json:
        plain = [
            {
                "sink": one.target.label,
                "ending": one.ending.name.lower(),
                "written": None if one.counts is None else one.counts.num_written,
                "left_out": None if one.counts is None else one.counts.num_left_out,
                "failures": None if one.counts is None else one.counts.num_failures,
                "waiting_bytes": None if one.counts is None else one.counts.waiting_bytes,
            }
            for one in outcomes
        ]
        print(json.dumps(plain, indent=2))
        return
    console = make_console()
    for one in outcomes:
        written = "nothing" if one.counts is None else pluralize(one.counts.num_written, "event")
        end = (
            "the whole log"
            if one.ending is Ending.FINISHED
            else f"not finished: {one.ending.value}"
        )
        print_line(console, f"{one.target.label}: {written} written, {end}")


def _print_status(folder: Path, as_json: bool) -> int:
    """Print the newest SINK_STATS of each sink and return 0 if all are finished, else 1."""
    status = read_status(folder)
    if as_json:
        print(json.dumps([one.as_dict() for one in status], indent=2))
    else:
        console = make_console()
        for one in status:
            print_line(console, one.as_line())
        if not status:
            print_line(console, f"{folder.name} has not been shipped")
    return 0 if all(one.is_finished for one in status) else 1
