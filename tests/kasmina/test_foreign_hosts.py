"""Slots in networks of PyTorch and of users that do more with their modules than call them."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import weight_norm

from esper._generated.enums import SeedStage
from esper.kasmina.forward import Fossil
from esper.kasmina.gradients import capture_gradient_health
from esper.kasmina.graft import SlotSpec, find_slots, graft, ungraft
from esper.leyline.errors import SlotError
from tests.kasmina.lives import CHANNELS, PERMISSIVE, lead_to

SPEC = SlotSpec(gates=PERMISSIVE)
SEQUENCES = torch.randn(2, 5, CHANNELS, generator=torch.Generator().manual_seed(0))


def encoder_layer() -> nn.Module:
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(CHANNELS, 2, CHANNELS, batch_first=True, dropout=0.0)
    return nn.Sequential(layer, nn.Linear(CHANNELS, 3))


def grow(slot, stage=SeedStage.FOSSILIZED, blueprint_id="mlp_small", **germination):
    """Lead a seed with large weights, which changes the output clearly, to `stage`."""
    lead_to(slot, stage, blueprint_id, **germination)
    generator = torch.Generator().manual_seed(1)
    for parameter in slot.seed_parameters():
        nn.init.normal_(parameter, std=0.5, generator=generator)


class TestFusedLayers:
    @pytest.mark.parametrize("name", ["linear1", "linear2", "norm1", "dropout1", "self_attn"])
    @pytest.mark.parametrize("is_fossil", [False, True], ids=["slot", "ungrafted"])
    def test_a_seed_in_an_encoder_layer_runs_with_and_without_gradients(self, name, is_fossil):
        model = encoder_layer().eval()
        with torch.no_grad():
            host_alone = model(SEQUENCES)
        slot = graft(model, {f"0.{name}": SPEC}, example=SEQUENCES)[f"0.{name}"]
        grow(slot)
        if is_fossil:
            ungraft(model)

        with_gradients = model(SEQUENCES).detach()
        with torch.inference_mode():
            without = model(SEQUENCES)

        torch.testing.assert_close(without, with_gradients)
        assert (without - host_alone).abs().max() > 0.01
        if not is_fossil:
            with torch.no_grad(), slot.force_alpha(0.0):
                torch.testing.assert_close(model(SEQUENCES), host_alone)

    def test_a_module_whose_weights_are_used_without_a_call_is_refused(self):
        message = (
            r"must be called, got '0.self_attn.out_proj', .*; graft '0.self_attn', whose first"
        )
        with pytest.raises(SlotError, match=message):
            graft(encoder_layer(), {"0.self_attn.out_proj": SPEC})

    def test_a_module_that_does_not_run_on_the_example_is_refused(self):
        class TiedHead(nn.Module):
            def __init__(self):
                super().__init__()
                self.table = nn.Linear(4, CHANNELS)

            def forward(self, x):
                return nn.functional.linear(x, self.table.weight)

        model = TiedHead()
        with pytest.raises(SlotError, match="must run, got 'table', a Linear, which the model did"):
            graft(model, {"table": SPEC}, example=torch.zeros(1, 4))
        assert find_slots(model) == {}

        slot = graft(model, {"table": SlotSpec(layout="BC", gates=PERMISSIVE)})["table"]
        lead_to(slot, SeedStage.TRAINING)
        model(torch.zeros(1, 4)).sum().backward()
        message = r"a seed in TRAINING must run in each training step, .* in slot 'table'"
        with pytest.raises(SlotError, match=message):
            capture_gradient_health(slot, model.table.parameters(), epoch=1)

    @pytest.mark.parametrize("stage", [SeedStage.DORMANT, SeedStage.GERMINATED])
    def test_a_slot_without_a_learning_seed_needs_no_gradient(self, stage):
        model = nn.Sequential(nn.Linear(4, CHANNELS))
        slot = graft(model, {"0": SPEC})["0"]
        if stage is not SeedStage.DORMANT:
            lead_to(slot, stage)

        slot.check_seed_ran()

    def test_a_padded_batch_does_not_become_a_nested_tensor(self):
        model = nn.TransformerEncoder(encoder_layer()[0], 2, norm=nn.LayerNorm(CHANNELS)).eval()
        slots = graft(model, {"layers.0": SPEC, "layers.1.linear2": SPEC}, example=SEQUENCES)
        padding = torch.zeros(2, 5, dtype=torch.bool)
        padding[0, 3:] = True
        grow(slots["layers.0"])
        grow(slots["layers.1.linear2"])

        with_gradients = model(SEQUENCES, src_key_padding_mask=padding)
        with torch.no_grad():
            without = model(SEQUENCES, src_key_padding_mask=padding)

        torch.testing.assert_close(without[~padding], with_gradients[~padding])

    def test_ungrafting_turns_nested_tensors_on_again(self):
        model = nn.TransformerEncoder(encoder_layer()[0], 2)
        attributes = set(vars(model))
        slots = graft(model, {"layers.*": SPEC}, example=SEQUENCES)
        assert not model.use_nested_tensor
        fossil = copy.deepcopy(model)
        grow(find_slots(fossil)["layers.0.seed_slot"])

        ungraft(fossil)
        assert not fossil.use_nested_tensor
        slots["layers.0"].germinate("norm")
        slots["layers.0"].prune()
        ungraft(model)
        assert model.use_nested_tensor
        assert set(vars(model)) == attributes

        model.use_nested_tensor = False
        graft(model, {"layers.0": SPEC}, example=SEQUENCES)
        assert not ungraft(model).use_nested_tensor

    # PyTorch warns of this layout itself.
    @pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors:UserWarning")
    def test_a_nested_tensor_is_refused_by_the_name_of_the_slot(self):
        model = nn.Sequential(nn.Linear(4, CHANNELS))
        grow(graft(model, {"0": SPEC})["0"])
        nested = torch.nested.nested_tensor([torch.ones(2, 4), torch.ones(3, 4)])

        with pytest.raises(SlotError, match=r"nested one in slot '0'; pad its sequences"):
            model(nested)


class TestSkippedLayers:
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(CHANNELS, CHANNELS)
            self.act = nn.ReLU()
            self.is_skipped = False

        def forward(self, x):
            return x if self.is_skipped else x + self.act(self.inner(x))

    @pytest.mark.parametrize("name", ["inner", "act"])
    def test_a_seed_in_a_block_that_is_left_out_at_random_need_not_run(self, name):
        model = nn.Sequential(nn.Linear(4, CHANNELS), self.Block())
        path = f"1.{name}"
        slot = graft(model, {path: SlotSpec(gates=PERMISSIVE)}, example=torch.ones(2, 4))[path]
        lead_to(slot, SeedStage.TRAINING)
        for is_skipped in (True, False, True):
            model[1].is_skipped = is_skipped
            model.zero_grad()
            model(torch.ones(2, 4)).sum().backward()

            health = capture_gradient_health(slot, model[0].parameters(), epoch=1)

            assert (health is None) == is_skipped

    def test_a_copy_knows_it_after_the_first_gradient(self):
        model = nn.Sequential(nn.Linear(4, CHANNELS), self.Block())
        slot = graft(model, {"1.inner": SPEC}, example=torch.ones(2, 4))["1.inner"]
        lead_to(slot, SeedStage.TRAINING)
        twin = copy.deepcopy(model)
        (own,) = find_slots(twin).values()
        twin(torch.ones(2, 4)).sum().backward()
        own.check_seed_ran()
        twin.zero_grad()
        own.check_seed_ran()

        own.prune()
        for _ in range(7):
            own.step_epoch()
        lead_to(own, SeedStage.TRAINING)
        with pytest.raises(SlotError, match="must run in each training step"):
            own.check_seed_ran()


class TestInPlace:
    @pytest.mark.parametrize(
        "stage", [SeedStage.TRAINING, SeedStage.BLENDING, SeedStage.FOSSILIZED]
    )
    @pytest.mark.parametrize("blueprint_id", ["noop", "conv_light", "attention"])
    def test_the_next_layer_may_write_to_its_input(self, stage, blueprint_id):
        def gradients(inplace):
            torch.manual_seed(0)
            model = nn.Sequential(
                nn.Conv2d(3, CHANNELS, 3), nn.BatchNorm2d(CHANNELS), nn.ReLU(inplace=inplace)
            )
            slot = graft(model, {"1": SPEC})["1"]
            lead_to(slot, stage, blueprint_id)
            images = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
            model(images).square().sum().backward()
            return [p.grad for p in model.parameters()]

        for written, kept in zip(gradients(True), gradients(False), strict=True):
            assert torch.equal(written, kept)


class TestSequential:
    def grafted(self):
        model = nn.Sequential(nn.Sequential(nn.Conv2d(3, CHANNELS, 3), nn.ReLU()))
        slot = graft(model, {"0": SlotSpec(channels=CHANNELS)})["0"]
        return model[0], slot

    def test_its_members_are_read_without_the_slot(self):
        body, _ = self.grafted()

        assert type(body[:1]) is nn.Sequential
        assert list(body[:1]) == [body[0]]
        assert list(body[::-1]) == [body[1], body[0]]
        assert body[-1] is list(body)[1]

    @pytest.mark.parametrize(
        "change",
        [
            lambda body: body.insert(0, nn.Tanh()),
            lambda body: body.append(nn.Tanh()),
            lambda body: body.extend([nn.Tanh(), nn.Tanh()]),
            lambda body: body.pop(1),
            lambda body: body.pop(-1),
            lambda body: body.__delitem__(0),
            lambda body: body.__setitem__(1, nn.Tanh()),
        ],
        ids=["insert", "append", "extend", "pop", "pop last", "del", "set"],
    )
    def test_its_members_change_as_in_a_plain_sequence_and_the_slot_stays(self, change):
        body, slot = self.grafted()
        plain = nn.Sequential(nn.Conv2d(3, CHANNELS, 3), nn.ReLU())

        change(body)
        change(plain)

        assert [type(module) for module in body] == [type(module) for module in plain]
        assert list(body._modules) == [*plain._modules, "seed_slot"]
        assert body.seed_slot is slot


class TestParametrizations:
    @pytest.mark.parametrize("order", ["graft first", "parametrize first"])
    @pytest.mark.parametrize("end", ["ungraft first", "remove first"])
    def test_slots_and_parametrizations_come_and_go_in_any_order(self, order, end):
        model, x = nn.Sequential(nn.Linear(4, CHANNELS)), torch.ones(2, 4)
        before = model(x)
        if order == "graft first":
            graft(model, {"0": SPEC})
            weight_norm(model[0])
        else:
            weight_norm(model[0])
            graft(model, {"0": SlotSpec(channels=CHANNELS, layout="BC")})
        torch.testing.assert_close(model(x), before)
        assert len(find_slots(copy.deepcopy(model))) == 1

        if end == "ungraft first":
            ungraft(model)
            torch.testing.assert_close(model(x), before)
            parametrize.remove_parametrizations(model[0], "weight")
        else:
            parametrize.remove_parametrizations(model[0], "weight")
            ungraft(model)

        assert type(model[0]) is nn.Linear
        torch.testing.assert_close(model(x), before)


class TestTools:
    def grafted(self, stage=None):
        model = nn.Sequential(nn.Linear(4, CHANNELS))
        slot = graft(model, {"0": SPEC})["0"]
        if stage is not None:
            lead_to(slot, stage, "lora")
        return model, slot

    @pytest.mark.parametrize("stage", [None, SeedStage.FOSSILIZED])
    def test_fx_traces_a_slot_and_an_ungrafted_fossil(self, stage):
        model, _ = self.grafted(stage)
        x = torch.randn(2, 3, 4)

        assert torch.equal(torch.fx.symbolic_trace(model)(x), model(x))
        ungraft(model)
        assert torch.equal(torch.fx.symbolic_trace(model)(x), model(x))

    # PyTorch warns of this function itself.
    @pytest.mark.filterwarnings("ignore:.*jit.script:DeprecationWarning")
    def test_scripting_is_refused_in_a_sentence(self):
        model, _ = self.grafted()

        with pytest.raises(SlotError, match=r"got a Linear with a slot or a fossil; use torch.exp"):
            torch.jit.script(model)

    def test_per_sample_gradients_are_those_of_each_sample(self):
        model, _ = self.grafted(SeedStage.TRAINING)
        parameters, x = dict(model.named_parameters()), torch.randn(3, 2, 4)

        def loss(parameters, sample):
            return torch.func.functional_call(model, parameters, (sample[None],)).square().sum()

        gradients = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0))(parameters, x)

        for index in range(3):
            expected = torch.func.grad(loss)(parameters, x[index])
            for name, gradient in gradients.items():
                torch.testing.assert_close(gradient[index], expected[name])
        assert gradients["0.seed_slot.seed.branch.1.weight"].abs().sum() > 0

    # PyTorch scripts its own formulae the first time.
    @pytest.mark.filterwarnings("ignore:.*jit.script:DeprecationWarning")
    def test_forward_mode_sees_the_host_alone_in_training(self):
        model, _ = self.grafted(SeedStage.TRAINING)
        x, tangent = torch.randn(2, 3, 4), torch.randn(2, 3, 4)

        _, out = torch.func.jvp(model, (x,), (tangent,))

        torch.testing.assert_close(out, tangent @ model[0].weight.T)


class BaseTunerLayer(nn.Module):
    """Looks like a layer of PEFT, which merging replaces by its `base_layer`."""

    def __init__(self):
        super().__init__()
        self.base_layer = nn.Linear(4, CHANNELS)

    def forward(self, x):
        return self.base_layer(x)


BaseTunerLayer.__module__ = "peft.tuners.tuners_utils"


@pytest.mark.parametrize("path", ["0", "0.base_layer"])
def test_what_peft_will_replace_is_refused(path):
    model = nn.Sequential(BaseTunerLayer())

    with pytest.raises(SlotError, match=f"not be part of a PEFT layer, got '{path}': merging"):
        graft(model, {path: SPEC})


def test_a_seed_that_was_frozen_with_its_host_is_an_error():
    model = nn.Sequential(nn.Linear(4, CHANNELS), nn.Linear(CHANNELS, 2))
    slot = graft(model, {"0": SPEC})["0"]
    lead_to(slot, SeedStage.TRAINING)
    model[0].requires_grad_(False)
    model(torch.ones(2, 4)).sum().backward()

    with pytest.raises(SlotError, match="that learn, got all of them frozen in slot '0'; plant"):
        capture_gradient_health(slot, model[1].parameters(), epoch=1)
    slot.advance_stage()
    capture_gradient_health(slot, model[1].parameters(), epoch=1)


class TestMeta:
    def test_weights_can_be_assigned_to_a_network_without_storage(self):
        def host():
            model = nn.Sequential(nn.Linear(4, CHANNELS))
            return model, graft(model, {"0": SPEC})["0"]

        saved, slot = host()
        grow(slot, SeedStage.BLENDING)
        with torch.device("meta"):
            loaded, loaded_slot = host()

        loaded.load_state_dict(saved.state_dict(), assign=True)

        x = torch.randn(2, 3, 4)
        assert torch.equal(loaded(x), saved(x))
        loaded_slot.prune()
        for _ in range(8):
            loaded_slot.step_epoch()
        lead_to(loaded_slot, SeedStage.BLENDING)
        assert loaded(x).isfinite().all()

    def test_the_amplitude_is_written_after_to_empty(self):
        model = nn.Sequential(nn.Linear(4, CHANNELS))
        slot = graft(model, {"0": SPEC})["0"]
        lead_to(slot, SeedStage.BLENDING)

        model.to_empty(device="cpu")

        assert float(slot._alpha) == 0.5


def test_a_host_that_is_frozen_trains_a_seed_in_every_stage():
    model = nn.Sequential(nn.Linear(4, CHANNELS)).requires_grad_(False)
    slot = graft(model, {"0": SPEC})["0"]
    lead_to(slot, SeedStage.TRAINING)
    for stage in (SeedStage.TRAINING, SeedStage.BLENDING):
        if slot.stage is not stage:
            slot.advance_stage()

        model(torch.randn(2, 4)).square().sum().backward()

        slot.check_seed_ran()


def test_a_copy_of_a_grafted_encoder_layer_runs_its_fossil_too():
    model = encoder_layer().eval()
    grow(graft(model, {"0.linear2": SPEC})["0.linear2"])
    twin = copy.deepcopy(ungraft(copy.deepcopy(model)))

    with torch.no_grad():
        assert torch.equal(twin(SEQUENCES), model(SEQUENCES))
    assert isinstance(twin[0].linear2.seed_slot, Fossil)
