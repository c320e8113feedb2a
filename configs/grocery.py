"""Shop photos of fruit in 19 classes (GroceryStoreDataset), with a pretrained EfficientNet-Lite0.

Expects `datasets/grocery_fruit/{train,val,test}/CLASS/*.jpg` and the model folder `models/efficientnet-lite0` where it
is run, or beneath DATASETS_DIR and MODELS_DIR where those are set. Results stand in bench/RESULTS.md.
"""

from dataclasses import replace

from utp.config.train import TrainConfig


def lite0_frozen() -> TrainConfig:
    """The head alone, at the model's own 224 px: what its features are worth."""
    return TrainConfig(
        root="datasets/grocery_fruit",
        model_flavour="./models/efficientnet-lite0",
        freeze_backbone=True,
        augmentation_options={"scale": (0.35, 1.0)},
        batch_size=32,
        epochs=8,
        lr=5e-3,
        weight_decay=0.01,
        monitor_metric="val_acc@1",
    )


def lite0_96px(seed: int = 0) -> TrainConfig:
    """All weights at 96 px: minutes on a laptop, to see what pretraining is worth."""
    return TrainConfig(
        root="datasets/grocery_fruit",
        model_flavour="./models/efficientnet-lite0",
        image_size=96,
        augmentation_options={"scale": (0.35, 1.0)},
        batch_size=32,
        epochs=4,
        lr=1e-3,
        weight_decay=0.01,
        warmup_ratio=0.1,
        autocast_dtype="float32",
        monitor_metric="val_acc@1",
        seed=seed,
        model_suffix=f"96px-seed{seed}",
    )


def lite0_96px_scratch(seed: int = 0) -> TrainConfig:
    """The same from drawn weights: the twin it is compared with."""
    return replace(lite0_96px(seed), load_pretrained=False)


def lite0_finetuned() -> TrainConfig:
    """All weights at 224 px, chosen on val: the recipe to beat. Regularised, since there are 60 photos of a class."""
    return TrainConfig(
        root="datasets/grocery_fruit",
        model_flavour="./models/efficientnet-lite0",
        augmentation_options={"scale": (0.3, 1.0)},
        mixup_alpha=0.2,
        cutmix_alpha=1.0,
        mixup_prob=0.5,
        mixup_off_epoch=12,
        loss_options={"label_smoothing": 0.1},
        channels_last=True,
        batch_size=32,
        epochs=16,
        lr=7e-4,
        weight_decay=0.05,
        warmup_ratio=0.1,
        ema_decay=0.98,
        test_time_augmentation="hflip",
        monitor_metric="val_acc@1",
        model_suffix="finetuned",
    )


SEEDS = (0, 1, 2)

training_configurations = [lite0_frozen()]
seeds_96px = [config(seed) for seed in SEEDS for config in (lite0_96px, lite0_96px_scratch)]
