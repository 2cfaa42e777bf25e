"""Checks the verdicts of compat on random pairs of contracts with real readers, records and callers.

    python -m benchmarks.compat_oracle --pairs 2000
    python -m benchmarks.compat_oracle --pairs 2000 --invert

Each pair differs by one to three random edits. Both packages are generated in memory. The codec, the strict reader, the
JSON Schema for readers and the SQL views of each read the records of the other, and code that was written for the old
package calls the new one. What compat calls safe must work; what it calls broken must be shown broken. With --invert, each
rule is inverted in turn, and the disagreement that gives it away is printed. --resume FILE goes on after an interruption.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.compat_campaign.inversion import find_witness, rules_of_pairs
from benchmarks.compat_campaign.judges import ReaderError
from benchmarks.compat_campaign.oracle import Evidence, describe, gather, judge
from benchmarks.compat_campaign.packages import InvalidContractError

_KEPT = 60
"""Pairs that are kept for each rule, to be looked at again when it is inverted."""


@dataclass
class Tally:
    """The results of a campaign."""

    next_seed: int = 0
    num_pairs: int = 0
    met: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How many pairs met a rule with a verdict."""
    disagreements: list[str] = field(default_factory=list)


def run(tally: Tally, *, pairs: int, kept: dict[str, list[Evidence]]) -> Iterator[None]:
    """Judge pairs until there are as many as `pairs`, and yield after each; `kept` gets some for each rule."""
    while tally.num_pairs < pairs:
        seed, tally.next_seed = tally.next_seed, tally.next_seed + 1
        try:
            evidence = gather(seed)
        except InvalidContractError:
            # Two edits may have chosen the same key.
            continue
        except ReaderError as error:
            tally.disagreements.append(f"seed {seed}: {error}")
            continue
        verdicts = judge(evidence)
        tally.num_pairs += 1
        tally.met.update(set(verdicts.met))
        tally.disagreements += [
            f"seed {seed}: {describe(evidence)}: {one}" for one in verdicts.disagreements
        ]
        for name, _ in verdicts.met:
            found = kept.setdefault(name.removeprefix("ELEMENT_"), [])
            # Pairs with one edit show most clearly which rule is wrong.
            if len(found) < _KEPT and (len(evidence.edits) == 1 or len(found) < 5):
                found.append(evidence)
        yield


def main(arguments: list[str] | None = None) -> int:
    """Run the campaign; return 1 if the oracle disagrees with compat, or overlooks an inverted rule."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--invert", action="store_true", help="also invert each rule in turn")
    parser.add_argument("--resume", type=Path, metavar="FILE", help="keep the results there")
    parser.add_argument("--json", action="store_true", help="print one line of JSON last")
    options = parser.parse_args(arguments)
    tally = _load(options.resume) or Tally(next_seed=options.seed)
    kept: dict[str, list[Evidence]] = {}
    started = time.process_time()
    for _ in run(tally, pairs=options.pairs, kept=kept):
        if options.resume and tally.num_pairs % 50 == 0:
            _save(tally, options.resume)
    if options.resume:
        _save(tally, options.resume)
    inverted = rules_of_pairs() if options.invert else []
    witnesses = {name: find_witness(name, kept.get(name, [])) for name in inverted}
    _print(tally, witnesses)
    missed = [name for name, witness in witnesses.items() if not witness]
    if options.json:
        result = {
            "pairs": tally.num_pairs,
            "disagreements": len(tally.disagreements),
            "rules": {f"{name}: {level}": count for (name, level), count in tally.met.items()},
            "inverted": len(witnesses),
            "missed": missed,
            "cpu_s": round(time.process_time() - started, 1),
        }
        print(json.dumps(result, sort_keys=True))
    return 1 if tally.disagreements or missed else 0


def _print(tally: Tally, witnesses: dict[str, str]) -> None:
    print(f"{tally.num_pairs} pairs, {len(tally.disagreements)} disagreements")
    print("\n| rule | verdict | pairs |\n|---|---|---:|")
    for (name, level), count in sorted(tally.met.items()):
        print(f"| {name} | {level} | {count} |")
    for one in tally.disagreements[:20]:
        print(one[:500])
    if witnesses:
        print("\n| inverted rule | noticed by |\n|---|---|")
        for name, witness in witnesses.items():
            print(f"| {name} | {witness[:100] or 'nothing'} |")


def _load(path: Path | None) -> Tally | None:
    if path is None or not path.exists():
        return None
    plain = json.loads(path.read_text(encoding="utf-8"))
    met = Counter({(name, level): count for name, level, count in plain["met"]})
    return Tally(plain["next_seed"], plain["num_pairs"], met, plain["disagreements"])


def _save(tally: Tally, path: Path) -> None:
    met = [[name, level, count] for (name, level), count in sorted(tally.met.items())]
    plain = {
        "next_seed": tally.next_seed,
        "num_pairs": tally.num_pairs,
        "met": met,
        "disagreements": tally.disagreements,
    }
    path.write_text(json.dumps(plain), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
