"""Decide with rules of your own when to grow, keep and prune.

python examples/own_policy.py
"""

from collections.abc import Mapping, Sequence

from esper import (
    Advance,
    Germinate,
    Prune,
    RunSettings,
    SeedStage,
    SlotSignals,
    TrainingSignals,
    get_task,
    run_task,
)

EPOCHS = 25


class EveryFewEpochs:
    """Plants a seed every few epochs in the first empty slot and keeps it if it contributes at all."""

    def __init__(self, interval: int = 6) -> None:
        self._interval = interval
        self._num_planted = 0

    def decide(self, signals: TrainingSignals) -> Sequence[Advance | Germinate | Prune]:
        """Return at most one action for each slot; called at the end of each healthy epoch."""
        actions = [action for slot in signals.slots if (action := self._tend(slot)) is not None]
        empty = [slot for slot in signals.slots if slot.stage is SeedStage.DORMANT]
        is_time = signals.epoch >= (self._num_planted + 1) * self._interval
        # After a rollback the governor allows no new seeds for some epochs.
        if is_time and empty and signals.may_germinate:
            self._num_planted += 1
            actions.append(
                Germinate(slot_id=empty[0].slot_id, blueprint_id="conv_light", blend_tempo_epochs=2)
            )
        return actions

    def _tend(self, slot: SlotSignals) -> Advance | Prune | None:
        if slot.stage is SeedStage.TRAINING and slot.epochs_in_stage > 6:
            return Prune(slot_id=slot.slot_id, reason="never_ready")
        if slot.stage is SeedStage.HOLDING and (slot.contribution or 0.0) <= 0.0:
            return Prune(slot_id=slot.slot_id, reason="no_contribution")
        if slot.stage in (SeedStage.GERMINATED, SeedStage.TRAINING, SeedStage.HOLDING):
            return Advance(slot_id=slot.slot_id)  # the gate has the last word
        if slot.stage is SeedStage.BLENDING and slot.is_ready_to_hold:
            return Advance(slot_id=slot.slot_id)
        return None

    def state_dict(self) -> Mapping[str, int]:
        """Return what `decide` remembers, for checkpoints."""
        return {"num_planted": self._num_planted}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Restore what `state_dict` returned."""
        self._num_planted = state["num_planted"]


def main() -> None:
    """Train the task `digits` with the policy and print what became of each seed."""
    settings = RunSettings(epochs=EPOCHS, has_baseline=False)
    story = run_task(get_task("digits"), settings, policy=EveryFewEpochs())
    for slot in story.slots:
        for seed in slot.seeds:
            path = " > ".join(step.stage.name for step in seed.steps)
            print(f"{slot.slot_id}, {seed.blueprint_id}: {path}")
    print(f"validation accuracy {story.grown_accuracy:.1f} %; see {story.folder}")


if __name__ == "__main__":
    main()
