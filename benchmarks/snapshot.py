"""Measures the cost of snapshots, rollbacks and the governor's checks.

Copies are measured in multiples of a raw memory copy of the same bytes (numpy, one thread, into memory that has been touched
before), in processor time, so that other processes do not count. Before each sample the caches are swept, and each
sample is divided by a raw copy timed right before it; the median of these ratios is reported.

- copy, restore: only the copying within a snapshot or a rollback.
- verified: a whole `snapshot()`: copied, checked for NaN and infinities, checksummed, described.
- restore_verified: a whole `execute_rollback()`: checksum verified, structure compared, copied back, reported.
- first: the copy into a buffer that has just been allocated.
- the rest: common alternatives.

A governed epoch of digits is compared with one whose plain loop computes loss and gradient norm too, and the
robust detector with the sigma rule.
"""

import argparse
import copy
import io
import json
import math
import random
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from sections import write_section
from torch import Tensor, nn
from torch.distributed.checkpoint.staging import StateDictStager
from torch.nn import functional

from esper.tolaria.detection.detector import Detector, SigmaDetector
from esper.tolaria.detection.limits import RobustConfig
from esper.tolaria.detection.robust import RobustDetector
from esper.tolaria.governor import TolariaGovernor
from esper.tolaria.snapshots.buffer_layout import Layout
from esper.tolaria.snapshots.buffers import SnapshotBuffers, allocate
from esper.tolaria.snapshots.inventory import Inventory
from esper.tolaria.tasks.digits import DIGITS
from esper.tolaria.tasks.task import Samples

SIZES = {"20M": (20_000_000, 200, 41), "2M": (2_000_000, 400, 81)}
"""Parameters, tensors and rounds."""
PEER_ROUNDS = 7
"""Rounds for the alternatives, some of which are slow."""
LIMITS = {
    "20M": {"copy": 1.15, "verified": 2.0, "restore": 1.2, "restore_verified": 1.6, "first": 3.0},
    "2M": {"copy": 1.8, "verified": 3.0, "restore": 1.9, "restore_verified": 2.6, "first": 3.0},
}
SWEPT_BYTES = 128 << 20
"""Larger than any cache."""
NUM_ROUNDS = 30
EPOCHS_OF_ROUND = 5
"""One look at the canary at least: it comes every hundred steps, and an epoch has 23."""
GUESS = math.log(10)

Timed = Callable[[], float]
"""Does something once and returns the seconds of processor time that it took."""


def build(num_parameters: int, num_tensors: int) -> nn.Module:
    """Return a network of equal linear layers, with about `num_parameters` parameters in `num_tensors` tensors."""
    num_layers = num_tensors // 2
    width = int(math.sqrt(num_parameters / num_layers))
    return nn.Sequential(*[nn.Linear(width, width) for _ in range(num_layers)])


def whole(act: Callable[[], object]) -> Timed:
    """Return a function that times one call of `act`."""

    def timed() -> float:
        started = time.thread_time()
        act()
        return time.thread_time() - started

    return timed


def first_copy(buffers: SnapshotBuffers, inventory: Inventory) -> Timed:
    """Return a timed copy of all tensors of `buffers` into memory that has just been allocated."""
    assert buffers.layout is not None
    ((group, size),) = buffers.layout.sizes.items()
    sources = [
        (place.start, place.stop, inventory.tensors[key].numpy().view(np.uint8).reshape(-1).data)
        for key, place in buffers.layout.places.items()
    ]

    def act() -> None:
        buffer = allocate(size, group.device).data
        for start, stop, source in sources:
            buffer[start:stop] = source

    return whole(act)


def copy_in(buffers: SnapshotBuffers, inventory: Inventory) -> Timed:
    """Return a timed copy of all tensors into `buffers`, without verification."""

    def act() -> None:
        for block in buffers.blocks:
            block.copy_in(inventory.tensors)

    return whole(act)


def candidates(model: nn.Module) -> dict[str, Timed]:
    """Return everything that is timed on `model`, by name; `limit` is the raw copy."""
    inventory = Inventory.take(model, modules={}, optimizers={})
    buffers = SnapshotBuffers()
    buffers.set_layout(Layout(inventory, unchecked=()))
    buffers.fill()
    governor = TolariaGovernor(model)
    for _ in range(4):
        governor.snapshot()
    state = model.state_dict()
    source = np.random.default_rng(0).random(buffers.layout.num_bytes // 4, np.float32)
    target = np.zeros_like(source)
    stager = StateDictStager()
    return {
        "limit": whole(lambda: np.copyto(target, source)),
        "copy": copy_in(buffers, inventory),
        "verified": whole(governor.snapshot),
        "restore": whole(buffers.write_back),
        "restore_verified": whole(governor.execute_rollback),
        "first": first_copy(buffers, inventory),
        "clone dict": whole(lambda: {key: value.clone() for key, value in state.items()}),
        "deepcopy": whole(lambda: copy.deepcopy(state)),
        "DCP stager": whole(lambda: stager.stage(state)),
        "torch.save": whole(lambda: torch.save(state, io.BytesIO())),
    }


def measure_copies(name: str) -> dict[str, float]:
    """Return the ratio of each candidate to the raw copy, by name."""
    num_parameters, num_tensors, rounds = SIZES[name]
    timed = candidates(build(num_parameters, num_tensors))
    limit = timed.pop("limit")
    sweep = np.zeros(SWEPT_BYTES // 8)
    ratios: dict[str, list[float]] = {key: [] for key in timed}
    for number in range(rounds):
        for key, act in timed.items():
            if key in LIMITS[name] or number < PEER_ROUNDS:
                sweep.sum()
                raw_s = limit()
                sweep.sum()
                ratios[key].append(act() / raw_s)
    return {key: statistics.median(samples) for key, samples in ratios.items()}


def steps_of_epoch(
    model: nn.Module, optimizer: torch.optim.Optimizer, governor: TolariaGovernor | None
) -> Iterator[float]:
    """Train an epoch of digits, governed or not, and yield the seconds of processor time of each step."""
    samples, *_ = DIGITS.load_samples()
    for batch in samples.shuffled_batches(DIGITS.batch_size, seed=0, epoch=1):
        started = time.process_time()
        loss = functional.cross_entropy(model(batch.inputs), batch.targets)
        optimizer.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), DIGITS.max_grad_norm)
        if governor is None:
            loss.item(), norm.item()
            optimizer.step()
        elif governor.before_step(loss, norm, batch=batch).may_step:
            optimizer.step()
            governor.after_step()
        yield time.process_time() - started


def _probe(model: nn.Module) -> Callable[[Samples], Tensor]:
    """Return a probe for `model`."""

    def losses(batch: Samples) -> Tensor:
        return functional.cross_entropy(model(batch.inputs), batch.targets, reduction="none")

    return losses


def measure_epochs() -> dict[str, float]:
    """Return how many times as long governed epochs take as plain ones: median and quartiles with a probe, and the probe's share.

    In each round the same epochs run three times: plain, governed, and governed with a probe. They take their steps in
    turns, so that other load on the machine affects all alike, and three networks take turns in these parts, because the place of a network
    in memory makes a difference, too. A round is long enough for a look at the canary.
    """
    torch.manual_seed(0)
    runs = []
    for _ in range(3):
        model = DIGITS.build_host()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
        probed = TolariaGovernor(model, optimizers=[optimizer], probe=_probe(model))
        governed = TolariaGovernor(model, optimizers=[optimizer])
        for governor in (probed, governed):
            sum(steps_of_epoch(model, optimizer, governor))
        runs.append((model, optimizer, (None, governed, probed)))
    ratios: dict[str, list[float]] = {"governed": [], "probed": []}
    for number in range(NUM_ROUNDS):
        seconds = [0.0, 0.0, 0.0]
        for _ in range(EPOCHS_OF_ROUND):
            epochs = []
            for part in range(3):
                model, optimizer, governors = runs[(part + number) % 3]
                epochs.append(steps_of_epoch(model, optimizer, governors[part]))
            for steps in zip(*epochs, strict=True):
                seconds = [total + one for total, one in zip(seconds, steps, strict=True)]
        plain_s, governed_s, probed_s = seconds
        ratios["governed"].append(governed_s / plain_s)
        ratios["probed"].append(probed_s / plain_s)
    lower, median, upper = statistics.quantiles(ratios["probed"], n=4)
    differences = [
        one - other for one, other in zip(ratios["probed"], ratios["governed"], strict=True)
    ]
    return {
        "lower_quartile": lower,
        "median": median,
        "upper_quartile": upper,
        "probe": statistics.median(differences),
    }


def measure_detectors() -> dict[str, float]:
    """Return the ratio of a check by the robust detector to one by the sigma rule, median over rounds."""
    generator = random.Random(0)
    losses = [0.5 * math.exp(generator.gauss(0.0, 0.12)) for _ in range(5000)]

    def seconds(detector: Detector) -> float:
        started = time.thread_time()
        for loss in losses:
            detector.check(loss)
        return time.thread_time() - started

    config = RobustConfig(random_guess_loss=GUESS)
    ratios = [
        seconds(RobustDetector(config)) / seconds(SigmaDetector(random_guess_loss=GUESS))
        for _ in range(15)
    ]
    return {"robust": statistics.median(ratios)}


def as_table(copies: dict[str, dict[str, float]]) -> str:
    """Return the ratios as Markdown."""
    lines = [f"| raw copies | {' | '.join(copies)} |", "|---|" + "---:|" * len(copies)]
    for key in next(iter(copies.values())):
        cells = [
            f"{ratios[key]:.2f}"
            + (f" (at most {LIMITS[name][key]})" if key in LIMITS[name] else "")
            for name, ratios in copies.items()
        ]
        lines.append(f"| {key} | {' | '.join(cells)} |")
    return "\n".join(lines)


def as_markdown(
    copies: dict[str, dict[str, float]], epochs: dict[str, float], detectors: dict[str, float]
) -> str:
    """Return all measurements as a table and sentences in Markdown."""
    return f"""{as_table(copies)}

A governed epoch of digits, with a probe, takes {epochs['median']:.3f} times as long as a plain one (at most 1.05), quartiles
{epochs['lower_quartile']:.3f} and {epochs['upper_quartile']:.3f}; the probe's share is {epochs['probe']:.3f} (at most 0.02). A check by the robust detector takes {detectors['robust']:.2f} times as long
as one by the sigma rule (at most 3)."""


def main() -> None:
    """Measure and print; with --json a line of JSON comes last."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="end with the ratios as a line of JSON")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the table into FILE, too")
    options = parser.parse_args()
    torch.set_num_threads(1)
    copies = {name: measure_copies(name) for name in SIZES}
    epochs, detectors = measure_epochs(), measure_detectors()
    markdown = as_markdown(copies, epochs, detectors)
    print(markdown)
    if options.write:
        write_section(options.write, "benchmarks/snapshot.py", markdown)
    if options.json:
        ours = {
            name: {key: round(ratios[key], 3) for key in LIMITS[name]}
            for name, ratios in copies.items()
        }
        print(json.dumps({**ours, "epoch": epochs, "detector": detectors}))


if __name__ == "__main__":
    main()
