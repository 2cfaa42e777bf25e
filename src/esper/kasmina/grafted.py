"""The classes of grafted modules, which pass the output of a module's own class through its slot or fossil."""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from torch import Tensor, fx, nn
from torch.nn.utils import parametrize

from esper.kasmina.padding import find_padding, fits, mask_places
from esper.leyline.errors import SlotError

SLOT_NAME: Final = "seed_slot"
"""Name of the slot, or of a fossil that has left it, as a child of the grafted module."""

_TENSORS: Final = (Tensor, fx.Proxy)
"""Classes of features; torch.fx passes proxies in their place."""


class Grafted(nn.Module):
    """Passes the output of `base_class` through a slot; the subclasses made below inherit from both."""

    base_class: type[nn.Module]
    mask_places: Mapping[str, int]
    """Places of the arguments of its `forward` that tell what is padding."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Return the output of the module, with its only or first tensor passed through the slot.

        Raises:
            SlotError: the output is neither a tensor nor a tuple that starts with one.
        """
        output = super().forward(*args, **kwargs)
        slot: Any = self._modules[SLOT_NAME]
        padding = None
        if (kwargs or self.mask_places) and slot.takes_padding:
            padding = find_padding(args, kwargs, self.mask_places)
        if isinstance(output, _TENSORS):
            return _run(slot, output, padding)
        if not (isinstance(output, tuple) and output and isinstance(output[0], _TENSORS)):
            raise SlotError(
                "a grafted module must return a tensor, or a tuple that starts with one, got"
                f" {type(output).__name__} from {self.base_class.__name__}; graft a module in it"
            )
        first = _run(slot, output[0], padding)
        if "_make" in dir(output):
            fields: Any = output
            return fields._make((first, *output[1:]))
        return (first, *output[1:])

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy by `base_class`: the class itself has no importable name."""
        state = self.__getstate__()  # type: ignore[no-untyped-call] # object's, which typeshed leaves untyped
        return _new_grafted, (self.base_class,), state

    def __prepare_scriptable__(self) -> nn.Module:
        """Refuse to be scripted, in a sentence instead of the compiler's error."""
        raise SlotError(
            f"torch.jit.script cannot compile a grafted module, got a {self.base_class.__name__} with a slot or a fossil;"
            " use torch.export or torch.jit.trace"
        )


def _run(slot: Any, features: Any, padding: Tensor | None) -> Any:
    """Pass `features` through the slot, with their padding if it is theirs."""
    if padding is None or not fits(padding, features):
        return slot(features)
    return slot(features, padding)


class GraftedSequential(Grafted):
    """Iterates over, counts and changes the members of a sequence, without its slot, which stays at its end."""

    def __iter__(self) -> Iterator[nn.Module]:
        # Not named_children, which leaves out the second of two places that hold the same module.
        return iter([child for name, child in self._modules.items() if name != SLOT_NAME])  # type: ignore[misc] # no member is None

    def __len__(self) -> int:
        return len(self._modules) - (SLOT_NAME in self._modules)

    def __getitem__(self, index: Any) -> Any:
        """Return one member, or a plain sequence of several."""
        members = [(name, child) for name, child in self._modules.items() if name != SLOT_NAME]
        if isinstance(index, slice):
            return nn.Sequential(OrderedDict(members[index]))  # type: ignore[arg-type] # no member is None
        with self._without_slot():
            return self._own("__getitem__", index)

    def __setitem__(self, index: Any, module: nn.Module) -> None:
        with self._without_slot():
            self._own("__setitem__", index, module)

    def __delitem__(self, index: Any) -> None:
        with self._without_slot():
            self._own("__delitem__", index)

    def insert(self, index: int, module: nn.Module) -> Any:
        """Insert `module` before the member at `index`."""
        with self._without_slot():
            return self._own("insert", index, module)

    def append(self, module: nn.Module) -> Any:
        """Add `module` after the last member, before the slot."""
        with self._without_slot():
            return self._own("append", module)

    def extend(self, modules: Any) -> Any:
        """Add `modules` after the last member, before the slot."""
        with self._without_slot():
            return self._own("extend", modules)

    def pop(self, index: Any) -> nn.Module:
        """Remove a member and return it."""
        module: nn.Module = self[index]
        del self[index]
        return module

    def _own(self, method: str, *args: Any) -> Any:
        """Call a method of the class of the sequence; it sees the members alone."""
        return getattr(super(), method)(*args)

    @contextmanager
    def _without_slot(self) -> Iterator[None]:
        slot = self._modules.pop(SLOT_NAME, None)
        try:
            yield
        finally:
            if slot is not None:
                self._modules[SLOT_NAME] = slot


def add_slot_class(module: nn.Module) -> None:
    """Make `module` a grafted one; below its parametrizations, if it has any, so that they can be removed first."""
    cls = type(module)
    if parametrize.is_parametrized(module):
        _set_class(module, _with_base(cls, _grafted_class(cls.__bases__[0])))
    else:
        _set_class(module, _grafted_class(cls))


def remove_slot_class(module: Grafted) -> None:
    """Give a grafted module its own class back; parametrizations stay."""
    cls = type(module)
    if "base_class" in vars(cls):
        _set_class(module, module.base_class)
    else:
        _set_class(module, _with_base(cls, module.base_class))


def _with_base(cls: type[nn.Module], base: type[nn.Module]) -> type[nn.Module]:
    """Return a class like `cls`, which PyTorch made for one parametrized module, that inherits from `base`."""
    members = {k: v for k, v in vars(cls).items() if k not in ("__dict__", "__weakref__")}
    return type(cls.__name__, (base,), members)


_GRAFTED_CLASSES: Final[dict[type[nn.Module], type[Grafted]]] = {}


def _grafted_class(base: type[nn.Module]) -> type[Grafted]:
    """Return the class of grafted modules of class `base`; there is one for each `base`."""
    if base not in _GRAFTED_CLASSES:
        mixin = GraftedSequential if issubclass(base, nn.Sequential) else Grafted
        cls = type(
            f"Grafted{base.__name__}",
            (mixin, base),
            {"base_class": base, "mask_places": mask_places(base)},
        )
        _GRAFTED_CLASSES[base] = cls
    return _GRAFTED_CLASSES[base]


def _new_grafted(base: type[nn.Module]) -> Grafted:
    cls = _grafted_class(base)
    return cls.__new__(cls)


def _set_class(module: nn.Module, cls: type[nn.Module]) -> None:
    # nn.Module has its own __setattr__; Python allows the assignment because both classes have the same layout.
    object.__setattr__(module, "__class__", cls)
