"""How much accuracy does growing gain? The grown network and its host trained alone, on digits, for each seed.

python benchmarks/accuracy.py            print a table, then JSON
python benchmarks/accuracy.py --json     print only JSON, on one line
python benchmarks/accuracy.py --seeds 0 1 2 3 4
"""

import argparse
import json
import statistics
from typing import TypedDict

from esper.leyline.policy import GrowthPolicy
from esper.tamiyo.heuristic import HeuristicPolicy
from esper.tolaria.tasks.digits import DIGITS
from esper.tolaria.training.growth import fossils
from esper.tolaria.training.run_settings import RunSettings
from esper.tolaria.training.trainer import Trainer


class Row(TypedDict):
    """The results of one seed. Accuracies are in percent."""

    seed: int
    host: float
    grown: float
    params_added: int
    fossils: int


def train(seed: int, policy: GrowthPolicy | None) -> Trainer:
    """Return a trainer that has trained all epochs, as `esper train` does; without a policy it trains the host alone."""
    trainer = Trainer(DIGITS, RunSettings(seed=seed), policy=policy)
    trainer.fit()
    return trainer


def measure(seed: int) -> Row:
    """Train with and without growing from `seed` and return the results."""
    grown = train(seed, HeuristicPolicy())
    return Row(
        seed=seed,
        host=train(seed, None).validate().accuracy,
        grown=grown.validate().accuracy,
        params_added=grown.num_params - grown.num_host_params,
        fossils=len(fossils(grown.slots)),
    )


def main() -> None:
    """Measure every seed and print the results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--json", action="store_true", help="print only JSON")
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
    host, grown = (statistics.fmean(row[name] for row in rows) for name in ("host", "grown"))
    if not options.json:
        print(f"mean  {host:8.2f} %  {grown:5.2f} %")
    print(json.dumps({"seeds": rows, "mean": {"host": host, "grown": grown}}))


if __name__ == "__main__":
    main()
