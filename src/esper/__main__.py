"""Makes `python -m esper` the same as `esper`."""

import sys

from esper.cli import main

sys.exit(main())
