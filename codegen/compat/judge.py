"""Holds two contracts against every rule about changes."""

from collections.abc import Iterator

from ..contract.model import Contract
from ..history.baseline import Shapes
from . import (
    enums,
    event_rules,
    events,
    fields,
    moves,
    presence,
    reserved_rules,
    stability_rules,
    values,
)
from .contract_diff import Scene
from .field_matching import find_turnovers
from .releases import RULES as PASSAGE_RULES
from .releases import Passage
from .verdict import Verdict, apply

_SCENE_RULES = (
    *reserved_rules.RULES,
    *events.RULES,
    *moves.RULES,
    *stability_rules.RULES,
    *enums.CLASS_RULES,
)


def judge(old: Contract, new: Contract, shapes: Shapes) -> tuple[Passage, list[Verdict]]:
    """Compare two contracts; `shapes` is what targets made of the old one, if anybody noted it."""
    scene = Scene(old, new)
    changes = tuple(_judge_changes(scene))
    passage = Passage(scene, changes, shapes)
    return passage, [*changes, *apply(PASSAGE_RULES, [passage], scene.bump)]


def _judge_changes(scene: Scene) -> Iterator[Verdict]:
    yield from apply(_SCENE_RULES, [scene], scene.bump)
    yield from apply(event_rules.RULES, scene.event_pairs, scene.bump)
    yield from apply(presence.RULES, find_turnovers(scene), scene.bump)
    pairs = [pair for owner in scene.owners for pair in owner.matched]
    yield from apply((*fields.RULES, *values.RULES), pairs, scene.bump)
    yield from apply(enums.RULES, scene.enum_pairs, scene.bump)
