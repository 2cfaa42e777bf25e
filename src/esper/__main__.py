"""Lets `python -m esper` be `esper`."""

import sys

from esper.cli import main

sys.exit(main())
