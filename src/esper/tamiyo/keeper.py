"""Leads live seeds through their stages, and prunes those that do not pay."""

from dataclasses import dataclass
from typing import final

from esper._generated.enums import EvidenceMode, SeedStage
from esper._generated.records import SeedEvidence
from esper.leyline.actions import Advance, Prune
from esper.leyline.arguments import whole_number
from esper.leyline.signals import SlotSignals, TrainingSignals


@dataclass(frozen=True, slots=True, kw_only=True)
class KeeperConfig:
    """How long a seed has to show that it pays.

    Raises:
        ValueError: a limit is not a whole number, or too small.
    """

    min_looks: int = 3
    """Comparisons of a seed's losses before it may be pruned for what they show."""
    max_epochs_in_training: int = 6
    """Epochs in TRAINING after which a seed that does not pass its gate is pruned."""
    max_epochs_in_holding: int = 12
    """Epochs in HOLDING after which a seed that does not pass its gate is pruned."""
    settle_epochs: int = 3
    """Epochs after a rejuvenation in which no seed is kept or pruned: the network has first to learn again."""

    def __post_init__(self) -> None:
        """Check the limits."""
        for name, minimum in (
            ("min_looks", 1),
            ("max_epochs_in_training", 1),
            ("max_epochs_in_holding", 1),
            ("settle_epochs", 0),
        ):
            whole_number(name, getattr(self, name), minimum=minimum)


@final
class Keeper:
    """Asks for the next stage of each live seed; the gates decide. It has no memory."""

    def __init__(self, config: KeeperConfig) -> None:
        """Keep and prune within the limits of `config`."""
        self._config = config

    def tend(self, slot: SlotSignals, signals: TrainingSignals) -> Advance | Prune | None:
        """Return the action for the seed in `slot`; None leaves it, or an empty slot, alone."""
        config = self._config
        match slot.stage:
            case SeedStage.GERMINATED:
                return Advance(slot_id=slot.slot_id)
            case SeedStage.BLENDING:
                return Advance(slot_id=slot.slot_id) if slot.is_ready_to_hold else None
            case SeedStage.TRAINING:
                return self._judge(slot, slot.epochs_in_stage, config.max_epochs_in_training)
            case SeedStage.HOLDING:
                num_epochs = slot.epochs_in_stage
                if signals.restarted_after:
                    num_epochs = min(num_epochs, signals.epoch - signals.restarted_after)
                    if num_epochs < config.settle_epochs:
                        return None
                return self._judge(slot, num_epochs, config.max_epochs_in_holding)
            case _:
                return None

    def _judge(self, slot: SlotSignals, num_epochs: int, limit: int) -> Advance | Prune | None:
        """Return the action for a seed that has had `num_epochs` to show that it pays, of at most `limit`."""
        evidence = slot.evidence
        if self._is_refuted(evidence):
            return Prune(slot_id=slot.slot_id, reason="does_not_pay")
        if num_epochs > limit:
            return Prune(slot_id=slot.slot_id, reason="not_shown_to_pay")
        # A gate that would refuse the seed is not asked: each answer is a line of the log.
        return Advance(slot_id=slot.slot_id) if evidence is None or is_enough(evidence) else None

    def _is_refuted(self, evidence: SeedEvidence | None) -> bool:
        """Return whether enough looks show that the seed does not earn its price."""
        return (
            evidence is not None
            and evidence.look >= self._config.min_looks
            and evidence.high < evidence.price
        )


def is_enough(evidence: SeedEvidence) -> bool:
    """Return whether evidence gates are likely to let a seed pass.

    Out of TRAINING, after a shadow pass, the seed must help and on average earn its price; to be kept, the whole interval must lie
    above its price.
    """
    if evidence.mode is EvidenceMode.SHADOW:
        return evidence.low > 0.0 and evidence.difference > evidence.price
    return evidence.low > max(0.0, evidence.price)
