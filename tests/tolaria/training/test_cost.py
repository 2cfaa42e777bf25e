"""The cost of training: FLOPs are measured without a trace, counted with each step, and limited by a budget."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn

from esper._generated.enums import SeedStage
from esper._generated.run import EpochCompletedPayload
from esper.leyline.actions import Advance, Germinate
from esper.leyline.signals import SlotSignals, TrainingSignals
from esper.nissa.hub import Hub
from esper.nissa.sinks.memory import MemorySink
from esper.tamiyo.budget import GrowthBudget
from esper.tamiyo.evidence import EvidenceConfig, EvidencePolicy
from esper.tolaria.tasks.digits import DIGITS
from esper.tolaria.tasks.task import CLASSIFICATION, Samples
from esper.tolaria.training.cost import inference_flops, step_flops
from esper.tolaria.training.run_settings import RunSettings
from esper.tolaria.training.trainer import Trainer

SMALL = tuple(
    Samples(inputs=part.inputs[:150], targets=part.targets[:150]) for part in DIGITS.load_samples()
)
TASK = replace(DIGITS, epochs=4, batch_size=100)


class PlantsOnce:
    """Plants a seed after the first epoch, which then trains to the end."""

    def decide(self, signals):
        if signals.epoch != 1:
            return []
        return [
            Germinate(slot_id="r0c0", blueprint_id="conv_light", blend_tempo_epochs=1),
            Advance(slot_id="r0c0"),
        ]

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass


def test_the_flops_of_linear_layers_are_those_of_their_matrix_products():
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3))
    batch = Samples(inputs=torch.randn(10, 8), targets=torch.zeros(10, dtype=torch.long))

    forward = 2 * 10 * (8 * 16 + 16 * 3)
    # Gradients of both weights, and of the features between the layers.
    backward = forward + 2 * 10 * 16 * 3
    assert step_flops(model, CLASSIFICATION, batch) == forward + backward
    assert inference_flops(model, batch) == forward // 10


def test_measuring_leaves_no_trace():
    # With weight norm, a weight is computed from parameters.
    model = nn.Sequential(
        nn.utils.parametrizations.weight_norm(nn.Linear(8, 16)),
        nn.BatchNorm1d(16),
        nn.Dropout(),
        nn.Linear(16, 3),
    )
    model.eval()
    batch = Samples(inputs=torch.randn(10, 8), targets=torch.zeros(10, dtype=torch.long))
    model(batch.inputs).sum().backward()
    before = copy.deepcopy(model.state_dict())
    gradients = [one.grad.clone() for one in model.parameters()]
    random_state = torch.get_rng_state()

    step_flops(model, CLASSIFICATION, batch)

    assert torch.equal(torch.get_rng_state(), random_state)
    assert not any(module.training for module in model.modules())
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name])
    assert all(map(torch.equal, gradients, (one.grad for one in model.parameters())))


def test_a_run_counts_its_flops_and_a_resumed_run_goes_on_counting():
    halfway = Trainer(TASK, RunSettings(epochs=2), SMALL, policy=PlantsOnce())
    of_host = halfway.cost.epoch_flops
    halfway.fit()
    with_seed = halfway.cost.epoch_flops
    assert with_seed > of_host
    assert halfway.cost.num_flops == of_host + with_seed

    resumed = Trainer(TASK, RunSettings(), SMALL, policy=PlantsOnce())
    resumed.load_state_dict(halfway.state_dict())
    resumed.fit()

    assert resumed.cost.num_flops == of_host + 3 * with_seed
    assert resumed.cost.num_steps == 8


def test_events_carry_the_cost_of_a_run():
    with Hub("run") as hub:
        memory = hub.attach(MemorySink())
        trainer = Trainer(TASK, RunSettings(), SMALL, channel=hub.channel(env_id=0))
        trainer.fit()
    of_epoch = trainer.cost.epoch_flops
    epochs = [one for _, one in memory.events if isinstance(one, EpochCompletedPayload)]

    assert [one.num_flops for one in epochs] == [of_epoch * number for number in (1, 2, 3, 4)]
    # Two steps in each epoch.
    assert [one.num_updates for one in epochs] == [
        2 * number * trainer.num_params for number in (1, 2, 3, 4)
    ]


def test_a_run_resumed_from_a_checkpoint_without_counts_reports_no_cost():
    halfway = Trainer(TASK, RunSettings(epochs=2), SMALL)
    halfway.fit()
    state = halfway.state_dict()
    for name in ("num_steps", "num_updates", "num_flops", "cost_is_complete"):
        del state[name]

    resumed = Trainer(TASK, RunSettings(), SMALL)
    resumed.load_state_dict(state)
    again = Trainer(TASK, RunSettings(), SMALL)
    again.load_state_dict(resumed.state_dict())

    assert again.cost.reported == {"num_updates": None, "num_flops": None}
    assert halfway.cost.reported["num_flops"] == halfway.cost.num_flops


@pytest.mark.parametrize(("flops", "plants"), [(None, True), (1000.1, True), (1000.0, False)])
def test_no_seed_is_planted_if_the_rest_of_the_run_needs_all_flops(flops, plants):
    slot = SlotSignals(
        slot_id="s0",
        topology="cnn",
        stage=SeedStage.DORMANT,
        blueprint_id=None,
        alpha=0.0,
        is_ready_to_hold=False,
        epochs_in_stage=0,
        total_improvement=0.0,
        stage_improvement=0.0,
        contribution=None,
        place_signal=1.0,
        blueprint_sizes={"norm": 8},
    )
    signals = TrainingSignals(
        epoch=4,
        epochs=10,
        val_loss=1.0,
        val_accuracy=50.0,
        may_germinate=True,
        slots=(slot,),
        num_params=100,
        num_host_params=100,
        num_flops=400,
        epoch_flops=100,
    )
    policy = EvidencePolicy(EvidenceConfig(budget=GrowthBudget(flops=flops)))

    planted = any(isinstance(action, Germinate) for action in policy.decide(signals))

    assert planted is plants
