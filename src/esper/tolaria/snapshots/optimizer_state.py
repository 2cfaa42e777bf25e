"""What an optimizer remembers of each parameter, by name: read, put back and cleared.

`Optimizer.load_state_dict` is of no use here: it takes over the tensors it is given, so that the next step would
write into the snapshot, and it knows parameters by position, which a growing network shifts.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from torch import Tensor, nn
from torch.optim import Adagrad, Optimizer


def optimizers_by_name(
    optimizers: Iterable[Optimizer] | Mapping[str, Optimizer],
) -> dict[str, Optimizer]:
    """Return `optimizers` by name; those without one are called `optimizer0` and so on.

    Raises:
        ValueError: there is something else among them.
    """
    if not isinstance(optimizers, Iterable):
        raise ValueError(
            "optimizers must be a list of optimizers or a mapping of names to them,"
            f" got {type(optimizers).__name__}; write optimizers=[optimizer]"
        )
    if isinstance(optimizers, Mapping):
        named = dict(optimizers)
    else:
        named = {f"optimizer{index}": optimizer for index, optimizer in enumerate(optimizers)}
    for name, optimizer in named.items():
        if not isinstance(optimizer, Optimizer):
            raise ValueError(
                f"optimizers must be torch.optim.Optimizer, got {type(optimizer).__name__} as {name};"
                " hand in what has a state to save as a companion"
            )
    return named


def named_parameters(model: nn.Module, optimizer: Optimizer) -> Iterator[tuple[str, nn.Parameter]]:
    """Yield the parameters of `optimizer` with their names in `model`, or their places if they are not in it."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    for group_index, group in enumerate(optimizer.param_groups):
        for index, parameter in enumerate(group["params"]):
            yield names.get(id(parameter), f"group{group_index}.{index}"), parameter


def plain_state(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of what an optimizer remembers of one parameter, but for its tensors."""
    return {
        key: copy.deepcopy(value) for key, value in state.items() if not isinstance(value, Tensor)
    }


def put_back(
    optimizer: Optimizer,
    parameter: nn.Parameter,
    tensors: Mapping[str, Tensor],
    plain: Mapping[str, Any],
) -> None:
    """Make `optimizer` remember exactly `tensors` and `plain` of `parameter`; both are copied.

    A tensor that is there already is written into, so that a compiled step still finds it.
    """
    if not tensors and not plain:
        optimizer.state.pop(parameter, None)
        return
    state = optimizer.state[parameter]
    for key in set(state) - set(tensors) - set(plain):
        del state[key]
    for key, saved in tensors.items():
        present = state.get(key)
        if isinstance(present, Tensor) and (present.shape, present.dtype) == (
            saved.shape,
            saved.dtype,
        ):
            present.copy_(saved)
        else:
            # Counters stay in host memory, where PyTorch makes them; the rest lives with the parameter.
            device = saved.device if saved.ndim == 0 else parameter.device
            state[key] = saved.to(device, copy=True)
    state.update(copy.deepcopy(dict(plain)))


def clear(optimizer: Optimizer) -> None:
    """Make `optimizer` forget every parameter of every group, as if it had just been built."""
    optimizer.state.clear()
    if isinstance(optimizer, Adagrad):
        # The only one of PyTorch's that builds its state up front and fails without it.
        groups = [dict(group) for group in optimizer.param_groups]
        initial = optimizer.defaults["initial_accumulator_value"]
        optimizer.state.update(Adagrad(groups, initial_accumulator_value=initial).state)
