"""A seed at full amplitude computes what its module does, in a copy; and sequences that hold one module twice."""

import torch
from torch import nn

from esper import SeedSlot, SlotSpec, graft
from esper._generated.enums import AlphaAlgorithm
from esper.kasmina.forward import Fossil, FossilPlan


class EndsInSigmoid(nn.Module):
    """A seed whose last operation needs its result in the backward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x):
        return torch.sigmoid(self.linear(x))


def fossil(seed):
    plan = FossilPlan(
        seed_id="s",
        blueprint_id="b",
        channels=4,
        layout="BC",
        algorithm=AlphaAlgorithm.ADD,
    )
    return Fossil(seed, None, plan)


def test_a_fossil_has_the_values_and_gradients_of_its_module_also_before_an_operation_in_place():
    seed = EndsInSigmoid()
    gradients = []
    for module in (seed, fossil(seed)):
        x = torch.linspace(-1, 1, 12).reshape(3, 4).requires_grad_()
        output = module(x)
        (output.clone() if module is seed else output).mul_(2.0).sum().backward()
        gradients.append((output.detach().clone(), x.grad))

    (plain, plain_grad), (fossils, fossil_grad) = gradients
    assert torch.equal(2.0 * plain, fossils)
    assert torch.equal(plain_grad, fossil_grad)


def test_a_slot_at_full_amplitude_returns_a_copy_of_what_its_seed_returns():
    slot = SeedSlot("a", 4, topology="mlp")
    slot.germinate("mlp")
    x = torch.linspace(-1, 1, 12).reshape(3, 4)
    slot.advance_stage()
    with slot.force_alpha(1.0):
        output = slot(x)

    assert torch.equal(output, slot.seed(x))
    assert output.data_ptr() != x.data_ptr()


def test_a_grafted_sequence_calls_a_module_in_each_of_its_places():
    double = nn.Linear(4, 4, bias=False)
    with torch.no_grad():
        nn.init.eye_(double.weight).mul_(2.0)
    model = nn.Sequential(nn.Sequential(double, nn.Identity(), double))
    x = torch.ones(1, 4)
    graft(model, {"0": SlotSpec(channels=4, topology="mlp")})

    assert torch.equal(model(x), 4.0 * x)
    assert [type(one) for one in model[0][:3]] == [nn.Linear, nn.Identity, nn.Linear]
