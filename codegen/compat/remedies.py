"""Remedies: what an author can do so that a change is allowed."""

from collections.abc import Iterator

from ..contract.versions import parse_version
from .classification import Classification, Comparison


def remedies_for(classified: Classification, comparison: Comparison | None) -> list[str]:
    """List the remedies for a change; `comparison` is None for a finding about a single contract or the archive."""
    own = [*classified.change.remedies, *classified.rule.remedies]
    return [*own, *_derive(classified, comparison)] if comparison else own


def _derive(classified: Classification, comparison: Comparison) -> Iterator[str]:
    """Derive remedies from what the rule says an upcast, a revision or a new version resolves."""
    rule, change, violated = classified.rule, classified.change, classified.violated
    old = parse_version(comparison.diff.old.version)
    missing = [one for one in change.required_upcasts if not one.is_present]
    if violated & rule.resolved_by_upcast and missing:
        steps = "; ".join(f"{one.event}: {one.step}" for one in missing)
        yield (
            f"add to the upcasts of {comparison.upcast_version}, with your values, so that old records can be read:"
            f" {steps}"
        )
    if violated & rule.resolved_by_revision:
        event = change.subject.partition(".")[0]
        yield f"raise revision: of {event}, and describe the change in note:"
    if violated & rule.resolved_by_minor:
        yield f"release it as {old.after('minor')} or later"
    elif violated & rule.resolved_by_major:
        yield f"release it as {old.after('major')}"
