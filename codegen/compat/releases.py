"""Rules about the step from one version to the next: how much newer it is, what upcasts it brings."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ..contract.model import Contract
from ..contract.versions import BUMPS, Bump, Version, parse_version
from ..diagnostics.findings import Span
from ..history.baseline import Shapes
from ..history.shapes import find_shapes
from .contract_diff import Scene
from .impact import Break
from .modes import MODES
from .rule import Change, Rule
from .verdict import Verdict, needed_bump


@dataclass(frozen=True)
class Passage:
    """From an old contract to a new one, and what the rules about changes have seen on the way."""

    scene: Scene
    verdicts: tuple[Verdict, ...]
    shapes: Shapes
    """What targets made of the old contract; empty when nobody noted it."""

    @property
    def needed(self) -> Bump:
        """How much newer the version must be for all that has changed."""
        if _strip(self.scene.old) == _strip(self.scene.new):
            return "none"
        return max("patch", needed_bump(self.verdicts), key=BUMPS.index)

    @property
    def needed_version(self) -> Version:
        """The least version that may carry what has changed."""
        return parse_version(self.scene.old.version).after(self.needed)

    @property
    def target_version(self) -> Version:
        """The version to which upcasts must lead: the contract's own, if it is new enough."""
        return max(self.needed_version, parse_version(self.scene.new.version))


def _strip(contract: Contract) -> Contract:
    """Leave out what is said about a change and not by the contract."""
    return replace(contract, path="", version="", exemptions=())


def _find_not_bumped(passage: Passage) -> Iterator[Change]:
    old, new = passage.scene.old.version, passage.scene.new.version
    if old == new and passage.needed != "none":
        yield _see_version(passage, f"it has changed, and still says {old}")


def _find_too_small(passage: Passage) -> Iterator[Change]:
    old, new = passage.scene.old.version, passage.scene.new.version
    if old != new and parse_version(new) < passage.needed_version:
        yield _see_version(passage, f"{old} -> {new} is too small a step for what has changed")


def _see_version(passage: Passage, what: str) -> Change:
    way = f"say version: {passage.needed_version}"
    return _see("version", passage.scene.at("version"), what, way)


def _find_missing_upcasts(passage: Passage) -> Iterator[Change]:
    steps: dict[str, set[str]] = {}
    for verdict in passage.verdicts:
        if Break.WIRE_B in verdict.broken & verdict.rule.by_upcast:
            for one in verdict.sighting.upcasts:
                if not one.is_given:
                    steps.setdefault(one.event, set()).add(one.step)
    places = {pair.old.name: pair.new.span for pair in passage.scene.event_pairs}
    for event, wanted in sorted(steps.items()):
        span = places.get(event, passage.scene.at("events"))
        yield _see(event, span, "old records cannot be read", _stub(passage, event, wanted))


def _stub(passage: Passage, event: str, steps: set[str]) -> str:
    """Spell the upcast that is missing, as far as it can be known."""
    becomes = sorted(step for step in steps if step.startswith("becomes: "))
    lines = ["give them their new form:", "upcasts:", f"  {passage.target_version}:"]
    lines += ["    doc: ...", "    events:", f"      {event}:"]
    lines += [f"        {step}" for step in becomes]
    fields = sorted(steps - set(becomes))
    lines += ["        fields:"] if fields else []
    return "\n".join([*lines, *(f"          {step}" for step in fields)])


def _find_edited_upcasts(passage: Passage) -> Iterator[Change]:
    released = parse_version(passage.scene.old.version)
    old = {one.version: one for one in passage.scene.old.upcasts}
    new = {one.version: one for one in passage.scene.new.upcasts}
    for version in sorted({*old, *new}, key=parse_version):
        if parse_version(version) <= released and old.get(version) != new.get(version):
            span = new[version].span if version in new else passage.scene.at("upcasts")
            what = "added" if version not in old else "removed" if version not in new else "edited"
            yield _see(f"upcasts.{version}", span, f"{what} after it was released")


def _find_other_shapes(passage: Passage) -> Iterator[Change]:
    scene = passage.scene
    old = {one.name: one for one in (*scene.old.enums, *scene.old.owners)}
    new = {one.name: one for one in (*scene.new.enums, *scene.new.owners)}
    same = [name for name in old if old[name] == new.get(name)]
    if not passage.shapes:
        return
    for target, shapes in find_shapes(scene.new).items():
        before = passage.shapes.get(target, {})
        for name in same:
            if name in before and before[name] != shapes.get(name):
                what = f"{target} shows it otherwise, though the contract says the same"
                yield _see(name, new[name].span, what)


def _see(subject: str, span: Span, what: str, *ways: str) -> Change:
    return Change(subject=subject, span=span, what=what, mode=MODES["stable"], ways=ways)


RULES: tuple[Rule[Passage], ...] = (
    Rule(
        id="SPC001",
        name="VERSION_NOT_BUMPED",
        find=_find_not_bumped,
        breaks=Break.POLICY,
        why="two contracts with the same version cannot be told apart on the wire",
        is_exemptable=False,
    ),
    Rule(
        id="SPC002",
        name="BUMP_TOO_SMALL",
        find=_find_too_small,
        breaks=Break.POLICY,
        why="the version promises more than the change keeps",
        is_exemptable=False,
    ),
    Rule(
        id="SPC003",
        name="UPCASTER_MISSING",
        find=_find_missing_upcasts,
        breaks=Break.WIRE_B,
        why="every record that was ever released must stay readable",
    ),
    Rule(
        id="SPC004",
        name="UPCASTER_EDITED",
        find=_find_edited_upcasts,
        breaks=Break.POLICY,
        why="records that were read by it would come to say something else",
        ways=("put it back, and add an upcast to the next version",),
        is_exemptable=False,
    ),
    Rule(
        id="TGT001",
        name="TARGET_SHAPE_CHANGED",
        find=_find_other_shapes,
        breaks=Break.POLICY,
        why="readers of views, tables and types meet other columns without a change of the contract",
        by_minor=Break.POLICY,
        by_major=Break.POLICY,
    ),
)
"""Rules about the step from one version to the next."""
