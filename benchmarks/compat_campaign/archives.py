"""Draws archives of releases that were damaged in a known way, and checks what compat says of them."""

import json
import random
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path

from benchmarks.compat_campaign.drawing import draw
from benchmarks.compat_campaign.edits import EDITS
from benchmarks.compat_campaign.oracle import Verdicts, promised_events
from benchmarks.compat_campaign.packages import Package, compile_plain
from codegen.compat import catalogue, exemptions
from codegen.compat.classification import Classification, apply_rules
from codegen.compat.impact import Impact
from codegen.compat.rules import archive
from codegen.contract.model import Contract, Event
from codegen.contract.promises import Exemption
from codegen.diagnostics.findings import Findings, Span
from codegen.history.archive import read_releases
from codegen.history.baseline import Shapes, write_baseline
from codegen.history.golden import event_of, write_golden
from codegen.history.shapes import find_shapes

_TODAY = date(2026, 3, 1)


@dataclass
class _Case:
    """An archive with two releases of a contract, whose next version is `new`."""

    rng: random.Random
    folder: Path
    old: Contract
    new: Contract
    shapes: Shapes = field(default_factory=dict)
    exemptions: tuple[Exemption, ...] = ()
    excused: str = ""
    """The key of the finding that a drawn exemption excuses."""
    expected: set[str] = field(default_factory=set)
    """The names of the rules that have to report the damage."""

    def file(self, suffix: str) -> Path:
        """Return a file of the newest release."""
        return self.folder / f"{self.old.version}{suffix}"


_Damage = Callable[[_Case], None]


def judge_archive(seed: int) -> Verdicts:
    """Draw an archive, damage it, run compat on it, and compare what it reports with the damage.

    Raises:
        InvalidContractError: the drawn contracts have errors.
    """
    rng = random.Random(seed)
    pair = draw(seed, EDITS)
    old, new = compile_plain(pair.old), compile_plain(pair.new)
    verdicts = Verdicts()
    with tempfile.TemporaryDirectory() as name:
        case = _Case(rng, Path(name), old, new)
        _write_releases(case)
        _DAMAGES[seed % len(_DAMAGES)](case)
        findings = _find(case)
        verdicts.disagreements += _compare(case, findings)
        verdicts.disagreements += _compare_golden(case, verdicts)
    for one in findings:
        if one.rule.name in _REPORTED:
            verdicts.count(one)
    return verdicts


def _write_releases(case: _Case) -> None:
    case.shapes = find_shapes(case.old)
    previous = ""
    for contract in (replace(case.old, version="0.9.0"), case.old):
        golden = write_golden(contract)
        text = write_baseline(
            contract, name="drawn.yaml", previous=previous, golden=golden, shapes=case.shapes
        )
        previous = json.loads(text)["digest"]
        (case.folder / f"{contract.version}.jsonl").write_text(golden, encoding="utf-8")
        (case.folder / f"{contract.version}.json").write_text(text, encoding="utf-8")


def _find(case: _Case) -> list[Classification]:
    """Return what compat reports: of the files, the comparison and the exemptions."""
    releases = read_releases(case.folder, "history", Findings())
    found = list(apply_rules(archive.RULES, [releases], "none"))
    found += catalogue.compare_contracts(case.old, case.new, case.shapes)[1]
    remaining, excused = exemptions.apply_exemptions(
        found, case.exemptions, _TODAY, is_release=True
    )
    is_excused = case.excused in {one.key for one in excused}
    if case.excused and not is_excused:
        case.expected.add(f"{case.excused} excused")
    return remaining


def _compare(case: _Case, findings: list[Classification]) -> list[str]:
    said = {one.rule.name for one in findings if one.violated and one.rule.name in _REPORTED}
    return [f"archive: expected {sorted(case.expected)}, got {sorted(said)}"] * (
        said != case.expected
    )


def _compare_golden(case: _Case, verdicts: Verdicts) -> list[str]:
    """Compare what is said about golden records with what the strict reader of the new package reads."""
    if not case.file(".jsonl").exists():
        return []
    golden = case.file(".jsonl").read_text(encoding="utf-8")
    is_newest = case.rng.random() < 0.7
    with Package(case.new, "oracle_new") as package:
        file = archive.GoldenFile(
            "golden", case.old.version, golden, case.new, case.old,
            package.codec.decode_line, is_newest=is_newest,
        )  # fmt: skip
        found = list(apply_rules([archive.GOLDEN_RULE], [file], "none"))
        said = {one.change.span.line for one in found if one.violated}
        lines = enumerate(golden.splitlines(), 1)
        refused = {number: event_of(line) for number, line in lines if _is_refused(package, line)}
    for one in found:
        verdicts.count(one)
    promised = promised_events(case.old, Impact.WIRE_B)
    retired = {one.name for one in case.new.retired}
    lasting = {one.name for one in case.old.events if one.stability == "stable"}
    expected = {
        number
        for number, event in refused.items()
        if event in promised - retired and (is_newest or event in lasting)
    }
    # The event of a damaged line is unknown, and an upcast may have made another event of one that is retired.
    unsure = {number for number, event in refused.items() if not event or event in retired}
    return [f"golden: expected {sorted(expected)}, got {sorted(said)}"] * (
        said - unsure != expected - unsure
    )


def _is_refused(package: Package, line: str) -> bool:
    try:
        package.strict.read_line(line.encode())
    except ValueError:
        return True
    return False


def _leave(case: _Case) -> None:
    """The archive is as it was written."""


def _edit_baseline(case: _Case) -> None:
    path = case.file(".json")
    plain = json.loads(path.read_text(encoding="utf-8"))
    plain["contract"]["enums"][0]["doc"] = "Edited."
    path.write_text(json.dumps(plain), encoding="utf-8")
    case.expected = {"BASELINE_EDITED"}


def _edit_golden(case: _Case) -> None:
    """A line of the golden records is cut."""
    path = case.file(".jsonl")
    lines = path.read_text(encoding="utf-8").splitlines()
    index = case.rng.randrange(len(lines))
    lines[index] = lines[index][:-1]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    case.expected = {"BASELINE_EDITED"}
    if not any(_event_of_start(line) == _event_of_start(lines[index]) for line in _whole(lines)):
        case.expected |= {"GOLDEN_MISSING"}


def _whole(lines: list[str]) -> list[str]:
    return [line for line in lines if event_of(line)]


def _event_of_start(line: str) -> str:
    return line.partition('"event":"')[2].partition('"')[0]


def _remove_golden(case: _Case) -> None:
    case.file(".jsonl").unlink()
    case.expected = {"GOLDEN_MISSING"}


def _lose_event(case: _Case) -> None:
    """The golden records lack an event."""
    path = case.file(".jsonl")
    lines = path.read_text(encoding="utf-8").splitlines()
    gone = case.rng.choice(list(case.old.events)).name
    path.write_text("".join(f"{one}\n" for one in lines if event_of(one) != gone), encoding="utf-8")
    case.expected = {"GOLDEN_MISSING", "BASELINE_EDITED"}


def _rename_release(case: _Case) -> None:
    for suffix in (".json", ".jsonl"):
        case.file(suffix).rename(case.folder / f"1.0.9{suffix}")
    case.expected = {"BASELINE_MISPLACED"}


def _lose_release(case: _Case) -> None:
    for suffix in (".json", ".jsonl"):
        (case.folder / f"0.9.0{suffix}").unlink()
    case.expected = {"BASELINE_MISPLACED"}


def _change_shape(case: _Case) -> None:
    """A target renders a part of the contract that has not changed in another way."""
    old = {one.name: one for one in (*case.old.enums, *case.old.owners)}
    new = {one.name: one for one in (*case.new.enums, *case.new.owners)}
    target = case.rng.choice(sorted(case.shapes))
    names = sorted(name for name in case.shapes[target] if old[name] == new.get(name))
    if case.old.envelope != case.new.envelope:
        names = [name for name in names if not isinstance(old[name], Event)]
    if names:
        name = case.rng.choice(names)
        case.shapes = {**case.shapes, target: {**case.shapes[target], name: "another hash"}}
        case.new = replace(case.new, version=case.rng.choice(["1.0.0", "1.0.1", "1.1.0"]))
        if case.new.version != "1.1.0":
            case.expected = {"TARGET_SHAPE_CHANGED"}


def _exempt(days: int, *expected: str) -> _Damage:
    """Return a damage: an exemption for a finding that ends in so many days."""

    def damage(case: _Case) -> None:
        found = catalogue.compare_contracts(case.old, case.new, case.shapes)[1]
        keys = sorted(one.key for one in found if one.violated and one.rule.is_exemptable)
        if keys:
            case.excused = case.rng.choice(keys)
            case.exemptions = (_exemption(case.excused, days),)
            case.expected = set(expected)

    return damage


def _exempt_nothing(case: _Case) -> None:
    case.exemptions = (_exemption(case.rng.choice(["FLD001 ALPHA.q", "SPC001 version"]), 5),)
    case.expected = {"EXEMPTION_UNUSED"}


def _exemption(key: str, days: int) -> Exemption:
    until = (_TODAY + timedelta(days=days)).isoformat()
    return Exemption(name=key, span=Span("drawn.yaml", 1, 1), until=until, why="W.")


_DAMAGES: tuple[_Damage, ...] = (
    _leave,
    _edit_baseline,
    _edit_golden,
    _remove_golden,
    _lose_event,
    _rename_release,
    _lose_release,
    _change_shape,
    _change_shape,
    _exempt(-1, "EXEMPTION_EXPIRED"),
    _exempt(181, "EXEMPTION_TOO_FAR"),
    _exempt(0),
    _exempt(180),
    _exempt_nothing,
)
_REPORTED = {
    "BASELINE_EDITED", "BASELINE_MISPLACED", "GOLDEN_MISSING", "TARGET_SHAPE_CHANGED",
    "EXEMPTION_EXPIRED", "EXEMPTION_TOO_FAR", "EXEMPTION_UNUSED",
}  # fmt: skip
