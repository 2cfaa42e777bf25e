"""What do slots and seeds cost? Steps with them, as multiples of the same steps without them.

python benchmarks/growth_costs.py             measure and print the table, about five minutes
python benchmarks/growth_costs.py --write docs/growth.md
python benchmarks/growth_costs.py --json      a line of JSON comes last

Two hosts of the package are measured: `cnn`, that of the task `digits`, and `transformer`, that of `pydoc`, each with three
or two slots that `graft` has added and a batch for which a step, forward and backward pass, takes about 2 and 100 ms. Each is compared with a network
that computes the same without slots and shares its parameters: so both have them at the same place in memory. The two take
their steps in turns, A B B A, so that other load on the machine affects both alike; a ratio is that of four such turns, of
which the median and the quartiles are given. Times are processor times of one thread.

- dormant: slots without a seed, over no slots.
- live: a seed in each slot, over the same module called in its place, for each stage in which it runs. The other network
  passes its features through the seed, x = seed(x), which a fossil computes too, and trains host and seed alike.
- graphs: how many graphs `torch.compile` makes of one training step, with dormant slots and without them.
"""

import argparse
import gc
import itertools
import json
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from sections import write_section
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from esper._generated.enums import SeedStage
from esper.kasmina.gates import QualityGates
from esper.kasmina.graft import SlotSpec, graft
from esper.kasmina.hosts.cnn import CNNHost
from esper.kasmina.hosts.transformer import TransformerHost
from esper.kasmina.slot import SeedSlot

LIMITS = {"cnn": 1.03, "transformer": 1.01}
"""Highest ratio of a step with dormant slots."""
LIVE_LIMIT = 1.05
"""Highest ratio of a step with seeds."""
STAGES = (SeedStage.TRAINING, SeedStage.BLENDING, SeedStage.HOLDING, SeedStage.FOSSILIZED)


class Segments(nn.Module):
    """A host in three parts: what comes before its segments, the segments, and what follows them."""

    def __init__(self, stem: nn.Module, segments: Iterable[nn.Module], head: nn.Module) -> None:
        super().__init__()
        self.stem, self.head = stem, head
        self.segments = nn.ModuleList(segments)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return logits, (B, C, ...)."""
        x = self.stem(inputs)
        for segment in self.segments:
            x = segment(x)
        logits: Tensor = self.head(x)
        return logits


class Pooled(nn.Module):
    """Averages images (B, C, H, W) over space before a linear layer."""

    def __init__(self, linear: nn.Module) -> None:
        super().__init__()
        self.linear = linear

    def forward(self, features: Tensor) -> Tensor:
        """Return logits (B, C)."""
        logits: Tensor = self.linear(features.mean(dim=(2, 3)))
        return logits


class Embedded(nn.Module):
    """Embeds tokens and their positions."""

    def __init__(self, host: TransformerHost) -> None:
        super().__init__()
        self.tokens, self.positions = host.tokens, host.positions

    def forward(self, tokens: Tensor) -> Tensor:
        """Return (B, T, C) for `tokens` (B, T)."""
        places = torch.arange(tokens.shape[1], device=tokens.device)
        embedded: Tensor = self.tokens(tokens) + self.positions(places)
        return embedded


class Unembedded(nn.Module):
    """Normalizes features and compares them with the embeddings of the tokens."""

    def __init__(self, host: TransformerHost) -> None:
        super().__init__()
        self.norm, self.tokens = host.norm, host.tokens

    def forward(self, features: Tensor) -> Tensor:
        """Return logits (B, V, T) of `features` (B, T, C)."""
        logits = nn.functional.linear(self.norm(features), self.tokens.weight)
        return logits.transpose(1, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A network without slots, a batch for it, the seeds that suit it, and how many steps are timed together."""

    network: Segments
    inputs: Tensor
    targets: Tensor
    blueprint_id: str
    num_steps: int


def cnn_case() -> Case:
    """Return the host of `digits` and a batch of images."""
    host = CNNHost(
        num_classes=10, in_channels=1, base_channels=3, num_blocks=3, num_pools=2
    )
    return Case(
        network=Segments(nn.Identity(), host.blocks, Pooled(host.head)),
        inputs=torch.rand(128, 1, 8, 8),
        targets=torch.randint(10, (128,)),
        blueprint_id="conv_heavy",
        num_steps=20,
    )


def transformer_case() -> Case:
    """Return the host of `pydoc` and a batch of texts."""
    host = TransformerHost(
        vocab_size=256, embed_dim=64, num_heads=4, num_layers=2, num_segments=2,
        context_length=64, dropout=0.0,
    )
    return Case(
        network=Segments(Embedded(host), host.segments, Unembedded(host)),
        inputs=torch.randint(256, (64, 64)),
        targets=torch.randint(256, (64, 64)),
        blueprint_id="mlp_small",
        num_steps=1,
    )


CASES: dict[str, Callable[[], Case]] = {"cnn": cnn_case, "transformer": transformer_case}


class Inline(nn.Module):
    """A segment and a seed, one called after the other."""

    def __init__(self, segment: nn.Module, seed: nn.Module) -> None:
        super().__init__()
        self.segment, self.seed = segment, seed

    def forward(self, x: Tensor) -> Tensor:
        """Return the seed's output."""
        output: Tensor = self.seed(self.segment(x))
        return output


def grafted(case: Case) -> tuple[Segments, list[SeedSlot]]:
    """Return the network with a slot after each segment, and the slots; it shares its parameters with that of `case`."""
    own = case.network
    segments = [nn.Sequential(*members(segment)) for segment in own.segments]
    network = Segments(own.stem, segments, own.head)
    specs = {"segments.*": SlotSpec(gates=QualityGates(permissive=True))}
    return network, list(graft(network, specs, example=case.inputs).values())


def members(segment: nn.Module) -> list[nn.Module]:
    """Return the layers of a segment."""
    assert isinstance(segment, nn.Sequential)
    return list(segment)


def lead_to(stage: SeedStage, slots: list[SeedSlot], blueprint_id: str) -> None:
    """Plant a seed in each slot and lead it to `stage`; in BLENDING, half way."""
    for slot in slots:
        slot.germinate(blueprint_id, blend_tempo_epochs=4)
        while slot.stage is not stage:
            before = slot.stage
            slot.record_accuracy(50.0)
            slot.record_contribution(1.0)
            result = slot.advance_stage()
            if slot.stage is before:
                assert slot.stage is SeedStage.BLENDING, result.message
                slot.step_epoch()
        if stage is SeedStage.BLENDING:
            slot.step_epoch()
            slot.step_epoch()


def seconds(network: nn.Module, case: Case) -> float:
    """Return the processor time of some training steps without an optimizer."""
    started = time.process_time()
    for _ in range(case.num_steps):
        cross_entropy(network(case.inputs), case.targets).backward()
    return time.process_time() - started


def compare(one: nn.Module, other: nn.Module, case: Case, rounds: int) -> dict[str, float]:
    """Return median and quartiles of the time of `one` over that of `other`, and the time of a step of `other`, in ms."""
    for network in (one, other):
        seconds(network, case)
    ratios, steps = [], []
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):
            # A B B A: a machine that gets slower or faster does so for both.
            first, *middle, last = (seconds(n, case) for n in (other, one, one, other))
            ratios.append(sum(middle) / (first + last))
            steps.append((first + last) / (2 * case.num_steps))
            gc.collect()
    finally:
        gc.enable()
    lower, median, upper = statistics.quantiles(ratios, n=4)
    return {
        "median": median,
        "lower_quartile": lower,
        "upper_quartile": upper,
        "step_ms": 1e3 * statistics.median(steps),
    }


def count_graphs(network: nn.Module, case: Case) -> int:
    """Return how many graphs the compiler makes of training steps, twice in a row."""
    import torch._dynamo
    from torch._dynamo.testing import CompileCounter

    torch._dynamo.reset()
    counter: Any = CompileCounter()
    compiled: Any = torch.compile(network, backend=counter)
    for _ in range(2):
        cross_entropy(compiled(case.inputs), case.targets).backward()
    return int(counter.frame_count)


def measure(name: str, rounds: int) -> dict[str, Any]:
    """Return all ratios of one network, and its numbers of graphs."""
    torch.manual_seed(0)
    case = CASES[name]()
    network, slots = grafted(case)
    measured: dict[str, Any] = {"dormant": compare(network, case.network, case, rounds)}
    measured["graphs"] = {
        "with slots": count_graphs(network, case), "without": count_graphs(case.network, case)
    }
    measured["live"] = {}
    for stage in STAGES:
        network, slots = grafted(case)
        lead_to(stage, slots, case.blueprint_id)
        inline = Segments(
            case.network.stem,
            [Inline(s, slot.seed) for s, slot in zip(case.network.segments, slots, strict=True)],
            case.network.head,
        )
        measured["live"][stage.name] = compare(network, inline, case, rounds)
    return measured
