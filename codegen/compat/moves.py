"""Rules about fields that are elsewhere: under another parent, or in another order."""

from collections.abc import Iterator

from .contract_diff import Scene
from .impact import EVERYBODY, Break
from .rule import Change, Rule, Upcastable


def _find_moved(scene: Scene) -> Iterator[Change]:
    for move in scene.moves:
        _, steps = scene.steps.follow(move.pair.old.name)
        step = f'"{move.new}": {{move: "{move.old}"}}'
        yield Change(
            subject=f"{move.pair.new.name}.{move.value.name}",
            span=move.value.span,
            what=f"{move.old} -> {move.new}",
            mode=move.pair.mode,
            upcasts=(Upcastable(move.pair.old.name, step, move.new in steps),),
        )


def _find_order(scene: Scene) -> Iterator[Change]:
    for owner in scene.owners:
        new = [pair.old.name for pair in owner.matched]
        old = [value.name for value in owner.old.fields if value.name in new]
        if old != new:
            yield Change(
                subject=owner.subject,
                span=owner.new.span,
                what=f"the order of its fields: {', '.join(old)} -> {', '.join(new)}",
                mode=owner.mode,
            )


RULES: tuple[Rule[Scene], ...] = (
    Rule(
        id="FLD041",
        name="MOVED",
        find=_find_moved,
        breaks=EVERYBODY,
        why="old records, old readers and callers have it under its old parent",
        by_upcast=Break.WIRE_B,
        by_major=Break.WIRE_F | Break.SOURCE,
    ),
    Rule(
        id="FLD040",
        name="ORDER_CHANGED",
        find=_find_order,
        why="constructors take keywords and readers keys; only tables change the order of their columns",
        bump="patch",
    ),
)
"""Rules about where fields are."""
