"""Does the governor save a run from what can break it? The fault campaign.

python benchmarks/faults.py                          tables, then JSON; some twenty minutes
python benchmarks/faults.py --quick                  two seeds of each fault, some minutes
python benchmarks/faults.py --json                   JSON alone, as the last line
python benchmarks/faults.py --write docs/governor.md tables into the marked section of a file, too
"""

import argparse
import json
from pathlib import Path

from faults_campaign.catalogue import FAULTS
from faults_campaign.plan import FULL, QUICK, carry_out, plan
from faults_campaign.report import Report
from sections import write_section


def main() -> None:
    """Run the campaign and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="two seeds of each fault")
    parser.add_argument("--json", action="store_true", help="print JSON alone")
    parser.add_argument(
        "--write", type=Path, metavar="FILE", help="write the tables into FILE, too"
    )
    parser.add_argument(
        "--only", nargs="+", metavar="FAULT", choices=[fault.name for fault in FAULTS]
    )
    parser.add_argument("--seeds", type=int, metavar="N", help="so many seeds of each fault")
    options = parser.parse_args()
    faults = [fault for fault in FAULTS if options.only is None or fault.name in options.only]
    size = QUICK if options.quick else FULL
    jobs = plan(size if options.seeds is None else size.with_seeds(options.seeds), faults)
    report = Report(faults, list(carry_out(jobs)))
    if options.write is not None:
        write_section(options.write, "benchmarks/faults.py", report.to_markdown())
    if not options.json:
        print(report.to_markdown())
    print(json.dumps(report.to_json()))


if __name__ == "__main__":
    main()
