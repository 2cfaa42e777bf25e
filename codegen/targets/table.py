"""The table of targets."""

from codegen.output import Target
from codegen.targets import contract_schema, python

TARGETS: tuple[Target, ...] = (python.TARGET, contract_schema.TARGET)
