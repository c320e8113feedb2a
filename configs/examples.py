"""A list of comparable runs: `utp train configs/examples.py` trains them one after the other.

Each is a function, so that a variant replaces what differs: `utp train configs/examples.py:vit_micro` trains one.
"""

from dataclasses import replace

from digits import digits

from utp.config.train import TrainConfig


def resnet_micro() -> TrainConfig:
    """The demo's model, with the gradient of four micro-batches in each step."""
    return replace(digits(), batch_size=16, grad_accum_steps=4, model_suffix="accumulated")


def vit_micro() -> TrainConfig:
    """A transformer of the same size, which wants a smaller rate and more epochs."""
    return replace(digits(), model_flavour="builtin/vit-micro", lr=1e-3, epochs=60)


def resnet_micro_sgd() -> TrainConfig:
    """The same model with momentum in place of Adam."""
    return replace(digits(), optimizer="sgd", lr=0.1, weight_decay=5e-4, model_suffix="sgd")


training_configurations = [resnet_micro(), vit_micro(), resnet_micro_sgd()]
