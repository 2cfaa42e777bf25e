"""A growth policy that carries out a script; see `esper.leyline.script` for the format."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from esper._generated.enums import SeedStage
from esper.leyline.actions import Action, Germinate, Rejuvenate
from esper.leyline.arguments import describe, instance_of
from esper.leyline.errors import MissingExtraError, UsageError
from esper.leyline.policy import PolicyState
from esper.leyline.regular_file import read_regular_file
from esper.leyline.script import ACTIONS, Decision, Key, to_line
from esper.leyline.signals import TrainingSignals
from esper.leyline.text import did_you_mean, printable_message

if TYPE_CHECKING:
    from yaml import Node

_LOG = logging.getLogger("esper")

_SECOND: Final = "the script rejuvenates more than once; only the first is done"


class ScriptedPolicy:
    """Takes the decisions of a script, each at the end of its epoch, whatever the measurements say."""

    def __init__(self, decisions: Sequence[Decision]) -> None:
        """Take `decisions`, in their order where they have the same epoch; `ScriptedPolicy.read` reads them from a file.

        Raises:
            ValueError: one of them is of another type.
        """
        for decision in decisions:
            instance_of("a decision", decision, Decision, "write Decision(epoch=..., action=...)")
        self._decisions = tuple(decisions)
        self._last_epoch = 0
        """The epoch after which the policy was last asked."""

    @classmethod
    def read(cls, path: str | Path) -> "ScriptedPolicy":
        """Return the policy of the script at `path`.

        Raises:
            UsageError: there is no such file, or it is not a script; the message names line and column.
            MissingExtraError: PyYAML is not installed.
        """
        return cls(read_script(Path(path)))

    def decide(self, signals: TrainingSignals) -> Sequence[Action]:
        """Return the actions of this epoch; a seed whose slot is not empty, or that may not be planted now, is left out.

        So are decisions of epochs after which the policy is not asked: those after the end of the run, those that a trial takes, and
        those that the governor finds unhealthy. Each is logged as a warning: the run has taken another course than the one that
        the script is of.

        Raises:
            UsageError: the script names a slot that the network does not have.
        """
        self._warn_of_lost_decisions(signals)
        self._last_epoch = signals.epoch
        actions = [one.action for one in self._decisions if one.epoch == signals.epoch]
        slots = {slot.slot_id: slot for slot in signals.slots}
        empty = {name for name, slot in slots.items() if slot.stage is SeedStage.DORMANT}
        possible: list[Action] = []
        for action in actions:
            if isinstance(action, Rejuvenate):
                if any(isinstance(other, Rejuvenate) for other in possible):
                    _LOG.warning("epoch %d: %s", signals.epoch, _SECOND)
                else:
                    possible.append(action)
                continue
            if action.slot_id not in slots:
                raise UsageError(
                    f'a script must name slots of the network, got "{action.slot_id}"; it has: {", ".join(slots)}'
                )
            if isinstance(action, Germinate):
                if action.slot_id not in empty or not signals.may_germinate:
                    why = "no seed may be planted" if action.slot_id in empty else "it is not empty"
                    _LOG.warning(
                        "epoch %d: the script plants a seed in slot %s, but %s; it is left out",
                        signals.epoch,
                        action.slot_id,
                        why,
                    )
                    continue
                empty.remove(action.slot_id)
            possible.append(action)
        return possible

    def state_dict(self) -> PolicyState:
        """Return the script, so that a run is not resumed with another one, and the last epoch."""
        return {
            "script": [to_line(decision) for decision in self._decisions],
            "last_epoch": self._last_epoch,
        }

    def load_state_dict(self, state: PolicyState) -> None:
        """Check that the run was started with the same script.

        Raises:
            ValueError: it was another one.
        """
        if list(state["script"]) != self.state_dict()["script"]:
            raise ValueError("the run was started with another script; resume it with the same")
        # Checkpoints of earlier versions lack the epoch.
        self._last_epoch = state.get("last_epoch", 0)

    def _warn_of_lost_decisions(self, signals: TrainingSignals) -> None:
        """Log which decisions are left out because the policy was not, or will not be, asked after their epochs."""
        for one in self._decisions:
            if self._last_epoch < one.epoch < signals.epoch:
                why = "the run did not ask for decisions after it"
            elif self._last_epoch == 0 and one.epoch > signals.epochs:
                why = f"the run ends after epoch {signals.epochs}"
            else:
                continue
            _LOG.warning("epoch %d: a decision of the script is left out: %s", one.epoch, why)


def read_script(path: Path) -> tuple[Decision, ...]:
    """Return the decisions of the script at `path`, in its order.

    Raises:
        UsageError: there is no such file, or it is not a script; the message names line and column.
        MissingExtraError: PyYAML is not installed.
    """
    try:
        import yaml
    except ModuleNotFoundError as error:
        raise MissingExtraError("scripts", package="PyYAML") from error
    try:
        text = read_regular_file(path).decode("utf-8")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except OSError as error:
        raise UsageError(
            f"a script must be a file, got {str(path)!r} ({error.strerror})"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"{path}: a script must be YAML, got {_reason(error)}") from error
    if root is None:
        raise UsageError(f"{path}: a script must be a list of decisions, got an empty file")
    if not isinstance(root, yaml.SequenceNode):
        raise _wrong(path, root, f"a script must be a list of decisions, got a {_kind(root)}")
    return tuple(_read_decision(path, node) for node in root.value)


def _read_decision(path: Path, node: "Node") -> Decision:
    """Return the decision of one entry of the list."""
    values = _read_mapping(path, node)
    name, name_node = values.pop("action", (None, node))
    if not isinstance(name, str) or name not in ACTIONS:
        hint = did_you_mean(name, list(ACTIONS)) if isinstance(name, str) else ""
        rule = f"action must be one of {', '.join(ACTIONS)}"
        raise _wrong(path, name_node, f"{rule}, got {describe(name)}{hint}")
    build, keys = ACTIONS[name]
    epoch_key = Key(field="epoch", types=(int,), minimum=1)
    known = {"epoch": epoch_key, **keys}
    for key, (_, value_node) in values.items():
        if key not in known:
            raise _wrong(
                path, value_node, f"{name} must have the keys {', '.join(known)}, got {key!r}"
            )
    fields: dict[str, Any] = {}
    for key, entry in known.items():
        if key not in values:
            if entry.is_required:
                raise _wrong(path, node, f"{name} must have {key}, which is missing")
            continue
        value, value_node = values[key]
        is_bool = isinstance(value, bool)
        if not isinstance(value, entry.types) or (is_bool and bool not in entry.types):
            kind = entry.types[0].__name__
            raise _wrong(path, value_node, f"{key} must be of type {kind}, got {describe(value)}")
        if entry.minimum is not None and isinstance(value, int) and value < entry.minimum:
            rule = f"{key} must be at least {entry.minimum}"
            raise _wrong(path, value_node, f"{rule}, got {describe(value)}")
        fields[entry.field] = value
    epoch = fields.pop("epoch")
    try:
        return Decision(epoch=epoch, action=build(**fields))
    except ValueError as error:
        raise _wrong(path, node, str(error)) from error


def _read_mapping(path: Path, node: "Node") -> dict[str, tuple[Any, "Node"]]:
    """Return the values of a mapping of plain values, each with its node, by key."""
    import yaml

    if not isinstance(node, yaml.MappingNode):
        raise _wrong(path, node, f"a decision must be a mapping, got a {_kind(node)}")
    constructor = yaml.SafeLoader("")
    values: dict[str, tuple[Any, Node]] = {}
    for key_node, value_node in node.value:
        for one in (key_node, value_node):
            if not isinstance(one, yaml.ScalarNode):
                raise _wrong(path, one, f"a decision must hold plain values, got a {_kind(one)}")
        key = str(key_node.value)
        if key in values:
            raise _wrong(path, key_node, f"a decision must have each key once, got {key!r} again")
        try:
            values[key] = constructor.construct_object(value_node), value_node
        except (yaml.YAMLError, ValueError) as error:
            raise _wrong(
                path, value_node, f"a value must be plain, got {_reason(error)}"
            ) from error
    return values


def _kind(node: "Node") -> str:
    """Return what YAML calls `node`: scalar, sequence or mapping."""
    return type(node).__name__.removesuffix("Node").lower()


def _wrong(path: Path, node: "Node", message: str) -> UsageError:
    """Return an error at the place of `node`."""
    mark = node.start_mark
    return UsageError(f"{path}:{mark.line + 1}:{mark.column + 1}: {printable_message(message)}")


def _reason(error: Exception) -> str:
    """Return an error of the parser in one line."""
    return printable_message(" ".join(str(error).split()) or type(error).__name__)
