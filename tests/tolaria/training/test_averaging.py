"""An average of the weights follows the seeds of its model."""

import copy

import pytest
import torch
from torch import nn, optim
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

import esper
from esper import GrowingAverage, SeedStage, follow
from esper._generated.enums import AlphaAlgorithm
from tests.tolaria.training.followed import finish, network, step


def averaged(model, **arguments):
    return GrowingAverage(model, multi_avg_fn=get_ema_multi_avg_fn(0.5), **arguments)


@pytest.mark.parametrize("use_buffers", [False, True])
@pytest.mark.parametrize("is_made_before_planting", [False, True])
def test_an_average_follows_a_seed_to_its_fossil(is_made_before_planting, use_buffers):
    model = network()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    follow(optimizer, None, model)
    if is_made_before_planting:
        average = averaged(model, use_buffers=use_buffers)
    model[1].germinate("mlp_small", blend_tempo_epochs=2)
    model[1].advance_stage()
    if not is_made_before_planting:
        average = averaged(model, use_buffers=use_buffers)
    for _ in range(3):
        step(model, optimizer)
        average.update_parameters(model)
    finish(model[1])
    expected = {name: value.clone() for name, value in average.module.named_parameters()}

    step(model, optimizer)
    average.update_parameters(model)

    slot = average.module[1]
    assert (slot.stage, slot.alpha) == (SeedStage.FOSSILIZED, 1.0)
    for name, value in model.named_parameters():
        torch.testing.assert_close(average.module.get_parameter(name), (expected[name] + value) / 2)
    # The average computes what its weights say: like a copy of the model with these weights.
    inputs = torch.ones(2, 3, 4)
    reference = copy.deepcopy(model)
    reference.load_state_dict(average.module.state_dict())
    assert torch.equal(average(inputs), reference(inputs))


def test_a_seed_that_blends_has_the_amplitude_of_the_model():
    model = network()
    average = averaged(model, use_buffers=True)
    model[1].germinate("mlp_small", blend_tempo_epochs=4, blend_algorithm_id="linear")
    model[1].advance_stage()
    model[1].record_accuracy(1.0)
    model[1].advance_stage()
    average.update_parameters(model)
    for _ in range(2):
        model[1].step_epoch()
        average.update_parameters(model)

    assert average.module[1].alpha == model[1].alpha == 0.5
    assert dict(average.module.named_buffers())["1._alpha"] == 0.5


def test_a_seed_is_blended_by_the_formula_of_the_model():
    model = network()
    average = averaged(model)
    model[1].germinate("mlp_small", blend_tempo_epochs=1)
    lead_on(model[1])
    average.update_parameters(model)
    assert model[1].set_alpha_target(
        alpha_target=1.0, steps=1, alpha_algorithm=AlphaAlgorithm.MULTIPLY
    )
    average.update_parameters(model)

    assert average.module[1].alpha_algorithm is AlphaAlgorithm.MULTIPLY


def lead_on(slot):
    """Lead a seed that has germinated to the end of its ramp."""
    slot.advance_stage()
    slot.record_accuracy(50.0)
    slot.advance_stage()
    slot.step_epoch()
    assert slot.alpha == 1.0


def test_a_pruned_seed_leaves_the_average():
    model = network()
    average = averaged(model)
    model[1].germinate("mlp_small")
    average.update_parameters(model)
    model[1].prune()
    average.update_parameters(model)

    assert list(dict(average.module.named_parameters())) == list(dict(model.named_parameters()))


def test_a_seed_planted_again_starts_with_its_own_weights():
    model = network()
    average = averaged(model)
    model[1].germinate("lora")
    model[1].record_accuracy(1.0)
    average.update_parameters(model)
    model[1].prune()
    while not model[1].is_empty:
        model[1].step_epoch()
    model[1].germinate("lora")
    average.update_parameters(model)

    assert all(
        torch.equal(one, other)
        for one, other in zip(average.module[1].parameters(), model[1].parameters(), strict=True)
    )


def test_without_slots_it_averages_as_pytorch_does():
    model = nn.Linear(3, 2)
    ours, theirs = averaged(model), AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.5))
    for _ in range(3):
        nn.init.normal_(model.weight)
        ours.update_parameters(model)
        theirs.update_parameters(model)

    assert torch.equal(ours.module.weight, theirs.module.weight)


def test_a_rollback_restores_the_average_and_its_seed_is_pruned_with_the_models():
    model = network()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    follow(optimizer, None, model)
    average = averaged(model)
    governor = esper.TolariaGovernor(model, optimizers=[optimizer], companions={"average": average})
    step(model, optimizer)
    average.update_parameters(model)
    governor.snapshot()
    saved = average.module[0].weight.clone()
    model[1].germinate("lora")
    model[1].advance_stage()
    step(model, optimizer)
    average.update_parameters(model)

    governor.execute_rollback()

    assert torch.equal(average.module[0].weight, saved)
    average.update_parameters(model)
    assert average.module[1].stage is model[1].stage
    assert list(average.module[1].parameters()) == []


def test_a_model_with_other_slots_is_refused():
    with pytest.raises(
        esper.SlotError, match="must have the slots of the average, got 1, 3; graft"
    ):
        averaged(network()).update_parameters(network(num_slots=2))
