"""Shop photos of fruit in 19 classes (GroceryStoreDataset), with a pretrained EfficientNet-Lite0.

Expects `datasets/grocery_fruit/{train,val,test}/CLASS/*.jpg` and the model folder `models/efficientnet-lite0`, or set
DATASETS_DIR and MODELS_DIR to the folders that hold them. Results stand in bench/RESULTS.md.
"""

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


training_configurations = [lite0_frozen()]
