"""`esper gc`: removes old or large runs, after a look at the list."""

import argparse
import json
import re
import sys
import time
from pathlib import Path

from esper.commands.run_arguments import add_run_dir, check_run_dir
from esper.commands.terminal import make_console, print_error, print_line
from esper.karn.listing import as_dict, format_size, render_runs
from esper.karn.overview import RunOverview, read_overview
from esper.leyline.errors import UsageError
from esper.leyline.text import pluralize, printable
from esper.nissa.removal import changed_s, clear_removed, find_obstacle, remove_run
from esper.nissa.runs import list_runs

NAME = "gc"

_FAILED_EXIT_CODE = 1
_QUANTITY = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)\s*([A-Za-z]*)", re.ASCII)
_SECONDS = {"m": 60, "h": 3600, "d": 86400, "w": 604800}
_BYTES: dict[str, float] = {
    unit: base**power
    for power, letter in enumerate("KMGT", 1)
    for unit, base in ((f"{letter}B", 1000), (f"{letter}iB", 1024))
} | {"B": 1}
_EPILOG = """\
A run is removed if it fits all of --keep, --older-than and --larger-than that are given. Nothing is removed without --remove,
which asks first, or --yes, which does not. Kept in any case: runs that a process writes or ships, links, folders without a
readable log; and runs with tags, unless --tagged is given.

examples:
  esper gc --older-than 30d                    the runs that would be removed
  esper gc --keep 20 --remove                  all but the 20 newest, after a question
  esper gc --larger-than 1GB --older-than 2w --yes
exit codes: 0 done, 1 a run could not be removed, 2 bad usage
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command with its arguments."""
    parser = subparsers.add_parser(
        NAME,
        help="remove old or large runs",
        description="List the runs that are old or large, and remove them if you say so.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_run_dir(parser)
    parser.add_argument("--keep", type=_count, metavar="N", help="all but the N newest runs")
    parser.add_argument(
        "--older-than",
        type=_duration,
        metavar="AGE",
        help="runs whose log was last written before, such as 30d; units: m, h, d, w",
    )
    parser.add_argument(
        "--larger-than",
        type=_size,
        metavar="SIZE",
        help="runs whose folders are larger, such as 1GB; units: B, KB, MB, GB, TB, KiB, MiB, GiB, TiB",
    )
    parser.add_argument("--tagged", action="store_true", help="runs with tags, too")
    parser.add_argument("--remove", action="store_true", help="remove them, after a question")
    parser.add_argument("--yes", action="store_true", help="remove them without a question")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    parser.set_defaults(run=run, parser=parser)


def run(options: argparse.Namespace) -> int:
    """List the runs, remove them if that is asked for, and return the exit code.

    Raises:
        UsageError: no condition is given, or the question cannot be asked.
        RunNotFoundError: the folder of runs does not exist or cannot be read.
    """
    if options.keep is None and options.older_than is None and options.larger_than is None:
        raise UsageError(
            "say which runs: --keep N, --older-than AGE or --larger-than SIZE, such as --older-than 30d"
        )
    root: Path = options.run_dir
    check_run_dir(root)
    is_asked = options.remove and not options.yes
    if is_asked and (options.json or sys.stdin is None or not sys.stdin.isatty()):
        raise UsageError("--remove asks on a terminal, which this is not; give --yes")
    removable, kept = _choose(options)
    if not options.json:
        _print_choice(removable, kept, root)
    is_removing = options.yes or (options.remove and bool(removable) and _ask(removable))
    removed, failed = _remove(removable, root) if is_removing else ([], {})
    if options.json:
        document = {
            "folder": str(root),
            "is_dry_run": not is_removing,
            "runs": [as_dict(one) for one in removable],
            "kept": kept,
            "removed": removed,
            "failed": failed,
        }
        print(json.dumps(document, indent=2))
    elif is_removing:
        print_line(make_console(), f"removed {pluralize(len(removed), 'run')}")
    elif removable and not options.remove:
        print_line(make_console(), "nothing was removed; to remove them: --remove")
    for name, reason in failed.items():
        print_error(f"esper gc: {name} could not be removed: {reason}")
    return _FAILED_EXIT_CODE if failed else 0


def _choose(options: argparse.Namespace) -> tuple[list[RunOverview], dict[str, str]]:
    """Return the runs that fit, and the reasons why others that fit are kept, by name."""
    removable: list[RunOverview] = []
    kept: dict[str, str] = {}
    for folder in list_runs(options.run_dir)[options.keep or 0 :]:
        if options.older_than is not None and not _is_older(folder, options.older_than):
            continue
        overview = read_overview(folder)
        if options.larger_than is not None and overview.num_bytes <= options.larger_than:
            continue
        obstacle = find_obstacle(folder)
        if obstacle is None and overview.tags != () and not options.tagged:
            # Tags that cannot be read are tags.
            obstacle = f"tagged {', '.join(overview.tags)}" if overview.tags else "tagged"
        if obstacle is None:
            removable.append(overview)
        else:
            kept[folder.name] = obstacle
    return removable, kept


def _is_older(folder: Path, age_s: float) -> bool:
    try:
        return time.time() - changed_s(folder) > age_s
    except OSError:
        return False


def _print_choice(removable: list[RunOverview], kept: dict[str, str], root: Path) -> None:
    console = make_console()
    if removable:
        render_runs(removable, console)
        print_line(console, _total(removable))
    else:
        print_line(console, f"no runs in {root} to remove")
    for name, reason in kept.items():
        print_line(console, f"kept: {printable(name)} ({reason})")


def _total(runs: list[RunOverview]) -> str:
    return f"{pluralize(len(runs), 'run')}, {format_size(sum(one.num_bytes for one in runs))}"


def _ask(removable: list[RunOverview]) -> bool:
    """Return whether the user wants the runs removed; the end of the input is a no."""
    try:
        answer = input(f"remove {_total(removable)}? [y/N] ")
    except EOFError:
        return False
    return answer.strip().lower() in ("y", "yes")


def _remove(removable: list[RunOverview], root: Path) -> tuple[list[str], dict[str, str]]:
    """Remove the runs; return the names of those removed, and the reasons for the others."""
    removed: list[str] = []
    failed: dict[str, str] = {}
    clear_removed(root)
    for one in removable:
        try:
            remove_run(one.folder)
        except UsageError as error:
            failed[one.id] = str(error)
        except OSError as error:
            failed[one.id] = error.strerror or str(error)
        else:
            removed.append(one.id)
    return removed, failed


def _count(text: str) -> int:
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"must be a number of runs from 0, got {_shown(text)}")
    return int(text)


def _duration(text: str) -> float:
    match = _QUANTITY.fullmatch(text)
    if match is None or match[2] not in _SECONDS:
        raise argparse.ArgumentTypeError(
            f"must be a number with one of {', '.join(_SECONDS)}, such as 30d, got {_shown(text)}"
        )
    return float(match[1]) * _SECONDS[match[2]]


def _size(text: str) -> float:
    match = _QUANTITY.fullmatch(text)
    units: dict[str, float] = {unit.lower(): size for unit, size in _BYTES.items()}
    if match is None or match[2].lower() not in units:
        raise argparse.ArgumentTypeError(
            f"must be a number with one of {', '.join(_BYTES)}, such as 1GB, got {_shown(text)}"
        )
    return float(match[1]) * units[match[2].lower()]


def _shown(text: str) -> str:
    return f'"{printable(text)}"'
