"""Multiplies fossils that are linear maps into the layer before them."""

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from esper._generated.enums import AlphaAlgorithm
from esper.kasmina.blueprints.residual import ResidualSeed
from esper.kasmina.forward import Fossil
from esper.kasmina.grafted import Grafted


def merge_fossil(model: nn.Module, layer: Grafted, fossil: nn.Module) -> bool:
    """Multiply `fossil`, the child of `layer`, into the weights of `layer`; return False if that cannot be done.

    x + B A x of y = W x + c is (W + B A W) x + (c + B A c). It needs a plain `nn.Linear` whose weights no other module
    shares, and a seed that adds linear layers without bias to its input, blended by ADD.
    """
    if not isinstance(fossil, Fossil) or fossil.plan.algorithm is not AlphaAlgorithm.ADD:
        return False
    maps = _linear_maps(fossil.seed)
    if not maps or not isinstance(layer, nn.Linear) or not _is_plain(model, layer):
        return False
    with torch.no_grad():
        for parameter in layer.parameters(recurse=False):
            change: Tensor = parameter
            for linear in maps:
                change = linear.weight @ change
            parameter.add_(change)
    return True


def _linear_maps(seed: nn.Module) -> list[nn.Linear]:
    """Return the linear layers without bias whose product the seed adds to its input; an empty list if it does more."""
    if not isinstance(seed, ResidualSeed) or type(seed.branch) is not nn.Sequential:
        return []
    maps: list[nn.Linear] = []
    for each in seed.branch:
        if type(each) is not nn.Linear or each.bias is not None:
            return []
        maps.append(each)
    return maps


def _is_plain(model: nn.Module, layer: Grafted) -> bool:
    if layer.base_class is not nn.Linear or parametrize.is_parametrized(layer):
        return False
    own = {id(parameter) for parameter in layer.parameters(recurse=False)}
    owners = sum(
        id(parameter) in own
        for module in model.modules()
        for parameter in module._parameters.values()
        if parameter is not None
    )
    return owners == len(own)
