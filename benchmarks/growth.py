"""Does growing pay? Compares grown networks with static ones of equal parameters or equal cost, on three tasks.

python benchmarks/growth.py                          seeds from 100, judged by the decision split: tables, then JSON; hours
python benchmarks/growth.py --quick                  two seeds and a few epochs, a few minutes
python benchmarks/growth.py --tasks digits --arms wider start --seeds 4
python benchmarks/growth.py --arms pydoc=host,equal_cost --seeds 10 pydoc=3       less for one task
python benchmarks/growth.py --split test --write docs/growth.md   the published table, and its plot in docs/_static
python benchmarks/growth.py --json                   only JSON, on one line

Finished runs are kept in a folder, so that the same command resumes a campaign that was interrupted. Development looks at
the decision split and at seeds from 100 up. The test split, with seeds from 0, is for the published table alone: count each
opening in docs/log.md.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from growth_campaign import aims, plot
from growth_campaign.arms import ARMS
from growth_campaign.plan import FULL, QUICK, Size, run_campaign
from growth_campaign.report import Report
from growth_campaign.store import Store
from sections import write_section

NAME = "benchmarks/growth.py"
PLOT = Path("_static") / "growth.svg"


def write(report: Report, page: Path) -> None:
    """Write tables and aims into the marked section of `page`, and the plot beside it."""
    picture = page.parent / PLOT
    picture.parent.mkdir(parents=True, exist_ok=True)
    picture.write_text(plot.draw(report), encoding="utf-8")
    text = f"![Quality over training cost, one panel for each task]({PLOT.as_posix()})"
    write_section(page, NAME, f"{text}\n\n{to_markdown(report)}")


def to_markdown(report: Report) -> str:
    """Return tables and aims."""
    return f"{report.to_markdown()}\n\n{aims.to_markdown(report)}".rstrip()


def limit_seeds(sizes: Sequence[Size], limits: Sequence[str]) -> list[Size]:
    """Return the sizes with at most as many seeds as `limits` say: N for all tasks, TASK=N for one.

    Raises:
        ValueError: a limit is neither, or below 1.
    """
    found = {"": max(size.main_seeds for size in FULL)}
    for limit in limits:
        task, _, number = limit.rpartition("=")
        if not (number.isdecimal() and int(number) and task in ("", *(size.task for size in FULL))):
            raise ValueError(f"--seeds must be N or TASK=N, at least 1, got {limit}")
        found[task] = int(number)
    return [size.at_most(found.get(size.task, found[""])) for size in sizes]


def choose_arms(tasks: Sequence[str], choices: Sequence[str]) -> dict[str, set[str]]:
    """Return the arms of each task by `choices`: ARM for all tasks, TASK=ARM,ARM for one; all if it has no choice.

    Raises:
        ValueError: a task or an arm is unknown.
    """
    known = {arm.name for arm in ARMS}
    of_all: set[str] = set()
    of_one: dict[str, set[str]] = {}
    for choice in choices:
        task, _, names = choice.rpartition("=")
        arms = set(names.split(","))
        if not arms <= known or task not in ("", *(size.task for size in FULL)):
            raise ValueError(
                f"--arms must be ARM or TASK=ARM,ARM, with arms of {', '.join(sorted(known))}; got {choice}"
            )
        if task:
            of_one[task] = arms
        else:
            of_all |= arms
    return {task: of_one.get(task, of_all or known) for task in tasks}


def main() -> None:
    """Run the campaign and print the results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="two seeds and a few epochs")
    parser.add_argument("--split", choices=["decision", "test"], default="decision")
    names = [size.task for size in FULL]
    parser.add_argument("--tasks", nargs="+", choices=names, default=names, metavar="TASK")
    arms = [arm.name for arm in ARMS]
    parser.add_argument(
        "--arms",
        nargs="+",
        default=[],
        metavar="ARM",
        help=f"of {', '.join(arms)}; TASK=ARM,ARM for one task (default: all)",
    )
    parser.add_argument(
        "--seeds",
        nargs="+",
        default=[],
        metavar="N",
        help="at most N seeds of each arm; TASK=N for one task",
    )
    parser.add_argument("--processes", type=int, default=2, metavar="N")
    parser.add_argument(
        "--runs", type=Path, default=Path("build/growth"), help="folder of finished runs"
    )
    parser.add_argument("--write", type=Path, metavar="FILE", help="also write into FILE")
    parser.add_argument("--json", action="store_true", help="print only JSON")
    options = parser.parse_args()
    sizes = [size for size in (QUICK if options.quick else FULL) if size.task in options.tasks]
    try:
        sizes = limit_seeds(sizes, options.seeds)
        chosen = choose_arms(options.tasks, options.arms)
    except ValueError as error:
        parser.error(str(error))
    results = run_campaign(sizes, chosen, options.split, Store(options.runs), options.processes)
    report = Report(results, options.split)
    if options.write is not None:
        write(report, options.write)
    if not options.json:
        print(to_markdown(report))
    print(json.dumps(report.to_json()))


if __name__ == "__main__":
    main()
