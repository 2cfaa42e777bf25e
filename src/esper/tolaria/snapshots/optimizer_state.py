"""Reads, restores and clears the state that an optimizer holds for each parameter, by name.

`Optimizer.load_state_dict` is not used: it keeps the very tensors it is given, so that the next step would write into the
snapshot, and it identifies parameters by position, which shifts when a network grows.
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
    """Return `optimizers` by name; those without a name are called `optimizer0`, `optimizer1` and so on.

    Raises:
        ValueError: `optimizers` is a single optimizer, or holds something that is not a `torch.optim.Optimizer`.
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
                f"an optimizer must be a torch.optim.Optimizer, got {type(optimizer).__name__} as {name};"
                " pass anything else that has a state as a companion"
            )
    return named


def check_optimizers(optimizers: Mapping[str, Optimizer], modules: Iterable[nn.Module]) -> None:
    """Check that each of `optimizers` trains a parameter of `modules`, the model and its companions.

    Raises:
        ValueError: none of an optimizer's parameters is in them, for example because the model was built again.
    """
    known = {id(parameter) for module in modules for parameter in module.parameters()}
    for name, optimizer in optimizers.items():
        parameters = [one for group in optimizer.param_groups for one in group["params"]]
        if parameters and not any(id(parameter) in known for parameter in parameters):
            raise ValueError(
                f"an optimizer must train parameters of the model or of a companion, got {type(optimizer).__name__}"
                f" as {name}, which has none of them; build it from model.parameters() after the last change of the"
                " model, or pass the module that it trains as a companion"
            )


def named_parameters(model: nn.Module, optimizer: Optimizer) -> Iterator[tuple[str, nn.Parameter]]:
    """Yield the parameters of `optimizer` with their names in `model`.

    A parameter that is not in `model` is named after its position, for example `group0.3`.
    """
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    for group_index, group in enumerate(optimizer.param_groups):
        for index, parameter in enumerate(group["params"]):
            yield names.get(id(parameter), f"group{group_index}.{index}"), parameter


def non_tensor_state(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of an optimizer's state of one parameter, without its tensors."""
    return {
        key: copy.deepcopy(value) for key, value in state.items() if not isinstance(value, Tensor)
    }


def load_parameter_state(
    optimizer: Optimizer,
    parameter: nn.Parameter,
    tensors: Mapping[str, Tensor],
    others: Mapping[str, Any],
) -> None:
    """Make copies of `tensors` and `others` the complete state of `parameter` in `optimizer`.

    A tensor of the same shape and dtype that the state holds already is written into, so that a compiled step finds it.
    """
    if not tensors and not others:
        optimizer.state.pop(parameter, None)
        return
    state = optimizer.state[parameter]
    for key in set(state) - set(tensors) - set(others):
        del state[key]
    for key, saved in tensors.items():
        present = state.get(key)
        if isinstance(present, Tensor) and (present.shape, present.dtype) == (
            saved.shape,
            saved.dtype,
        ):
            present.copy_(saved)
        else:
            # Step counts stay in host memory, where PyTorch creates them; all else is on the parameter's device.
            device = saved.device if saved.ndim == 0 else parameter.device
            state[key] = saved.to(device, copy=True)
    state.update(copy.deepcopy(dict(others)))


def clear_state(optimizer: Optimizer) -> None:
    """Drop the state of every parameter, as if `optimizer` had just been built."""
    optimizer.state.clear()
    if isinstance(optimizer, Adagrad):
        # The only optimizer of PyTorch that builds its state in advance and fails without it.
        groups = [dict(group) for group in optimizer.param_groups]
        initial = optimizer.defaults["initial_accumulator_value"]
        optimizer.state.update(Adagrad(groups, initial_accumulator_value=initial).state)
