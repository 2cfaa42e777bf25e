"""Measures how often the governor saves a run from faults: runs the fault campaign.

python benchmarks/faults.py                          print tables, then JSON; about twenty minutes
python benchmarks/faults.py --quick                  two seeds for each fault, a few minutes
python benchmarks/faults.py --json                   print only JSON, on one line
python benchmarks/faults.py --endless 2000           train without a fault at a constant rate, and count rollbacks
python benchmarks/faults.py --write docs/governor.md also write the tables into the marked section of a file
"""

import argparse
import json
import sys
from pathlib import Path

from faults_campaign.catalogue import FAULTS
from faults_campaign.plan import FULL, QUICK, plan, run_jobs
from faults_campaign.report import Report
from faults_campaign.trial import run_endless
from sections import write_section


def main() -> None:
    """Run the campaign and print the results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="use two seeds for each fault")
    parser.add_argument("--json", action="store_true", help="print only JSON")
    parser.add_argument(
        "--write", type=Path, metavar="FILE", help="also write the tables into FILE"
    )
    parser.add_argument(
        "--only",
        nargs="+",
        metavar="FAULT",
        choices=[fault.name for fault in FAULTS],
        help="inject only these faults",
    )
    parser.add_argument("--seeds", type=int, metavar="N", help="seeds for each fault")
    parser.add_argument(
        "--endless",
        type=int,
        metavar="EPOCHS",
        help="train a run of digits at a constant rate, without a fault, and count its rollbacks",
    )
    options = parser.parse_args()
    if options.endless is not None:
        for seed in range(options.seeds or 1):
            rollbacks, refused, epochs = run_endless(seed, options.endless)
            print(
                f"seed {seed}: {rollbacks} rollbacks, {refused} refused steps in {epochs} epochs",
                flush=True,
            )
        return
    faults = [fault for fault in FAULTS if options.only is None or fault.name in options.only]
    size = QUICK if options.quick else FULL
    jobs = plan(size if options.seeds is None else size.with_seeds(options.seeds), faults)
    report = Report(faults, list(run_jobs(jobs)))
    if options.write is not None:
        write_section(options.write, "benchmarks/faults.py", report.to_markdown())
    if not options.json:
        print(report.to_markdown())
    print(json.dumps(report.to_json()))
    if report.errors:
        sys.exit(f"{len(report.errors)} of {len(jobs)} runs raised an error")


if __name__ == "__main__":
    main()
