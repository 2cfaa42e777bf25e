"""The parameter groups of an optimizer that follows seeds: the host's and the seeds', their settings and their state."""

from collections.abc import Mapping
from typing import Any, Final, final

from torch import Tensor
from torch.optim import Optimizer

from esper.leyline.errors import CheckpointError
from esper.tolaria.snapshots.optimizer_state import load_parameter_state

SEED_GROUP: Final = "slot:"
"""Beginning of the name of a seed's group, `slot:<path>:<seed_id>`."""

NOT_SETTINGS: Final = ("params", "param_names")
"""Entries of a group that are no settings."""


@final
class HostGroups:
    """Stands in for an optimizer in its schedulers and shows the groups of the host alone."""

    def __init__(self, optimizer: Optimizer) -> None:
        """Show the groups of `optimizer`; everything else is its own."""
        self._optimizer = optimizer

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The groups of the host."""
        return [group for group in self._optimizer.param_groups if not is_of_seed(group)]

    def __getattr__(self, name: str) -> Any:
        # Copying and pickling look up special methods before the optimizer is there.
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._optimizer, name)


def is_of_seed(group: Mapping[str, Any]) -> bool:
    """Return whether `group` is that of a seed."""
    name = group.get("name")
    return isinstance(name, str) and name.startswith(SEED_GROUP)


def groups_state_dict(optimizer: Optimizer) -> dict[str, dict[str, Any]]:
    """Return the settings and the state of every group of `optimizer`, by its name or index."""
    return {
        name: {
            "settings": {key: group[key] for key in group if key not in NOT_SETTINGS},
            "state": [dict(optimizer.state.get(parameter, {})) for parameter in group["params"]],
        }
        for name, group in _groups_by_name(optimizer).items()
    }


def load_groups_state_dict(optimizer: Optimizer, state: Mapping[str, Any]) -> None:
    """Restore what `groups_state_dict` returned; tensors are copied.

    Raises:
        CheckpointError: `state` has other groups or other numbers of parameters; nothing is changed.
    """
    groups = _groups_by_name(optimizer)
    # Earlier versions saved the states alone.
    saved: dict[str, Any] = {
        name: {"settings": {}, "state": entry} if isinstance(entry, list) else entry
        for name, entry in state.items()
    }
    sizes = {name: len(entry["state"]) for name, entry in saved.items()}
    here = {name: len(group["params"]) for name, group in groups.items()}
    if sizes != here:
        raise CheckpointError(
            "the state of an optimizer must have the groups of this one, got"
            f" {_listed(sizes)} instead of {_listed(here)}; restore the model first"
        )
    for name, group in groups.items():
        for key, value in saved[name]["settings"].items():
            set_setting(group, key, value)
        for parameter, entry in zip(group["params"], saved[name]["state"], strict=True):
            tensors = {key: value for key, value in entry.items() if isinstance(value, Tensor)}
            others = {key: value for key, value in entry.items() if key not in tensors}
            load_parameter_state(optimizer, parameter, tensors, others)


def copied(value: Any) -> Any:
    """Return a copy of a setting, which may be a tensor."""
    return value.clone() if isinstance(value, Tensor) else value


def set_setting(group: dict[str, Any], key: str, value: Any) -> None:
    """Write a setting; a tensor stays the same object, because a compiled step holds it."""
    present = group.get(key)
    if isinstance(present, Tensor):
        present.copy_(value) if isinstance(value, Tensor) else present.fill_(value)
    else:
        group[key] = copied(value)


def _groups_by_name(optimizer: Optimizer) -> dict[str, dict[str, Any]]:
    """Return the groups by name; a group without a name, or with that of another, is called by its index."""
    groups: dict[str, dict[str, Any]] = {}
    for index, group in enumerate(optimizer.param_groups):
        name = group.get("name")
        has_own_name = isinstance(name, str) and name not in groups
        groups[str(name) if has_own_name else f"group{index}"] = group
    return groups


def _listed(sizes: Mapping[str, int]) -> str:
    return ", ".join(f"{name} ({size})" for name, size in sizes.items())
