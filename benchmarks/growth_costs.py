"""What do slots, seeds and evidence cost? Steps with them, as multiples of the same steps without them.

python benchmarks/growth_costs.py                          measure and print the tables, some minutes
python benchmarks/growth_costs.py --write docs/growth.md   put them into the page, too
python benchmarks/growth_costs.py --json                   a line of JSON comes last

Two hosts are measured: `cnn`, that of the task `digits` with batches of 128, and `transformer`, that of `pydoc` with batches of
64. A step, forward and backward pass, takes about 2 and 100 ms. `graft` adds a slot after each of their segments, three and two.
Each is compared with a network that does the same without slots and shares its parameters, so that both have them at the
same place in memory. The two take their steps in turns, A B B A, so that other load on the machine affects both alike. A
ratio is that of some such turns; median and quartiles are over many ratios. Times are processor times of one thread.

- dormant: slots without a seed, over no slots.
- live: a seed in each slot, over the same module called in its place, x = seed(x), for each stage in which a seed runs.
- graphs: how many graphs `torch.compile` makes of two training steps, with dormant slots and without slots.
- evidence: the time of a seed's evidence in an epoch of `Trainer`, over the rest of that epoch, which is training and
  validation. Epochs without a seed to judge are left out.
"""

import argparse
import gc
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

from esper._generated.channel import Payload
from esper._generated.enums import SeedStage
from esper._generated.envelope import Envelope
from esper._generated.run import EpochCompletedPayload
from esper.kasmina.gates import QualityGates
from esper.kasmina.graft import SlotSpec, graft
from esper.kasmina.hosts.cnn import CNNHost
from esper.kasmina.hosts.transformer import TransformerHost
from esper.kasmina.slot import SeedSlot
from esper.leyline.actions import Action, Advance, Germinate
from esper.leyline.policy import PolicyState
from esper.leyline.signals import TrainingSignals
from esper.nissa.hub import Hub
from esper.tolaria.tasks.digits import DIGITS
from esper.tolaria.tasks.mnist1d import MNIST1D
from esper.tolaria.tasks.pydoc import PYDOC
from esper.tolaria.tasks.task import Task
from esper.tolaria.training.run_settings import RunSettings
from esper.tolaria.training.trainer import Trainer

LIMITS = {"cnn": 1.03, "transformer": 1.01}
"""Highest ratio of a step with dormant slots."""
LIVE_LIMIT = 1.05
"""Highest ratio of a step with seeds."""
EVIDENCE_LIMIT = 0.10
"""Highest share of the evidence of an epoch."""
EPOCHS = {"digits": 30, "mnist1d": 15, "pydoc": 6}
"""Epochs in which the evidence of each task is measured."""
NUM_ROUNDS = {"cnn": 40, "transformer": 15}
"""Ratios of which the median is given."""
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
    """A network without slots, a batch for it, the seeds that suit it, and how many turns A B B A make a ratio."""

    network: Segments
    inputs: Tensor
    targets: Tensor
    blueprint_id: str
    num_turns: int


def cnn_case() -> Case:
    """Return the host of `digits` and a batch of images."""
    host = CNNHost(num_classes=10, in_channels=1, base_channels=3, num_blocks=3, num_pools=2)
    return Case(
        network=Segments(nn.Identity(), host.blocks, Pooled(host.head)),
        inputs=torch.rand(128, 1, 8, 8),
        targets=torch.randint(10, (128,)),
        blueprint_id="conv_heavy",
        num_turns=15,
    )


def transformer_case() -> Case:
    """Return the host of `pydoc` and a batch of texts."""
    host = TransformerHost(
        vocab_size=256,
        embed_dim=64,
        num_heads=4,
        num_layers=2,
        num_segments=2,
        context_length=64,
        dropout=0.0,
    )
    return Case(
        network=Segments(Embedded(host), host.segments, Unembedded(host)),
        inputs=torch.randint(256, (64, 64)),
        targets=torch.randint(256, (64, 64)),
        blueprint_id="mlp_small",
        num_turns=4,
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
    """Return the processor time of one training step, without its optimizer."""
    started = time.process_time()
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
            ones, others = 0.0, 0.0
            for _ in range(case.num_turns):
                # A B B A: a machine that gets slower or faster does so for both.
                others += seconds(other, case)
                ones += seconds(one, case)
                ones += seconds(one, case)
                others += seconds(other, case)
            ratios.append(ones / others)
            steps.append(others / (2 * case.num_turns))
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
        "with slots": count_graphs(network, case),
        "without": count_graphs(case.network, case),
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


class Shares:
    """Collects what evidence takes of each epoch, from the events of a run.

    Attributes:
        of_epochs: time of the evidence over that of the rest of the epoch.
    """

    def __init__(self) -> None:
        self.of_epochs: list[float] = []

    def write(self, envelope: Envelope, payload: Payload) -> None:
        """Add an epoch in which a seed was judged."""
        if isinstance(payload, EpochCompletedPayload):
            taken = sum(seed.evidence.duration_s or 0.0 for seed in payload.seeds if seed.evidence)
            if taken:
                self.of_epochs.append(taken / (payload.duration_s - taken))

    def close(self) -> None:
        """Do nothing."""


class OneSeed:
    """Plants a seed in the first slot after the first epoch, and lets it train: it is judged after each later epoch."""

    def __init__(self, blueprint_id: str) -> None:
        self._blueprint_id = blueprint_id

    def decide(self, signals: TrainingSignals) -> list[Action]:
        """Return the planting, then the step to TRAINING."""
        slot = signals.slots[0]
        if slot.stage is SeedStage.DORMANT:
            seed = self._blueprint_id
            return [Germinate(slot_id=slot.slot_id, blueprint_id=seed, blend_tempo_epochs=5)]
        if slot.stage is SeedStage.GERMINATED:
            return [Advance(slot_id=slot.slot_id)]
        return []

    def state_dict(self) -> PolicyState:
        """Return nothing: the policy remembers nothing."""
        return {}

    def load_state_dict(self, state: PolicyState) -> None:
        """Do nothing."""


def measure_evidence(task: Task) -> dict[str, float]:
    """Return median and quartiles of what the evidence for one seed takes of an epoch."""
    shares = Shares()
    blueprint_id = "conv_light" if task.blueprint_ids is None else task.blueprint_ids[0]
    with Hub("costs") as hub:
        hub.attach(shares)
        settings = RunSettings(epochs=EPOCHS[task.name])
        channel = hub.channel(env_id=0)
        Trainer(task, settings, policy=OneSeed(blueprint_id), channel=channel).fit()
    lower, median, upper = statistics.quantiles(shares.of_epochs, n=4)
    return {"median": median, "lower_quartile": lower, "upper_quartile": upper}


def as_markdown(steps: dict[str, Any], evidence: dict[str, dict[str, float]]) -> str:
    """Return all measurements as tables in Markdown."""
    names = list(steps)
    lines = [f"| step with | {' | '.join(names)} | at most |", "|---|" + "---:|" * (len(names) + 1)]
    limits = " and ".join(str(LIMITS[name]) for name in names)
    rows = [("dormant slots, over none", limits, [steps[name]["dormant"] for name in names])]
    for stage in STAGES:
        cells = [steps[name]["live"][stage.name] for name in names]
        rows.append((f"seeds in {stage.name}, over the modules inline", str(LIVE_LIMIT), cells))
    for title, limit, cells in rows:
        texts = [
            f"{c['median']:.3f} ({c['lower_quartile']:.3f} to {c['upper_quartile']:.3f})"
            for c in cells
        ]
        lines.append(f"| {title} | {' | '.join(texts)} | {limit} |")
    graphs = [steps[name]["graphs"] for name in names]
    texts = [f"{one['with slots']}, without slots {one['without']}" for one in graphs]
    lines.append(f"| graphs compiled with dormant slots | {' | '.join(texts)} | the same |")
    texts = [f"{steps[name]['dormant']['step_ms']:.1f} ms" for name in names]
    lines.append(f"| a step without slots takes | {' | '.join(texts)} | |")
    lines += ["", "| task | evidence for one seed, share of the rest of the epoch | at most |"]
    lines.append("|---|---:|---:|")
    for task, share in evidence.items():
        median, lower, upper = (
            f"{100 * share[name]:.1f} %" for name in ("median", "lower_quartile", "upper_quartile")
        )
        limit = f"{100 * EVIDENCE_LIMIT:.0f} %"
        lines.append(f"| `{task}` | {median} ({lower} to {upper}) | {limit} |")
    return "\n".join(lines)


def main() -> None:
    """Measure and print; with --json a line of JSON comes last."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="end with all values as a line of JSON")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the tables there, too")
    options = parser.parse_args()
    torch.set_num_threads(1)
    steps = {name: measure(name, NUM_ROUNDS[name]) for name in CASES}
    evidence = {task.name: measure_evidence(task) for task in (DIGITS, MNIST1D, PYDOC)}
    markdown = as_markdown(steps, evidence)
    print(markdown)
    if options.write:
        write_section(options.write, "benchmarks/growth_costs.py", markdown)
    if options.json:
        print(json.dumps({"steps": steps, "evidence": evidence}))


if __name__ == "__main__":
    main()
