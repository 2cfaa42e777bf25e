"""The legal ways forward from a finding."""

from collections.abc import Iterator

from ..contract.versions import parse_version
from .releases import Passage
from .verdict import Verdict


def ways_of(verdict: Verdict, passage: Passage | None) -> list[str]:
    """List the ways in which what a verdict is about would be allowed; `passage` is None outside of one."""
    own = [*verdict.sighting.ways, *verdict.rule.ways]
    return [*own, *_derive(verdict, passage)] if passage else own


def _derive(verdict: Verdict, passage: Passage) -> Iterator[str]:
    """Spell the ways that a rule's attributes tell."""
    rule, broken = verdict.rule, verdict.broken
    old = parse_version(passage.scene.old.version)
    missing = [one for one in verdict.sighting.upcasts if not one.is_given]
    if broken & rule.by_upcast and missing:
        version = passage.target_version
        steps = "; ".join(f"{one.event}: {one.step}" for one in missing)
        yield f"add to the upcasts of {version}, so that old records can be read: {steps}"
    if broken & rule.by_revision:
        event = verdict.sighting.subject.partition(".")[0]
        yield f"raise revision: of {event}, and say in note: what has changed"
    if broken & rule.by_minor:
        yield f"release it as {old.after('minor')} or later"
    elif broken & rule.by_major:
        yield f"release it as {old.after('major')}"
