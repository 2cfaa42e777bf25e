"""A growth policy of a few rules: the default, and the baseline for learned policies."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from esper._generated.enums import SeedStage
from esper.leyline.actions import Action, Advance, Germinate, Prune
from esper.leyline.arguments import describe, instance_of, real_number, whole_number
from esper.leyline.lifecycle import is_undecided
from esper.leyline.policy import PolicyState
from esper.leyline.signals import SlotSignals, TrainingSignals
from esper.tamiyo.plateau import PlateauTracker
from esper.tamiyo.rotation import BlueprintRotation

_LEAST_COUNTS: Final = {
    "blend_tempo_epochs": 1,
    "warm_up_epochs": 0,
    "plateau_epochs": 0,
    "max_live_seeds": 0,
    "min_epochs_in_training": 0,
    "max_epochs_in_training": 0,
    "min_epochs_before_prune": 0,
    "max_epochs_in_holding": 0,
    "cool_down_epochs": 0,
    "min_epochs_left": 0,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HeuristicConfig:
    """The limits of the rules. Accuracies are in percentage points.

    The values come from the heuristic of esper-lite, the research code that Esper grew out of, or were chosen on `digits`.
    """

    blueprint_ids: tuple[str, ...] = ("conv_light", "conv_heavy", "norm", "depthwise")
    """Blueprints in the order in which they are tried; all must be registered for the host's slots."""
    blend_tempo_epochs: int = 3
    """Epochs over which a seed is blended in."""
    warm_up_epochs: int = 3
    """Epochs before the first seed: the gradients of an untrained host carry little information."""
    plateau_gain: float = 0.5
    """An epoch that gains less than this over the best accuracy counts towards a plateau."""
    plateau_epochs: int = 1
    """Epochs on a plateau before a seed is planted."""
    max_live_seeds: int = 1
    """Seeds at a time that are neither fossils nor pruned; with more, a gain cannot be attributed to one of them."""
    min_epochs_in_training: int = 3
    """Epochs in TRAINING before the policy first asks for BLENDING."""
    max_epochs_in_training: int = 12
    """Epochs in TRAINING after which a seed is pruned."""
    max_loss_of_accuracy: float = 2.0
    """A seed is pruned when accuracy has fallen by more than this since its stage began."""
    min_epochs_before_prune: int = 5
    """Epochs in a stage before a seed is pruned for falling accuracy."""
    min_contribution: float = 1.0
    """Contribution from which a seed in HOLDING is fossilised; gate G5 requires the same."""
    max_epochs_in_holding: int = 5
    """Epochs in HOLDING after which a seed that contributes less is pruned."""
    cool_down_epochs: int = 5
    """Epochs after a pruning in which no seed is planted."""
    min_epochs_left: int = 15
    """Epochs that must be left for a seed to be planted, so that it can still be kept or pruned."""
    skip_penalty: float = 1.0
    """Penalty from which a blueprint is left out; after one pruned seed it is left out for 13 epochs."""

    def __post_init__(self) -> None:
        """Check the limits.

        Raises:
            ValueError: one is of another type or out of its range.
        """
        ids = self.blueprint_ids
        if not isinstance(ids, tuple | list) or not ids:
            raise ValueError(
                f"blueprint_ids must be a tuple of at least one name, got {describe(ids)};"
                ' for example ("conv_light", "norm")'
            )
        for name in ids:
            instance_of("a name in blueprint_ids", name, str)
        for name, least in _LEAST_COUNTS.items():
            whole_number(name, getattr(self, name), minimum=least)
        for name in ("plateau_gain", "max_loss_of_accuracy", "min_contribution", "skip_penalty"):
            real_number(name, getattr(self, name), minimum=-math.inf)


class HeuristicPolicy:
    """Plants a seed when accuracy stops improving, leads it through the gates, and keeps it if it contributes."""

    def __init__(self, config: HeuristicConfig | None = None) -> None:
        """Start without a history; the default configuration suits `digits`.

        Raises:
            ValueError: `config` is of another type.
        """
        if config is None:
            config = HeuristicConfig()
        self._config = instance_of("config", config, HeuristicConfig, "write HeuristicConfig(...)")
        self._plateau = PlateauTracker(self._config.plateau_gain)
        self._rotation = BlueprintRotation(self._config.blueprint_ids, self._config.skip_penalty)
        self._next_planting_epoch = self._config.warm_up_epochs + 1

    def decide(self, signals: TrainingSignals) -> Sequence[Action]:
        """Return an action for each live seed that needs one, and a new seed if it is time for one."""
        self._rotation.decay()
        self._plateau.record(signals.val_accuracy)
        live = [slot for slot in signals.slots if is_undecided(slot.stage)]
        actions = [action for slot in live if (action := self._tend(slot)) is not None]
        for action in actions:
            if isinstance(action, Prune):
                self._next_planting_epoch = signals.epoch + self._config.cool_down_epochs
        if len(live) < self._config.max_live_seeds and self._is_time_to_plant(signals):
            actions.extend(self._plant(signals))
        return actions

    def state_dict(self) -> PolicyState:
        """Return the history of accuracy, the turn and penalties of blueprints, and the earliest epoch to plant."""
        return {
            **self._plateau.state_dict(),
            **self._rotation.state_dict(),
            "next_planting_epoch": self._next_planting_epoch,
        }

    def load_state_dict(self, state: PolicyState) -> None:
        """Restore the result of `state_dict`.

        Raises:
            KeyError: an entry of `state` is missing.
        """
        self._plateau.load_state_dict(state)
        self._rotation.load_state_dict(state)
        self._next_planting_epoch = state["next_planting_epoch"]

    def _is_time_to_plant(self, signals: TrainingSignals) -> bool:
        return (
            signals.may_germinate
            and signals.epoch >= self._next_planting_epoch
            and signals.epochs - signals.epoch >= self._config.min_epochs_left
            and self._plateau.epochs_without_gain >= self._config.plateau_epochs
        )

    def _plant(self, signals: TrainingSignals) -> list[Action]:
        """Return a `Germinate` for the first dormant slot; an empty list if no slot is dormant."""
        for slot in signals.slots:
            if slot.stage is SeedStage.DORMANT:
                self._plateau.restart()
                return [
                    Germinate(
                        slot_id=slot.slot_id,
                        blueprint_id=self._rotation.choose(),
                        blend_tempo_epochs=self._config.blend_tempo_epochs,
                    )
                ]
        return []

    def _tend(self, slot: SlotSignals) -> Action | None:
        """Return the action for a live seed; None leaves it alone."""
        match slot.stage:
            case SeedStage.GERMINATED:
                return Advance(slot_id=slot.slot_id)
            case SeedStage.TRAINING:
                return self._tend_training(slot)
            case SeedStage.BLENDING:
                if self._loses_accuracy(slot):
                    return self._prune(slot, "accuracy_fell")
                return Advance(slot_id=slot.slot_id) if slot.is_ready_to_hold else None
            case SeedStage.HOLDING:
                return self._tend_holding(slot)
            case _:
                return None

    def _tend_training(self, slot: SlotSignals) -> Action | None:
        # Accuracy is not asked: in TRAINING a seed cannot change the output.
        if slot.epochs_in_stage > self._config.max_epochs_in_training:
            return self._prune(slot, "never_ready")
        if slot.epochs_in_stage >= self._config.min_epochs_in_training:
            return Advance(slot_id=slot.slot_id)
        return None

    def _tend_holding(self, slot: SlotSignals) -> Action | None:
        if self._is_worth_keeping(slot):
            return Advance(slot_id=slot.slot_id)
        if slot.epochs_in_stage > self._config.max_epochs_in_holding:
            return self._prune(slot, "low_contribution")
        return None

    def _is_worth_keeping(self, slot: SlotSignals) -> bool:
        """Return whether gate G5 is likely to pass: by evidence if there is some, and by contribution if not."""
        if slot.evidence is not None:
            return slot.evidence.low > slot.evidence.price
        return slot.contribution is not None and slot.contribution >= self._config.min_contribution

    def _loses_accuracy(self, slot: SlotSignals) -> bool:
        return (
            slot.epochs_in_stage >= self._config.min_epochs_before_prune
            and slot.stage_improvement < -self._config.max_loss_of_accuracy
        )

    def _prune(self, slot: SlotSignals, reason: str) -> Prune:
        if slot.blueprint_id is not None:
            self._rotation.penalise(slot.blueprint_id)
        return Prune(slot_id=slot.slot_id, reason=reason)
