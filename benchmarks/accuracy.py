"""How much test accuracy does growing gain? Trains the network of `esper train` on digits, growing and as its host alone.

python benchmarks/accuracy.py                        seeds 0 to 4: a table, the mean gain, then JSON
python benchmarks/accuracy.py --seeds $(seq 0 19)    twenty seeds, about 20 seconds each
python benchmarks/accuracy.py --json                 only JSON, on one line

Accuracies are those of the test samples, which no decision of a run sees. Both runs of a seed start from the same weights and see the same batches until the first seed module is planted, so the
interval of the mean gain is that of paired differences. It says how sure the mean is over seeds of this task on this
machine. The host has fewer parameters than the grown network: no network of the grown size is trained from the start.
"""

import argparse
import json
import statistics
from typing import TypedDict

from scipy.stats import ttest_rel

from esper.leyline.policy import GrowthPolicy
from esper.tamiyo.heuristic import HeuristicPolicy
from esper.tolaria.tasks.digits import DIGITS
from esper.tolaria.training.growth import fossils
from esper.tolaria.training.run_settings import RunSettings
from esper.tolaria.training.trainer import Trainer


class Row(TypedDict):
    """The results of one seed: accuracies in percent after the last epoch, and what was grown.

    `host` and `grown` are on the test samples, `val_host` and `val_grown` on those by which seeds were kept or pruned.
    """

    seed: int
    host: float
    grown: float
    val_host: float
    val_grown: float
    params_added: int
    fossils: int


def train(seed: int, policy: GrowthPolicy | None) -> Trainer:
    """Return a trainer that has trained all epochs as `esper train` does; with `policy=None`, the host alone."""
    trainer = Trainer(DIGITS, RunSettings(seed=seed), policy=policy)
    trainer.fit()
    return trainer


def measure(seed: int) -> Row:
    """Train a growing network and the host alone from the same `seed` and compare them."""
    grown, host = train(seed, HeuristicPolicy()), train(seed, None)
    return Row(
        seed=seed,
        host=host.test().accuracy,
        grown=grown.test().accuracy,
        val_host=host.validate().accuracy,
        val_grown=grown.validate().accuracy,
        params_added=grown.num_params - grown.num_host_params,
        fossils=len(fossils(grown.slots)),
    )


def gain_of(rows: list[Row]) -> tuple[float, tuple[float, float] | None]:
    """Return the mean gain in percentage points and its 95 % interval: a t-interval of the paired differences.

    The interval is None for a single seed, which says nothing about others.
    """
    grown, host = [row["grown"] for row in rows], [row["host"] for row in rows]
    gain = statistics.fmean(grown) - statistics.fmean(host)
    if len(rows) < 2:
        return gain, None
    interval = ttest_rel(grown, host).confidence_interval(0.95)
    return gain, (float(interval.low), float(interval.high))


def main() -> None:
    """Measure every seed and print the results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--json", action="store_true", help="print only JSON, on one line")
    options = parser.parse_args()
    rows = []
    if not options.json:
        print("seed  host alone  grown  parameters added  fossils")
    for seed in options.seeds:
        row = measure(seed)
        rows.append(row)
        if not options.json:
            print(
                f"{row['seed']:4}  {row['host']:8.2f} %  {row['grown']:5.2f} %"
                f"  {row['params_added']:14,}  {row['fossils']:7}",
                flush=True,
            )
    host, grown, added = (
        statistics.fmean(row[name] for row in rows) for name in ("host", "grown", "params_added")
    )
    gain, interval = gain_of(rows)
    if not options.json:
        print(f"mean  {host:8.2f} %  {grown:5.2f} %  {added:14,.0f}")
        confidence = f", 95 % interval {interval[0]:+.2f} to {interval[1]:+.2f}" if interval else ""
        print(f"gain {gain:+.2f} pp{confidence}")
    mean = {"host": host, "grown": grown, "gain": gain}
    print(json.dumps({"seeds": rows, "mean": mean, "gain_interval": interval}))


if __name__ == "__main__":
    main()
