"""The table of commands."""

from codegen.commands import check, compat, coverage, generate, release, schema, validate
from codegen.commands.command import Command

DEFAULT = generate.COMMAND

COMMANDS: tuple[Command, ...] = (
    generate.COMMAND,
    check.COMMAND,
    compat.COMMAND,
    validate.COMMAND,
    schema.COMMAND,
    coverage.COMMAND,
    release.COMMAND,
)
