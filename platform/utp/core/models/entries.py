"""Builtin models by name: architectures with an image processor and no weights, which train offline from scratch."""

from __future__ import annotations

from utp.core.registry import Registry

MODEL_PRESETS = Registry("builtin model")
"""Target: `directory(name) -> Path` of a folder with `config.json` and `preprocessor_config.json`.

Traits: `num_parameters` without the classifier, `image_size` in pixels.
"""

_DIRECTORY = "utp.core.models.source:preset_directory"

MODEL_PRESETS.register(
    "resnet-micro",
    _DIRECTORY,
    doc="Small ResNet for small images such as handwritten digits; trains in about a minute on a CPU.",
    num_parameters=311_200,
    image_size=32,
)
MODEL_PRESETS.register(
    "resnet-18",
    _DIRECTORY,
    doc="ResNet-18 as for ImageNet.",
    num_parameters=11_176_512,
    image_size=224,
)
MODEL_PRESETS.register(
    "vit-micro",
    _DIRECTORY,
    doc="Small vision transformer for small images; needs more epochs than resnet-micro.",
    num_parameters=467_808,
    image_size=32,
)
MODEL_PRESETS.register(
    "vit-tiny",
    _DIRECTORY,
    doc="Vision transformer of DeiT-tiny's dimensions (192 wide, 12 layers, patches of 16 pixels).",
    num_parameters=5_524_416,
    image_size=224,
)
