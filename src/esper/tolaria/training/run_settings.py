"""The settings of a run: one struct that `esper train`, Python callers and the run's `settings.json` share.

To add an option to `esper train`, add a field to `RunSettings` and use it where it takes effect: the command line makes its
options from the fields. This module does not import PyTorch, so that `esper --help` starts quickly.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

import msgspec

from esper._generated.checks import INT64_MAX
from esper.leyline.arguments import describe, instance_of
from esper.leyline.atomic import write_atomically
from esper.leyline.errors import RunNotFoundError, UsageError
from esper.leyline.regular_file import read_regular_file
from esper.tolaria.training.faults import FAULTS, parse_fault

if TYPE_CHECKING:
    from esper.tolaria.tasks.task import Task

FILE_NAME = "settings.json"

DetectorName = Literal["robust", "sigma"]

Check = Callable[[str, Any], None]
"""Raises a UsageError when a value cannot be used; called with the name to show and the value."""


MAX_EPOCHS = 2**31 - 1
"""The last epoch that the telemetry contract has a number for."""


def between(minimum: int, maximum: int) -> Check:
    """Return a check that accepts numbers from `minimum` to `maximum`, inclusive."""

    def check(name: str, value: Any) -> None:
        if not value >= minimum:
            raise UsageError(f"{name} must be at least {minimum}, got {value}")
        if value > maximum:
            raise UsageError(f"{name} must be at most {maximum}, got {value}")

    return check


def are_faults(_name: str, value: Any) -> None:
    """Check that every text has the form `KIND@EPOCH`.

    Raises:
        UsageError: one of them does not.
    """
    for text in value:
        parse_fault(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """How a setting appears on the command line, and which values it accepts."""

    help: str
    flag: str | None = None
    """None: the field's name with dashes, such as `--max-grad-norm` for `max_grad_norm`."""
    metavar: str | None = None
    """Placeholder for the value in the help; None: the field's name in capitals."""
    default_text: str | None = None
    """Shown in the help instead of the default, for a setting whose default is None."""
    check: Check | None = None
    """Checks values other than None, in addition to their type and choices."""


class RunSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings of one run. Every field is an option of `esper train` and has a default.

    Raises:
        UsageError: a value is outside its limits.
    """

    task: Annotated[
        str, Option(help="name of the task to learn, or its place in a file, path.py:NAME")
    ] = "digits"
    """`run_task` sets it to the name of the task that it is given."""
    policy: Annotated[
        str | None,
        Option(
            help="when to grow, keep and prune: name of a policy, its place in a file, path.py:NAME, or a script, path.yaml",
            default_text="evidence",
        ),
    ] = None
    """Policy of `esper train`. None: that of an earlier version, or one that was passed in Python."""
    epochs: Annotated[
        int | None,
        Option(help="epochs to train", default_text="the task's own", check=between(1, MAX_EPOCHS)),
    ] = None
    """None: as many as the task says."""
    seed: Annotated[
        int, Option(help="seed of every random choice", check=between(0, INT64_MAX))
    ] = 0
    device: Annotated[str, Option(help="where to train, such as cpu or cuda:0")] = "cpu"
    detector: Annotated[DetectorName, Option(help="rule by which the governor judges losses")] = (
        "robust"
    )
    has_baseline: Annotated[
        bool, Option(help="do not train the host alone for comparison", flag="--no-baseline")
    ] = True
    """Whether the host is trained alone as well, for comparison."""
    faults: Annotated[
        tuple[str, ...],
        Option(
            help="; ".join(f"{kind}@EPOCH: {effect}" for kind, effect in FAULTS.items())
            + "; may be repeated",
            flag="--inject-fault",
            metavar="KIND@EPOCH",
            check=are_faults,
        ),
    ] = ()
    """Faults to inject, to see the governor at work."""
    num_checkpoints: Annotated[
        int,
        Option(
            help="newest checkpoints to keep",
            flag="--keep-checkpoints",
            metavar="N",
            check=between(1, INT64_MAX),
        ),
    ] = 2

    def __post_init__(self) -> None:
        """Check every value, whether it comes from Python or from a file."""
        for setting in SETTINGS:
            setting.check(setting.name, getattr(self, setting.name))

    def epochs_of(self, task: Task) -> int:
        """Return the number of epochs to train `task`: the one set here, or else the task's own."""
        return task.epochs if self.epochs is None else self.epochs

    def for_task(self, task: Task) -> RunSettings:
        """Return the settings with the name of `task` and a definite number of epochs.

        Raises:
            UsageError: a fault lies after the last epoch.
        """
        epochs = self.epochs_of(task)
        for fault in map(parse_fault, self.faults):
            if fault.epoch > epochs:
                raise UsageError(
                    f"a fault must lie within the run, got {fault.kind}@{fault.epoch}, which is after"
                    f" the last of {epochs} epochs; try `epochs={fault.epoch}`"
                )
        return msgspec.structs.replace(self, task=task.name, epochs=epochs)

    def resumed(self, *, epochs: int | None = None, device: str | None = None) -> RunSettings:
        """Return the settings with which the run is resumed; None keeps the value that the run was started with.

        Raises:
            UsageError: `epochs` is less than before, or a value cannot be used.
        """
        resumed = msgspec.structs.replace(
            self,
            epochs=self.epochs if epochs is None else epochs,
            device=self.device if device is None else device,
        )
        if epochs is not None and self.epochs is not None and epochs < self.epochs:
            raise UsageError(
                f"`epochs` may only be raised on resume, got {epochs} after {self.epochs};"
                " start another run"
            )
        return resumed


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A field of `RunSettings`, as the command line needs it."""

    name: str
    option: Option
    default: Any
    type: type
    """Type of one value: `str`, `int`, `float` or `bool`."""
    choices: tuple[str, ...]
    """The values that a text may have; empty when it may have any."""
    is_repeatable: bool
    """Whether the field is a tuple of such values."""

    @property
    def flag(self) -> str:
        """The option's name on the command line, dashes included."""
        return self.option.flag or "--" + self.name.replace("_", "-")

    def check(self, name: str, value: Any) -> None:
        """Check `value`; the error calls the setting `name`.

        Raises:
            UsageError: the value is of another type, is not one of the choices or is outside its limits.
        """
        if value is None and self.default is None:
            return
        self._check_type(name, value)
        if self.choices and value not in self.choices:
            raise UsageError(f"{name} must be one of {', '.join(self.choices)}, got {value!r}")
        if self.option.check is not None:
            self.option.check(name, value)

    def _check_type(self, name: str, value: Any) -> None:
        if self.is_repeatable and not isinstance(value, tuple | list):
            raise UsageError(
                f"{name} must be a tuple of {self.type.__name__}, got {describe(value)}"
            )
        for one in value if self.is_repeatable else (value,):
            # True is an int to Python, and would be written to the settings as another type.
            if not isinstance(one, self.type) or isinstance(one, bool) is not (self.type is bool):
                raise UsageError(
                    f"{name} must be of type {self.type.__name__}, got {describe(one)}"
                )


def _read_settings(struct: type[msgspec.Struct]) -> tuple[Setting, ...]:
    """Return the fields of `struct` in order."""
    hints = get_type_hints(struct, include_extras=True)
    settings = []
    for field in msgspec.structs.fields(struct):
        value_type, option = get_args(hints[field.name])
        if get_origin(value_type) in (Union, types.UnionType):
            # A setting that may be None.
            value_type = get_args(value_type)[0]
        is_repeatable = get_origin(value_type) is tuple
        choices = get_args(value_type) if get_origin(value_type) is Literal else ()
        if is_repeatable:
            value_type = get_args(value_type)[0]
        settings.append(
            Setting(
                name=field.name,
                option=option,
                default=field.default,
                type=str if choices else value_type,
                choices=choices,
                is_repeatable=is_repeatable,
            )
        )
    return tuple(settings)


SETTINGS = _read_settings(RunSettings)
"""The fields of `RunSettings`, in order."""


def checked_settings(settings: object) -> RunSettings:
    """Return `settings`, or the defaults when None.

    Raises:
        UsageError: `settings` is of another type.
    """
    if settings is None:
        return RunSettings()
    remedy = "write RunSettings(epochs=..., ...)"
    return instance_of("settings", settings, RunSettings, remedy, error=UsageError)


def save_settings(settings: RunSettings, folder: Path) -> None:
    """Write `settings` to the run's `folder`.

    Raises:
        OSError: the file cannot be written.
    """
    content = msgspec.json.format(msgspec.json.encode(settings))
    write_atomically(folder / FILE_NAME, lambda file: file.write(content + b"\n"))


def load_settings(folder: Path) -> RunSettings:
    """Return the settings of the run in `folder`.

    Raises:
        RunNotFoundError: the folder has no settings, or they are damaged.
    """
    path = folder / FILE_NAME
    try:
        return msgspec.json.decode(read_regular_file(path), type=RunSettings)
    except OSError as error:
        raise RunNotFoundError(
            f"no {FILE_NAME} in {folder}, so the run cannot be resumed; start another: esper train"
        ) from error
    except msgspec.MsgspecError as error:
        raise RunNotFoundError(
            f"{path} must hold the settings of a run, got a damaged file ({error});"
            " start another run: esper train"
        ) from error
