"""Exemptions, which excuse findings until a day, and the rules against exemptions that are useless or too long."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta

from ..contract.promises import MAX_EXEMPTION_DAYS, Exemption
from .classification import Classification, apply_rules
from .impact import Impact
from .modes import MODES
from .rule import Change, Rule

_SUGGESTED_DAYS = 90


@dataclass(frozen=True)
class AppliedExemptions:
    """The exemptions of a contract on a day, and the findings that they excuse."""

    exemptions: tuple[Exemption, ...]
    today: date
    used: frozenset[str]
    """The keys of the findings that are excused."""


def apply_exemptions(
    classified: Iterable[Classification],
    exemptions: tuple[Exemption, ...],
    today: date,
    *,
    is_release: bool,
) -> tuple[list[Classification], list[Classification]]:
    """Split findings into remaining ones, to which findings about the exemptions are added, and excused ones.

    An expired exemption still excuses its finding, so that a check does not start to fail without any change; the
    expiry is a warning in a check and an error in a release.
    """
    names = {exemption.name for exemption in exemptions}
    remaining: list[Classification] = []
    excused: list[Classification] = []
    for one in classified:
        is_excused = one.violated and one.rule.is_exemptable and one.key in names
        (excused if is_excused else remaining).append(one)
    applied = AppliedExemptions(exemptions, today, frozenset(one.key for one in excused))
    for one in apply_rules(RULES, [applied], "none"):
        is_warning = one.rule.name == "EXEMPTION_EXPIRED" and not is_release
        remaining.append(replace(one, severity="warning") if is_warning else one)
    return remaining, excused


def format_exemption(key: str, today: date) -> str:
    """Return the YAML of an exemption, to be pasted into a contract and completed with a reason."""
    until = today + timedelta(days=_SUGGESTED_DAYS)
    return f'exemptions:\n  {key}: {{until: "{until}", why: ...}}'


def _find_expired(applied: AppliedExemptions) -> Iterator[Change]:
    for exemption in applied.exemptions:
        if date.fromisoformat(exemption.until) < applied.today:
            yield _make_change(exemption, f"it ended on {exemption.until}")


def _find_unused(applied: AppliedExemptions) -> Iterator[Change]:
    for exemption in applied.exemptions:
        if exemption.name not in applied.used:
            yield _make_change(exemption, "it excuses no finding")


def _find_too_far(applied: AppliedExemptions) -> Iterator[Change]:
    latest = applied.today + timedelta(days=MAX_EXEMPTION_DAYS)
    for exemption in applied.exemptions:
        if date.fromisoformat(exemption.until) > latest:
            yield _make_change(
                exemption,
                f"it ends on {exemption.until}, more than {MAX_EXEMPTION_DAYS} days from {applied.today}",
            )


def _make_change(exemption: Exemption, description: str) -> Change:
    return Change(
        subject=exemption.name,
        span=exemption.span,
        description=description,
        mode=MODES["stable"],
    )


RULES: tuple[Rule[AppliedExemptions], ...] = (
    Rule(
        id="SPC006",
        name="EXEMPTION_EXPIRED",
        find=_find_expired,
        impact=Impact.POLICY,
        why="the finding that it excuses was to be resolved by then",
        remedies=("resolve the finding, and remove the exemption", "set a new day, and say why"),
        is_exemptable=False,
    ),
    Rule(
        id="SPC006",
        name="EXEMPTION_UNUSED",
        find=_find_unused,
        impact=Impact.POLICY,
        why="it would excuse the next change of the same kind, without a review",
        remedies=("remove it",),
        is_exemptable=False,
    ),
    Rule(
        id="SPC006",
        name="EXEMPTION_TOO_FAR",
        find=_find_too_far,
        impact=Impact.POLICY,
        why="an exemption must be reviewed regularly",
        remedies=(f"let it end within {MAX_EXEMPTION_DAYS} days",),
        is_exemptable=False,
    ),
)
"""Rules about the exemptions of a contract."""
