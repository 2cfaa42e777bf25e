"""The story of a slot: its seeds, each from germination to its end."""

from __future__ import annotations

from dataclasses import dataclass

from esper._generated.enums import Gate, GateCheck, SeedStage
from esper._generated.records import SeedEvidence, SeedStatus
from esper.karn.series import Series


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A stage that a seed entered. A field is None if the log does not contain the value."""

    epoch: int | None
    """Epoch, from 1; None if the training loop had not set one yet."""
    stage: SeedStage
    reason: str | None = None
    """Reason why the seed was pruned; None for other stages."""
    initiator: str | None = None
    """Part of the program that requested the pruning, such as `policy`; None for other stages."""
    auto_pruned: bool | None = None
    """Whether a safety rule pruned the seed; None for other stages."""
    from_stage: SeedStage | None = None
    """The stage that the seed left; None for a germination, a fossilization and a pruning."""
    step: int | None = None
    """The latest step of the training loop that an event before this one named."""
    alpha: float | None = None
    """Amplitude after the stage was entered, from 0 to 1."""
    accuracy_delta: float | None = None
    """Gain in validation accuracy since the seed was planted, in percentage points."""
    epochs_in_stage: int | None = None
    """Epochs that the seed completed in the stage that it left."""
    t_wall_ns: int | None = None
    """Wall time in nanoseconds since 1970 UTC."""
    rank: int | None = None
    """Rank, process (`boot`) and number (`seq`) of the event, by which it is found in the log."""
    boot: str | None = None
    seq: int | None = None
    event: str | None = None
    """Name of the event that reported it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateStory:
    """A check of a seed by a quality gate. A field is None if the log does not contain the value."""

    epoch: int | None
    """Epoch, from 1; None if the training loop had not set one yet."""
    gate: Gate | None
    passed: bool | None
    """Whether the seed met every condition."""
    target_stage: SeedStage | None
    """The stage that the seed may enter if it passes."""
    checks_passed: tuple[GateCheck, ...]
    """Conditions that the seed met."""
    checks_failed: tuple[GateCheck, ...]
    """Conditions that the seed did not meet."""
    message: str | None
    """The conditions with their measured values, for people. Text from the log: make it printable before showing it."""
    evidence: SeedEvidence | None
    """Newest comparison of the losses with and without the seed at that time; None also when not measured."""
    t_wall_ns: int
    """Wall time in nanoseconds since 1970 UTC."""
    rank: int
    """Rank, process (`boot`) and number (`seq`) of the event, by which it is found in the log."""
    boot: str
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidencePoint:
    """A comparison of the losses with and without a seed, and the event that reported it first."""

    epoch: int | None
    """Epoch, from 1; None if the training loop had not set one yet."""
    evidence: SeedEvidence
    """Difference with its interval and price, in nats. Single fields of it can be None if the log lacks them."""
    rank: int
    """Rank, process (`boot`) and number (`seq`) of the event, by which it is found in the log."""
    boot: str
    seq: int
    event: str
    """Name of the event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedStory:
    """One seed, from germination to its end. A field is None if the log does not contain the value."""

    blueprint_id: str | None
    num_params: int | None
    """Number of trainable parameters."""
    improvement: float | None
    """Gain in accuracy from germination to the end of the seed, in percentage points; None before its end."""
    contribution: float | None
    """Accuracy lost when the seed is switched off, in percentage points, at its end; None when not measured."""
    evidence: SeedEvidence | None
    """Comparison of the losses with and without the seed by which it was kept or pruned; None when not measured."""
    steps: tuple[Step, ...]
    """The stages that it entered, in order; of a seed with more than 600, the first 500 and the newest 100."""
    num_steps: int
    """How many stages it entered."""
    number: int
    """Position among the seeds that the slot has had, from 1."""
    blend_tempo_epochs: int | None
    """Epochs that blending the seed in takes, as planned at its germination."""
    epochs_total: int | None
    """Epochs from germination to the end; None before its end."""
    alpha: Series | None
    """Amplitude, 0 to 1, by epoch; None if the log has no value."""
    gradient: Series | None
    """Gradient norm of the seed as a ratio to the host's, by epoch; None if it was not measured."""
    counterfactuals: Series | None
    """Accuracy lost when the seed is switched off, in percentage points, by epoch; None when not measured."""
    num_vanishing: int
    """Measurements in which the gradient was close to zero."""
    num_exploding: int
    """Measurements in which the gradient was huge, NaN or infinite."""
    gates: tuple[GateStory, ...]
    """The checks by quality gates, in order; of more than 1,000, the first and the newest 500."""
    num_gates: int
    """How many checks there were."""
    evidences: tuple[EvidencePoint, ...]
    """The comparisons over time, each once; of more than 1,000, the first and the newest 500."""
    status: SeedStatus | None
    """State at the end of the newest epoch in which the seed was reported; None if it never was."""

    @property
    def stage(self) -> SeedStage:
        """The latest stage; UNKNOWN if the log does not contain one."""
        return self.steps[-1].stage if self.steps else SeedStage.UNKNOWN

    @property
    def end(self) -> Step | None:
        """The stage change that fossilized or pruned the seed; None if neither has happened."""
        ends = (SeedStage.FOSSILIZED, SeedStage.PRUNED)
        return next((step for step in self.steps if step.stage in ends), None)

    def has_been(self, stage: SeedStage) -> bool:
        """Return whether the seed has ever been in `stage`."""
        return any(step.stage is stage for step in self.steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotStory:
    """The seeds that a slot has had, in order."""

    env_id: int
    """Training environment, from 0; -1 if the channel was not bound to one."""
    slot_id: str
    """Text from the log: make it printable before showing it."""
    seeds: tuple[SeedStory, ...]
    """In order; of more than 1,000, the first and the newest 500."""
    num_seeds: int
    """How many seeds the slot has had."""

    @property
    def steps(self) -> tuple[Step, ...]:
        """The stages of all its seeds, in order."""
        return tuple(step for seed in self.seeds for step in seed.steps)

    @property
    def seed(self) -> SeedStory | None:
        """The newest seed; None if the slot never had one."""
        return self.seeds[-1] if self.seeds else None

    @property
    def stage(self) -> SeedStage:
        """The stage of the slot: that of its newest seed, DORMANT if it never had one."""
        return self.seeds[-1].stage if self.seeds else SeedStage.DORMANT
