"""`esper export`: writes the events of runs into files that query engines and data frame libraries read."""

import argparse
import json
from pathlib import Path

from esper.commands.run_arguments import add_run_dir, folder
from esper.commands.terminal import make_console, print_error, print_line
from esper.leyline.errors import EsperError, UsageError
from esper.leyline.text import join_names, pluralize
from esper.nissa.exporting.dataset import open_dataset
from esper.nissa.exporting.export import ExportResult, check_reveal, export_run
from esper.nissa.exporting.formats import FORMATS
from esper.nissa.runs import list_runs, resolve

NAME = "export"

_MAX_LISTED = 5
_FAILED_EXIT_CODE = 1
_EPILOG = """\
The files are DIR/event=EVENT/run=RUN/rank=RANK/part-NUMBER.FORMAT, a layout that engines call hive partitions; their columns
are those of the contract. A second call adds what is new, and continues after a kill.

examples:
  esper export latest --to parquet                 writes export/parquet/; needs the extra: export
  esper export --all --to parquet --out lake       every run in the folder of runs
  esper export latest --to csv --reveal RUN_FINISHED.error_message
  duckdb -c "FROM read_parquet('export/parquet/event=EPOCH_COMPLETED/**/*.parquet')"
exit codes: 0 every run is exported, 1 one of several runs is not, 2 bad usage
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command with its arguments."""
    parser = subparsers.add_parser(
        NAME,
        help="write runs into Parquet, Arrow or CSV files",
        description="Write the events of runs into files that DuckDB, polars and pandas read, a table for each event.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "runs",
        nargs="*",
        metavar="RUN",
        help="a run's folder, its id, the start of its id, or: latest",
    )
    parser.add_argument("--all", action="store_true", help="every run in the folder of runs")
    add_run_dir(parser)
    parser.add_argument("--to", choices=tuple(FORMATS), required=True, help="the file format")
    parser.add_argument(
        "--out", type=folder, metavar="DIR", help="folder of the files (default: export/FORMAT)"
    )
    parser.add_argument(
        "--reveal",
        action="append",
        default=[],
        metavar="EVENT.FIELD",
        help="include this sensitive field, such as RUN_FINISHED.error_message; can be repeated",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    parser.set_defaults(run=run, parser=parser)


def run(options: argparse.Namespace) -> int:
    """Export the runs, print how many events are new, and return the exit code.

    Raises:
        RunNotFoundError: a run cannot be found.
        UsageError: no run is named, or a field or the folder cannot be used.
        MissingExtraError: the package that the format needs is not installed.
        LogError: the log of the only run cannot be read.
    """
    folders = _find_folders(options)
    reveal = check_reveal(options.reveal)
    out: Path = options.out or Path("export") / options.to
    dataset = open_dataset(out, FORMATS[options.to])
    results: list[ExportResult] = []
    num_failed = 0
    for one in folders:
        try:
            results.append(export_run(one, dataset, reveal=reveal))
        except EsperError as error:
            if len(folders) == 1:
                raise
            print_error(f"esper export: {one.name}: {error}")
            num_failed += 1
    if options.json:
        document = {
            "folder": str(out),
            "format": options.to,
            "runs": [result.as_dict() for result in results],
        }
        print(json.dumps(document, indent=2))
    else:
        console = make_console()
        for result in results:
            print_line(console, _describe(result, out))
        if not results and not num_failed:
            print_line(console, f"no runs in {options.run_dir} yet; start one with: esper train")
    return _FAILED_EXIT_CODE if num_failed else 0


def _find_folders(options: argparse.Namespace) -> list[Path]:
    if options.all and options.runs:
        raise UsageError("name the runs, or give --all, got both")
    if options.all:
        return list_runs(options.run_dir)
    if not options.runs:
        raise UsageError("name a run, such as latest, or give --all")
    # A run that is named twice is exported once.
    return list(dict.fromkeys(resolve(one, options.run_dir) for one in options.runs))


def _describe(result: ExportResult, out: Path) -> str:
    if not result.num_events:
        return f"{result.run}: no events yet"
    words = [f"{pluralize(result.num_added, 'new event')} in {out}, {result.num_events:,} in all"]
    if result.is_restarted:
        words.append("all written again")
    if result.num_damaged:
        words.append(f"{pluralize(result.num_damaged, 'damaged line')} left out")
    if result.unknown:
        names = join_names(sorted(result.unknown), max_names=_MAX_LISTED)
        words.append(f"left out, because only a later version of Esper knows them: {names}")
    return f"{result.run}: {'; '.join(words)}"
