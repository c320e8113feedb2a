"""The demo: scikit-learn's handwritten digits, from scratch on a CPU in a few minutes.

utp data sample digits datasets/digits
utp train configs/digits.py
"""

from dataclasses import replace

from utp.config.train import TrainConfig


def digits() -> TrainConfig:
    """A small residual network; digits may be shifted and scaled, but a mirrored one is no digit."""
    return TrainConfig(
        root="datasets/digits",
        model_flavour="builtin/resnet-micro",
        load_pretrained=False,
        augmentation_options={"scale": (0.7, 1.0), "ratio": (0.9, 1.1), "horizontal_flip": 0.0},
        batch_size=64,
        num_workers=0,  # pictures of 8x8 pixels: processes would cost more than they bring
        epochs=12,
        lr=3e-3,
        weight_decay=0.05,
        warmup_ratio=0.1,
        autocast_dtype="float32",
    )


def digits_short() -> TrainConfig:
    """Three epochs, to try the machinery."""
    return replace(digits(), epochs=3, model_suffix="short")


training_configurations = [digits()]
