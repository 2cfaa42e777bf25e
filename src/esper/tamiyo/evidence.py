"""The default growth policy: it plants where a seed would be pulled most, and keeps what has been shown to pay."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from esper._generated.enums import SeedStage
from esper._generated.records import SeedEvidence
from esper.leyline.actions import Action, Advance, Germinate, Prune, Rejuvenate
from esper.leyline.arguments import describe, instance_of, real_number, whole_number
from esper.leyline.lifecycle import is_undecided
from esper.leyline.policy import PolicyState
from esper.leyline.signals import SlotSignals, TrainingSignals
from esper.tamiyo.learning_curve import LearningCurve
from esper.tamiyo.rotation import BlueprintRotation

_SKIP_PENALTY: Final = 1.0
"""Penalty from which a blueprint is left out; after one pruned seed it is left out for 13 epochs."""

_LEAST_COUNTS: Final = {
    "curve_window": 1,
    "max_failures": 1,
    "min_looks": 1,
    "max_epochs_in_training": 1,
    "max_epochs_in_holding": 1,
    "settle_epochs": 0,
    "cool_down_epochs": 0,
    "blend_tempo_epochs": 1,
    "max_rejuvenations": 0,
}
_SHARES: Final = (
    "curve_share",
    "latest_share",
    "min_share_left",
    "place_share",
    "memorised_share",
    "min_share_between",
    "trial_share",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GrowthBudget:
    """What growing may cost in all; None is without limit. No seed is planted once one of them is spent.

    Raises:
        ValueError: a limit is not a number from 0.
    """

    params: float | None = None
    """Parameters that seeds may add to the host, fossils included."""
    updates: float | None = None
    """Parameter updates of the whole run: parameters that learn times optimizer steps, those of trials included."""
    seconds: float | None = None
    """Seconds of training; a run that is repeated may then plant others, since no two runs take the same time."""

    def __post_init__(self) -> None:
        """Check the limits."""
        for name, limit in asdict(self).items():
            if limit is not None:
                real_number(name, limit, minimum=0.0)

    def is_spent(self, signals: TrainingSignals) -> bool:
        """Return whether the run has used up its updates or its seconds."""
        return (self.updates is not None and signals.num_updates >= self.updates) or (
            self.seconds is not None and signals.duration_s >= self.seconds
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceConfig:
    """The limits of the rules. Losses are in nats; shares are of the run's epochs unless they say otherwise.

    The values were chosen on `mnist1d`, `pydoc` and `digits`, by the decision split, with seeds from 100 up.

    Raises:
        ValueError: one is of another type or out of its range.
    """

    blueprint_ids: tuple[str, ...] = ("conv_light", "conv_heavy", "norm", "depthwise")
    """Blueprints in the order in which they are tried; those that a slot cannot take are skipped there."""
    budget: GrowthBudget = GrowthBudget()
    """What growing may cost, besides `max_growth`."""
    max_growth: float = 3.0
    """Parameters that seeds may add, as a multiple of the host's."""
    max_failures: int = 3
    """Seeds pruned in a row after which no more are planted."""
    curve_window: int = 3
    """Epochs over which the present gain per epoch is measured."""
    curve_share: float = 0.1
    """The network has settled when its gain per epoch is below this share of its mean gain per epoch."""
    latest_share: float = 0.3
    """The first seeds are planted before this share of the run has passed, settled or not: later ones have less time to learn."""
    min_share_left: float = 0.4
    """Share of the run that must be left to plant a seed or to rejuvenate."""
    place_share: float = 0.1
    """A slot gets a seed if its place signal is at least this share of the largest one."""
    blend_tempo_epochs: int = 1
    """Epochs over which a seed is blended in; measured, a slower ramp does not help."""
    min_looks: int = 3
    """Comparisons of a seed's losses before it may be pruned for what they show."""
    max_epochs_in_training: int = 6
    """Epochs in TRAINING after which a seed that does not pass its gate is pruned."""
    max_epochs_in_holding: int = 12
    """Epochs in HOLDING after which a seed that does not pass its gate is pruned."""
    settle_epochs: int = 3
    """Epochs after rejuvenation in which no seed is kept or pruned: the network is not itself yet."""
    cool_down_epochs: int = 5
    """Epochs after a pruning in which no seed is planted."""
    max_rejuvenations: int = 2
    """Times that rejuvenation is tried; 0 never does."""
    trial_share: float = 0.1
    """Length of the paired trial of rejuvenation, as a share of the steps that are left; 0 rejuvenates without a trial."""
    memorised_share: float = 0.5
    """A network without newborn seeds is rejuvenated again once its training loss is below its decision loss by this share of it."""
    min_share_between: float = 0.3
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
        instance_of("budget", self.budget, GrowthBudget, "write GrowthBudget(params=...)")
        for name, least in _LEAST_COUNTS.items():
            whole_number(name, getattr(self, name), minimum=least)
        for name in _SHARES:
            if not 0.0 <= real_number(name, getattr(self, name)) <= 1.0:
                raise ValueError(f"{name} must be in [0, 1], got {getattr(self, name)}")
        real_number("max_growth", self.max_growth, minimum=0.0)


class EvidencePolicy:
    """Plants where the loss pulls most once the host has settled, and keeps the seeds that are shown to pay."""

    def __init__(self, config: EvidenceConfig | None = None) -> None:
        """Start without a history.

        Raises:
            ValueError: `config` is of another type.
        """
        config = EvidenceConfig() if config is None else config
        self._config = instance_of("config", config, EvidenceConfig, "write EvidenceConfig(...)")
        self._curve = LearningCurve(window=config.curve_window, share=config.curve_share)
        self._rotation = BlueprintRotation(tuple(config.blueprint_ids), _SKIP_PENALTY)
        self._has_begun = False
        self._has_planted = False
        self._next_planting_epoch = 1
        self._failures_in_a_row = 0
        self._num_fossils = 0
        self._num_rejuvenations = 0
        self._last_trial_epoch = 0

    def decide(self, signals: TrainingSignals) -> Sequence[Action]:
        """Return the actions on live seeds, then those for new seeds, then a rejuvenation if it may help."""
        if not self._has_begun:
            self._has_begun = True
            self._curve.begin(signals.random_guess_loss)
        self._rotation.decay()
        self._curve.record(signals.val_loss)
        num_fossils = sum(slot.stage is SeedStage.FOSSILIZED for slot in signals.slots)
        if num_fossils > self._num_fossils:
            self._num_fossils, self._failures_in_a_row = num_fossils, 0
        actions: list[Action] = []
        for slot in signals.slots:
            if is_undecided(slot.stage) and (action := self._tend(slot, signals)) is not None:
                actions.append(action)
                if isinstance(action, Prune):
                    self._note_failure(slot, signals)
        planted = self._plant(signals) if self._is_time_to_plant(signals) else []
        actions.extend(planted)
        if self._is_time_to_rejuvenate(signals, has_newborn=bool(planted)):
            self._num_rejuvenations += 1
            self._last_trial_epoch = signals.epoch
            actions.append(Rejuvenate(trial_share=self._config.trial_share))
        if planted or signals.epoch == self._last_trial_epoch:
            self._curve.begin(None)
        return actions

    def state_dict(self) -> PolicyState:
        """Return the learning curve, the turn and penalties of blueprints, and what has been planted and tried."""
        return {
            **self._curve.state_dict(),
            **self._rotation.state_dict(),
            "has_begun": self._has_begun,
            "has_planted": self._has_planted,
            "next_planting_epoch": self._next_planting_epoch,
            "failures_in_a_row": self._failures_in_a_row,
            "num_fossils": self._num_fossils,
            "num_rejuvenations": self._num_rejuvenations,
            "last_trial_epoch": self._last_trial_epoch,
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
        self._last_trial_epoch = state["last_trial_epoch"]

    def _is_time_to_plant(self, signals: TrainingSignals) -> bool:
        config = self._config
        if (
            not signals.may_germinate
            or signals.epoch < self._next_planting_epoch
            or self._share_left(signals) < config.min_share_left
            or self._failures_in_a_row >= config.max_failures
            or config.budget.is_spent(signals)
            # With seeds at work, a gain cannot be told from theirs.
            or any(is_undecided(slot.stage) for slot in signals.slots)
        ):
            return False
        is_last_moment = (signals.epoch + 1) / signals.epochs > config.latest_share
        return self._curve.has_settled or (not self._has_planted and is_last_moment)

    def _plant(self, signals: TrainingSignals) -> list[Action]:
        """Return the actions that plant a seed in each empty slot that pulls enough, the strongest first, within the budget."""
        empty = [slot for slot in signals.slots if slot.stage is SeedStage.DORMANT]
        pulls = {slot.slot_id: slot.place_signal or 0.0 for slot in empty}
        least = self._config.place_share * max(pulls.values(), default=0.0)
        params_left = self._params_left(signals)
        blueprint_id = self._rotation.choose() if empty else ""
        actions: list[Action] = []
        for slot in sorted(empty, key=lambda slot: -pulls[slot.slot_id]):
            chosen = self._fitting(slot, blueprint_id, params_left)
            if chosen is None or pulls[slot.slot_id] < least:
                continue
            params_left -= slot.blueprint_sizes.get(chosen, 0)
            actions.append(
                Germinate(
                    slot_id=slot.slot_id,
                    blueprint_id=chosen,
                    blend_tempo_epochs=self._config.blend_tempo_epochs,
                )
            )
            actions.append(Advance(slot_id=slot.slot_id))
        self._has_planted = self._has_planted or bool(actions)
        return actions

    def _fitting(self, slot: SlotSignals, preferred: str, params_left: float) -> str | None:
        """Return `preferred`, or the first other blueprint, that the slot can take within the budget; None if none can."""
        for name in (preferred, *self._config.blueprint_ids):
            if slot.blueprint_sizes.get(name, math.inf) <= params_left:
                return name
        return None

    def _params_left(self, signals: TrainingSignals) -> float:
        """Return the parameters that seeds may still add."""
        limit = self._config.max_growth * signals.num_host_params
        if self._config.budget.params is not None:
            limit = min(limit, self._config.budget.params)
        return limit - (signals.num_params - signals.num_host_params)

    def _is_time_to_rejuvenate(self, signals: TrainingSignals, *, has_newborn: bool) -> bool:
        config = self._config
        if (
            self._num_rejuvenations >= config.max_rejuvenations
            or self._share_left(signals) < config.min_share_left
            or config.budget.is_spent(signals)
        ):
            return False
        if has_newborn:
            return True
        since = signals.epoch - self._last_trial_epoch
        return (
            since >= config.min_share_between * signals.epochs
            and any(slot.stage is SeedStage.FOSSILIZED for slot in signals.slots)
            and signals.train_loss is not None
            and signals.val_loss - signals.train_loss > config.memorised_share * signals.val_loss
        )

    def _share_left(self, signals: TrainingSignals) -> float:
        return (signals.epochs - signals.epoch) / signals.epochs

    def _tend(self, slot: SlotSignals, signals: TrainingSignals) -> Action | None:
        """Return the action for a live seed; None leaves it alone."""
        config = self._config
        match slot.stage:
            case SeedStage.GERMINATED:
                return Advance(slot_id=slot.slot_id)
            case SeedStage.BLENDING:
                return Advance(slot_id=slot.slot_id) if slot.is_ready_to_hold else None
            case SeedStage.TRAINING:
                limit = config.max_epochs_in_training
            case SeedStage.HOLDING:
                limit = config.max_epochs_in_holding
                since = signals.epoch - signals.restarted_after
                if signals.restarted_after and since < config.settle_epochs:
                    return None
            case _:
                return None
        if self._is_refuted(slot.evidence):
            return Prune(slot_id=slot.slot_id, reason="does_not_pay")
        if slot.epochs_in_stage > limit:
            return Prune(slot_id=slot.slot_id, reason="not_shown_to_pay")
        return Advance(slot_id=slot.slot_id)

    def _is_refuted(self, evidence: SeedEvidence | None) -> bool:
        """Return whether enough looks show that the seed does not earn its price."""
        return (
            evidence is not None
            and evidence.look >= self._config.min_looks
            and evidence.high < evidence.price
        )

    def _note_failure(self, slot: SlotSignals, signals: TrainingSignals) -> None:
        """Count the pruned seed, penalise its blueprint, and begin the cool-down."""
        self._failures_in_a_row += 1
        self._next_planting_epoch = signals.epoch + self._config.cool_down_epochs
        if slot.blueprint_id is not None:
            self._rotation.penalise(slot.blueprint_id)


def evidence_config(blueprint_ids: tuple[str, ...] | None, **limits: Any) -> EvidenceConfig:
    """Return a configuration with the blueprints that suit a task; None keeps the default ones."""
    given: Mapping[str, Any] = {} if blueprint_ids is None else {"blueprint_ids": blueprint_ids}
    return EvidenceConfig(**given, **limits)
