"""Small networks of other packages, with random weights, and the places in them where seeds may grow."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import segmentation_models_pytorch
import timm
import torch
import torchvision
import transformers
import vit_pytorch
from peft import LoraConfig, get_peft_model
from torch import Tensor, nn

TOKENS, POSITIONS = 50, 7


@dataclass(frozen=True, kw_only=True)
class Host:
    """One network, an input for it, and the modules that are grafted."""

    build: Callable[[], nn.Module]
    """Returns the network; its weights depend on PyTorch's global generator."""
    inputs: Mapping[str, Any]
    """Keyword arguments of the network; `example=` of `graft`."""
    slots: Mapping[str, str]
    """Layout of the features after each module that is grafted, by path."""
    blueprint: str
    output: Callable[[Any], Tensor] = field(default=lambda output: output)
    """Returns the tensor of which a loss is made, from the output of the network."""


def numbers(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def tokens() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(TOKENS, (2, POSITIONS), generator=generator)


def logits(output: Any) -> Tensor:
    result: Tensor = output.logits
    return result


def gpt2() -> nn.Module:
    config = transformers.GPT2Config(
        vocab_size=TOKENS,
        n_positions=16,
        n_embd=16,
        n_layer=2,
        n_head=2,
        bos_token_id=0,
        eos_token_id=0,
    )
    return transformers.GPT2LMHeadModel(config)


def bert() -> nn.Module:
    config = transformers.BertConfig(
        vocab_size=TOKENS,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=16,
    )
    return transformers.BertForSequenceClassification(config)


def llama() -> nn.Module:
    config = transformers.LlamaConfig(
        vocab_size=TOKENS,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=16,
    )
    return transformers.LlamaForCausalLM(config)


def t5() -> nn.Module:
    config = transformers.T5Config(
        vocab_size=TOKENS,
        d_model=16,
        d_kv=8,
        d_ff=32,
        num_layers=2,
        num_heads=2,
        decoder_start_token_id=0,
    )
    return transformers.T5ForConditionalGeneration(config)


def wav2vec2() -> nn.Module:
    config = transformers.Wav2Vec2Config(
        vocab_size=10,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        conv_dim=(8, 8),
        conv_kernel=(10, 3),
        conv_stride=(5, 2),
        num_conv_pos_embeddings=4,
        num_conv_pos_embedding_groups=2,
        layerdrop=0.0,
        mask_time_prob=0.0,
    )
    return transformers.Wav2Vec2ForCTC(config)


def peft_gpt2() -> nn.Module:
    return get_peft_model(gpt2(), LoraConfig(target_modules=["c_attn"], r=2, lora_dropout=0.1))


def vit() -> nn.Module:
    return vit_pytorch.ViT(
        image_size=16,
        patch_size=8,
        num_classes=5,
        dim=16,
        depth=2,
        heads=2,
        mlp_dim=32,
        dropout=0.1,
        emb_dropout=0.1,
    )


def unet() -> nn.Module:
    return segmentation_models_pytorch.Unet(
        "resnet18", encoder_weights=None, decoder_channels=(32, 16, 16, 8, 8), classes=2
    )


HOSTS: dict[str, Host] = {
    "transformers.GPT2": Host(
        build=gpt2,
        inputs={"input_ids": tokens()},
        slots={"transformer.h.0": "BTC", "transformer.h.1.mlp": "BTC", "transformer.ln_f": "BTC"},
        blueprint="attention",
        output=logits,
    ),
    "transformers.Bert": Host(
        build=bert,
        inputs={
            "input_ids": tokens(),
            "attention_mask": (torch.arange(POSITIONS) < torch.tensor([[POSITIONS], [4]])).long(),
        },
        slots={
            "bert.embeddings": "BTC",
            "bert.encoder.layer.0": "BTC",
            "bert.encoder.layer.1.output": "BTC",
            "bert.pooler": "BC",
        },
        blueprint="mlp_small",
        output=logits,
    ),
    "transformers.Llama": Host(
        build=llama,
        inputs={"input_ids": tokens()},
        slots={"model.layers.0": "BTC", "model.layers.1.mlp": "BTC"},
        blueprint="mlp",
        output=logits,
    ),
    "transformers.T5": Host(
        build=t5,
        inputs={"input_ids": tokens(), "labels": tokens()},
        slots={"encoder.block.0": "BTC", "decoder.block.1": "BTC"},
        blueprint="lora",
        output=logits,
    ),
    "transformers.Wav2Vec2": Host(
        build=wav2vec2,
        inputs={"input_values": numbers(2, 400)},
        slots={
            "wav2vec2.feature_extractor.conv_layers.0": "BCL",
            "wav2vec2.feature_projection.projection": "BTC",
            "wav2vec2.encoder.layers.1": "BTC",
        },
        blueprint="norm",
        output=logits,
    ),
    "peft.GPT2": Host(
        build=peft_gpt2,
        inputs={"input_ids": tokens()},
        slots={f"base_model.model.transformer.h.{index}": "BTC" for index in range(2)},
        blueprint="mlp_small",
        output=logits,
    ),
    "timm.ResNet": Host(
        build=lambda: timm.create_model("resnet10t", num_classes=5, drop_path_rate=0.2),
        inputs={"x": numbers(2, 3, 33, 47)},
        slots={"bn1": "BCHW", "layer1.0": "BCHW", "layer3": "BCHW", "global_pool": "BC"},
        blueprint="norm",
    ),
    "timm.ConvNeXt": Host(
        build=lambda: timm.create_model("test_convnext", num_classes=5, drop_path_rate=0.2),
        inputs={"x": numbers(2, 3, 64, 64)},
        slots={"stem": "BCHW", "stages.1": "BCHW", "stages.2.blocks.0.mlp": "BHWC"},
        blueprint="conv_light",
    ),
    "timm.Swin": Host(
        build=lambda: timm.create_model(
            "swin_tiny_patch4_window7_224",
            img_size=56,
            embed_dim=8,
            depths=(1, 1),
            num_heads=(1, 2),
            num_classes=5,
        ),
        inputs={"x": numbers(2, 3, 56, 56)},
        slots={"layers.0.blocks.0": "BHWC", "layers.1": "BHWC"},
        blueprint="conv_light",
    ),
    "torchvision.MobileNet": Host(
        build=lambda: torchvision.models.mobilenet_v3_small(num_classes=5),
        inputs={"x": numbers(2, 3, 64, 64)},
        slots={"features.0.1": "BCHW", "features.3": "BCHW", "classifier.0": "BC"},
        blueprint="norm",
    ),
    "vit_pytorch.ViT": Host(
        build=vit,
        inputs={"img": numbers(2, 3, 16, 16)},
        slots={"dropout": "BTC", "transformer.layers.0.0": "BTC", "transformer.layers.1.1": "BTC"},
        blueprint="mlp_small",
    ),
    "segmentation_models_pytorch.Unet": Host(
        build=unet,
        inputs={"x": numbers(1, 3, 64, 64)},
        slots={"encoder.layer2": "BCHW", "decoder.blocks.0": "BCHW", "decoder.blocks.4": "BCHW"},
        blueprint="norm",
    ),
}
