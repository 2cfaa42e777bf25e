"""Finds out which positions are padding, from the arguments that a grafted module is called with."""

import inspect
from collections.abc import Mapping
from typing import Any, Final

from torch import Tensor, nn

_OF_TARGET: Final = "tgt_key_padding_mask"
_OF_KEYS: Final = ("src_key_padding_mask", "key_padding_mask")
_OF_HUGGING_FACE: Final = "attention_mask"
_MASKS: Final = (_OF_TARGET, *_OF_KEYS, _OF_HUGGING_FACE)
_OTHER_SEQUENCES: Final = ("query", "key", "key_value_states")
"""Arguments that tell whether a mask is that of another sequence, as in cross-attention."""


def mask_places(cls: type[nn.Module]) -> dict[str, int]:
    """Return the places of the arguments of `cls.forward` that tell what is padding; empty if it takes no mask."""
    names = list(inspect.signature(cls.forward).parameters)[1:]
    if not any(name in names for name in _MASKS):
        return {}
    return {name: names.index(name) for name in (*_MASKS, *_OTHER_SEQUENCES) if name in names}


def find_padding(
    args: tuple[Any, ...], kwargs: Mapping[str, Any], places: Mapping[str, int]
) -> Tensor | None:
    """Return which positions of a module's output are padding, (B, T), or None if its arguments do not tell.

    They do by `src_key_padding_mask`, `tgt_key_padding_mask` and `key_padding_mask` as in PyTorch, true or negative at padding, and
    by `attention_mask` as in Hugging Face: (B, T) with 0 at padding, or (B, 1, T, T), where padding does not see itself. Masks of
    the other sequence of a cross-attention are left out. `places` are those that `mask_places` returns.
    """
    query = _argument("query", args, kwargs, places)
    is_cross = query is not None and query is not _argument("key", args, kwargs, places)
    if is_cross or _argument("key_value_states", args, kwargs, places) is not None:
        return None
    has_target = _OF_TARGET in places or _OF_TARGET in kwargs
    for name in (_OF_TARGET,) if has_target else _OF_KEYS:
        mask = _argument(name, args, kwargs, places)
        if isinstance(mask, Tensor) and mask.ndim == 2:
            return mask < 0 if mask.is_floating_point() else mask.bool()
    mask = _argument(_OF_HUGGING_FACE, args, kwargs, places)
    if not isinstance(mask, Tensor) or mask.ndim not in (2, 4):
        return None
    if mask.ndim == 2:
        return mask == 0
    mask, (queries, keys) = mask[:, 0], mask.shape[2:]
    # The queries are the last positions. One row for all of them shows every key.
    mask = mask[:, 0] if queries == 1 else mask.diagonal(keys - queries, dim1=1, dim2=2)
    return mask < 0 if mask.is_floating_point() else mask == 0


def fits(padding: Tensor, features: Tensor) -> bool:
    """Return whether `padding` is (B, T) of `features` (B, T, C) or (T, B, C); another one is of another sequence."""
    return features.ndim == 3 and padding.shape in (features.shape[:2], features.shape[1::-1])


def _argument(
    name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], places: Mapping[str, int]
) -> Any:
    place = places.get(name, len(args))
    return args[place] if place < len(args) else kwargs.get(name)
