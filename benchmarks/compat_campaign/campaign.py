"""Judges many drawn pairs and archives, and looks for verdicts that are met too seldom."""

import json
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.compat_campaign.archives import judge_archive
from benchmarks.compat_campaign.drawing import draw
from benchmarks.compat_campaign.edits import EDITS
from benchmarks.compat_campaign.inversion import RULES_OF_ARCHIVES, inverted
from benchmarks.compat_campaign.judges import ReaderError
from benchmarks.compat_campaign.oracle import (
    Verdicts,
    describe,
    gather_pair,
    judge,
    judge_findings,
)
from benchmarks.compat_campaign.packages import InvalidContractError, compile_plain

Key = tuple[str, str]
"""The name of a rule, and its verdict: who is broken."""

_KEPT = 40
"""Pairs that are kept for each rule, to be looked at again when it is inverted."""
_MAX_TRIES = 3000
"""So many directed draws may fail to meet a verdict again before it is given up."""


@dataclass
class Tally:
    """The results of a campaign."""

    next_seed: int = 0
    num_pairs: int = 0
    num_archives: int = 0
    met: Counter[Key] = field(default_factory=Counter)
    """How many pairs or archives met a rule with a verdict."""
    disagreements: list[str] = field(default_factory=list)
    kept: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    """For each rule some pairs that met it, as seed and first edit, or archives, as seed and nothing."""
    edits: dict[Key, list[str]] = field(default_factory=dict)
    """The edits of pairs that met a verdict, as often as they did."""
    tries: Counter[Key] = field(default_factory=Counter)

    def scarce(self, at_least: int) -> list[Key]:
        """Return the verdicts about pairs that are met, but too seldom, and worth another try."""
        return sorted(
            key for key in self.edits if self.met[key] < at_least and self.tries[key] < _MAX_TRIES
        )

    def keep(self, verdicts: Verdicts, seed: int, edit: str, *, is_clear: bool = True) -> None:
        """Keep a pair or an archive for the rules that it met; one with a single edit shows a rule most clearly."""
        for name, _ in verdicts.met:
            found = self.kept.setdefault(name.removeprefix("ELEMENT_"), [])
            if len(found) < (_KEPT if is_clear else 5):
                found.append((seed, edit))


def judge_pairs(tally: Tally, *, pairs: int, at_least: int = 0) -> Iterator[None]:
    """Judge drawn pairs and yield after each, until there are `pairs` and each verdict was met `at_least` times.

    The first half is drawn at random. After that, contracts are drawn at random with an edit that has led to a scarce
    verdict, and pairs without one are not judged.
    """
    while tally.num_pairs < pairs or tally.scarce(at_least):
        seed, tally.next_seed = tally.next_seed, tally.next_seed + 1
        is_directed = tally.num_pairs * 2 >= pairs
        scarce = tally.scarce(at_least) if is_directed else []
        wanted = scarce[seed % len(scarce)] if scarce else None
        edit = random.Random(seed).choice(tally.edits[wanted]) if wanted else ""
        if wanted:
            tally.tries[wanted] += 1
        try:
            if scarce and not scarce_verdicts(seed, edit) & set(scarce):
                continue
            _judge_pair(tally, seed, edit)
        except InvalidContractError:
            # Two edits may have chosen the same key.
            continue
        except ReaderError as error:
            tally.disagreements.append(f"seed {seed} {edit}: {error}")
        yield


def judge_archives(tally: Tally, *, archives: int) -> Iterator[None]:
    """Judge drawn archives and yield after each, until there are `archives`."""
    while tally.num_archives < archives:
        seed, tally.next_seed = tally.next_seed, tally.next_seed + 1
        try:
            verdicts = judge_archive(seed)
        except InvalidContractError:
            continue
        tally.num_archives += 1
        tally.met.update(set(verdicts.met))
        tally.keep(verdicts, seed, "")
        tally.disagreements += [f"seed {seed}: {one}" for one in verdicts.disagreements]
        yield


def scarce_verdicts(seed: int, edit: str) -> set[Key]:
    """Return the verdicts of compat on a pair, without its readers and callers."""
    pair = draw(seed, EDITS, edit)
    return set(judge_findings(compile_plain(pair.old), compile_plain(pair.new)).met)


def find_witness(name: str, tally: Tally) -> str:
    """Return a disagreement that a rule causes if it is inverted; empty if the oracle notices nothing."""
    for seed, edit in tally.kept.get(name, []):
        if name in RULES_OF_ARCHIVES:
            with inverted(name):
                found = judge_archive(seed).disagreements
        else:
            evidence = gather_pair(draw(seed, EDITS, edit))
            with inverted(name):
                found = judge(evidence).disagreements
        if found:
            return found[0]
    return ""


def load_tally(path: Path) -> Tally:
    """Return the results that were stored in a file."""
    plain = json.loads(path.read_text(encoding="utf-8"))
    return Tally(
        plain["next_seed"],
        plain["num_pairs"],
        plain["num_archives"],
        Counter({(name, level): count for name, level, count in plain["met"]}),
        plain["disagreements"],
        {name: [(seed, edit) for seed, edit in found] for name, found in plain["kept"].items()},
        {(name, level): edits for name, level, edits in plain["edits"]},
        Counter({(name, level): count for name, level, count in plain["tries"]}),
    )


def save_tally(tally: Tally, path: Path) -> None:
    """Store the results in a file, from which a campaign can go on."""
    plain = {
        "next_seed": tally.next_seed,
        "num_pairs": tally.num_pairs,
        "num_archives": tally.num_archives,
        "met": [[*key, count] for key, count in sorted(tally.met.items())],
        "disagreements": tally.disagreements,
        "kept": tally.kept,
        "edits": [[*key, edits] for key, edits in sorted(tally.edits.items())],
        "tries": [[*key, count] for key, count in sorted(tally.tries.items())],
    }
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(plain), encoding="utf-8")
    temporary.replace(path)


def _judge_pair(tally: Tally, seed: int, edit: str) -> None:
    evidence = gather_pair(draw(seed, EDITS, edit))
    verdicts = judge(evidence)
    tally.num_pairs += 1
    tally.met.update(set(verdicts.met))
    tally.keep(verdicts, seed, edit, is_clear=len(evidence.edits) == 1)
    for key in verdicts.met:
        tally.edits.setdefault(key, []).extend(evidence.edits)
    tally.disagreements += [
        f"seed {seed} {edit}: {describe(evidence)}: {one}" for one in verdicts.disagreements
    ]
