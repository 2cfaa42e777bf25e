"""Lets tests import what the benchmarks import."""

import sys
from pathlib import Path

# Last, because a benchmark may have the name of a package.
sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
