"""How often do evidence gates keep a seed that does nothing, and how often one that helps?

python benchmarks/null_runs.py              1,000 simulated null runs, power, 200 real trainings: tables, then JSON; 3 minutes
python benchmarks/null_runs.py --quick      a tenth of the runs
python benchmarks/null_runs.py --json       only JSON, on one line
python benchmarks/null_runs.py --write docs/concepts/evidence.md      the tables of the page, too

A simulated run draws the losses of its decision samples: a host, and five seeds one after the other, each looked at 6 times in TRAINING
and 10 times while it is blended in and held. A seed moves the loss of every sample, more or less as at the look before, and by zero
on average over all samples that there could be. It goes through a real slot with `EvidenceGates`, and is kept if a single look
passes G5. In the first of the kinds, the losses are cross entropies of ten classes, with and without the seed of two networks whose
logits deviate by equally strong noise from those that the labels were drawn with; the other kinds are distributions that make
intervals fail: skewed ones (most samples gain a little, few lose much), heavy tails, and ties.

A real training is one of `Trainer`: a small network with two slots learns, and a policy plants seeds that add noise to the features. They
enter on credit, as in `esper train`, so that only G5 asks for evidence. One half of the trainings has `EvidencePolicy`; in the other
half a policy plants wherever it can and asks G5 at every epoch, which gives noise more chances. Price and quality do not matter there: parameters cost nothing, so that only the interval decides.
"""

import argparse
import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from scipy.stats import binomtest
from sections import write_section
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from esper._generated.enums import EvidenceMode, SeedStage
from esper.kasmina.blueprints.registry import blueprint_ids, register_blueprint
from esper.kasmina.evidence import EvidenceGates, paired_evidence
from esper.kasmina.slot import SeedSlot
from esper.leyline.actions import Action, Advance, Germinate, Prune
from esper.leyline.policy import GrowthPolicy
from esper.leyline.signals import TrainingSignals
from esper.tamiyo.evidence import EvidenceConfig, EvidencePolicy
from esper.tolaria.tasks.task import Samples, Task
from esper.tolaria.training.growth import fossils
from esper.tolaria.training.run_settings import RunSettings
from esper.tolaria.training.trainer import Trainer

NUM_SEEDS: Final = 5
SHADOW_LOOKS: Final = 6
LATER_LOOKS: Final = 10
NUM_SAMPLES: Final = 360
"""Decision samples; as many as the task `digits` has."""
MEMORY: Final = 0.8
"""Correlation of a seed's effect on a sample from look to look."""

Pair = tuple[Tensor, Tensor]
"""The losses with and without a seed, (N,) each."""


class Drift:
    """Normal noise, (N, ...), that changes gradually from look to look."""

    def __init__(self, shape: tuple[int, ...], generator: torch.Generator) -> None:
        """Draw the first noise."""
        self._shape, self._generator = shape, generator
        self._noise = torch.randn(shape, generator=generator)

    def next(self) -> Tensor:
        """Return the noise of the next look."""
        fresh = torch.randn(self._shape, generator=self._generator)
        self._noise = MEMORY * self._noise + math.sqrt(1.0 - MEMORY**2) * fresh
        return self._noise


def cross_entropies(generator: torch.Generator, num_samples: int) -> Callable[[], Iterator[Pair]]:
    """Return a function that yields the losses of a new seed, look by look, for one network and its samples."""
    logits = 3.0 * torch.randn(num_samples, 10, generator=generator)
    labels = torch.multinomial(logits.softmax(dim=1), 1, generator=generator)[:, 0]

    def looks() -> Iterator[Pair]:
        drifts = [Drift((num_samples, 10), generator) for _ in range(2)]
        while True:
            one, other = (
                cross_entropy(logits + 0.3 * drift.next(), labels, reduction="none")
                for drift in drifts
            )
            yield one, other

    return looks


def shaped(shape: Callable[[Tensor], Tensor]) -> Callable[..., Callable[[], Iterator[Pair]]]:
    """Return the same for differences that are `shape` of normal noise; `shape` must give them a mean of zero."""

    def kind(generator: torch.Generator, num_samples: int) -> Callable[[], Iterator[Pair]]:
        def looks() -> Iterator[Pair]:
            drift = Drift((num_samples,), generator)
            while True:
                yield 1.0 - 0.1 * shape(drift.next()), torch.ones(num_samples)

        return looks

    return kind


KINDS: Final = {
    "cross entropy": cross_entropies,
    "normal": shaped(torch.clone),
    "heavy tails": shaped(torch.sinh),
    "skewed": shaped(lambda x: 1.0 - x.square()),
    "very skewed": shaped(lambda x: math.exp(0.5) - x.exp()),
    "ties": shaped(lambda x: x.sign() * (x.abs() > 1.0)),
}


def seed_is_kept(looks: Iterator[Pair], seed_number: int, effect: float = 0.0) -> bool:
    """Lead a seed through a slot, judging it at each look; `effect`, in nats, is subtracted from its losses."""
    slot = SeedSlot("s", 1, topology="mlp", gates=EvidenceGates())
    slot.germinate("norm", blend_tempo_epochs=1)
    slot.advance_stage()
    plan = ((EvidenceMode.SHADOW, SHADOW_LOOKS), (EvidenceMode.COUNTERFACTUAL, LATER_LOOKS))
    for mode, num_looks in plan:
        for look in range(1, num_looks + 1):
            losses_with, losses_without = next(looks)
            evidence = paired_evidence(
                losses_with - effect, losses_without, mode=mode, look=look, seed_number=seed_number
            )
            slot.record_accuracy(0.0)
            slot.record_evidence(evidence)
            slot.step_epoch()
            # Not before the last shadow look, so that each seed is looked at equally often.
            if slot.stage is not SeedStage.TRAINING or look == num_looks:
                slot.advance_stage()
        if slot.stage is SeedStage.TRAINING:
            return False
    return slot.stage is SeedStage.FOSSILIZED


def run_keeps_one(kind: str, random_seed: int) -> bool:
    """Return whether a simulated null run keeps one of its seeds."""
    generator = torch.Generator().manual_seed(random_seed)
    looks = KINDS[kind](generator, NUM_SAMPLES)
    return any(seed_is_kept(looks(), number) for number in range(1, NUM_SEEDS + 1))


class Noise(nn.Module):
    """A seed that adds noise of its own to the features, also in evaluation mode; it has no parameters."""

    def __init__(self, _channels: int) -> None:
        """Draw from a generator of its own."""
        super().__init__()
        self._generator = torch.Generator().manual_seed(int(torch.randint(2**31, ())))

    def forward(self, features: Tensor) -> Tensor:
        """Return the features (B, C) with noise."""
        return features + 0.1 * torch.randn(features.shape, generator=self._generator)


class Host(nn.Module):
    """Two layers, a slot after each."""

    def __init__(self) -> None:
        """Build 16 features."""
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(8, 16), nn.Linear(16, 16)])
        self.slots = nn.ModuleList([SeedSlot(f"s{i}", 16, topology="mlp") for i in range(2)])
        self.head = nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (B, 3) of inputs (B, 8)."""
        for layer, slot in zip(self.layers, self.slots, strict=True):
            x = slot(layer(x).relu())
        logits: Tensor = self.head(x)
        return logits


class Eager:
    """Plants noise wherever it can, on credit, tries to advance it at every epoch, and prunes it after ten epochs of holding."""

    def decide(self, signals: TrainingSignals) -> Sequence[Action]:
        """Return an action for each slot that may have one."""
        actions: list[Action] = []
        for slot in signals.slots:
            if slot.stage is SeedStage.DORMANT:
                actions += [
                    Germinate(slot_id=slot.slot_id, blueprint_id="noise", blend_tempo_epochs=1),
                    Advance(slot_id=slot.slot_id),
                    Advance(slot_id=slot.slot_id, on_credit=True),
                ]
            elif slot.stage is SeedStage.HOLDING and slot.epochs_in_stage > 10:
                actions.append(Prune(slot_id=slot.slot_id, reason="low_contribution"))
            elif slot.stage in (SeedStage.BLENDING, SeedStage.HOLDING):
                actions.append(Advance(slot_id=slot.slot_id))
        return actions

    def state_dict(self) -> dict[str, Any]:
        """Return an empty dict."""
        return {}

    def load_state_dict(self, state: Any) -> None:
        """Do nothing."""


def _noisy_samples(random_seed: int) -> tuple[Samples, ...]:
    generator = torch.Generator().manual_seed(random_seed)
    teacher = torch.randn(8, 3, generator=generator)
    inputs = torch.randn(600, 8, generator=generator)
    targets = (inputs @ teacher + torch.randn(600, 3, generator=generator)).argmax(dim=1)
    split = zip(inputs.split((300, 300)), targets.split((300, 300)), strict=True)
    return tuple(Samples(inputs=x, targets=y) for x, y in split)


def default_policy() -> EvidencePolicy:
    """Return the policy of `esper train`, which plants noise."""
    return EvidencePolicy(EvidenceConfig(blueprint_ids=("noise",)))


POLICIES: Final = {
    "real trainings, as `esper train`": default_policy,
    "real trainings, eager policy": Eager,
}


def training_keeps_one(
    random_seed: int, build_policy: Callable[[], GrowthPolicy], epochs: int = 40
) -> bool:
    """Return whether a real training with seeds of noise keeps one of them."""
    if "noise" not in blueprint_ids("mlp"):
        register_blueprint("mlp", "noise", Noise)
    task = Task(
        name="noise",
        load_samples=lambda: _noisy_samples(random_seed),
        build_host=Host,
        num_classes=3,
        epochs=epochs,
        batch_size=100,
        price_per_parameter=0.0,
        num_threads=1,
    )
    trainer = Trainer(task, RunSettings(seed=random_seed), policy=build_policy())
    trainer.fit()
    return bool(fossils(trainer.slots))


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How many of some runs, or seeds, kept one or were kept."""

    name: str
    kept: int
    of: int

    def interval(self) -> tuple[float, float]:
        """Return the exact 95 % interval of the share (Clopper and Pearson), in percent."""
        bounds = binomtest(self.kept, self.of).proportion_ci(0.95)
        return 100.0 * float(bounds.low), 100.0 * float(bounds.high)

    def row(self) -> str:
        """Return a row of a table in Markdown."""
        low, high = self.interval()
        return f"| {self.name} | {self.kept} of {self.of:,} | {100 * self.kept / self.of:.1f} % | {low:.1f} to {high:.1f} % |"

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers for JSON; shares in percent."""
        return {"kept": self.kept, "of": self.of, "interval": self.interval()}


def count_null_runs(num_runs: int) -> list[Count]:
    """Return how many simulated null runs kept a seed: of each kind, equally many, and of all."""
    each = [range(kind, num_runs, len(KINDS)) for kind in range(len(KINDS))]
    counts = [
        Count(name=kind, kept=sum(run_keeps_one(kind, seed) for seed in seeds), of=len(seeds))
        for kind, seeds in zip(KINDS, each, strict=True)
    ]
    total = Count(name="all", kept=sum(one.kept for one in counts), of=num_runs)
    return [*counts, total]


def count_power(num_seeds: int) -> list[Count]:
    """Return how often the first seed of a run is kept that lowers the cross entropy of every sample by so many nats."""
    counts = []
    for num_samples in (NUM_SAMPLES, 1000):
        for effect in (0.01, 0.02, 0.03, 0.05, 0.1):
            kept = 0
            for seed in range(num_seeds):
                looks = cross_entropies(torch.Generator().manual_seed(seed), num_samples)
                kept += seed_is_kept(looks(), 1, effect)
            counts.append(
                Count(name=f"{effect:g} nats, {num_samples:,} samples", kept=kept, of=num_seeds)
            )
    return counts


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the runs")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="page that gets the tables")
    parser.add_argument("--json", action="store_true", help="print only JSON, on one line")
    options = parser.parse_args()
    share = 10 if options.quick else 1
    null = count_null_runs(1000 // share)
    trainings = 100 // share
    real = [
        Count(
            name=name,
            kept=sum(training_keeps_one(seed, build) for seed in range(trainings)),
            of=trainings,
        )
        for name, build in POLICIES.items()
    ]
    power = count_power(200 // share)
    tables = "\n\n".join(
        f"| {title} | kept one | share | 95 % interval |\n|---|---|---|---|\n"
        + "\n".join(one.row() for one in counts)
        for title, counts in (
            ("null runs", [*null, *real]),
            ("a seed that lowers the loss by", power),
        )
    )
    if not options.json:
        print(tables + "\n")
    if options.write is not None:
        write_section(options.write, "benchmarks/null_runs.py", tables)
    groups = {"null": null, "trainings": real, "power": power}
    print(json.dumps({k: {one.name: one.as_dict() for one in v} for k, v in groups.items()}))


if __name__ == "__main__":
    main()
