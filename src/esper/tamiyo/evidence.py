"""The default growth policy: it plants where the loss pulls most, and keeps what has been shown to pay."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from esper._generated.enums import SeedStage
from esper.leyline.actions import Action, Advance, Germinate, Prune, Rejuvenate
from esper.leyline.arguments import describe, instance_of, real_number, whole_number
from esper.leyline.lifecycle import is_undecided
from esper.leyline.policy import PolicyState
from esper.leyline.signals import SlotSignals, TrainingSignals
from esper.tamiyo.budget import GrowthBudget
from esper.tamiyo.keeper import Keeper, KeeperConfig, is_enough
from esper.tamiyo.learning_curve import LearningCurve
from esper.tamiyo.rotation import BlueprintRotation

_SKIP_PENALTY: Final = 1.0
"""Penalty from which a blueprint is left out; after one pruned seed it is left out for 13 epochs."""

_LEAST_COUNTS: Final = {
    "max_failures": 1,
    "curve_window": 1,
    "blend_tempo_epochs": 1,
    "max_shadow_epochs": 1,
    "cool_down_epochs": 0,
    "max_rejuvenations": 0,
    "fresh_passes": 0,
    "max_seeds_at_once": 1,
    "max_trials": 0,
}
_SHARES: Final = (
    "curve_share",
    "fresh_share",
    "latest_trial_share",
    "latest_share",
    "min_share_left",
    "min_share_to_learn_again",
    "place_share",
    "trial_share",
    "memorised_share",
    "min_share_between",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceConfig:
    """The limits of the rules. Losses are in nats; shares are of the run's epochs unless they say otherwise.

    The values were chosen on `mnist1d` and `pydoc`, by the decision split.

    Raises:
        ValueError: one is of another type or out of its range.
    """

    blueprint_ids: tuple[str, ...] = (
        "conv_light",
        "mlp_small",
        "conv_heavy",
        "mlp",
        "norm",
        "lora",
        "depthwise",
    )
    """Blueprints in the order in which they are tried; in each slot those that it can take."""
    budget: GrowthBudget = field(default_factory=GrowthBudget)
    """What growing may cost."""
    max_failures: int = 3
    """Seeds pruned in a row after which no more are planted."""
    keeper: KeeperConfig = field(default_factory=KeeperConfig)
    """How long a seed has to show that it pays."""
    curve_window: int = 5
    """Epochs over which the present gain per epoch is measured."""
    curve_share: float = 0.03
    """The network has settled when its gain per epoch is below this share of its mean gain per epoch."""
    fresh_passes: int = 5
    """Epochs in which samples are as good as new. Up to four passes teach a language model nearly as much as samples that it has
    not met (Muennighoff et al., Scaling Data-Constrained Language Models, arXiv:2305.16264)."""
    fresh_share: float = 0.2
    """Where this share of the run has passed within the fresh passes, and the network has learned nothing by heart, it gets its
    first seeds then, without a rejuvenation: there is enough left to learn for all. In a longer run they wait."""
    latest_trial_share: float = 0.25
    """A network without seeds that has learned its samples by heart is rejuvenated on trial once it has settled, or once this share
    of the run has passed."""
    latest_share: float = 0.6
    """The first seeds are planted before this share of the run has passed, settled or not. A rejuvenation that the trial has shown
    to help lets seeds learn as well then as earlier, and until then the run costs the updates of the host alone."""
    min_share_left: float = 0.35
    """Share of the run that must be left to plant a seed."""
    min_share_to_learn_again: float = 0.2
    """Share of the run that must be left to rejuvenate."""
    max_seeds_at_once: int = 1
    """Seeds that a network gets at once, those with fresh samples excepted: one that is pruned has cost its updates for nothing, and the
    gain of one can be told from that of others only if they come one after the other."""
    place_share: float = 0.1
    """A slot gets a seed if its place signal, averaged over the epochs in which it was empty, is at least this share of the largest
    one. The signal of one epoch, which comes from one batch, is too noisy to choose between slots."""
    blend_tempo_epochs: int = 1
    """Epochs over which a seed is blended in: a slower ramp costs time and does not help."""
    on_credit: bool = True
    """Whether seeds run at full amplitude at once, and are judged when they have learned together with the host.

    Without it they only listen until a shadow pass shows that they help. Beside a host that has learned its samples by heart they
    learn nothing there: on `digits` no seed has ever passed.
    """
    max_shadow_epochs: int = 3
    """Without credit: epochs in TRAINING in which a seed that could advance waits for those that were planted with it."""
    cool_down_epochs: int = 5
    """Epochs after a pruning in which no seed is planted."""
    max_rejuvenations: int = 4
    """Rejuvenations in a run, those refused included; 0 never asks for one. If all trials fail, there are no others."""
    trial_share: float = 0.22
    """Length of the trial of the first rejuvenation, as a share of the epochs that are left; 0 does without a trial.

    It takes place before the first seeds are planted, because the copy that is thrown away costs least then, and because it says
    whether seeds may be planted late: where a rejuvenation does harm, they are planted as soon as the trial has ended.
    """
    max_trials: int = 2
    """Trials before the first seeds: one that is refused is repeated once, because seeds starve without a rejuvenation, and the loss at the
    end of a trial, at a high learning rate, differs much from step to step."""
    memorised_share: float = 0.15
    """Only a network whose training loss is below its decision loss by this share of it is rejuvenated.

    Then it has learned its samples by heart, and a fresh start on the same samples can reach a better place. Where each sample is new,
    as in one pass over a text, both losses are about equal, and a fresh start only forgets.
    """
    min_share_between: float = 0.2
    """Share of the run between two rejuvenations."""

    def __post_init__(self) -> None:
        """Check the limits."""
        ids = self.blueprint_ids
        if not isinstance(ids, tuple | list) or not ids:
            raise ValueError(
                f"blueprint_ids must be a tuple of at least one name, got {describe(ids)};"
                ' for example ("conv_light", "norm")'
            )
        for name in ids:
            instance_of("a name in blueprint_ids", name, str)
        instance_of("on_credit", self.on_credit, bool)
        instance_of("budget", self.budget, GrowthBudget, "write GrowthBudget(params=...)")
        instance_of("keeper", self.keeper, KeeperConfig, "write KeeperConfig(...)")
        for name, least in _LEAST_COUNTS.items():
            whole_number(name, getattr(self, name), minimum=least)
        for name in _SHARES:
            if not 0.0 <= real_number(name, getattr(self, name)) <= 1.0:
                raise ValueError(f"{name} must be in [0, 1], got {getattr(self, name)}")


class EvidencePolicy:
    """Plants seeds where the loss pulls most, as late as they still learn, and keeps those that are shown to pay."""

    def __init__(self, config: EvidenceConfig | None = None) -> None:
        """Start without a history.

        Raises:
            ValueError: `config` is of another type.
        """
        config = EvidenceConfig() if config is None else config
        self._config = instance_of("config", config, EvidenceConfig, "write EvidenceConfig(...)")
        self._keeper = Keeper(config.keeper)
        self._curve = LearningCurve(window=config.curve_window, share=config.curve_share)
        self._rotation = BlueprintRotation(tuple(config.blueprint_ids), _SKIP_PENALTY)
        self._has_begun = False
        self._has_planted = False
        self._next_planting_epoch = 1
        self._failures_in_a_row = 0
        self._num_fossils = 0
        self._num_rejuvenations = 0
        self._last_rejuvenation = 0
        self._pulls: dict[str, tuple[float, int]] = {}
        """Sum and number of the place signals of each empty slot."""

    def decide(self, signals: TrainingSignals) -> Sequence[Action]:
        """Return the actions on live seeds, then those that plant new ones, then a rejuvenation if it may help."""
        self._observe(signals)
        actions: list[Action] = []
        for slot in signals.slots:
            action = self._keeper.tend(slot, signals)
            if isinstance(action, Prune):
                self._note_failure(slot, signals)
            if isinstance(action, Advance) and self._must_wait(slot, signals):
                continue
            if action is not None:
                actions.append(action)
        is_entering = any(
            slot.stage is SeedStage.TRAINING and Advance(slot_id=slot.slot_id) in actions
            for slot in signals.slots
        )
        if self._is_time_to_try(signals):
            actions.append(self._rejuvenate(signals, self._config.trial_share))
            return actions
        if self._is_time_to_plant(signals) and (planted := self._plant(signals)):
            actions.extend(planted)
            is_entering = self._config.on_credit
            self._curve.begin(None)
        if self._is_time_to_rejuvenate(signals, is_entering=is_entering):
            is_first = self._num_rejuvenations == 0
            trial_share = self._config.trial_share if is_first else 0.0
            actions.append(self._rejuvenate(signals, trial_share))
        return actions

    def state_dict(self) -> PolicyState:
        """Return the learning curve, the penalties of blueprints, and what has been planted and rejuvenated."""
        return {
            **self._curve.state_dict(),
            **self._rotation.state_dict(),
            "has_begun": self._has_begun,
            "has_planted": self._has_planted,
            "next_planting_epoch": self._next_planting_epoch,
            "failures_in_a_row": self._failures_in_a_row,
            "num_fossils": self._num_fossils,
            "num_rejuvenations": self._num_rejuvenations,
            "last_rejuvenation": self._last_rejuvenation,
            "pulls": {name: list(pull) for name, pull in self._pulls.items()},
        }

    def load_state_dict(self, state: PolicyState) -> None:
        """Restore the result of `state_dict`.

        Raises:
            KeyError: an entry of `state` is missing.
        """
        self._curve.load_state_dict(state)
        self._rotation.load_state_dict(state)
        self._has_begun = state["has_begun"]
        self._has_planted = state["has_planted"]
        self._next_planting_epoch = state["next_planting_epoch"]
        self._failures_in_a_row = state["failures_in_a_row"]
        self._num_fossils = state["num_fossils"]
        self._num_rejuvenations = state["num_rejuvenations"]
        self._last_rejuvenation = state["last_rejuvenation"]
        self._pulls = {name: (total, count) for name, (total, count) in state["pulls"].items()}

    def _observe(self, signals: TrainingSignals) -> None:
        """Record the epoch; a new fossil ends a row of failures."""
        if not self._has_begun:
            self._has_begun = True
            self._curve.begin(signals.random_guess_loss)
        self._curve.record(signals.val_loss)
        self._rotation.decay()
        for slot in signals.slots:
            if slot.stage is not SeedStage.DORMANT:
                self._pulls.pop(slot.slot_id, None)
            elif slot.place_signal is not None and math.isfinite(slot.place_signal):
                total, count = self._pulls.get(slot.slot_id, (0.0, 0))
                self._pulls[slot.slot_id] = (total + slot.place_signal, count + 1)
        num_fossils = sum(slot.stage is SeedStage.FOSSILIZED for slot in signals.slots)
        if num_fossils > self._num_fossils:
            self._num_fossils, self._failures_in_a_row = num_fossils, 0

    def _must_wait(self, slot: SlotSignals, signals: TrainingSignals) -> bool:
        """Return whether a seed that could leave TRAINING waits, so that all that were planted with it enter together."""
        if slot.stage is not SeedStage.TRAINING or slot.evidence is None:
            return False
        if slot.epochs_in_stage >= self._config.max_shadow_epochs:
            return False
        others = [other for other in signals.slots if other.stage is SeedStage.TRAINING]
        return any(other.evidence is None or not is_enough(other.evidence) for other in others)

    def _is_time_to_plant(self, signals: TrainingSignals) -> bool:
        config = self._config
        if (
            not signals.may_germinate
            or signals.epoch < self._next_planting_epoch
            or _share_left(signals) < config.min_share_left
            or self._failures_in_a_row >= config.max_failures
            or config.budget.is_spent(signals)
            # While seeds are at work, the gain of new ones could not be told from theirs.
            or any(is_undecided(slot.stage) for slot in signals.slots)
        ):
            return False
        if self._has_planted:
            return self._curve.has_settled
        is_last_moment = (signals.epoch + 1) / signals.epochs > config.latest_share
        if self._num_rejuvenations == 0:
            return is_last_moment or self._curve.has_settled or self._has_fresh_samples(signals)
        return is_last_moment or not self._was_rejuvenated(signals)

    def _has_fresh_samples(self, signals: TrainingSignals) -> bool:
        """Return whether enough of the run has passed, and the network still meets samples that teach it as new ones would."""
        config = self._config
        return (
            signals.epoch <= config.fresh_passes
            and signals.epoch / signals.epochs >= config.fresh_share
            and not _has_memorised(signals, config.memorised_share)
        )

    def _is_time_to_try(self, signals: TrainingSignals) -> bool:
        """Return whether a network without seeds that has learned by heart is to be rejuvenated on trial."""
        config = self._config
        is_last_moment = (signals.epoch + 1) / signals.epochs > config.latest_trial_share
        return (
            config.trial_share > 0.0
            and not self._has_planted
            and self._num_rejuvenations < config.max_trials
            and not self._was_rejuvenated(signals)
            and (is_last_moment or self._curve.has_settled)
            and self._may_rejuvenate(signals)
            and _has_memorised(signals, config.memorised_share)
        )

    def _plant(self, signals: TrainingSignals) -> list[Action]:
        """Return the actions that plant seeds in empty slots that pull enough, the strongest first, within the budget."""
        empty = [slot for slot in signals.slots if slot.stage is SeedStage.DORMANT]
        pulls = {slot.slot_id: self._pull(slot) for slot in empty}
        least = self._config.place_share * max(pulls.values(), default=0.0)
        params_left = self._config.budget.params_left(signals)
        is_fresh = not self._has_planted and self._has_fresh_samples(signals)
        seeds_left = len(empty) if is_fresh else self._config.max_seeds_at_once
        actions: list[Action] = []
        for slot in sorted(empty, key=lambda slot: -pulls[slot.slot_id]):
            sizes = slot.blueprint_sizes
            fitting = [
                name
                for name in self._config.blueprint_ids
                if name in sizes and sizes[name] <= params_left
            ]
            if not fitting or not seeds_left or pulls[slot.slot_id] < least:
                continue
            seeds_left -= 1
            chosen = self._rotation.least_penalised(fitting)
            params_left -= sizes[chosen]
            actions += (
                Germinate(
                    slot_id=slot.slot_id,
                    blueprint_id=chosen,
                    blend_tempo_epochs=self._config.blend_tempo_epochs,
                ),
                # It learns from the next epoch on.
                Advance(slot_id=slot.slot_id),
            )
            if self._config.on_credit:
                actions.append(Advance(slot_id=slot.slot_id, on_credit=True))
        self._has_planted = self._has_planted or bool(actions)
        return actions

    def _pull(self, slot: SlotSignals) -> float:
        """Return the mean place signal of an empty slot; 0 if it has not been measured."""
        total, count = self._pulls.get(slot.slot_id, (0.0, 0))
        return total / max(1, count)

    def _is_time_to_rejuvenate(self, signals: TrainingSignals, *, is_entering: bool) -> bool:
        """Return whether a network gets seeds that has learned by heart, or has kept some for long enough."""
        config = self._config
        if not self._may_rejuvenate(signals):
            return False
        if self._num_rejuvenations == 0:
            return is_entering and _has_memorised(signals, config.memorised_share)
        if not self._was_rejuvenated(signals):
            return False
        if is_entering:
            # Seeds starve a few epochs after a rejuvenation as well, long before the samples are known by heart again.
            return True
        epochs_since = signals.epoch - self._last_rejuvenation
        return (
            self._has_planted
            and epochs_since >= config.min_share_between * signals.epochs
            and _has_memorised(signals, config.memorised_share)
        )

    def _may_rejuvenate(self, signals: TrainingSignals) -> bool:
        """Return whether there are rejuvenations, time and budget left."""
        config = self._config
        return (
            self._num_rejuvenations < config.max_rejuvenations
            and _share_left(signals) >= config.min_share_to_learn_again
            and not config.budget.is_spent(signals)
        )

    def _was_rejuvenated(self, signals: TrainingSignals) -> bool:
        """Return whether the last rejuvenation was kept."""
        return self._num_rejuvenations > 0 and signals.restarted_after == self._last_rejuvenation

    def _rejuvenate(self, signals: TrainingSignals, trial_share: float) -> Rejuvenate:
        """Return the action, and remember it; the learning curve begins again."""
        self._num_rejuvenations += 1
        self._last_rejuvenation = signals.epoch
        self._curve.begin(None)
        return Rejuvenate(trial_share=trial_share)

    def _note_failure(self, slot: SlotSignals, signals: TrainingSignals) -> None:
        """Count the pruned seed, penalise its blueprint, and begin the cool-down."""
        self._failures_in_a_row += 1
        self._next_planting_epoch = signals.epoch + self._config.cool_down_epochs
        if slot.blueprint_id is not None:
            self._rotation.penalise(slot.blueprint_id)


def _has_memorised(signals: TrainingSignals, share: float) -> bool:
    if signals.train_loss is None:
        return False
    return signals.val_loss - signals.train_loss > share * abs(signals.val_loss)


def _share_left(signals: TrainingSignals) -> float:
    return (signals.epochs - signals.epoch) / signals.epochs
