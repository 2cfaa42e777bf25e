"""Controls: policies that tell how much of a gain is due to the place, the time and the seeds of a growth policy."""

import dataclasses
import random
from collections.abc import Iterable, Sequence

from esper._generated.enums import SeedStage
from esper.leyline.actions import Action, Advance, Germinate, Rejuvenate
from esper.leyline.arguments import instance_of, whole_number
from esper.leyline.policy import PolicyState
from esper.leyline.script import Decision
from esper.leyline.signals import SlotSignals, TrainingSignals
from esper.tamiyo.evidence import EvidenceConfig, EvidencePolicy
from esper.tamiyo.keeper import Keeper, KeeperConfig

_DEAD_BLUEPRINT = "noop"
"""The blueprint of seeds without parameters, which return their input."""


class RandomTimingPolicy:
    """Control: plants given seeds at random times in random slots, and keeps them by the same rules as `EvidencePolicy`."""

    def __init__(
        self,
        blueprint_ids: Sequence[str] | None = None,
        *,
        num_rejuvenations: int = 0,
        seed: int = 0,
        latest_share: float = 0.65,
        keeper: KeeperConfig | None = None,
    ) -> None:
        """Plant a seed of each of `blueprint_ids`; None plants a seed in each slot, of the first blueprint that it can take.

        Seeds and rejuvenations, which have no trial, come after epochs that are drawn with `seed` from the first
        `latest_share` of the run. A seed whose time has come waits until a slot is empty, and a second rejuvenation of one epoch
        waits for the next.

        Raises:
            ValueError: an argument is of another type or out of range.
        """
        whole_number("num_rejuvenations", num_rejuvenations, minimum=0)
        whole_number("seed", seed)
        self._blueprint_ids = None if blueprint_ids is None else tuple(blueprint_ids)
        for name in self._blueprint_ids or ():
            instance_of("a name in blueprint_ids", name, str)
        self._num_rejuvenations = num_rejuvenations
        self._latest_share = latest_share
        self._keeper = Keeper(KeeperConfig() if keeper is None else keeper)
        self._seed = seed
        self._plan: list[tuple[int, str]] | None = None
        """Epochs and blueprints that are still to come; an empty blueprint is a rejuvenation."""

    @classmethod
    def like(cls, decisions: Iterable[Decision], *, seed: int = 0) -> "RandomTimingPolicy":
        """Return a policy with as many seeds, of the same blueprints, and rejuvenations as a script of `decisions`."""
        actions = [decision.action for decision in decisions]
        return cls(
            [action.blueprint_id for action in actions if isinstance(action, Germinate)],
            num_rejuvenations=sum(isinstance(action, Rejuvenate) for action in actions),
            seed=seed,
        )

    def decide(self, signals: TrainingSignals) -> Sequence[Action]:
        """Return the actions on live seeds, then those that are due."""
        if self._plan is None:
            self._plan = self._draw_plan(signals)
        tended = (self._keeper.tend(slot, signals) for slot in signals.slots)
        actions: list[Action] = [action for action in tended if action is not None]
        empty = [slot for slot in signals.slots if slot.stage is SeedStage.DORMANT]
        # The order of the slots for one epoch does not depend on earlier calls, so that a run can be resumed.
        random.Random(f"{self._seed} {signals.epoch}").shuffle(empty)
        waiting: list[tuple[int, str]] = []
        has_rejuvenated = False
        for epoch, blueprint_id in self._plan:
            if epoch > signals.epoch:
                waiting.append((epoch, blueprint_id))
            elif not blueprint_id and not has_rejuvenated:
                actions.append(Rejuvenate(trial_share=0.0))
                has_rejuvenated = True
            elif (
                blueprint_id
                and signals.may_germinate
                and (slot := _take(empty, blueprint_id)) is not None
            ):
                actions.append(
                    Germinate(slot_id=slot.slot_id, blueprint_id=blueprint_id, blend_tempo_epochs=1)
                )
                actions += (
                    Advance(slot_id=slot.slot_id),
                    Advance(slot_id=slot.slot_id, on_credit=True),
                )
            else:
                waiting.append((epoch, blueprint_id))
        self._plan = waiting
        return actions

    def state_dict(self) -> PolicyState:
        """Return what is still to come; None before the first epoch."""
        return {"plan": None if self._plan is None else [list(entry) for entry in self._plan]}

    def load_state_dict(self, state: PolicyState) -> None:
        """Restore the result of `state_dict`.

        Raises:
            KeyError: an entry of `state` is missing.
        """
        plan = state["plan"]
        self._plan = None if plan is None else [(epoch, name) for epoch, name in plan]

    def _draw_plan(self, signals: TrainingSignals) -> list[tuple[int, str]]:
        names = self._blueprint_ids
        if names is None:
            preferred = EvidenceConfig().blueprint_ids
            found = (
                next((name for name in preferred if name in slot.blueprint_sizes), None)
                for slot in signals.slots
            )
            names = tuple(name for name in found if name is not None)
        numbers = random.Random(self._seed)
        last = max(1, int(signals.epochs * self._latest_share))
        return [
            (numbers.randint(1, last), name) for name in (*names, *[""] * self._num_rejuvenations)
        ]


def _take(empty: list[SlotSignals], blueprint_id: str) -> SlotSignals | None:
    """Remove the first slot that can take the blueprint from `empty` and return it; None if none can."""
    for index, slot in enumerate(empty):
        if blueprint_id in slot.blueprint_sizes:
            return empty.pop(index)
    return None


class DeadSeedPolicy:
    """Control: decides as `EvidencePolicy` does, but plants seeds that cannot learn; what it gains is not due to seeds."""

    def __init__(self, config: EvidenceConfig | None = None) -> None:
        """Decide within the limits of `config`, apart from its blueprints.

        Raises:
            ValueError: `config` is of another type.
        """
        config = EvidenceConfig() if config is None else config
        instance_of("config", config, EvidenceConfig, "write EvidenceConfig(...)")
        self._policy = EvidencePolicy(dataclasses.replace(config, blueprint_ids=(_DEAD_BLUEPRINT,)))

    def decide(self, signals: TrainingSignals) -> Sequence[Action]:
        """Return the decisions of an `EvidencePolicy` whose only blueprint has no parameters."""
        return self._policy.decide(signals)

    def state_dict(self) -> PolicyState:
        """Return the state of the policy that decides."""
        return self._policy.state_dict()

    def load_state_dict(self, state: PolicyState) -> None:
        """Restore the result of `state_dict`.

        Raises:
            KeyError: an entry of `state` is missing.
        """
        self._policy.load_state_dict(state)
