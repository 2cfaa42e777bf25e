"""Builds the stories of slots and their seeds from lifecycle events and the states of slots at the ends of epochs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Final, final

from esper._generated.enums import EvidenceMode, SeedStage
from esper._generated.envelope import Envelope
from esper._generated.lifecycle import (
    SeedFossilizedPayload,
    SeedGateEvaluatedPayload,
    SeedGerminatedPayload,
    SeedPrunedPayload,
    SeedStageChangedPayload,
)
from esper._generated.records import SeedEvidence, SeedStatus
from esper.karn.kept import MAX_KEPT, FirstAndNewest
from esper.karn.seed_story import EvidencePoint, GateStory, SeedStory, SlotStory, Step
from esper.karn.series import MAX_RAW, Series, SeriesBuilder, build_series

_UNNAMED: Final = "?"
"""The slot of events that lack its name."""

_ENDS: Final = (SeedStage.FOSSILIZED, SeedStage.PRUNED)


_MAX_NEWEST_STEPS: Final = 100
"""Newest stage changes of a seed that are kept: a ring that fits the processor's cache is faster by a fifth of all time."""

StepEvent = tuple[Envelope, Any, int | None, SeedStageChangedPayload | None]
"""An event by which a seed entered a stage, the latest step of the training loop that an earlier event of the process named,
and for the end of a seed the stage change emitted just before it, which lacks the reason."""


@dataclass(slots=True)
class SeedBuilder:
    """A seed as far as the events of one process describe it; see SeedStory for the fields."""

    blueprint_id: str | None = None
    num_params: int | None = None
    improvement: float | None = None
    contribution: float | None = None
    evidence: SeedEvidence | None = None
    blend_tempo_epochs: int | None = None
    epochs_total: int | None = None
    status: SeedStatus | None = None
    num_vanishing: int = 0
    num_exploding: int = 0
    is_germinated: bool = False
    """Whether the events contain its germination; if not, an earlier process may know the seed."""

    has_ended: bool = False
    """Whether the events contain its end."""

    stage: SeedStage | None = None
    """The latest stage; None before the first."""

    compared: tuple[EvidenceMode, int] | None = None
    """Mode and number of the newest comparison."""

    steps: FirstAndNewest = field(default_factory=lambda: FirstAndNewest(_MAX_NEWEST_STEPS))
    gates: FirstAndNewest = field(default_factory=FirstAndNewest)
    evidences: FirstAndNewest = field(default_factory=FirstAndNewest)
    alpha: SeriesBuilder = field(default_factory=SeriesBuilder)
    gradient: SeriesBuilder = field(default_factory=SeriesBuilder)
    counterfactuals: SeriesBuilder = field(default_factory=SeriesBuilder)

    def end(
        self,
        envelope: Envelope,
        payload: SeedFossilizedPayload | SeedPrunedPayload,
        step: int | None,
        stage: SeedStage,
    ) -> None:
        """Record the end of the seed, in place of the stage change emitted just before, which lacks the reason."""
        self.has_ended = True
        self.blueprint_id = payload.blueprint_id
        self.improvement = payload.improvement
        self.contribution = payload.counterfactual
        self.evidence = payload.evidence
        self.epochs_total = payload.epochs_total
        if payload.counterfactual is not None:
            self.counterfactuals.add(envelope.epoch or 0, payload.counterfactual)
        if self.stage is stage and self.steps.count:
            change = self.steps.last[1]
            is_change = isinstance(change, SeedStageChangedPayload)
            self.steps.replace_last((envelope, payload, step, change if is_change else None))
        else:
            self.steps.add((envelope, payload, step, None))
        self.stage = stage
        self.compare(envelope, payload.evidence)

    def compare(self, envelope: Envelope, evidence: SeedEvidence | None) -> None:
        """Record a comparison, unless the newest one is reported again."""
        if evidence is None or self.compared == (evidence.mode, evidence.look):
            return
        self.compared = evidence.mode, evidence.look
        self.evidences.add((envelope, evidence))

    def measure(self, epoch: int, payload: SeedGerminatedPayload | SeedStageChangedPayload) -> None:
        """Record a measurement of gradients."""
        if payload.grad_ratio is not None:
            self.gradient.add(epoch, payload.grad_ratio)
        self.num_vanishing += bool(payload.has_vanishing)
        self.num_exploding += bool(payload.has_exploding)


@final
class SlotsBuilder:
    """Collects the events of the seeds of one process, by environment and slot.

    Attributes:
        step: the latest step of the training loop that an event named; None before the first.
    """

    def __init__(self) -> None:
        """Start without slots."""
        self.slots: dict[tuple[int, str], FirstAndNewest] = {}
        self.newest: dict[tuple[int, str], SeedBuilder] = {}
        self.step: int | None = None
        # The slot of the newest stage change and its seed, so that it need not be looked up for the next one.
        self._env_id: int | None = None
        self._slot_id: str | None = None
        self._seed = SeedBuilder()

    def add_germination(self, envelope: Envelope, payload: SeedGerminatedPayload) -> None:
        """Process the germination of a seed."""
        seed = SeedBuilder(
            blueprint_id=payload.blueprint_id,
            num_params=payload.params,
            blend_tempo_epochs=payload.blend_tempo_epochs,
            is_germinated=True,
            stage=SeedStage.GERMINATED,
        )
        seed.steps.add((envelope, payload, self.step, None))
        self._plant(payload.env_id, payload.slot_id, seed)
        if payload.alpha is not None:
            seed.alpha.add(envelope.epoch or 0, payload.alpha)
        if payload.grad_ratio or payload.has_vanishing or payload.has_exploding:
            seed.measure(envelope.epoch or 0, payload)

    def add_change(self, envelope: Envelope, payload: SeedStageChangedPayload) -> None:
        """Process a stage change."""
        slot_id, env_id = payload.slot_id, payload.env_id
        if slot_id != self._slot_id or env_id != self._env_id:
            self._slot_id, self._env_id = slot_id, env_id
            self._seed = self._find(env_id, slot_id)
        seed = self._seed
        # As `add` of `steps`, `alpha` and `gradient` do: the calls would cost more than their work.
        steps = seed.steps
        steps.count += 1
        if steps.count > MAX_KEPT:
            steps.newest.append((envelope, payload, self.step, None))
        else:
            steps.first.append((envelope, payload, self.step, None))
        seed.stage = payload.to_stage
        epoch = envelope.epoch or 0
        alpha = payload.alpha
        if alpha is not None:
            curve = seed.alpha
            curve.x.append(epoch)
            curve.y.append(alpha)
            if len(curve.x) >= MAX_RAW:
                curve.flush()
        ratio = payload.grad_ratio
        if ratio or payload.has_vanishing or payload.has_exploding:
            # Values of 0 without a flag say that the gradient was not measured.
            seed.num_vanishing += payload.has_vanishing or 0
            seed.num_exploding += payload.has_exploding or 0
            if ratio is not None:
                curve = seed.gradient
                curve.x.append(epoch)
                curve.y.append(ratio)
                if len(curve.x) >= MAX_RAW:
                    curve.flush()

    def add_gate(self, envelope: Envelope, payload: SeedGateEvaluatedPayload) -> None:
        """Process a check by a quality gate."""
        seed = self._find(payload.env_id, payload.slot_id)
        seed.gates.add((envelope, payload))
        seed.compare(envelope, payload.evidence)

    def add_fossil(self, envelope: Envelope, payload: SeedFossilizedPayload) -> None:
        """Process the fossilization of a seed."""
        seed = self._find(payload.env_id, payload.slot_id)
        seed.end(envelope, payload, self.step, SeedStage.FOSSILIZED)
        if payload.params_added is not None:
            seed.num_params = payload.params_added
        if payload.alpha is not None:
            seed.alpha.add(envelope.epoch or 0, payload.alpha)

    def add_pruning(self, envelope: Envelope, payload: SeedPrunedPayload) -> None:
        """Process the removal of a seed."""
        seed = self._find(payload.env_id, payload.slot_id)
        seed.end(envelope, payload, self.step, SeedStage.PRUNED)

    def add_statuses(
        self, envelope: Envelope, env_id: int, statuses: Iterable[SeedStatus] | None
    ) -> None:
        """Process the states of slots at the end of an epoch."""
        epoch = envelope.epoch or 0
        for status in statuses or ():
            seed = self._find_reported(env_id, status)
            seed.status = status
            if status.alpha is not None:
                seed.alpha.add(epoch, status.alpha)
            if status.grad_ratio is not None:
                seed.gradient.add(epoch, status.grad_ratio)
            if status.contribution is not None:
                seed.counterfactuals.add(epoch, status.contribution)
            if seed.num_params is None:
                seed.num_params = status.num_params
            if seed.blueprint_id is None:
                seed.blueprint_id = status.blueprint_id
            seed.compare(envelope, status.evidence)

    def _plant(self, env_id: int, slot_id: str, seed: SeedBuilder) -> None:
        slot = env_id, slot_id
        seeds = self.slots.get(slot)
        if seeds is None:
            seeds = self.slots[slot] = FirstAndNewest()
        seeds.add(seed)
        self.newest[slot] = seed
        if slot == (self._env_id, self._slot_id):
            self._seed = seed

    def _find(self, env_id: int, slot_id: str) -> SeedBuilder:
        """Return the newest seed of a slot; a new one if the log lacks its germination."""
        seed = self.newest.get((env_id, slot_id))
        if seed is None:
            seed = SeedBuilder()
            self._plant(env_id, slot_id, seed)
        return seed

    def _find_reported(self, env_id: int, status: SeedStatus) -> SeedBuilder:
        """Return the seed of a status; also if the epochs of an environment are reported without its number."""
        slot_id = status.slot_id
        if (env_id, slot_id) not in self.newest:
            same = [slot for slot in self.newest if slot[1] == slot_id]
            if len(same) == 1:
                return self.newest[same[0]]
        return self._find(env_id, slot_id)


@dataclass(slots=True)
class _SeedParts:
    """A seed as all processes describe it so far: the builders of each, with its rank and boot id."""

    seeds: list[tuple[int, str, SeedBuilder]]
    steps: list[Step]
    num_steps: int

    @classmethod
    def of(cls, rank: int, boot: str, seed: SeedBuilder) -> _SeedParts:
        """Return the seed as one process describes it."""
        steps = [_make_step(rank, boot, event) for event in seed.steps]
        return cls([(rank, boot, seed)], steps, seed.steps.count)

    def continue_with(self, later: _SeedParts) -> None:
        """Add the events that a later process has of this seed."""
        (_, _, seed), steps = later.seeds[0], later.steps
        if seed.has_ended and steps and self.steps:
            first, last = steps[0], self.steps[-1]
            if last.stage in _ENDS and first.stage is last.stage:
                # The later process has the reason for the stage change, as in `SeedBuilder.end`.
                steps[0] = replace(first, from_stage=last.from_stage, alpha=last.alpha)
                self.steps.pop()
                self.num_steps -= 1
        self.steps += steps
        self.num_steps += later.num_steps
        self.seeds += later.seeds

    def build(self, number: int) -> SeedStory:
        """Return the story of the seed."""
        first, ended = self.seeds[0][2], self.seeds[0][2]
        for _, _, seed in self.seeds:
            ended = seed if seed.has_ended else ended
        builders = [seed for _, _, seed in self.seeds]
        params = [seed.num_params for seed in builders if seed.num_params is not None]
        names = [seed.blueprint_id for seed in builders if seed.blueprint_id is not None]
        statuses = [seed.status for seed in builders if seed.status is not None]
        return SeedStory(
            blueprint_id=ended.blueprint_id if ended.has_ended else next(iter(names), None),
            num_params=next(iter(params), None),
            improvement=ended.improvement,
            contribution=ended.contribution,
            evidence=ended.evidence,
            steps=tuple(self.steps),
            num_steps=self.num_steps,
            number=number,
            blend_tempo_epochs=first.blend_tempo_epochs,
            epochs_total=ended.epochs_total,
            alpha=_curve([seed.alpha for seed in builders], "alpha"),
            gradient=_curve([seed.gradient for seed in builders], "grad_ratio"),
            counterfactuals=_curve([seed.counterfactuals for seed in builders], "contribution"),
            num_vanishing=sum(seed.num_vanishing for seed in builders),
            num_exploding=sum(seed.num_exploding for seed in builders),
            gates=tuple(
                _make_gate(rank, boot, envelope, payload)
                for rank, boot, seed in self.seeds
                for envelope, payload in seed.gates
            ),
            num_gates=sum(seed.gates.count for seed in builders),
            evidences=tuple(
                EvidencePoint(
                    epoch=envelope.epoch,
                    evidence=evidence,
                    rank=rank,
                    boot=boot,
                    seq=envelope.seq,
                    event=envelope.event,
                )
                for rank, boot, seed in self.seeds
                for envelope, evidence in seed.evidences
            ),
            status=statuses[-1] if statuses else None,
        )


@final
class SlotsJoiner:
    """Joins the slots of the processes of a run, in the order in which they are read."""

    def __init__(self) -> None:
        """Start without slots."""
        self._slots: dict[tuple[int, str], list[_SeedParts]] = {}
        self._num_seeds: dict[tuple[int, str], int] = {}

    def add_slots(self, env_id: int | None, slot_ids: Iterable[str] | None) -> None:
        """Add slots of an environment, also those without any event; they come first in the stories."""
        known, env_id = self._slots, -1 if env_id is None else env_id
        first = [(env_id, slot_id) for slot_id in slot_ids or ()]
        self._slots = {slot: known.get(slot, []) for slot in first}
        self._slots |= known

    def extend(self, rank: int, boot: str, slots: SlotsBuilder, *, continues: bool) -> None:
        """Add the seeds of another process; if it `continues` the run, its first ones may be known here already."""
        for slot, later in slots.slots.items():
            seeds = self._slots.setdefault(slot, [])
            new = [_SeedParts.of(rank, boot, seed) for seed in later]
            count = later.count
            if continues and seeds and new and not new[0].seeds[0][2].is_germinated:
                seeds[-1].continue_with(new.pop(0))
                count -= 1
            seeds += new
            self._num_seeds[slot] = self._num_seeds.get(slot, 0) + count

    def build(self) -> tuple[SlotStory, ...]:
        """Return the story of every slot."""
        return tuple(
            SlotStory(
                env_id=env_id,
                slot_id=_UNNAMED if slot_id is None else slot_id,
                seeds=tuple(_number(seeds, self._num_seeds.get((env_id, slot_id), 0))),
                num_seeds=self._num_seeds.get((env_id, slot_id), 0),
            )
            for (env_id, slot_id), seeds in self._slots.items()
        )


def _number(seeds: Sequence[_SeedParts], count: int) -> Iterable[SeedStory]:
    """Yield the stories of the seeds of a slot, which are the first and the newest of `count`."""
    num_first = min(MAX_KEPT, len(seeds))
    for number, seed in enumerate(islice(seeds, num_first), 1):
        yield seed.build(number)
    num_newest = len(seeds) - num_first
    for number, seed in enumerate(islice(seeds, num_first, None), count - num_newest + 1):
        yield seed.build(number)


def _curve(builders: list[SeriesBuilder], field: str) -> Series | None:
    """Return the curve of a field of SeedStatus; None if it has no point."""
    if not any(builder.num_points for builder in builders):
        return None
    return build_series(
        builders, name=field, axis="epoch", event="EPOCH_COMPLETED", field=f"seeds.{field}"
    )


def _make_step(rank: int, boot: str, item: StepEvent) -> Step:
    envelope, payload, step, change = item
    stage: SeedStage
    if isinstance(payload, SeedStageChangedPayload):
        change = payload
    values: dict[str, Any] = {
        "from_stage": None if change is None else change.from_stage,
        "alpha": None if change is None else change.alpha,
        "accuracy_delta": None if change is None else change.accuracy_delta,
        "epochs_in_stage": None if change is None else change.epochs_in_stage,
    }
    match payload:
        case SeedGerminatedPayload():
            stage, values["alpha"] = SeedStage.GERMINATED, payload.alpha
        case SeedFossilizedPayload():
            stage = SeedStage.FOSSILIZED
        case SeedPrunedPayload():
            stage = SeedStage.PRUNED
            values |= {
                "reason": payload.reason,
                "initiator": payload.initiator,
                "auto_pruned": payload.auto_pruned,
            }
        case _:
            stage = payload.to_stage or SeedStage.UNKNOWN
    return Step(
        epoch=envelope.epoch,
        stage=stage,
        step=step,
        t_wall_ns=envelope.t_wall_ns,
        rank=rank,
        boot=boot,
        seq=envelope.seq,
        event=envelope.event,
        **values,
    )


def _make_gate(
    rank: int, boot: str, envelope: Envelope, payload: SeedGateEvaluatedPayload
) -> GateStory:
    return GateStory(
        epoch=envelope.epoch,
        gate=payload.gate,
        passed=payload.passed,
        target_stage=payload.target_stage,
        checks_passed=payload.checks_passed or (),
        checks_failed=payload.checks_failed or (),
        message=payload.message,
        evidence=payload.evidence,
        t_wall_ns=envelope.t_wall_ns,
        rank=rank,
        boot=boot,
        seq=envelope.seq,
    )
