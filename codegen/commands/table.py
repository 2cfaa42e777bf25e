"""The table of commands."""

from codegen.commands import check, coverage, generate, schema, validate
from codegen.commands.command import Command

DEFAULT = generate.COMMAND

COMMANDS: tuple[Command, ...] = (
    generate.COMMAND,
    check.COMMAND,
    validate.COMMAND,
    schema.COMMAND,
    coverage.COMMAND,
)
