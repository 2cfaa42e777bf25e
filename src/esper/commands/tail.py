"""`esper tail`: prints the newest events of a run, one a line, also while it goes on."""

import argparse
import sys
import time
from collections import deque
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import msgspec

from esper._generated.codec import encode_line, encode_payload
from esper._generated.registry import LEVELS
from esper.commands.run_arguments import add_run_arguments
from esper.commands.terminal import make_console, print_line
from esper.karn.watch.texts import show_clock
from esper.leyline.errors import UsageError
from esper.leyline.text import did_you_mean, printable
from esper.nissa.reader import LoggedEvent
from esper.nissa.run_edges import is_running
from esper.nissa.runs import resolve
from esper.nissa.shipping.follower import LogFollower
from esper.tolaria.training.stop_request import StopRequest, exit_code

NAME = "tail"

_BATCH_EVENTS = 1000
_POLL_INTERVAL_S = 0.2
_MAX_VALUE = 60
_EPILOG = """\
examples:
  esper tail latest                             the last ten events
  esper tail latest --follow --event 'SEED_*'   the life of the seeds, as it happens
  esper tail latest --json -n 0 --follow | jq   every new event as JSON, as the log has it
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command with its arguments."""
    parser = subparsers.add_parser(
        NAME,
        help="print the newest events of a run",
        description="Print the newest events of a run, one a line; of several ranks, rank by rank.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_run_arguments(parser)
    parser.add_argument(
        "--event",
        action="append",
        metavar="PATTERN",
        help="only events of these names, such as GOVERNOR_*; can be repeated",
    )
    parser.add_argument("--env", type=int, metavar="N", help="only events of this environment")
    parser.add_argument("--slot", metavar="ID", help="only events of this slot")
    parser.add_argument(
        "-n",
        "--lines",
        type=int,
        default=10,
        metavar="N",
        help="events to start with; -1 for all (default: %(default)s)",
    )
    parser.add_argument(
        "--follow", action="store_true", help="go on with new events until the run has ended"
    )
    parser.add_argument("--json", action="store_true", help="print lines as the log has them")
    parser.set_defaults(run=run, parser=parser)


def run(options: argparse.Namespace) -> int:
    """Print the events and return the exit code.

    Raises:
        RunNotFoundError: no run matches, or several do.
        LogError: the log cannot be read.
        UsageError: there is no such event.
    """
    folder = resolve(options.which, options.run_dir)
    for pattern in options.event or ():
        if not any(fnmatchcase(name, pattern) for name in LEVELS):
            raise UsageError(f'no event "{pattern[:200]}"{did_you_mean(pattern, LEVELS)}')
    follower = LogFollower(folder)
    last: deque[LoggedEvent] = deque(maxlen=None if options.lines < 0 else options.lines)
    while events := follower.read(_BATCH_EVENTS):
        last.extend(event for event in events if _is_wanted(event, options))
    _print(last, as_json=options.json)
    if not options.follow:
        return 0
    with StopRequest(lambda line: None) as stop:
        _follow(folder, follower, options, stop)
    return 0 if stop.number is None else exit_code(stop.number)


def _follow(
    folder: Path, follower: LogFollower, options: argparse.Namespace, stop: StopRequest
) -> None:
    """Print new events until no process writes the run, or the user stops."""
    while not stop.is_made():
        is_going_on = is_running(folder)
        events = follower.read(_BATCH_EVENTS)
        if follower.is_superseded:
            follower.accept()
            continue
        _print((event for event in events if _is_wanted(event, options)), as_json=options.json)
        if events:
            continue
        if not is_going_on:
            return
        time.sleep(_POLL_INTERVAL_S)


def _is_wanted(event: LoggedEvent, options: argparse.Namespace) -> bool:
    envelope, payload = event
    if options.event and not any(fnmatchcase(envelope.event, one) for one in options.event):
        return False
    if options.env is None and options.slot is None:
        return True
    values = _values(payload)
    return (options.env is None or values.get("env_id") == options.env) and (
        options.slot is None or values.get("slot_id") == options.slot
    )


def _print(events: Iterable[LoggedEvent], *, as_json: bool) -> None:
    console = make_console()
    for event in events:
        if as_json:
            print(encode_line(*event).decode(), end="")
        else:
            print_line(console, _describe(event))
    sys.stdout.flush()


def _describe(event: LoggedEvent) -> str:
    """Return an event as one line: time, rank, epoch, name, and the values that are not empty."""
    envelope, payload = event
    rank = f" rank {envelope.rank}" if envelope.rank else ""
    epoch = "" if envelope.epoch is None else f" epoch {envelope.epoch}"
    shown = " ".join(
        f"{name}={_show(value)}" for name, value in _values(payload).items() if value is not None
    )
    return f"{show_clock(envelope.t_wall_ns)}{rank}{epoch} {envelope.event} {shown}"


def _values(payload: Any) -> dict[str, Any]:
    values: dict[str, Any] = msgspec.json.decode(encode_payload(payload))
    return values


def _show(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return printable(text, _MAX_VALUE)
