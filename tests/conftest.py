"""What every test may rely on."""

import os

# Tests run side by side, a process for each core, and what they start inherits this; threads of one test would
# only take the cores from the others.
os.environ.setdefault("OMP_NUM_THREADS", "1")
