"""The table of targets."""

from codegen.output import Target
from codegen.targets import python

TARGETS: tuple[Target, ...] = (python.TARGET,)
