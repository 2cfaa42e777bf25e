"""Joins the seeds of the processes of a run to the stories of its slots."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Final, final

from esper._generated.enums import SeedStage
from esper._generated.envelope import Envelope
from esper._generated.lifecycle import (
    SeedFossilizedPayload,
    SeedGateEvaluatedPayload,
    SeedGerminatedPayload,
    SeedPrunedPayload,
    SeedStageChangedPayload,
)
from esper.karn.kept import MAX_KEPT
from esper.karn.seed_story import EvidencePoint, GateStory, SeedStory, SlotStory, Step
from esper.karn.series import Series, SeriesBuilder, build_series
from esper.karn.slots import SeedBuilder, SlotsBuilder, StepEvent

_UNNAMED: Final = "?"
"""The slot of events that lack its name."""

_ENDS: Final = (SeedStage.FOSSILIZED, SeedStage.PRUNED)


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
