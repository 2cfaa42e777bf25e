"""Compares the verdicts of compat on a pair of contracts with what readers and callers really do."""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

from benchmarks.compat_campaign.callers import show_source
from benchmarks.compat_campaign.drawing import Draft
from benchmarks.compat_campaign.judges import (
    LINE,
    Shown,
    show_backward,
    show_first,
    show_forward,
)
from benchmarks.compat_campaign.meanings import show_meaning
from benchmarks.compat_campaign.packages import Package, compile_plain
from codegen.compat.catalogue import compare_contracts
from codegen.compat.classification import Classification
from codegen.compat.impact import Impact
from codegen.contract.model import Contract, Event
from codegen.contract.promises import Promise
from codegen.contract.versions import parse_version
from codegen.contract.wire_paths import walk_leaves, walk_records

_FIRST_RULES = ("EVT004", "FLD003", "FLD004")
"""Rules about the records of releases before the old contract."""
_SIDES = {"backward": Impact.WIRE_B, "forward": Impact.WIRE_F}


@dataclass(frozen=True)
class Evidence:
    """What was shown about a pair; it does not depend on compat."""

    old: Contract
    new: Contract
    edits: tuple[str, ...]
    backward: Shown
    forward: Shown
    source: Shown
    meaning: Shown
    first: Shown | None
    """What was shown about records of the release before the old one; None where there is none."""


@dataclass
class Verdicts:
    """What compat says of a pair, and where the evidence disagrees."""

    met: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How often each rule was met with each verdict."""
    findings: list[Classification] = field(default_factory=list)

    def count(self, one: Classification) -> None:
        """Count a finding: once for each group that it says to be broken, or for nobody."""
        for who in (str(one.violated) or "nobody").split(", "):
            self.met[one.rule.name, who] += 1

    disagreements: list[str] = field(default_factory=list)


def gather_pair(pair: Draft) -> Evidence:
    """Generate the packages of a pair, and run their readers and callers.

    Raises:
        InvalidContractError: a drawn contract has errors.
        ReaderError: the readers of one contract disagree among themselves.
    """
    old, new = compile_plain(pair.old), compile_plain(pair.new)
    pairing = dict(_pair_events(old, new))
    first = None
    with ExitStack() as stack:
        old_package = stack.enter_context(Package(old, "oracle_old"))
        new_package = stack.enter_context(Package(new, "oracle_new"))
        if pair.first is not None and len(pair.names) == 1:
            first_contract = compile_plain(pair.first)
            first_package = stack.enter_context(Package(first_contract, "oracle_first"))
            first = show_first(first_package, old_package, new_package)
        is_later = parse_version(new.version) > parse_version(old.version)
        return Evidence(
            old=old,
            new=new,
            edits=tuple(pair.names),
            backward=show_backward(old_package, new_package, pairing) if is_later else Shown(),
            forward=show_forward(old_package, new_package, pairing) if is_later else Shown(),
            source=show_source(old_package, new_package, pairing),
            meaning=show_meaning(old_package, new_package, pairing),
            first=first,
        )


def judge(evidence: Evidence) -> Verdicts:
    """Run compat on a pair, and compare its verdicts with the evidence."""
    verdicts = judge_findings(evidence.old, evidence.new)
    findings = verdicts.findings
    verdicts.disagreements += _compare_readers(evidence, findings)
    verdicts.disagreements += _compare_others(evidence, findings)
    verdicts.disagreements += _compare_policy(evidence, findings)
    return verdicts


def judge_findings(old: Contract, new: Contract) -> Verdicts:
    """Return the verdicts of compat on a pair."""
    verdicts = Verdicts()
    _, verdicts.findings = compare_contracts(old, new, {})
    for one in verdicts.findings:
        verdicts.count(one)
    return verdicts


def _pair_events(old: Contract, new: Contract) -> Iterator[tuple[str, str]]:
    names = {event.name for event in new.events}
    renamed = {event.renamed_from: event.name for event in new.events}
    becomes = {
        one.event: one.becomes for upcast in new.upcasts for one in upcast.events if one.becomes
    }
    for event in old.events:
        if event.name in names:
            yield event.name, event.name
        elif event.name in renamed:
            yield event.name, renamed[event.name]
        elif becomes.get(event.name) in names - {one.name for one in old.events}:
            yield event.name, becomes[event.name]


def _compare_readers(evidence: Evidence, findings: list[Classification]) -> Iterator[str]:
    """Compare what is said about readers, event by event."""
    bump = parse_version(evidence.new.version).bump_from(parse_version(evidence.old.version))
    if bump == "none":
        return
    for side, impact in _SIDES.items():
        shown: Shown = getattr(evidence, side)
        said = dict(_subjects(evidence, findings, impact))
        unconditional = {one.rule.name for one in findings if one.rule.is_unconditional}
        promised = _promised(evidence.old, impact)
        for subject, proof in shown.proofs.items():
            # A new major version tells old readers that they cannot read its records.
            is_told = impact == Impact.WIRE_F and bump == "major"
            if subject in promised and subject not in said and not is_told:
                yield f"{side}: nothing is said of {subject}, but {proof}"
        for subject, rules in said.items():
            is_told = impact == Impact.WIRE_F and bump == "major"
            if subject not in shown.proofs and not is_told:
                yield f"{side}: {subject} is called broken by {rules}, and nothing shows it"
            elif subject not in promised and not unconditional & set(rules.split(", ")):
                yield f"{side}: {subject} is called broken by {rules}, but nothing was promised"


def _subjects(
    evidence: Evidence, findings: Iterable[Classification], impact: Impact
) -> Iterator[tuple[str, str]]:
    """Yield the subjects that findings call broken, with the rule: old names of events, or the envelope."""
    side = "old" if impact == Impact.WIRE_B else "new"
    promised = _promised(evidence.old, impact)
    for one in findings:
        if impact not in one.violated or one.rule.id in (*_FIRST_RULES, "SPC003"):
            continue
        claimed = {event or LINE for event, which, _ in one.change.claims if which == side}
        for subject in claimed & promised or claimed or _expand(evidence, one):
            yield subject, one.rule.name


def _expand(evidence: Evidence, one: Classification) -> set[str]:
    """Return the events that a finding is about."""
    name = one.change.subject.partition(".")[0]
    old_names = {new: old for old, new in _pair_events(evidence.old, evidence.new)}
    if name == LINE:
        return {LINE}
    events = {event.name for event in evidence.old.events}
    if name in events or name in old_names:
        return {old_names.get(name, name)}
    return {
        event.name
        for event in evidence.old.events
        if any(record.name == name for _, record in walk_records(event.fields))
        or any(str(value.innermost) == name for _, value in walk_leaves(event.fields))
    } & _promised(evidence.old, Impact.WIRE_B)


def _promised(contract: Contract, impact: Impact) -> set[str]:
    return promised_events(contract, impact) | {LINE}


def promised_events(contract: Contract, impact: Impact) -> set[str]:
    """Return the events for which a contract promises not to break this; computed apart from compat."""
    return {event.name for event in contract.events if impact in _promise_of(event, contract)}


def _promise_of(event: Event, contract: Contract) -> Impact:
    wire = {"stable": "full", "beta": "backward", "development": "none"}[event.stability]
    source = event.stability != "development"
    promises: tuple[Promise, ...] = (contract.promise, event.promise)
    for promise in promises:
        wire = promise.wire or wire
        source = source if promise.source is None else promise.source != "none"
    impact = Impact.SEM if event.stability != "development" else Impact(0)
    impact |= Impact.WIRE_B if wire in ("full", "backward") else Impact(0)
    impact |= Impact.WIRE_F if wire in ("full", "forward") else Impact(0)
    return impact | (Impact.SOURCE if source else Impact(0))


def _compare_others(evidence: Evidence, findings: list[Classification]) -> Iterator[str]:
    """Compare what is said about callers and about meanings, for the pair as a whole."""
    bump = parse_version(evidence.new.version).bump_from(parse_version(evidence.old.version))
    said_first = [
        one.rule.name
        for one in findings
        if one.rule.id in _FIRST_RULES
        and one.change.impact != Impact.SEM
        and one.violated & (Impact.WIRE_B | Impact.SEM)
    ]
    rest = [
        one
        for one in findings
        if one.rule.id not in _FIRST_RULES or one.change.impact == Impact.SEM
    ]
    for name, impact, shown in (
        ("source", Impact.SOURCE, evidence.source.proofs),
        ("meaning", Impact.SEM, evidence.meaning.proofs),
    ):
        said = [one.rule.name for one in rest if impact in one.violated]
        promised = {k: v for k, v in shown.items() if _is_promised(evidence.old, k, impact)}
        if said and not shown:
            yield f"{name}: {said} call it broken, and nothing shows it"
        if promised and not said and bump != "major" and not _is_announced(evidence, impact):
            yield f"{name}: nothing is said, but {promised}"
    if evidence.first is not None:
        is_said = said_first or any(one.rule.id == "SPC004" and one.violated for one in findings)
        if evidence.first.proofs and not is_said:
            yield f"first: nothing is said, but {evidence.first.proofs}"
        if said_first and not evidence.first.proofs:
            yield f"first: {said_first} call it broken, and nothing shows it"


def _is_announced(evidence: Evidence, impact: Impact) -> bool:
    """Return whether callers were told to expect the break by a deprecation."""
    deprecated = any(event.deprecated for event in evidence.old.events) or any(
        value.deprecated for value in evidence.old.values
    )
    return impact == Impact.SOURCE and deprecated


def _is_promised(contract: Contract, subject: str, impact: Impact) -> bool:
    events = {event.name: event for event in contract.events}
    if subject in events:
        return impact in _promise_of(events[subject], contract)
    enums = {enum.name for enum in contract.enums}
    if subject in enums:
        users = [
            event
            for event in contract.events
            if any(str(value.innermost) == subject for _, value in walk_leaves(event.fields))
        ]
        return not users or any(impact in _promise_of(event, contract) for event in users)
    return True


def _compare_policy(evidence: Evidence, findings: list[Classification]) -> Iterator[str]:
    """Compare the findings about the maintenance of contracts with the contracts, the edits and the evidence."""
    said = {one.rule.name for one in findings if one.violated}
    old, new = evidence.old, evidence.new
    bump = parse_version(new.version).bump_from(parse_version(old.version))
    expected = {
        "STABILITY_LOWERED": "lower_stability" in evidence.edits,
        "UPCASTER_EDITED": "edit_released_upcast" in evidence.edits,
        "MEMBER_REMOVED_UNRESERVED": _is_member_lost(old, new),
        "VERSION_NOT_BUMPED": old.version == new.version,
    }
    if evidence.first is None and "forget_reserved" not in evidence.edits:
        expected["RESERVED_REMOVED"] = _is_forgotten(old, new)
    if bump == "major":
        expected["BUMP_TOO_SMALL"] = False
    elif bump != "none" and _needs_major(evidence):
        expected["BUMP_TOO_SMALL"] = True
    if evidence.edits == ("rename_field",) and bump != "none":
        expected["UPCAST_STEP_VAIN"] = "_typo" in repr(new.upcasts)
    is_single = len(evidence.edits) == 1 and bump != "none"
    if is_single and evidence.edits[0] in _CURABLE and not new.upcasts:
        broken = evidence.backward.proofs.keys() & _promised(old, Impact.WIRE_B)
        expected["UPCASTER_MISSING"] = bool(broken)
    for name, is_expected in expected.items():
        if (name in said) != is_expected:
            yield f"policy: {name} is {'not ' if is_expected else ''}said"


_CURABLE = ("remove_null", "change_missing", "rename_member")
"""Edits whose breaks for new readers are all resolved by upcasts."""


def _is_forgotten(old: Contract, new: Contract) -> bool:
    """Return whether a retired event or a reserved member is neither reserved nor used any more."""
    kept = {one.name for one in (*new.retired, *new.events)}
    enums = {enum.name: enum for enum in new.enums}
    return any(one.name not in kept for one in old.retired) or any(
        member.name
        not in {one.name for one in (*enums[enum.name].reserved, *enums[enum.name].members)}
        for enum in old.enums
        if enum.name in enums
        for member in enum.reserved
    )


def _is_member_lost(old: Contract, new: Contract) -> bool:
    """Return whether a removed member of an enum is not reserved with its number; a new name for its number is a rename."""
    present = {enum.name: enum for enum in new.enums}
    present |= {enum.renamed_from: enum for enum in new.enums if enum.renamed_from}
    for enum in old.enums:
        other = present.get(enum.name)
        if other is None:
            continue
        names = {member.name for member in enum.members}
        renamed = {member.value for member in other.members if member.name not in names}
        kept = {(member.name, member.value) for member in other.reserved}
        for member in enum.members:
            is_removed = all(member.name != one.name for one in other.members)
            is_known = member.value in renamed or (member.name, member.value) in kept
            if is_removed and not is_known:
                return True
    return False


def _needs_major(evidence: Evidence) -> bool:
    """Return whether somebody is broken whom only a new major version may break."""
    forward = evidence.forward.proofs.keys() & _promised(evidence.old, Impact.WIRE_F)
    strict = {
        event.name
        for event in evidence.old.events
        if event.stability == "stable" and event.promise.source is None
    }
    return bool(forward or evidence.source.proofs.keys() & strict)


def describe(evidence: Evidence) -> str:
    """Return a line about a pair: its versions and edits."""
    return f"{evidence.old.version} -> {evidence.new.version}, {', '.join(evidence.edits)}"
