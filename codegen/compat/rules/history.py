"""Rules about a contract and all its releases: none is lost, and members of enums are not used again."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...contract.model import Contract, Member
from ...contract.versions import Version, parse_version
from ...diagnostics.findings import Span
from ...history.archive import Release, find_lone_golden, find_orphans
from ..impact import Impact
from ..modes import MODES
from ..rule import Change, Rule

_FIRST = (Version(0, 0, 1), Version(0, 1, 0), Version(1, 0, 0))


@dataclass(frozen=True, kw_only=True)
class History:
    """A contract with its releases, the oldest first, and the folder in which they are."""

    contract: Contract
    releases: Sequence[Release]
    folder: Path
    name: str
    """Name of the folder in findings."""
    spec: Path
    """The file of the contract."""
    is_first: bool = False
    """Whether the author says that there is no earlier release."""
    is_release: bool = False
    """Whether the contract is being released, which is how a first version comes into being."""


def _find_lost(history: History) -> Iterator[Change]:
    if history.releases or history.is_first:
        return
    contract = history.contract
    orphans = find_orphans(history.folder, history.spec)
    for folder, owner in orphans:
        description = (
            f"{history.name} holds no release, but {folder} holds those of {owner}, which does not exist;"
            f" if {history.spec.name} is its new name, rename that folder"
        )
        yield _make_change(contract, description)
    trace = next(_traces_of(contract), None)
    if trace is None and not history.is_release and parse_version(contract.version) not in _FIRST:
        trace = f"{contract.version} does not look like a first version"
    if trace is not None and not orphans:
        yield _make_change(contract, f"{history.name} holds no release, but {trace}")


def _traces_of(contract: Contract) -> Iterator[str]:
    """Yield the signs of earlier releases in a contract."""
    if contract.upcasts:
        yield "the contract has upcasts"
    if contract.retired:
        yield f"{contract.retired[0].name} is retired"
    for owner in (*contract.owners, *contract.enums):
        if owner.reserved:
            yield f"{owner.name} has reserved names"
    current = parse_version(contract.version)
    since = [(one.name, one.since) for one in contract.events]
    since += [(one.name, one.since) for one in contract.values]
    for name, version in since:
        if version is not None and parse_version(version) < current:
            yield f"{name} is there since {version}"


def _make_change(contract: Contract, description: str) -> Change:
    return Change(
        subject="version",
        span=contract.spans.get("version", contract.span),
        description=description,
        mode=MODES["stable"],
    )


def _find_lone_golden(history: History) -> Iterator[Change]:
    for path in find_lone_golden(history.folder):
        yield Change(
            subject=path.stem,
            span=Span(f"{history.name}/{path.name}", 1, 1),
            description=f"{path.stem}.json is missing",
            mode=MODES["stable"],
        )


def _find_reused(history: History) -> Iterator[Change]:
    """Find new members with the name or number of a member that an earlier release had and the newest has not."""
    if not history.releases:
        return
    *earlier, newest = (one.baseline.contract for one in history.releases)
    kept = {enum.name: enum.members for enum in newest.enums}
    for enum in history.contract.enums:
        names = {enum.name, enum.renamed_from}
        present = next((kept[name] for name in names if name in kept), ())
        former = [
            (member, contract.version)
            for contract in earlier
            for old in contract.enums
            if old.name in names
            for member in old.members
        ]
        for member in enum.members:
            found = _find_former(member, present, former)
            if found is not None:
                description, impact = found
                yield Change(
                    subject=f"{enum.name}.{member.name}",
                    span=member.span,
                    description=description,
                    mode=MODES["stable"],
                    impact=impact,
                )


def _find_former(
    member: Member, present: Sequence[Member], former: Sequence[tuple[Member, str]]
) -> tuple[str, Impact] | None:
    """Return how a member uses something of a former one, and who is affected; None if it does not."""
    names, numbers = ({one.name for one in present}, {one.value for one in present})
    if member.name in names:
        return None
    for old, version in former:
        if old.name == member.name:
            return f"a member of {version} had this name", Impact.WIRE_B | Impact.SEM
        # Lines hold names; only numbers that were stored elsewhere are read as another member.
        if old.value == member.value and old.value not in numbers and old.name not in names:
            return f"{old.name} of {version} had this number", Impact.SEM
    return None


RULES: tuple[Rule[History], ...] = (
    Rule(
        id="SPC012",
        name="HISTORY_MISSING",
        find=_find_lost,
        impact=Impact.POLICY,
        why="without the releases nothing is compared, and every change seems safe",
        remedies=(
            "restore the folder, for example from version control",
            "name the right folder as history in the table of pyproject.toml, or with --history",
            "release the contract; if it mentions earlier versions that were never released, with --first",
        ),
        is_exemptable=False,
    ),
    Rule(
        id="SPC005",
        name="BASELINE_MISSING",
        find=_find_lone_golden,
        impact=Impact.POLICY,
        why="the contract must be compared with the newest release, which would be an older one",
        remedies=("restore the file, for example from version control",),
        is_exemptable=False,
    ),
    Rule(
        id="ENM010",
        name="MEMBER_REUSED",
        find=_find_reused,
        impact=Impact.WIRE_B | Impact.SEM,
        why="old records that hold the former member would be read as the new one",
        remedies=("choose a name, and a number, that were never used",),
    ),
)
"""Rules about all releases of a contract."""
