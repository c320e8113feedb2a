"""Bodies of predictions."""

from __future__ import annotations

from enum import StrEnum

from utp.api.schemas import Answer, Page


class PredictionKind(StrEnum):
    """Which predictions, and in which order."""

    ALL = "all"
    """In the order of the dataset."""
    WRONG = "wrong"
    """In the order of the dataset."""
    CONFIDENT_MISTAKES = "confident_mistakes"
    """Wrong ones, the most confident first."""
    WORST_LOSS = "worst_loss"
    """The highest loss first."""


class TopClass(Answer):
    """One of the most probable classes."""

    label_name: str
    probability: float | None


class Prediction(Answer):
    """What was predicted of one image."""

    id: str
    """Of its image, for `/predictions/images/{id}`."""
    path: str
    """Relative to the dataset's root."""
    label: int
    label_name: str
    predicted: int
    predicted_name: str
    probability: float | None
    """Of the predicted class."""
    loss: float | None
    top: list[TopClass]
    image_url: str


class PredictionPage(Page[Prediction]):
    """Predictions of one evaluation."""

    split: str
    epoch: int
    step: int
