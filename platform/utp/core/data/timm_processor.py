"""Reads the preprocessing of timm's models, which transformers wraps: timm's own terms, and pictures of PIL alone."""

from __future__ import annotations

import json
import math
from typing import Any

from utp.core.data.transforms import Preprocessing

_CHANNELS = 3
_INTERPOLATIONS = ("bilinear", "bicubic", "lanczos")


def is_timm(processor: Any) -> bool:
    """Whether this is transformers' wrapper of timm's transforms."""
    return type(processor).__name__ == "TimmWrapperImageProcessor"


def resized_timm(processor: Any, image_size: int | None) -> Any:
    """Return a processor like this one that gives pictures of `image_size`; none keeps its own."""
    if image_size is None:
        return processor
    input_size = (_CHANNELS, image_size, image_size)
    return type(processor)({**processor.data_config, "input_size": input_size}, architecture=processor.architecture)


def read_timm(processor: Any) -> Preprocessing:
    """Return what timm's evaluation transform does. Raises `ValueError` where it can't be reproduced."""
    data = processor.data_config
    channels, height, width = data["input_size"]
    if channels != _CHANNELS:
        raise ValueError(f"input_size has {channels} channels; only models of RGB pictures (3 channels) can be trained")
    if data["interpolation"] not in _INTERPOLATIONS:
        raise ValueError(f"interpolation {data['interpolation']!r} is not supported; {', '.join(_INTERPOLATIONS)} are")
    return Preprocessing(
        resize=_resize(data, height, width),
        crop=(height, width),
        mean=tuple(data["mean"]),
        std=tuple(data["std"]),
        interpolation=data["interpolation"],
        halves_to_even=True,
        processor_config=json.loads(processor.to_json_string()),
    )


def _resize(data: dict[str, Any], height: int, width: int) -> int | tuple[int, int]:
    crop_pct = float(data["crop_pct"])
    scaled = math.floor(height / crop_pct), math.floor(width / crop_pct)
    if data["crop_mode"] == "squash":
        return scaled
    if data["crop_mode"] == "center" and height == width:
        return scaled[0]
    raise ValueError(f"crop_mode {data['crop_mode']!r} to {height}x{width} is not supported; center of a square is")
