"""Rules about what has been released: it stays as it was, and every event of it has golden records."""

from collections.abc import Iterator, Sequence

from ..diagnostics.findings import Span
from ..history.archive import Release
from ..history.baseline import hash_golden
from ..history.golden import events_of
from .impact import Break
from .modes import MODES
from .rule import Change, Rule

Archive = Sequence[Release]


def _find_missing_golden(archive: Archive) -> Iterator[Change]:
    for release in archive:
        if release.golden is None:
            yield _see(release, f"{release.path.stem}.jsonl is gone")
            continue
        events = events_of(release.golden)
        for event in release.baseline.contract.events:
            if event.name not in events:
                yield _see(release, f"there is no record of {event.name}")


def _find_edited(archive: Archive) -> Iterator[Change]:
    for release in archive:
        if not release.baseline.is_intact:
            yield _see(release, "it is not as it was released")
        if release.golden is not None and hash_golden(release.golden) != release.baseline.golden:
            yield _see(release, "its golden records are not as they were released")


def _find_misplaced(archive: Archive) -> Iterator[Change]:
    previous = ""
    for release in archive:
        if release.baseline.contract.version != release.path.stem:
            yield _see(release, f"it holds version {release.baseline.contract.version}")
        if release.baseline.previous != previous:
            yield _see(release, "the release before it is not the one that it followed")
        previous = release.baseline.digest


def _see(release: Release, what: str) -> Change:
    span = Span(release.name, 1, 1)
    return Change(subject=str(release.version), span=span, what=what, mode=MODES["stable"])


EDITED: Rule[Archive] = Rule(
    id="SPC007",
    name="BASELINE_EDITED",
    find=_find_edited,
    breaks=Break.POLICY,
    why="what is compared with must be what was released",
    ways=("restore it from where it was released",),
    is_exemptable=False,
)
"""The rule that also holds for a single release."""

RULES: tuple[Rule[Archive], ...] = (
    Rule(
        id="SPC005",
        name="GOLDEN_MISSING",
        find=_find_missing_golden,
        breaks=Break.POLICY,
        why="without records of it nobody knows whether that version can still be read",
        ways=("restore them from where they were released",),
        is_exemptable=False,
    ),
    EDITED,
    Rule(
        id="SPC007",
        name="BASELINE_MISPLACED",
        find=_find_misplaced,
        breaks=Break.POLICY,
        why="each release is compared with the one before it",
        ways=("restore the folder from where it was released",),
        is_exemptable=False,
    ),
)
"""Rules about what has been released."""
