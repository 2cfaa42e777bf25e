"""Builds the stories of slots and their seeds from lifecycle events."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import final

from esper._generated.channel import Payload
from esper._generated.enums import SeedStage
from esper._generated.lifecycle import (
    SeedFossilizedPayload,
    SeedGerminatedPayload,
    SeedPrunedPayload,
    SeedStageChangedPayload,
)
from esper._generated.records import SeedEvidence
from esper.karn.story import SeedStory, SlotStory, Step


@dataclass(slots=True)
class _Seed:
    """A seed as far as the events so far describe it; see SeedStory for the fields."""

    blueprint_id: str | None = None
    num_params: int | None = None
    improvement: float | None = None
    contribution: float | None = None
    evidence: SeedEvidence | None = None
    steps: list[Step] = field(default_factory=list)
    is_germinated: bool = False
    """Whether the events contain its germination; if not, an earlier writer may know the seed."""

    has_ended: bool = False
    """Whether the events contain its end."""

    def continue_with(self, later: _Seed) -> None:
        """Add the events that a later writer has of this seed."""
        if later.has_ended:
            self.blueprint_id, self.has_ended = later.blueprint_id, True
            self.improvement, self.contribution = later.improvement, later.contribution
            self.evidence = later.evidence
            ends = (SeedStage.FOSSILIZED, SeedStage.PRUNED)
            if self.stage in ends and later.steps[0].stage is self.stage:
                # The later writer has the reason for the stage change, as in `end`.
                self.steps.pop()
        self.steps += later.steps

    @property
    def stage(self) -> SeedStage | None:
        """The latest stage; None before the first."""
        return self.steps[-1].stage if self.steps else None

    def end(self, payload: SeedFossilizedPayload | SeedPrunedPayload, step: Step) -> None:
        """Record the end of the seed; `step` replaces the stage change emitted just before, which lacks the reason."""
        self.has_ended = True
        self.blueprint_id = payload.blueprint_id
        self.improvement = payload.improvement
        self.contribution = payload.counterfactual
        self.evidence = payload.evidence
        if self.stage is step.stage:
            self.steps.pop()
        self.steps.append(step)

    def build(self) -> SeedStory:
        """Return the story of the seed."""
        return SeedStory(
            blueprint_id=self.blueprint_id,
            num_params=self.num_params,
            improvement=self.improvement,
            contribution=self.contribution,
            evidence=self.evidence,
            steps=tuple(self.steps),
        )


@final
class SlotsBuilder:
    """Collects lifecycle events, one by one, by environment and slot."""

    def __init__(self) -> None:
        """Start without slots."""
        self._slots: dict[tuple[int, str], list[_Seed]] = {}

    def add_slots(self, env_id: int, slot_ids: Iterable[str]) -> None:
        """Add slots of an environment, also those without any event; they come first in the stories."""
        known = self._slots
        self._slots = {(env_id, slot_id): known.get((env_id, slot_id), []) for slot_id in slot_ids}
        self._slots |= known

    def extend(self, other: SlotsBuilder, *, continues: bool) -> None:
        """Add the seeds of another writer; if it `continues` the run, its first ones may be known here already."""
        for slot, later in other._slots.items():
            seeds = self._slots.setdefault(slot, [])
            new = list(later)
            if continues and seeds and new and not new[0].is_germinated:
                seeds[-1].continue_with(new.pop(0))
            seeds += new

    def add(self, epoch: int | None, payload: Payload) -> None:
        """Process the next event; events that are not about a seed's stage change nothing."""
        match payload:
            case SeedGerminatedPayload():
                step = Step(epoch=epoch, stage=SeedStage.GERMINATED)
                seed = _Seed(payload.blueprint_id, payload.params, steps=[step], is_germinated=True)
                self._seeds(payload.env_id, payload.slot_id).append(seed)
            case SeedStageChangedPayload():
                seed = self._newest(payload.env_id, payload.slot_id)
                seed.steps.append(Step(epoch=epoch, stage=payload.to_stage))
            case SeedFossilizedPayload():
                step = Step(epoch=epoch, stage=SeedStage.FOSSILIZED)
                self._newest(payload.env_id, payload.slot_id).end(payload, step)
            case SeedPrunedPayload():
                step = Step(
                    epoch=epoch,
                    stage=SeedStage.PRUNED,
                    reason=payload.reason,
                    initiator=payload.initiator,
                )
                self._newest(payload.env_id, payload.slot_id).end(payload, step)

    def build(self) -> tuple[SlotStory, ...]:
        """Return the story of every slot."""
        return tuple(
            SlotStory(env_id=env_id, slot_id=slot_id, seeds=tuple(seed.build() for seed in seeds))
            for (env_id, slot_id), seeds in self._slots.items()
        )

    def _seeds(self, env_id: int, slot_id: str) -> list[_Seed]:
        return self._slots.setdefault((env_id, slot_id), [])

    def _newest(self, env_id: int, slot_id: str) -> _Seed:
        """Return the newest seed of a slot; a new one if the log lacks its germination."""
        seeds = self._seeds(env_id, slot_id)
        if not seeds:
            seeds.append(_Seed())
        return seeds[-1]
