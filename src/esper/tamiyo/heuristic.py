"""A growth policy of a few rules, for a start and as the baseline that learned policies must beat."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from esper._generated.enums import SeedStage
from esper.leyline.actions import Action, Advance, Germinate, Prune
from esper.leyline.lifecycle import is_undecided
from esper.leyline.policy import PolicyState
from esper.leyline.signals import SlotSignals, TrainingSignals
from esper.tamiyo.plateau import PlateauTracker
from esper.tamiyo.rotation import BlueprintRotation


@dataclass(frozen=True, slots=True, kw_only=True)
class HeuristicConfig:
    """The numbers behind the rules. Accuracies are in percentage points.

    The source of those that esper-lite's heuristic has too is that code base; the others were chosen on `digits`.
    """

    blueprint_ids: tuple[str, ...] = ("conv_light", "conv_heavy", "norm", "depthwise")
    """Blueprints in the order in which they are tried."""
    blend_tempo_epochs: int = 3
    """Epochs that a seed takes to blend in."""
    warm_up_epochs: int = 3
    """Epochs before the first seed: gradients of a fresh host say little."""
    plateau_gain: float = 0.5
    """A smaller gain in accuracy than this counts towards a plateau."""
    plateau_epochs: int = 1
    """Epochs on a plateau before a seed is planted."""
    max_live_seeds: int = 1
    """Seeds that are neither fossils nor pruned, at a time; more would share the credit for one gain."""
    min_epochs_in_training: int = 3
    """Epochs in TRAINING before the gate to BLENDING is tried: it refuses any earlier."""
    max_epochs_in_training: int = 12
    """Epochs in TRAINING after which a seed is given up."""
    max_loss_of_accuracy: float = 2.0
    """A seed under which accuracy falls further than this since its stage began is pruned."""
    min_epochs_before_prune: int = 5
    """Epochs in a stage before falling accuracy is held against the seed."""
    min_contribution: float = 1.0
    """Contribution from which a seed in HOLDING is fossilised; gate G5 asks for as much."""
    max_epochs_in_holding: int = 5
    """Epochs in HOLDING after which a seed that contributes less is pruned."""
    cool_down_epochs: int = 5
    """Epochs without planting after a seed was pruned."""
    min_epochs_left: int = 15
    """Epochs that must be left for a seed to be planted, so that it can come to a decision."""
    skip_penalty: float = 1.0
    """Penalty from which a blueprint is left out; after one pruned seed that is for 13 epochs."""


class HeuristicPolicy:
    """Plants a seed when the host stops improving, leads it through the gates, keeps it if it contributes."""

    def __init__(self, config: HeuristicConfig | None = None) -> None:
        """Start without a memory; the default configuration suits `digits`."""
        self._config = config or HeuristicConfig()
        self._plateau = PlateauTracker(self._config.plateau_gain)
        self._rotation = BlueprintRotation(self._config.blueprint_ids, self._config.skip_penalty)
        self._next_planting_epoch = self._config.warm_up_epochs + 1

    def decide(self, signals: TrainingSignals) -> Sequence[Action]:
        """Return what to do with each live seed, and a planting if it is time for one."""
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
        """Return the policy's memory in plain values."""
        return {
            "best_accuracy": self._plateau.best_accuracy,
            "epochs_without_gain": self._plateau.epochs_without_gain,
            "next_blueprint": self._rotation.next_index,
            "penalties": self._rotation.penalties,
            "next_planting_epoch": self._next_planting_epoch,
        }

    def load_state_dict(self, state: PolicyState) -> None:
        """Take up what `state_dict` returned."""
        self._plateau.best_accuracy = cast(float, state["best_accuracy"])
        self._plateau.epochs_without_gain = cast(int, state["epochs_without_gain"])
        self._rotation.load(
            cast(int, state["next_blueprint"]), cast(Mapping[str, float], state["penalties"])
        )
        self._next_planting_epoch = cast(int, state["next_planting_epoch"])

    def _is_time_to_plant(self, signals: TrainingSignals) -> bool:
        return (
            signals.may_germinate
            and signals.epoch >= self._next_planting_epoch
            and signals.epochs - signals.epoch >= self._config.min_epochs_left
            and self._plateau.epochs_without_gain >= self._config.plateau_epochs
        )

    def _plant(self, signals: TrainingSignals) -> list[Action]:
        """Plant in the first empty slot, if there is one."""
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
        """Return what to do with a live seed; None leaves it alone."""
        match slot.stage:
            case SeedStage.GERMINATED:
                return Advance(slot_id=slot.slot_id)
            case SeedStage.TRAINING:
                return self._tend_training(slot)
            case SeedStage.BLENDING:
                if self._does_harm(slot):
                    return self._prune(slot, "accuracy_fell")
                return Advance(slot_id=slot.slot_id) if slot.is_ready_to_hold else None
            case SeedStage.HOLDING:
                return self._tend_holding(slot)
            case _:
                return None

    def _tend_training(self, slot: SlotSignals) -> Action | None:
        if self._does_harm(slot):
            return self._prune(slot, "accuracy_fell")
        if slot.epochs_in_stage > self._config.max_epochs_in_training:
            return self._prune(slot, "never_ready")
        if slot.epochs_in_stage >= self._config.min_epochs_in_training:
            return Advance(slot_id=slot.slot_id)
        return None

    def _tend_holding(self, slot: SlotSignals) -> Action | None:
        if slot.contribution is not None and slot.contribution >= self._config.min_contribution:
            return Advance(slot_id=slot.slot_id)
        if slot.epochs_in_stage > self._config.max_epochs_in_holding:
            return self._prune(slot, "low_contribution")
        return None

    def _does_harm(self, slot: SlotSignals) -> bool:
        return (
            slot.epochs_in_stage >= self._config.min_epochs_before_prune
            and slot.stage_improvement < -self._config.max_loss_of_accuracy
        )

    def _prune(self, slot: SlotSignals, reason: str) -> Prune:
        if slot.blueprint_id is not None:
            self._rotation.penalise(slot.blueprint_id)
        return Prune(slot_id=slot.slot_id, reason=reason)
