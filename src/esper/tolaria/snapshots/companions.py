"""What goes into a snapshot beside model and optimizers: schedulers, a GradScaler, a loader, an average of the weights.

Whatever has `state_dict` and `load_state_dict` will do. Modules are saved tensor by tensor like the model itself; the
others by a deep copy of their state, because some return the very objects they go on to change.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler
from torch.optim.lr_scheduler import LRScheduler

from esper.leyline.errors import SnapshotError


@runtime_checkable
class Stateful(Protocol):
    """Anything that can say what it remembers, and be told to remember it."""

    def state_dict(self) -> dict[str, Any]:
        """Return what is remembered."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> Any:
        """Remember what `state_dict` returned."""


class Companions:
    """The companions of a model, by the names they are saved under.

    Attributes:
        modules: those that are modules; their tensors are saved with the model's.
    """

    def __init__(self, companions: Mapping[str, Stateful | nn.Module]) -> None:
        """Take them in.

        Raises:
            ValueError: one has no state to save.
        """
        self.modules: dict[str, nn.Module] = {}
        self._others: dict[str, Stateful] = {}
        self._scaler: GradScaler | None = None
        for name, companion in companions.items():
            if isinstance(companion, nn.Module):
                self.modules[name] = companion
            elif isinstance(companion, Stateful):
                self._others[name] = companion
            else:
                raise ValueError(
                    f"a companion must have state_dict and load_state_dict, got {name!r}, a"
                    f" {type(companion).__name__}; leave it out or give it both"
                )
            if isinstance(companion, GradScaler):
                self._scaler = companion

    def has_overflowed(self) -> bool:
        """Return whether a GradScaler explains a gradient that is not finite: it scales, and can still scale less."""
        scaler = self._scaler
        return scaler is not None and scaler.is_enabled() and scaler.get_scale() >= 1.0

    def remember(self) -> dict[str, Any]:
        """Return what those that are no modules remember, as copies."""
        return {
            name: (copy.deepcopy(companion.state_dict()), copy.deepcopy(_rates(companion)))
            for name, companion in self._others.items()
        }

    def check(self, remembered: Mapping[str, Any]) -> None:
        """Check that what was remembered is of companions that are here.

        Raises:
            SnapshotError: one of them is not.
        """
        unknown = sorted(remembered.keys() - self._others.keys())
        if unknown:
            raise SnapshotError(
                f"a snapshot must be of companions that the governor has, got {', '.join(unknown)}; build it"
                " with the same ones"
            )

    def put_back(self, remembered: Mapping[str, Any]) -> None:
        """Make them remember that again; `remembered` stays as it is."""
        for name, (state, rates) in copy.deepcopy(dict(remembered)).items():
            companion = self._others[name]
            companion.load_state_dict(state)
            for group_name, group in _groups(companion):
                _set_rates(group, rates.get(group_name, {}))


def _groups(companion: Stateful) -> Iterator[tuple[str | int, dict[str, Any]]]:
    """Yield the groups of the optimizer that `companion` schedules, by name if they have one, else by place."""
    if isinstance(companion, LRScheduler):
        for index, group in enumerate(companion.optimizer.param_groups):
            yield group.get("name", index), group


def _set_rates(group: dict[str, Any], rates: Mapping[str, Any]) -> None:
    """Set what a scheduler sets; a tensor stays the object that a compiled step holds."""
    for key, value in rates.items():
        present = group.get(key)
        if isinstance(present, Tensor):
            present.fill_(value)
        else:
            group[key] = value


def _rates(companion: Stateful) -> dict[str | int, dict[str, Any]]:
    """Return the learning rates, and whatever else `companion` may schedule, of each group.

    A scheduler goes on from the values it finds there, so they belong to its state.
    """
    return {
        name: {key: value for key, value in group.items() if key != "params"}
        for name, group in _groups(companion)
    }
