"""What does evidence cost? Its share of the time of an epoch, in one run, so that a busy machine slows down both.

python benchmarks/evidence_cost.py                    digits and mnist1d, one seed and a seed in each slot: a table, then JSON
python benchmarks/evidence_cost.py --json             only JSON, on one line
python benchmarks/evidence_cost.py --tasks pydoc      other tasks

Evidence is one pass over the decision samples for each live seed. The rest of an epoch is training, validation and the governor.
"""

import argparse
import json
from collections.abc import Sequence
from typing import Any

from esper._generated.enums import SeedStage
from esper._generated.run import EpochCompletedPayload
from esper.kasmina.gates import QualityGates
from esper.leyline.actions import Action, Advance, Germinate
from esper.leyline.signals import TrainingSignals
from esper.nissa.hub import Hub
from esper.nissa.sinks.memory import MemorySink
from esper.tolaria.tasks.registry import get_task
from esper.tolaria.training.run_settings import RunSettings
from esper.tolaria.training.trainer import Trainer

WARM_UP_EPOCHS = 2


class Plant:
    """Plants a seed in each of the first `num_seeds` slots after the first epoch, and leads it as far as HOLDING."""

    def __init__(self, num_seeds: int, blueprint_id: str) -> None:
        """Plant seeds of `blueprint_id`."""
        self._num_seeds, self._blueprint_id = num_seeds, blueprint_id

    def decide(self, signals: TrainingSignals) -> Sequence[Action]:
        """Return an action for each of the slots that are used."""
        actions: list[Action] = []
        for slot in signals.slots[: self._num_seeds]:
            if slot.stage is SeedStage.DORMANT:
                planted = Germinate(
                    slot_id=slot.slot_id, blueprint_id=self._blueprint_id, blend_tempo_epochs=3
                )
                actions.append(planted)
            elif slot.stage is not SeedStage.HOLDING:
                actions.append(Advance(slot_id=slot.slot_id))
        return actions

    def state_dict(self) -> dict[str, Any]:
        """Return an empty dict."""
        return {}

    def load_state_dict(self, state: Any) -> None:
        """Do nothing."""


def evidence_share(task_name: str, num_seeds: int, epochs: int = 12) -> float:
    """Return the time that evidence takes, relative to the rest of the epochs with live seeds."""
    task = get_task(task_name)
    blueprint_id = "conv_light" if task.blueprint_ids is None else task.blueprint_ids[0]
    policy = Plant(num_seeds, blueprint_id)
    with Hub("evidence-cost") as hub:
        memory = hub.attach(MemorySink())
        settings = RunSettings(task=task.name, epochs=epochs, seed=100)
        trainer = Trainer(task, settings, policy=policy, channel=hub.channel(env_id=0))
        for slot in trainer.slots.values():
            slot.gates = QualityGates(permissive=True)
        trainer.fit()
    measured = rest = 0.0
    for epoch in memory.of(EpochCompletedPayload)[WARM_UP_EPOCHS:]:
        spent = sum(
            one.evidence.duration_s or 0.0 for one in epoch.seeds if one.evidence is not None
        )
        measured += spent
        rest += epoch.duration_s - spent
    return measured / rest


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tasks", nargs="+", default=["digits", "mnist1d"])
    parser.add_argument("--json", action="store_true", help="print only JSON, on one line")
    options = parser.parse_args()
    shares: dict[str, dict[str, float]] = {}
    for task in options.tasks:
        num_slots = len(Trainer(get_task(task)).slots)
        shares[task] = {str(num): evidence_share(task, num) for num in (1, num_slots)}
        if not options.json:
            for num, share in shares[task].items():
                print(f"{task:10} {num} seeds: {100 * share:5.1f} % of an epoch")
    print(json.dumps(shares))


if __name__ == "__main__":
    main()
