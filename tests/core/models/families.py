"""Small architectures of many families, each built and trained in milliseconds."""

from __future__ import annotations

from collections.abc import Callable

from transformers import (
    BeitConfig,
    ConvNextConfig,
    DeiTConfig,
    EfficientNetConfig,
    LevitConfig,
    MobileNetV1Config,
    MobileNetV2Config,
    MobileViTConfig,
    MobileViTV2Config,
    PoolFormerConfig,
    PreTrainedConfig,
    RegNetConfig,
    ResNetConfig,
    SiglipConfig,
    SwiftFormerConfig,
    SwinConfig,
    ViTConfig,
)

SIZE = 64
_TRANSFORMER = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
_IMAGE = {"image_size": SIZE, "patch_size": 16}

FAMILIES: dict[str, Callable[[], PreTrainedConfig]] = {
    "beit": lambda: BeitConfig(**_TRANSFORMER, **_IMAGE),
    "convnext": lambda: ConvNextConfig(hidden_sizes=[8, 16], depths=[1, 1], num_stages=2),
    "deit": lambda: DeiTConfig(**_TRANSFORMER, **_IMAGE),
    "efficientnet": lambda: EfficientNetConfig(
        image_size=SIZE,
        width_coefficient=1.0,
        depth_coefficient=1.0,
        in_channels=[32, 8],
        out_channels=[8, 16],
        kernel_sizes=[3, 3],
        strides=[1, 2],
        num_block_repeats=[1, 1],
        expand_ratios=[1, 4],
        depthwise_padding=[],
        hidden_dim=1280,
        dropout_rate=0.2,
    ),
    "levit": lambda: LevitConfig(
        image_size=SIZE,
        hidden_sizes=[16, 24, 32],
        num_attention_heads=[1, 1, 1],
        depths=[1, 1, 1],
        key_dim=[8, 8, 8],
        mlp_ratio=[2, 2, 2],
        attention_ratio=[2, 2, 2],
    ),
    "mobilenet_v1": lambda: MobileNetV1Config(image_size=SIZE, depth_multiplier=0.25),
    "mobilenet_v2": lambda: MobileNetV2Config(image_size=SIZE, depth_multiplier=0.1),
    "mobilevit": lambda: MobileViTConfig(
        image_size=SIZE, hidden_sizes=[16, 16, 16], neck_hidden_sizes=[8, 8, 8, 16, 16, 16, 32], num_attention_heads=2
    ),
    "mobilevitv2": lambda: MobileViTV2Config(
        image_size=SIZE, width_multiplier=0.25, base_attn_unit_dims=[32, 32, 32], n_attn_blocks=[1, 1, 1]
    ),
    "poolformer": lambda: PoolFormerConfig(hidden_sizes=[8, 8, 16, 16], depths=[1, 1, 1, 1]),
    "regnet": lambda: RegNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], groups_width=8),
    "resnet": lambda: ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic"),
    "siglip": lambda: SiglipConfig(vision_config={**_TRANSFORMER, **_IMAGE}, text_config=_TRANSFORMER),
    "swiftformer": lambda: SwiftFormerConfig(image_size=SIZE, embed_dims=[8, 8, 16, 16], depths=[1, 1, 1, 1]),
    "swin": lambda: SwinConfig(
        image_size=SIZE, patch_size=4, embed_dim=8, depths=[1, 1], num_heads=[1, 2], window_size=4
    ),
    "vit": lambda: ViTConfig(**_TRANSFORMER, **_IMAGE),
}
