"""A slot: the place in a host network where a seed is planted, learns, blends in, and is kept or removed.

The README in this folder describes the life of a seed. All changes of stage go through `_transition`, the only place that
emits them. If the channel raises, the slot is in the state before the change or after it, never between them.
"""

from typing import Final, final

import msgspec
import torch

from esper._generated.channel import Channel
from esper._generated.enums import AlphaAlgorithm, AlphaCurve, Gate, SeedStage
from esper._generated.lifecycle import (
    emit_seed_fossilized,
    emit_seed_gate_evaluated,
    emit_seed_germinated,
    emit_seed_pruned,
    emit_seed_stage_changed,
)
from esper.kasmina.alpha import BlendAlgorithm, checked_algorithm, checked_steps, is_full
from esper.kasmina.gates import GATES, GateResult, Gates, QualityGates, checked_gates, checked_stage
from esper.kasmina.holder import SeedHolder
from esper.kasmina.isolation import freeze, thaw
from esper.kasmina.state import SeedState, check_initiator, prune_reason
from esper.kasmina.topology import (
    LayoutName,
    Topology,
    check_channels,
    check_slot_id,
    checked_layout,
)
from esper.leyline.arguments import real_number
from esper.leyline.channel import SILENT, ChannelAttribute
from esper.leyline.errors import SlotError
from esper.leyline.lifecycle import (
    AUTO_PRUNE_REASONS,
    FOLLOWING_STAGES,
    has_seed,
    is_failure,
    is_undecided,
    may_follow,
    next_stage,
)

_DEFAULT_GATES: Final = QualityGates()


@final
class SeedSlot(SeedHolder):
    """Holds at most one seed and leads it through its life; an empty slot returns features unchanged.

    Attributes:
        slot_id: name in telemetry.
        channels: number of channels C of the features.
        topology: kind of the features; blueprints are registered for a topology.
        layout: order of the dimensions of the features.
        channel: where the slot emits its telemetry; may be replaced at any time.
        seed: the seed's module, or None.
        gate: the learned gate of the GATE algorithm, or None.
    """

    channel = ChannelAttribute()

    def __init__(
        self,
        slot_id: str,
        channels: int,
        *,
        topology: Topology | None = None,
        layout: LayoutName | None = None,
        gates: Gates | None = None,
        channel: Channel = SILENT,
    ) -> None:
        """Build an empty slot; without `gates` the defaults of `QualityGates` apply.

        The features are described by `topology`: (B, C, H, W) for `cnn`, which is the default, (B, T, C) for `transformer`,
        (B, C, L) for `conv1d`, (B, C) for `mlp`; or by `layout`, such as `TBC` for (T, B, C).

        Raises:
            ValueError: an argument is of another type or out of range; `slot_id` has 1 to 64 characters.
        """
        check_slot_id(slot_id)
        check_channels(channels)
        super().__init__(slot_id, int(channels), checked_layout(layout, topology))
        self._gates = None if gates is None else checked_gates(gates)
        self.channel = channel

    @property
    def gates(self) -> Gates:
        """Conditions under which a seed advances; may be replaced at any time."""
        return _DEFAULT_GATES if self._gates is None else self._gates

    @gates.setter
    def gates(self, gates: Gates) -> None:
        self._gates = checked_gates(gates)

    @property
    def has_own_gates(self) -> bool:
        """Whether gates were given or set. Those that were not, `Trainer` replaces by `EvidenceGates`."""
        return self._gates is not None

    def germinate(
        self,
        blueprint_id: str,
        seed_id: str | None = None,
        *,
        blend_algorithm_id: BlendAlgorithm = "sigmoid",
        blend_tempo_epochs: int = 5,
        alpha_algorithm: AlphaAlgorithm = AlphaAlgorithm.ADD,
        alpha_target: float | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        """Plant a seed of `blueprint_id` with the name `seed_id`, by default `<slot_id>-<blueprint_id>`.

        From now on all its parameters exist, those of a learned gate included; `esper.follow` gives them to the optimizer. In
        BLENDING its amplitude will rise to `alpha_target`, in (0, 1], or to 1 when None, in `blend_tempo_epochs` steps of
        `step_epoch` along the curve `blend_algorithm_id`; `alpha_algorithm` is the formula that combines it with the
        features. `gated` and GATE must be used together.

        The initial weights are drawn with a seed from `generator`, which spends one of its numbers. Without it they depend on
        the state of PyTorch's global generator, which does not change.

        Raises:
            SlotError: the slot is not empty, or an argument cannot be used; the slot is unchanged.
        """
        if not self.is_empty:
            raise SlotError(
                f"slot {self.slot_id} must be empty to germinate, got stage {self.stage.name};"
                " prune its seed and wait for the cool-down"
            )
        state = SeedState.germinated(
            blueprint_id,
            f"{self.slot_id}-{blueprint_id}" if seed_id is None else seed_id,
            blend_algorithm_id=blend_algorithm_id,
            blend_tempo_epochs=blend_tempo_epochs,
            algorithm=alpha_algorithm,
            blend_target=1.0 if alpha_target is None else alpha_target,
        )
        self._adopt(state, generator)
        emit_seed_germinated(self.channel, self)

    def advance_stage(self, target_stage: SeedStage | None = None) -> GateResult:
        """Evaluate the gate to `target_stage`, by default the next stage, and enter that stage if the gate passes.

        Without a seed, or with a fossil, the result is a failed G0 for any target.

        Raises:
            SlotError: `target_stage` is not a stage, or one of the cool-down, which only a prune leads to.
        """
        state = self._state
        following = next_stage(state.stage)
        if not has_seed(state.stage) or following is None:
            return GateResult(
                gate=Gate.G0, passed=False, message=f"no seed to advance in {state.stage.name}"
            )
        target = following if target_stage is None else checked_stage(target_stage)
        if is_failure(target):
            raise SlotError(
                f"target_stage must not be a stage of the cool-down, got {target.name}; use prune"
            )
        result = self.gates.evaluate(GATES.get(target, Gate.G0), state)
        emit_seed_gate_evaluated(
            self.channel,
            self,
            gate=result.gate,
            passed=result.passed,
            target_stage=target,
            checks_passed=result.checks_passed,
            checks_failed=result.checks_failed,
            message=result.message,
            evidence=state.evidence,
        )
        if not result.passed:
            return result
        if not may_follow(state.stage, target):
            # A gate checks the seed, not the stage it would leave.
            message = f"{target.name} cannot follow {state.stage.name}"
            return msgspec.structs.replace(result, passed=False, message=message)
        self._transition(target)
        if target is SeedStage.FOSSILIZED:
            emit_seed_fossilized(self.channel, self, evidence=state.evidence)
        return result

    def step_epoch(self) -> None:
        """Move the amplitude one step, end a scheduled prune, or continue the cool-down; call it once an epoch."""
        state = self._state
        self._sync_freeze()
        if state.stage is SeedStage.BLENDING:
            if state.step_alpha():
                reason = state.prune_reason or "scheduled_prune"
                self.prune(reason, initiator=state.prune_initiator or "policy")
            else:
                self._forward.prepare(self._state, self._alpha)
        elif is_failure(state.stage) and state.step_cool_down():
            self._transition(FOLLOWING_STAGES[state.stage][0])

    def prune(self, reason: str = "", *, initiator: str = "policy") -> bool:
        """Remove the seed and begin the cool-down; return False when there is no seed, or it is a fossil.

        `reason` is text for the telemetry and is cut to 256 characters; `initiator` has 1 to 64.

        Raises:
            SlotError: one of them is not such a text; the slot is unchanged.
        """
        if not is_undecided(self.stage):
            return False
        return self._remove(reason, initiator)

    def remove_fossil(self, reason: str, *, initiator: str) -> bool:
        """Remove a fossil whose weights a rollback cannot restore; return False when the slot holds no fossil."""
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

        Without a curve the previous one is used. If the amplitude is 0, or `steps` is not positive, the seed is pruned
        at once. Returns False when there is no seed, it is a fossil, or another ramp is under way.

        Raises:
            SlotError: an argument is of another type; the slot is unchanged.
        """
        state, steps = self._state, checked_steps(steps, curve)
        reason = prune_reason(reason, initiator)
        if not is_undecided(state.stage):
            return False
        if steps <= 0 or state.alpha <= 0.0:
            return self.prune(reason, initiator=initiator)
        if not state.schedule.is_resting:
            return False
        state.prune_reason, state.prune_initiator = reason, initiator
        self._start_ramp(0.0, steps=steps, curve=curve)
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
        """Move the amplitude of a seed in BLENDING or HOLDING to `alpha_target` over `steps` epochs.

        With a target below 1, a seed in HOLDING returns to BLENDING. While the amplitude falls, parameters do not learn.
        Without steps, the target is reached in the next `step_epoch`. `alpha_algorithm` changes how the seed is blended;
        if that creates a learned gate, `esper.follow` gives its parameters to the optimizer. If the amplitude falls to 0,
        telemetry reports that `initiator` asked for the prune. Returns False in other stages, while a ramp is under way, or
        when the target is not positive.

        Raises:
            SlotError: an argument is of another type; the slot is unchanged.
        """
        state, steps = self._state, checked_steps(steps, curve)
        check_initiator(initiator)
        alpha_target = real_number("alpha_target", alpha_target, error=SlotError)
        has_amplitude = state.stage in (SeedStage.BLENDING, SeedStage.HOLDING)
        if not (has_amplitude and state.schedule.is_resting and alpha_target > 0.0):
            return False
        if alpha_algorithm is not None:
            state.algorithm = checked_algorithm(alpha_algorithm)
            self._fit_gate()
            self._forward.prepare(state, self._alpha)
        state.prune_initiator = initiator
        self._start_ramp(1.0 if is_full(alpha_target) else alpha_target, steps=steps, curve=curve)
        return True

    def _remove(self, reason: str, initiator: str) -> bool:
        """Remove the seed, begin the cool-down, and return True."""
        reason = prune_reason(reason, initiator)
        self._transition(SeedStage.PRUNED)
        emit_seed_pruned(
            self.channel,
            self,
            reason=reason,
            initiator=initiator,
            auto_pruned=reason in AUTO_PRUNE_REASONS,
            evidence=self.evidence,
        )
        return True

    def _transition(self, stage: SeedStage) -> None:
        """Enter `stage`, with all its consequences for the slot, and emit the change.

        The event carries the amplitude at the start of `stage` and the figures of the stage before. Afterwards, even if
        the channel raises, a pruned seed is removed and the state of a slot that has cooled down is cleared.
        """
        state = self._state
        left, epochs_in_stage = state.stage, state.epochs_in_stage
        accuracy_delta = 0.0 if is_failure(left) else state.total_improvement
        state.enter(stage)
        self._forward.prepare(state, self._alpha)
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
                self._adopt(state)
            elif stage is SeedStage.DORMANT:
                self._state = SeedState()

    def _sync_freeze(self) -> None:
        """Freeze seed and gate while the amplitude falls; let them learn again when it does not."""
        if not self._state.schedule.is_falling:
            thaw(self, self._state.frozen)
            self._state.frozen = []
        elif not self._state.frozen:
            self._state.frozen = freeze(self)

    def _start_ramp(self, target: float, *, steps: int, curve: AlphaCurve | None) -> None:
        """Start a ramp of the amplitude to `target`; return from HOLDING to BLENDING if `target` is below 1."""
        self._state.schedule.retarget(target, steps=steps, curve=curve)
        self._sync_freeze()
        if self.stage is SeedStage.HOLDING and not is_full(target):
            self._transition(SeedStage.BLENDING)
