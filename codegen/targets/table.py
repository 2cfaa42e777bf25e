"""The table of targets."""

from codegen.output import Target
from codegen.targets import (
    arrow,
    contract_schema,
    json_schema,
    markdown,
    python,
    sql,
    strategies,
    typescript,
)

TARGETS: tuple[Target, ...] = (
    python.TARGET,
    contract_schema.TARGET,
    json_schema.TARGET,
    sql.TARGET,
    typescript.TARGET,
    markdown.TARGET,
    strategies.TARGET,
    arrow.TARGET,
)
