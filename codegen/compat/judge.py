"""Holds two contracts against every rule about changes."""

from collections.abc import Iterator

from codegen.compat import enums, events, fields, moves, past, presence, promising, telling, values
from codegen.compat.releases import RULES as PASSAGE_RULES
from codegen.compat.releases import Passage
from codegen.compat.scene import Scene
from codegen.compat.turnover import find_turnovers
from codegen.compat.verdict import Verdict, apply
from codegen.history.baseline import Shapes
from codegen.model import Contract

_SCENE_RULES = (*past.RULES, *events.RULES, *moves.RULES, *promising.RULES, *enums.CLASS_RULES)


def judge(old: Contract, new: Contract, shapes: Shapes) -> tuple[Passage, list[Verdict]]:
    """Compare two contracts; `shapes` is what targets made of the old one, if anybody noted it."""
    scene = Scene(old, new)
    changes = tuple(_judge_changes(scene))
    passage = Passage(scene, changes, shapes)
    return passage, [*changes, *apply(PASSAGE_RULES, [passage], scene.bump)]


def _judge_changes(scene: Scene) -> Iterator[Verdict]:
    yield from apply(_SCENE_RULES, [scene], scene.bump)
    yield from apply(telling.RULES, scene.event_pairs, scene.bump)
    yield from apply(presence.RULES, find_turnovers(scene), scene.bump)
    pairs = [pair for owner in scene.owners for pair in owner.matched]
    yield from apply((*fields.RULES, *values.RULES), pairs, scene.bump)
    yield from apply(enums.RULES, scene.enum_pairs, scene.bump)
