"""State that is saved beside model and optimizers: of schedulers, a GradScaler, a data loader, averaged weights.

Anything with `state_dict` and `load_state_dict` can be a companion. Modules are saved tensor by tensor like the model
itself, all others by a deep copy of their state dict, because some return the very objects that they go on to change.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler
from torch.optim.lr_scheduler import LRScheduler

from esper.leyline.arguments import describe, instance_of
from esper.leyline.errors import SnapshotError
from esper.tolaria.snapshots.loss_scaling import LossScaling


@runtime_checkable
class Stateful(Protocol):
    """Anything whose state can be saved and restored, such as a scheduler or a `GradScaler`."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state; a snapshot keeps a deep copy of it."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> Any:
        """Restore what `state_dict` returned."""


class Companions:
    """The companions of a model, by the names under which they are saved.

    Attributes:
        modules: the companions that are modules; their tensors are saved together with the model's.
        scaling: the companions that are GradScalers.
    """

    def __init__(self, companions: Mapping[str, Stateful | nn.Module]) -> None:
        """Sort `companions` into modules and others.

        Raises:
            ValueError: `companions` is not a mapping with strings as keys, or a companion lacks `state_dict` or
                `load_state_dict`.
        """
        if not isinstance(companions, Mapping):
            raise ValueError(
                f"companions must be a mapping of names to them, got {describe(companions)};"
                ' write companions={"scheduler": scheduler}'
            )
        self.modules: dict[str, nn.Module] = {}
        self._others: dict[str, Stateful] = {}
        for name, companion in companions.items():
            instance_of("the name of a companion", name, str)
            if isinstance(companion, type):
                raise ValueError(
                    f"a companion must be an instance, got the class {companion.__name__} as {name!r}; build it first"
                )
            if isinstance(companion, nn.Module):
                self.modules[name] = companion
            elif isinstance(companion, Stateful):
                self._others[name] = companion
            else:
                raise ValueError(
                    f"a companion must have state_dict and load_state_dict, got {name!r} of type"
                    f" {type(companion).__name__}; leave it out or add both methods"
                )
        self.scaling = LossScaling(
            one for one in self._others.values() if isinstance(one, GradScaler)
        )

    def state_dict(self) -> dict[str, Any]:
        """Return copies of the states of all companions other than modules, by name.

        Each is a pair: the companion's state dict, and for a scheduler the settings of its optimizer's groups.
        """
        return {
            name: (copy.deepcopy(companion.state_dict()), copy.deepcopy(_group_settings(companion)))
            for name, companion in self._others.items()
        }

    def check_state_dict(self, state: Mapping[str, Any]) -> None:
        """Check that `state` holds only companions that exist here, before anything is restored.

        Raises:
            SnapshotError: `state` holds a companion that does not exist here.
        """
        unknown = sorted(state.keys() - self._others.keys())
        if unknown:
            raise SnapshotError(
                f"the companions of a snapshot must be companions of the governor, got {', '.join(unknown)};"
                " build the governor with the same ones"
            )

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned; `state` is copied, so that it can be restored again."""
        for name, (own_state, settings) in copy.deepcopy(dict(state)).items():
            companion = self._others[name]
            companion.load_state_dict(own_state)
            for group_name, group in _groups(companion):
                _set(group, settings.get(group_name, {}))


def _groups(companion: Stateful) -> Iterator[tuple[str | int, dict[str, Any]]]:
    """Yield the groups of the optimizer that `companion` schedules, by name if they have one, else by index."""
    if isinstance(companion, LRScheduler):
        for index, group in enumerate(companion.optimizer.param_groups):
            yield group.get("name", index), group


def _group_settings(companion: Stateful) -> dict[str | int, dict[str, Any]]:
    """Return the learning rate of each group, and all other settings that `companion` may schedule.

    A scheduler computes its next values from those in the groups, so they are part of its state.
    """
    return {
        name: {key: value for key, value in group.items() if key != "params"}
        for name, group in _groups(companion)
    }


def _set(group: dict[str, Any], settings: Mapping[str, Any]) -> None:
    """Write `settings` into `group`; a tensor stays the same object, because a compiled step holds it."""
    for key, value in settings.items():
        present = group.get(key)
        if isinstance(present, Tensor):
            present.fill_(value)
        else:
            group[key] = value
