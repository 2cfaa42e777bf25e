"""Compares judges of training losses on small real trainings, healthy and damaged: the league of judges.

python benchmarks/detectors.py                           run what is missing, print tables, then JSON; about an hour
python benchmarks/detectors.py --quick                   a few kinds and seeds, a minute at most
python benchmarks/detectors.py --judge ours --kind vae   only these judges, healthy kinds or cells of damage
python benchmarks/detectors.py --seeds 100 --json        seeds from 100 on, as for development; print only JSON
python benchmarks/detectors.py --markdown                print only the tables
python benchmarks/detectors.py --write docs/governor.md  also write the tables into the marked section of a file

Results are kept in a folder and used again as long as the code that decides them is the same.
"""

import argparse
import json
from pathlib import Path

from league.damages import CELLS
from league.healthy import HEALTHY
from league.judges import JUDGES
from league.plan import QUICK_CELLS, QUICK_KINDS, Campaign, names, run_campaign, seeds_from
from league.report import Report
from league.score import Seeds
from league.trial import Results
from sections import write_section


def main() -> None:
    """Run the campaign and print the results."""
    options = _parser().parse_args()
    by_default = [*QUICK_KINDS, *QUICK_CELLS] if options.quick else names()
    wanted = options.kind or by_default
    campaign = Campaign(
        kinds=tuple(kind for kind in HEALTHY if kind in wanted),
        cells=tuple(cell for cell in CELLS if cell.name in wanted),
        judges=tuple(judge for judge in JUDGES if options.judge is None or judge in options.judge),
        seeds=_seeds(options),
    )
    results = Results(None if options.quick else options.results)
    run_campaign(campaign, results, num_processes=options.jobs)
    report = Report(campaign, results)
    if options.write is not None:
        write_section(options.write, "benchmarks/detectors.py", report.to_markdown())
    if not options.json:
        print(report.to_markdown())
    if options.markdown:
        return
    if not options.json:
        print(report.failures())
    print(json.dumps(report.to_json()))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--quick", action="store_true", help="run a few kinds with one or two seeds"
    )
    parser.add_argument("--json", action="store_true", help="print only JSON")
    parser.add_argument("--markdown", action="store_true", help="print only the tables")
    parser.add_argument(
        "--write", type=Path, metavar="FILE", help="also write the tables into FILE"
    )
    parser.add_argument(
        "--judge", nargs="+", metavar="NAME", choices=list(JUDGES), help="only these judges"
    )
    parser.add_argument(
        "--kind",
        nargs="+",
        metavar="NAME",
        choices=names(),
        help="only these healthy kinds or cells of damage",
    )
    parser.add_argument(
        "--seeds",
        type=int,
        metavar="FIRST",
        help="the first seed; 0 by default, 100 with --quick, so that the seeds of the table are not used to tune",
    )
    parser.add_argument(
        "--num-seeds", type=int, metavar="N", help="seeds of each kind; 15, or 10 with damage"
    )
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="number of processes")
    parser.add_argument(
        "--results",
        type=Path,
        default=Path("build/detectors"),
        metavar="FOLDER",
        help="where results are kept; build/detectors by default",
    )
    return parser


def _seeds(options: argparse.Namespace) -> Seeds:
    """Return the seeds that are asked for; those of the table are not those that rules are tuned with."""
    num_healthy, num_damaged = (1, 2) if options.quick else (15, 10)
    num = options.num_seeds
    return seeds_from(
        (100 if options.quick else 0) if options.seeds is None else options.seeds,
        num_healthy=num_healthy if num is None else num,
        num_damaged=num_damaged if num is None else num,
    )


if __name__ == "__main__":
    main()
