"""Checks the verdicts of compat on random pairs of contracts with real readers, records and callers.

    python -m benchmarks.compat_oracle --pairs 2000 --at-least 20 --archives 500 --invert

Each pair differs by one to three random edits. Both packages are generated in memory. The codec, the strict reader, the
JSON Schema for readers and the SQL views of each read the records of the other, and code that was written for the old
package calls the new one. What compat calls safe must work; what it calls broken must be shown broken. With --at-least,
edits that lead to a scarce verdict are drawn until each verdict that was met is met so often. --archives also draws archives
of releases that are damaged in a known way, exemptions, and targets that render other output. With --invert, each rule is
inverted in turn, and the disagreement that gives it away is printed. --resume FILE goes on after an interruption, and
--minutes ends a run early.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from benchmarks.compat_campaign.campaign import (
    Tally,
    find_witness,
    judge_archives,
    judge_pairs,
    load_tally,
    save_tally,
)
from benchmarks.compat_campaign.inversion import all_rules


def main(arguments: list[str] | None = None) -> int:
    """Run the campaign; return 1 if the oracle disagrees with compat, or overlooks an inverted rule."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=2000)
    parser.add_argument(
        "--archives", type=int, default=0, help="archives of releases to judge, too"
    )
    parser.add_argument(
        "--at-least", type=int, default=0, metavar="N", help="meet each verdict so often"
    )
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--invert", action="store_true", help="also invert each rule in turn")
    parser.add_argument("--resume", type=Path, metavar="FILE", help="keep the results there")
    parser.add_argument("--minutes", type=float, help="stop after that time; needs --resume")
    parser.add_argument("--json", action="store_true", help="print one line of JSON last")
    options = parser.parse_args(arguments)
    is_resumed = options.resume is not None and options.resume.exists()
    tally = load_tally(options.resume) if is_resumed else Tally(next_seed=options.seed)
    steps = chain(
        judge_pairs(tally, pairs=options.pairs, at_least=options.at_least),
        judge_archives(tally, archives=options.archives),
    )
    started = time.process_time()
    is_done = _take(steps, tally, options.resume, options.minutes)
    inverted = all_rules() if options.invert and is_done else []
    witnesses = {name: find_witness(name, tally) for name in inverted}
    _print(tally, witnesses)
    missed = [name for name, witness in witnesses.items() if not witness]
    if options.json:
        result = {
            "pairs": tally.num_pairs,
            "archives": tally.num_archives,
            "is_done": is_done,
            "disagreements": len(tally.disagreements),
            "rules": {f"{name}: {level}": count for (name, level), count in tally.met.items()},
            "inverted": len(witnesses),
            "missed": missed,
            "cpu_s": round(time.process_time() - started, 1),
        }
        print(json.dumps(result, sort_keys=True))
    return 1 if tally.disagreements or missed else 0


def _take(steps: Iterator[None], tally: Tally, path: Path | None, minutes: float | None) -> bool:
    """Take steps until there is none or the time is over, and store the results; return whether all were taken."""
    end = time.monotonic() + 60 * minutes if minutes is not None else None
    for number, _ in enumerate(steps, 1):
        if path is not None and number % 50 == 0:
            save_tally(tally, path)
        if end is not None and time.monotonic() > end:
            break
    else:
        end = None
    if path is not None:
        save_tally(tally, path)
    return end is None


def _print(tally: Tally, witnesses: dict[str, str]) -> None:
    print(
        f"{tally.num_pairs} pairs, {tally.num_archives} archives,"
        f" {len(tally.disagreements)} disagreements"
    )
    print("\n| rule | verdict | met |\n|---|---|---:|")
    for (name, level), count in sorted(tally.met.items()):
        print(f"| {name} | {level} | {count} |")
    for one in tally.disagreements[:20]:
        print(one[:500])
    if witnesses:
        print("\n| inverted rule | noticed by |\n|---|---|")
        for name, witness in witnesses.items():
            print(f"| {name} | {witness[:100] or 'nothing'} |")


if __name__ == "__main__":
    sys.exit(main())
