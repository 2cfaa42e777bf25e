"""Tools of other packages work on networks with slots: saving, averages, adapters, caches, padding and skipped layers."""

import accelerate
import pytest
import torch
import transformers
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_model
from timm.utils import ModelEmaV3
from torch import nn

from esper import (
    GrowingAverage,
    QualityGates,
    SeedStage,
    SlotError,
    SlotSpec,
    capture_gradient_health,
    describe,
    find_slots,
    graft,
    rebuild,
    ungraft,
)
from tests.hosts.lives import blend, build, fossilise, grafted, grown, output, plant
from tests.hosts.networks import HOSTS, POSITIONS, numbers, tokens, wav2vec2

GPT2, BERT, RESNET, PEFT = (
    HOSTS[name] for name in ("transformers.GPT2", "transformers.Bert", "timm.ResNet", "peft.GPT2")
)
SPEC = SlotSpec(gates=QualityGates(permissive=True))


def grow(slots, blueprint_id, stage=SeedStage.FOSSILIZED):
    for slot in slots.values():
        slot.germinate(blueprint_id, blend_tempo_epochs=2)
        slot.advance_stage()
        for parameter in slot.seed_parameters():
            nn.init.normal_(parameter, std=0.3, generator=torch.Generator().manual_seed(1))
    if stage is SeedStage.FOSSILIZED:
        blend(slots)
        fossilise(slots)


class TestHuggingFace:
    def test_a_host_with_empty_slots_is_loaded_as_before(self, tmp_path):
        model = build(GPT2)
        expected = output(GPT2, model)
        grafted(GPT2, model)

        model.save_pretrained(tmp_path)

        loaded = transformers.GPT2LMHeadModel.from_pretrained(tmp_path)
        assert torch.equal(output(GPT2, loaded), expected)

    def test_what_has_grown_is_saved_by_save_pretrained_and_rebuilt(self, tmp_path):
        model = grown(GPT2)
        expected = output(GPT2, model)

        description = describe(ungraft(model))
        model.save_pretrained(tmp_path)
        config = transformers.AutoConfig.from_pretrained(tmp_path)
        loaded = rebuild(transformers.AutoModelForCausalLM.from_config(config), description)
        load_model(loaded, str(tmp_path / "model.safetensors"))

        assert torch.equal(output(GPT2, loaded), expected)

    @pytest.mark.parametrize("blueprint_id", ["mlp_small", "norm", "lora"])
    def test_generation_with_a_cache_gives_the_tokens_of_generation_without(self, blueprint_id):
        model = build(GPT2).eval()
        grow(grafted(GPT2, model), blueprint_id)
        options = {"max_new_tokens": 6, "do_sample": False, "pad_token_id": 0, "eos_token_id": None}

        generated = [
            model.generate(tokens(), use_cache=cache, **options) for cache in (True, False)
        ]

        assert torch.equal(*generated)

    @pytest.mark.parametrize(
        "name", ["transformers.GPT2", "transformers.Bert", "transformers.Llama"]
    )
    def test_attention_leaves_padding_out(self, name):
        host = HOSTS[name]
        model = host.build().eval()
        is_decoder = name != "transformers.Bert"
        path = {
            "transformers.GPT2": "transformer.h.0",
            "transformers.Bert": "bert.encoder.layer.0",
            "transformers.Llama": "model.layers.0",
        }[name]
        slots = graft(model, {path: SPEC}, example={"input_ids": tokens()})
        grow(slots, "attention" if is_decoder else "attention_all")
        ids, other = tokens()[:1], tokens()[1:]
        mask = torch.ones(1, POSITIONS, dtype=torch.long)
        place = slice(0, 3) if is_decoder else slice(4, None)
        mask[:, place] = 0
        other[:, 0 if not is_decoder else -1] = ids[:, 0 if not is_decoder else -1]
        changed = torch.where(mask.bool(), ids, other)

        with torch.no_grad():
            one, two = (
                model(input_ids=each, attention_mask=mask).logits for each in (ids, changed)
            )

        seen = mask[0].bool() if is_decoder else slice(None)
        torch.testing.assert_close(one[:, seen], two[:, seen])

    def test_gradient_checkpointing_trains_a_seed(self):
        model = build(GPT2).train()
        slots = grafted(GPT2, model)
        grow(slots, "mlp_small", SeedStage.TRAINING)
        model.gradient_checkpointing_enable()

        model(**GPT2.inputs).logits.square().mean().backward()

        for slot in slots.values():
            slot.check_seed_ran()

    def test_a_layer_that_is_skipped_at_random_is_no_error(self):
        torch.manual_seed(0)
        model = wav2vec2().train()
        model.config.layerdrop = 0.7
        slots = graft(
            model, {"wav2vec2.encoder.layers.*": SPEC}, example={"input_values": numbers(2, 400)}
        )
        grow(slots, "mlp_small", SeedStage.TRAINING)
        measured = []
        for step in range(12):
            # The second layer is skipped in some steps, the first one too.
            torch.manual_seed(step)
            model.zero_grad()
            model(input_values=numbers(2, 400)).logits.square().mean().backward()
            measured += [
                capture_gradient_health(slot, model.lm_head.parameters(), epoch=1)
                for slot in slots.values()
            ]

        assert None in measured
        assert any(health is not None for health in measured)


class TestPeft:
    def test_merging_an_adapter_keeps_slots_and_output(self):
        model = grown(PEFT)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if "lora_B" in name:
                    parameter.normal_()
        expected = output(PEFT, model)

        merged = model.merge_and_unload()

        assert len(find_slots(merged)) == 2
        torch.testing.assert_close(output(PEFT, merged), expected)

    def test_an_adapter_around_a_grafted_network_leaves_its_seeds_alone(self):
        model = build(GPT2)
        slots = graft(model, {"transformer.h.*": SPEC}, example=GPT2.inputs)
        adapted = get_peft_model(model, LoraConfig(target_modules=["c_attn"], r=2))
        grow(slots, "mlp_small")

        assert len(find_slots(adapted)) == 2
        expected = output(GPT2, adapted)
        torch.testing.assert_close(output(GPT2, adapted.merge_and_unload()), expected)

    def test_a_layer_of_the_adapter_is_refused(self):
        model = build(PEFT)
        path = "base_model.model.transformer.h.0.attn.c_attn"

        with pytest.raises(
            SlotError, match=r"not be part of a PEFT layer, .* graft the module around"
        ):
            graft(model, {path: SPEC}, example=PEFT.inputs)


def test_accelerate_saves_a_network_with_slots(tmp_path):
    model = grown(RESNET)
    expected = output(RESNET, model)

    accelerate.Accelerator(cpu=True).save_model(model, tmp_path)

    loaded = build(RESNET)
    grafted(RESNET, loaded)
    load_model(loaded, str(tmp_path / "model.safetensors"))
    assert torch.equal(output(RESNET, loaded), expected)


def test_averages_of_weights_can_be_made_of_a_network_with_slots():
    model = build(RESNET)
    slots = grafted(RESNET, model)
    timms, ours = ModelEmaV3(model, decay=0.5), GrowingAverage(model)
    timms.update(model)
    plant(RESNET, slots)
    blend(slots)

    ours.update_parameters(model)

    assert torch.equal(output(RESNET, ours), output(RESNET, model))
