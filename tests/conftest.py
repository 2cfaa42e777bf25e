"""What every test may rely on."""

import os

from hypothesis import settings

# Tests run side by side, a process for each core, and what they start inherits this; threads of one test would
# only take the cores from the others.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# How long an example takes depends on the machine and on what else it does, so no test fails because of time.
settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")
