"""Which stage of a seed's life may follow which, and what the stages have in common."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from esper._generated.enums import SeedStage

FAILURE_STAGES: Final = frozenset({SeedStage.PRUNED, SeedStage.EMBARGOED, SeedStage.RESETTING})
"""The seed is gone and its slot cools down."""

FOLLOWING_STAGES: Final[Mapping[SeedStage, tuple[SeedStage, ...]]] = MappingProxyType(
    {
        SeedStage.UNKNOWN: (SeedStage.DORMANT,),
        SeedStage.DORMANT: (SeedStage.GERMINATED,),
        SeedStage.GERMINATED: (SeedStage.TRAINING, SeedStage.PRUNED),
        SeedStage.TRAINING: (SeedStage.BLENDING, SeedStage.PRUNED),
        SeedStage.BLENDING: (SeedStage.HOLDING, SeedStage.PRUNED),
        SeedStage.HOLDING: (SeedStage.FOSSILIZED, SeedStage.BLENDING, SeedStage.PRUNED),
        SeedStage.FOSSILIZED: (),
        SeedStage.PRUNED: (SeedStage.EMBARGOED,),
        SeedStage.EMBARGOED: (SeedStage.RESETTING,),
        SeedStage.RESETTING: (SeedStage.DORMANT,),
    }
)
"""The stages that may follow a stage; the first is its way onward."""


def may_follow(stage: SeedStage, next_stage: SeedStage) -> bool:
    """Return whether `next_stage` may come directly after `stage`."""
    return next_stage in FOLLOWING_STAGES[stage]


def onward(stage: SeedStage) -> SeedStage | None:
    """Return the stage that `stage` leads to when all goes well; None behind the last one."""
    following = FOLLOWING_STAGES[stage]
    return following[0] if following else None


def has_seed(stage: SeedStage) -> bool:
    """Return whether there is a seed in the slot."""
    return SeedStage.GERMINATED <= stage <= SeedStage.FOSSILIZED


def is_active(stage: SeedStage) -> bool:
    """Return whether the seed takes part in training."""
    return SeedStage.TRAINING <= stage <= SeedStage.FOSSILIZED


def is_undecided(stage: SeedStage) -> bool:
    """Return whether there is a seed whose fate is open: neither a fossil nor pruned."""
    return SeedStage.GERMINATED <= stage <= SeedStage.HOLDING


def is_failure(stage: SeedStage) -> bool:
    """Return whether the seed has been removed and the slot cools down."""
    return stage in FAILURE_STAGES


def is_terminal(stage: SeedStage) -> bool:
    """Return whether the stage is for good."""
    return not FOLLOWING_STAGES[stage]
