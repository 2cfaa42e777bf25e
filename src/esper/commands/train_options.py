"""Makes the options of `esper train` from the fields of `RunSettings`, and reads them back."""

import argparse
from typing import Any

from esper.tolaria.training.settings import SETTINGS, Setting


def add_option(parser: argparse.ArgumentParser, setting: Setting) -> None:
    """Add the option of `setting`, which is in the parsed namespace only if the user gives it."""
    option = setting.option
    common: dict[str, Any] = {
        "dest": setting.name,
        "default": argparse.SUPPRESS,
        # argparse formats help texts with `%`.
        "help": _help_text(setting).replace("%", "%%"),
    }
    if setting.type is bool:
        # A switch turns the default around.
        parser.add_argument(setting.flag, action="store_const", const=not setting.default, **common)
        return
    parser.add_argument(
        setting.flag,
        type=setting.type,
        choices=setting.choices or None,
        metavar=option.metavar,
        action="append" if setting.is_repeatable else "store",
        **common,
    )


def given_settings(options: argparse.Namespace) -> dict[str, Any]:
    """Return the settings that the user gave, by field name.

    Raises:
        UsageError: a value is outside its limits.
    """
    given = {}
    for setting in SETTINGS:
        if setting.name in options:
            value = getattr(options, setting.name)
            value = tuple(value) if setting.is_repeatable else value
            setting.check(setting.flag, value)
            given[setting.name] = value
    return given


def _help_text(setting: Setting) -> str:
    if setting.type is bool or setting.is_repeatable:
        return setting.option.help
    default = setting.option.default_text or setting.default
    return f"{setting.option.help} (default: {default})"
