"""A slot: the place in a host where a seed is planted, learns, blends in, and stays or goes.

The README beside this file tells the life of a seed. Two rules hold throughout. Everything that changes a stage goes
through `_transition`, which is the only place that tells of it. And whatever the channel raises, the slot has by
then reached its new state or not left its old one.
"""

from dataclasses import replace
from typing import Any, Final

from esper._generated.channel import Channel
from esper._generated.enums import AlphaAlgorithm, AlphaCurve, Gate, SeedStage
from esper._generated.lifecycle import (
    emit_seed_fossilized,
    emit_seed_gate_evaluated,
    emit_seed_germinated,
    emit_seed_pruned,
    emit_seed_stage_changed,
)
from esper.kasmina.alpha import BlendAlgorithm, is_full, is_zero
from esper.kasmina.bed import SeedBed
from esper.kasmina.gates import GATES, GateResult, QualityGates, evaluate
from esper.kasmina.planting import plan_seed
from esper.kasmina.state import SeedState
from esper.kasmina.topology import TOPOLOGIES, Topology
from esper.leyline.channel import SILENT
from esper.leyline.errors import SlotError
from esper.leyline.lifecycle import (
    FOLLOWING_STAGES,
    is_failure,
    is_terminal,
    may_follow,
    onward,
)

MAX_SLOT_ID_LENGTH: Final = 64
"""What the telemetry contract allows."""

COOL_DOWN_TICKS: Final = {SeedStage.PRUNED: 0, SeedStage.EMBARGOED: 5, SeedStage.RESETTING: 1}
"""Ticks of `step_epoch` that must be counted in a stage of the cool-down before it is left, as in esper-lite."""

AUTO_PRUNE_REASONS: Final = frozenset(
    {"governor_nan", "governor_lobotomy", "governor_divergence", "governor_rollback"}
)
"""Reasons of a prune that no policy decided on."""


class SeedSlot(SeedBed):
    """Holds at most one seed and leads it through its life; empty, it passes features on untouched.

    Attributes:
        slot_id: its name in telemetry.
        channels: channels C of the features that pass through.
        topology: their kind, (B, C, H, W) for `cnn` and (B, T, C) for `transformer`.
        gates: what a seed must show to go on.
        channel: where the slot tells of itself; may be replaced at any time.
        seed: the seed, or None.
        gate: the learned gate of the GATE algorithm, or None.
    """

    def __init__(
        self,
        slot_id: str,
        channels: int,
        *,
        topology: Topology = "cnn",
        gates: QualityGates | None = None,
        channel: Channel = SILENT,
    ) -> None:
        """Build an empty slot.

        Raises:
            ValueError: `slot_id` is not 1 to 64 characters, `channels` not positive, `topology` unknown.
        """
        if not 1 <= len(slot_id) <= MAX_SLOT_ID_LENGTH:
            raise ValueError(
                f"slot_id must have 1 to {MAX_SLOT_ID_LENGTH} characters, got {slot_id!r}"
            )
        if channels < 1:
            raise ValueError(f"channels must be positive, got {channels}")
        if topology not in TOPOLOGIES:
            raise ValueError(f"topology must be one of {', '.join(TOPOLOGIES)}, got {topology!r}")
        super().__init__(channels, topology)
        self.slot_id = slot_id
        self.gates = gates or QualityGates()
        self.channel: Channel = channel

    def germinate(
        self,
        blueprint_id: str,
        seed_id: str | None = None,
        *,
        blend_algorithm_id: BlendAlgorithm = "sigmoid",
        blend_tempo_epochs: int = 5,
        alpha_algorithm: AlphaAlgorithm = AlphaAlgorithm.ADD,
        alpha_target: float | None = None,
    ) -> None:
        """Plant a seed of `blueprint_id`; all its parameters exist from now on, those of its gate included.

        It will blend in over `blend_tempo_epochs` up to `alpha_target` (in (0, 1]; 1 when None).

        Raises:
            SlotError: the slot is not empty, or an argument cannot be used; the slot is as it was.
        """
        if not self.is_empty:
            raise SlotError(
                f"slot {self.slot_id} must be empty to germinate, got one in {self.stage.name};"
                " prune its seed and wait for the cool-down"
            )
        state = plan_seed(
            blueprint_id,
            f"{self.slot_id}-{blueprint_id}" if seed_id is None else seed_id,
            blend_algorithm_id=blend_algorithm_id,
            blend_tempo_epochs=blend_tempo_epochs,
            algorithm=alpha_algorithm,
            blend_target=1.0 if alpha_target is None else alpha_target,
        )
        self._take(state)
        emit_seed_germinated(self.channel, self)

    def advance_stage(self, target_stage: SeedStage | None = None) -> GateResult:
        """Ask the gate in front of `target_stage`, by default the stage onward, and go through when it opens.

        Without a seed, or with a fossil, the answer is a closed G0, whatever the target.

        Raises:
            SlotError: `target_stage` is one that only a prune leads to.
        """
        state = self._state
        way_on = onward(state.stage)
        if self.seed is None or way_on is None:
            return GateResult(
                gate=Gate.G0, passed=False, message=f"no seed to lead on in {state.stage.name}"
            )
        target = way_on if target_stage is None else target_stage
        if is_failure(target):
            raise SlotError(
                f"target_stage must not be a stage of the cool-down, got {target.name}; use prune"
            )
        result = evaluate(GATES.get(target, Gate.G0), state, self.gates)
        emit_seed_gate_evaluated(
            self.channel,
            self,
            gate=result.gate,
            passed=result.passed,
            target_stage=target,
            checks_passed=result.checks_passed,
            checks_failed=result.checks_failed,
            message=result.message,
        )
        if not result.passed:
            return result
        if not may_follow(state.stage, target):
            # The gate looks at the seed, not at where it comes from.
            message = f"{target.name} cannot follow {state.stage.name}"
            return replace(result, passed=False, message=message)
        self._transition(target)
        if target is SeedStage.FOSSILIZED:
            emit_seed_fossilized(self.channel, self)
        return result

    def step_epoch(self) -> None:
        """Let an epoch pass: move the amplitude, end a scheduled prune, cool down. Call it once an epoch."""
        state = self._state
        self._sync_freeze()
        if state.stage is SeedStage.BLENDING:
            self._step_alpha()
        elif is_failure(state.stage):
            dwell = COOL_DOWN_TICKS[state.stage]
            state.epochs_in_stage = min(state.epochs_in_stage + 1, dwell)
            if state.epochs_in_stage == dwell:
                self._transition(FOLLOWING_STAGES[state.stage][0])

    def prune(self, reason: str = "", *, initiator: str = "policy") -> bool:
        """Remove the seed and begin the cool-down; return False when there is none, or it is a fossil."""
        if self.seed is None or is_terminal(self.stage):
            return False
        return self._remove(reason, initiator)

    def remove_fossil(self, reason: str, *, initiator: str) -> bool:
        """Remove a fossil that a rollback finds no sound weights of; return False when there is none."""
        return self.stage is SeedStage.FOSSILIZED and self._remove(reason, initiator)

    def schedule_prune(
        self,
        *,
        steps: int,
        curve: AlphaCurve | None = None,
        reason: str = "",
        initiator: str = "policy",
    ) -> bool:
        """Blend the seed out over `steps` epochs, then prune it; its parameters stop learning at once.

        Without a curve the last one is used. A seed without amplitude, or no steps, is a prune at once. Returns False
        when there is no seed, it is a fossil, or another ramp is under way.
        """
        state = self._state
        if self.seed is None or is_terminal(state.stage):
            return False
        if steps <= 0 or state.alpha <= 0.0:
            return self.prune(reason, initiator=initiator)
        if not state.schedule.is_resting:
            return False
        state.schedule.retarget(0.0, steps=steps, curve=curve)
        state.prune_reason, state.prune_initiator = reason, initiator
        self._follow_schedule()
        return True

    def set_alpha_target(
        self,
        *,
        alpha_target: float,
        steps: int,
        curve: AlphaCurve | None = None,
        alpha_algorithm: AlphaAlgorithm | None = None,
        initiator: str = "policy",
    ) -> bool:
        """Send the amplitude of a blending or holding seed to `alpha_target` over `steps` epochs.

        Below full amplitude a holding seed goes back to BLENDING. On the way down parameters do not learn. Without
        steps the target is reached in the next `step_epoch`. `alpha_algorithm` changes how the seed joins; a gate that
        this creates has parameters that no optimizer knows yet. `initiator` is who is named if the seed fades out.
        Returns False when the stage is another, a ramp is under way, or the target is not positive.
        """
        state = self._state
        has_amplitude = state.stage in (SeedStage.BLENDING, SeedStage.HOLDING)
        if not (has_amplitude and state.schedule.is_resting and alpha_target > 0.0):
            return False
        if alpha_algorithm is not None:
            state.algorithm = alpha_algorithm
            self._fit_gate()
        target = 1.0 if is_full(alpha_target) else alpha_target
        state.schedule.retarget(target, steps=steps, curve=curve)
        state.prune_initiator = initiator
        self._follow_schedule()
        return True

    def __getstate__(self) -> dict[str, Any]:
        """Leave the channel behind when copied or pickled: two slots of one name must not both tell of themselves."""
        return {**self.__dict__, "channel": SILENT}

    def _remove(self, reason: str, initiator: str) -> bool:
        """Take the seed out and begin the cool-down."""
        self._transition(SeedStage.PRUNED)
        emit_seed_pruned(
            self.channel,
            self,
            reason=reason,
            initiator=initiator,
            auto_pruned=reason in AUTO_PRUNE_REASONS,
        )
        return True

    def _transition(self, stage: SeedStage) -> None:
        """Enter `stage`, with all that this means for the slot, and tell of it.

        What is told is the amplitude on entry, and how the stage left has gone. A dead seed's amplitude and an empty
        slot's state are cleared afterwards, also when the channel raises.
        """
        state = self._state
        left, epochs_in_stage = state.stage, state.epochs_in_stage
        accuracy_delta = 0.0 if is_failure(left) else state.total_improvement
        state.enter(stage)
        if (left, stage) == (SeedStage.TRAINING, SeedStage.BLENDING):
            state.begin_blending()
        elif stage is SeedStage.HOLDING:
            state.hold(1.0)
        self._prepare_forward()
        try:
            emit_seed_stage_changed(
                self.channel,
                self,
                from_stage=left,
                to_stage=stage,
                accuracy_delta=accuracy_delta,
                epochs_in_stage=epochs_in_stage,
            )
        finally:
            if stage is SeedStage.PRUNED:
                state.hold(0.0)
                self._take(state)
            elif stage is SeedStage.DORMANT:
                self._take(SeedState())

    def _step_alpha(self) -> None:
        """Move the amplitude by one step, and prune a seed that has faded out."""
        state = self._state
        has_arrived = state.schedule.step()
        state.alpha = state.schedule.alpha
        if has_arrived and is_zero(state.schedule.target):
            self.prune(
                state.prune_reason or "scheduled_prune", initiator=state.prune_initiator or "policy"
            )
        else:
            self._prepare_forward()

    def _follow_schedule(self) -> None:
        """Set off for the schedule's new target, out of HOLDING if that is below full amplitude."""
        self._sync_freeze()
        if self.stage is SeedStage.HOLDING and not is_full(self._state.schedule.target):
            self._transition(SeedStage.BLENDING)
