"""Rules about the archive of releases: its files are complete and unchanged, and its golden records stay readable."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ...contract.model import Contract
from ...diagnostics.findings import Span
from ...history.archive import Release
from ...history.baseline import hash_golden
from ...history.decoding import Decode
from ...history.golden import event_of, events_of
from ..impact import Impact
from ..modes import MODES, mode_of
from ..rule import Change, Rule
from ..upcast_chain import UpcastChain

Archive = Sequence[Release]


@dataclass(frozen=True)
class GoldenFile:
    """The golden records of a version, and the contract and decoder that have to read them."""

    name: str
    """Name of the file in findings."""
    version: str
    golden: str
    contract: Contract
    promised: Contract
    """The contract whose promises count: the newest release, so that they cannot be lowered and broken at once."""
    decode: Decode
    is_newest: bool
    """Whether the file is from the newest release or from this one; older files are read by transitive modes only."""


def _find_missing_golden(archive: Archive) -> Iterator[Change]:
    for release in archive:
        if release.golden is None:
            yield _make_change(release, f"{release.path.stem}.jsonl is missing")
            continue
        events = events_of(release.golden)
        for event in release.baseline.contract.events:
            if event.name not in events:
                yield _make_change(release, f"the golden records lack the event {event.name}")


def _find_edited(archive: Archive) -> Iterator[Change]:
    for release in archive:
        if not release.baseline.is_intact:
            yield _make_change(release, "the baseline has been edited since it was released")
        if release.golden is not None and hash_golden(release.golden) != release.baseline.golden:
            yield _make_change(
                release, "the golden records have been edited since they were released"
            )


def _find_misplaced(archive: Archive) -> Iterator[Change]:
    previous = ""
    for release in archive:
        if release.baseline.contract.version != release.path.stem:
            yield _make_change(release, f"it holds version {release.baseline.contract.version}")
        if release.baseline.previous != previous:
            yield _make_change(release, "the release before it is not its predecessor")
        previous = release.baseline.digest


def _make_change(release: Release, description: str) -> Change:
    return Change(
        subject=str(release.version),
        span=Span(release.name, 1, 1),
        description=description,
        mode=MODES["stable"],
    )


def _find_unreadable(file: GoldenFile) -> Iterator[Change]:
    contract = file.contract
    upcasts = UpcastChain(file.version, contract.upcasts)
    modes = {one.name: mode_of(one, file.promised) for one in file.promised.events}
    retired = {one.name for one in contract.retired}
    for number, line in enumerate(file.golden.splitlines(), 1):
        name = event_of(line)
        event = upcasts.name_of(name)
        mode = modes.get(name) or modes.get(event, MODES["stable"])
        if event in retired or not (file.is_newest or mode.is_transitive):
            continue
        problem = _try_to_decode(file.decode, line)
        if problem:
            span = Span(file.name, number, 1)
            yield Change(subject=event, span=span, description=problem, mode=mode)


def _try_to_decode(decode: Decode, line: str) -> str:
    try:
        decode(line.encode())
    except ValueError as error:
        return f"a released record cannot be read: {error}"
    return ""


EDITED_RULE: Rule[Archive] = Rule(
    id="SPC007",
    name="BASELINE_EDITED",
    find=_find_edited,
    impact=Impact.POLICY,
    why="the contract must be compared with the one that was released",
    remedies=("restore the file, for example from version control",),
    is_exemptable=False,
)
"""The one rule that also applies to a release on its own."""

RULES: tuple[Rule[Archive], ...] = (
    Rule(
        id="SPC005",
        name="GOLDEN_MISSING",
        find=_find_missing_golden,
        impact=Impact.POLICY,
        why="without golden records nobody knows whether records of that version can still be read",
        remedies=("restore the file, for example from version control",),
        is_exemptable=False,
    ),
    EDITED_RULE,
    Rule(
        id="SPC007",
        name="BASELINE_MISPLACED",
        find=_find_misplaced,
        impact=Impact.POLICY,
        why="each release is compared with the one before it",
        remedies=("restore the folder, for example from version control",),
        is_exemptable=False,
    ),
)
"""Rules about the files of all releases."""

GOLDEN_RULE: Rule[GoldenFile] = Rule(
    id="SPC008",
    name="GOLDEN_UNREADABLE",
    find=_find_unreadable,
    impact=Impact.WIRE_B,
    why="every released record must stay readable",
    remedies=("add an upcast to the new version",),
    is_exemptable=False,
)
"""The rule about a file of golden records, applied when a version is released."""
