"""Replays recorded loss curves: `python -m tests.tolaria.replay FILE`, with `-` for standard input.

Each line of the file is a scenario: a `name`, a detector's `config` and the `losses` given to it; all other keys are
ignored. Files may be compressed with gzip. For each scenario one line is written: the name and a verdict for every loss.
"""

import json
import logging
import math
import sys
from collections.abc import Iterable
from typing import Any

from torch import nn

from esper.tolaria.detection.detector import SigmaDetector
from esper.tolaria.governor import TolariaGovernor
from esper.tolaria.recovery.config import GovernorConfig
from esper.tolaria.recovery.escalation import EscalationConfig
from tests.kasmina.replay import read_scenarios

PATIENT = GovernorConfig(escalation=EscalationConfig(budget=1_000_000))
"""A configuration that never stops a run, so that every recorded curve is replayed to its end."""


def replay(scenario: dict[str, Any]) -> dict[str, Any]:
    """Give the losses of `scenario` to a new governor, roll back whenever a verdict asks for it, return all verdicts."""
    config = {"random_guess_loss": math.log(10), **scenario["config"]}
    governor = TolariaGovernor(
        nn.Linear(1, 1, bias=False), detector=SigmaDetector(**config), config=PATIENT
    )
    governor.snapshot()
    verdicts = []
    for loss in scenario["losses"]:
        verdict = governor.check_vital_signs(float(loss))
        reason = f"governor_{verdict.reason.name.lower()}" if verdict and verdict.reason else None
        verdicts.append({"panic": bool(verdict), "reason": reason})
        if verdict:
            governor.execute_rollback()
    return {"name": scenario["name"], "verdicts": verdicts}


def main(arguments: Iterable[str]) -> None:
    """Print a line of verdicts for each scenario in the file that is the only argument."""
    (path,) = arguments
    # Hundreds of rollbacks are expected here; warnings of them would only hide other output.
    logging.getLogger("esper").setLevel(logging.ERROR)
    for scenario in read_scenarios(path):
        print(json.dumps(replay(scenario)))


if __name__ == "__main__":
    main(sys.argv[1:])
