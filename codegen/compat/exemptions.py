"""Exemptions: findings that are excused until a day, and the rules that keep them from rotting."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta

from ..contract.promises import Exemption
from .impact import Break
from .modes import MODES
from .rule import Change, Rule
from .verdict import Verdict, apply

MAX_DAYS = 180
_USUAL_DAYS = 90


@dataclass(frozen=True)
class Excuses:
    """The exemptions of a contract, on a day, and what they excuse."""

    exemptions: tuple[Exemption, ...]
    today: date
    excused: frozenset[str]
    """The keys of the findings that exemptions excuse."""


def excuse(
    verdicts: Iterable[Verdict], exemptions: tuple[Exemption, ...], today: date, *, is_release: bool
) -> tuple[list[Verdict], list[Verdict]]:
    """Part verdicts into those that stand, with those about the exemptions themselves, and the excused.

    An exemption that has expired goes on excusing, so that time alone fails no check; it fails a release.
    """
    names = {exemption.name for exemption in exemptions}
    standing: list[Verdict] = []
    excused: list[Verdict] = []
    for verdict in verdicts:
        is_excused = verdict.rule.is_exemptable and verdict.key in names
        (excused if is_excused and verdict.broken else standing).append(verdict)
    excuses = Excuses(exemptions, today, frozenset(verdict.key for verdict in excused))
    for verdict in apply(RULES, [excuses], "none"):
        is_mild = verdict.rule.name == "EXEMPTION_EXPIRED" and not is_release
        standing.append(replace(verdict, weight="warning") if is_mild else verdict)
    return standing, excused


def spell_exemption(key: str, today: date) -> str:
    """Spell an exemption that may be pasted into a contract."""
    until = today + timedelta(days=_USUAL_DAYS)
    return f'exemptions:\n  {key}: {{until: "{until}", why: ...}}'


def _find_expired(excuses: Excuses) -> Iterator[Change]:
    for exemption in excuses.exemptions:
        if date.fromisoformat(exemption.until) < excuses.today:
            yield _see(exemption, f"it ended on {exemption.until}")


def _find_unused(excuses: Excuses) -> Iterator[Change]:
    for exemption in excuses.exemptions:
        if exemption.name not in excuses.excused:
            yield _see(exemption, "it excuses nothing")


def _find_too_far(excuses: Excuses) -> Iterator[Change]:
    latest = excuses.today + timedelta(days=MAX_DAYS)
    for exemption in excuses.exemptions:
        if date.fromisoformat(exemption.until) > latest:
            what = f"it ends on {exemption.until}, more than {MAX_DAYS} days from {excuses.today}"
            yield _see(exemption, what)


def _see(exemption: Exemption, what: str) -> Change:
    span, mode = exemption.span, MODES["stable"]
    return Change(subject=exemption.name, span=span, what=what, mode=mode)


RULES: tuple[Rule[Excuses], ...] = (
    Rule(
        id="SPC006",
        name="EXEMPTION_EXPIRED",
        find=_find_expired,
        breaks=Break.POLICY,
        why="what it excuses was to be settled by then",
        ways=("settle what it excuses, and remove it", "give it a new day, and say why"),
        is_exemptable=False,
    ),
    Rule(
        id="SPC006",
        name="EXEMPTION_UNUSED",
        find=_find_unused,
        breaks=Break.POLICY,
        why="it would excuse the next change that happens to be of the same kind",
        ways=("remove it",),
        is_exemptable=False,
    ),
    Rule(
        id="SPC006",
        name="EXEMPTION_TOO_FAR",
        find=_find_too_far,
        breaks=Break.POLICY,
        why="an exemption without an end is a decision that nobody took",
        ways=(f"let it end within {MAX_DAYS} days",),
        is_exemptable=False,
    ),
)
"""Rules about exemptions."""
