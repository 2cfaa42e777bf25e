"""Translates names of tensors between a network and the same network in a wrapper such as `torch.compile`.

A wrapper holds the network as a child, which puts a word before every name: `_orig_mod.0.weight`. A snapshot that was saved
with the wrapper must load without it and the other way round.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from esper.tolaria.snapshots.inventory import Inventory

_WRAPPERS: Final = frozenset(
    ("_orig_mod", "module", "_checkpoint_wrapped_module", "_fsdp_wrapped_module")
)
"""The words of `torch.compile`, of DDP and DataParallel, of activation checkpoints and of the first FSDP."""


class PresentNames:
    """The names that the tensors, modules and slots of the present network have, whatever they had when they were saved.

    A name that exists now stays as it is, even if it holds one of the words above.
    """

    def __init__(self, inventory: Inventory) -> None:
        """Translate into the names of `inventory`, the current one."""
        self._slots = tuple(inventory.slots)
        self._known = {*inventory.first_key, *inventory.extras, *self._slots}
        self._known.update(name for _, name in inventory.parameters)
        self._by_plain = _by_plain_name(self._known)

    def of(self, saved: str) -> str:
        """Return the present name of what was saved under `saved`; the same if there is no other."""
        if saved in self._known:
            return saved
        plain = _plain_name(saved)
        if plain in self._by_plain:
            return self._by_plain[plain]
        for path in self._slots:
            # The tensors of a live seed are not in an inventory.
            start = f"{_plain_name(path)}."
            if plain.startswith(start):
                return f"{path}.{plain.removeprefix(start)}"
        return saved

    def rename(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """Return the state dict of a snapshot with the present names.

        Raises:
            KeyError: an entry of `state` is missing.
        """
        inventory = state["inventory"]
        if all(name in self._known for name in inventory["first_key"]):
            return dict(state)
        keys = {key: self.of(key) for key in inventory["first_key"]}
        moments = []
        for (optimizer, parameter), own in inventory["moments"]:
            present = self.of(parameter)
            for own_key, key in own.items():
                if key == f"{optimizer}/{parameter}/{own_key}":
                    keys[key] = f"{optimizer}/{present}/{own_key}"
            moments.append(((optimizer, present), {name: keys[key] for name, key in own.items()}))
        return {
            **state,
            "inventory": {
                "entries": {
                    keys[key]: (*form, None if slot is None else self.of(slot))
                    for key, (*form, slot) in inventory["entries"].items()
                },
                "first_key": {
                    keys[key]: keys[first] for key, first in inventory["first_key"].items()
                },
                "keys": [self.of(key) for key in inventory["keys"]],
                "moments": moments,
                "fossils": [self.of(path) for path in inventory["fossils"]],
            },
            "tensors": {keys[key]: tensor for key, tensor in state["tensors"].items()},
            "extras": {self.of(key): extra for key, extra in state["extras"].items()},
            "optimizers": [
                ((optimizer, self.of(parameter)), own)
                for (optimizer, parameter), own in state["optimizers"]
            ],
        }


def _plain_name(name: str) -> str:
    """Return `name` without the words of wrappers; the parts before a `/` are names of optimizers and companions."""
    return "/".join(
        ".".join(word for word in part.split(".") if word not in _WRAPPERS)
        for part in name.split("/")
    )


def _by_plain_name(names: Iterable[str]) -> dict[str, str]:
    """Return `names` by their plain names; two with the same one are left out, because neither could be chosen."""
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(_plain_name(name), []).append(name)
    return {plain: ones[0] for plain, ones in found.items() if len(ones) == 1}
