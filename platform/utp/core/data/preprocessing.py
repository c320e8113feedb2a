"""Reads the preprocessing of a model from its own image processor, and proves that ours does the same.

The processors of transformers state their sizes in several dialects and some add steps of their own. What is read
here is run beside the processor on small random pictures at once: a model is refused rather than trained on other
pixels than it was made for.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from PIL.Image import Resampling
from torchvision.transforms.v2.functional import to_pil_image
from transformers import AutoImageProcessor
from transformers.image_utils import SizeDict, pil_torch_interpolation_mapping

from utp.core.data.timm_processor import is_timm, read_timm, resized_timm
from utp.core.data.transforms import Preprocessing
from utp.core.randomness import generator
from utp.errors import ModelError

__all__ = ["Preprocessing", "load_preprocessing"]

_CHANNELS = 3
_CONVNEXT_WARP_SIZE = 384  # from this size on, ConvNeXT squeezes the picture in place of cropping it
_LEVIT_RESIZE = 256 / 224

_FAULTS = (OSError, ValueError, TypeError, KeyError, AttributeError, ImportError, RuntimeError)
"""What transformers raises on a processor that is absent, remote code, broken or for other inputs than pictures."""


def load_preprocessing(
    source: str | Path, *, revision: str | None = None, image_size: int | None = None
) -> Preprocessing:
    """Return the preprocessing of a Hub model or local directory; `image_size` replaces its output size, in pixels.

    The resize before a crop grows or shrinks in proportion. A local directory is read without network.

    Raises:
        ModelError: there is no image processor, it is not for RGB pictures of one size, or it can't be reproduced.
    """
    name = str(source)
    processor = _load_processor(name, revision)
    try:
        if is_timm(processor):
            processor = resized_timm(processor, image_size)
            preprocessing = read_timm(processor)
        else:
            _fix_output_size(processor, image_size)
            preprocessing = _read(processor)
    except _FAULTS as error:
        raise ModelError(name, f"its image processor {type(processor).__name__} can't be used: {error}") from error
    _verify(preprocessing, processor, name)
    return preprocessing


def _load_processor(name: str, revision: str | None) -> Any:
    try:
        return AutoImageProcessor.from_pretrained(  # type: ignore[no-untyped-call]
            name,
            revision=revision or "main",
            local_files_only=Path(name).is_dir(),
            trust_remote_code=False,
            backend="torchvision",
        )
    except _FAULTS as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        problem = f"its image processor can't be loaded ({reason}). The model needs a sound preprocessor_config.json"
        raise ModelError(name, problem) from error


def _fix_output_size(processor: Any, image_size: int | None) -> None:
    """Set the processor's own sizes so that every picture leaves it with one size: the saved processor then agrees."""
    if not _flag(processor, "do_resize"):
        _fix_size_without_resize(processor, image_size)
    elif set(dict(processor.size)) not in ({"shortest_edge"}, {"height", "width"}):
        size = dict(processor.size)
        raise ValueError(f"its size {size} is not supported; shortest_edge, or height and width, are")
    elif _flag(processor, "do_center_crop"):
        _scale_crop(processor, image_size)
    elif processor.size.shortest_edge:
        edge = image_size or processor.size.shortest_edge
        processor.size = SizeDict(shortest_edge=edge)
        if _dialect(processor) != "ConvNext":  # which crops by itself
            # Pictures of many shapes make no batch: transformers' own image-classification example crops so too.
            processor.do_center_crop = True
            processor.crop_size = SizeDict(height=edge, width=edge)
    elif image_size:
        processor.size = SizeDict(height=image_size, width=image_size)


def _fix_size_without_resize(processor: Any, image_size: int | None) -> None:
    if _flag(processor, "do_center_crop"):
        if image_size:
            processor.crop_size = SizeDict(height=image_size, width=image_size)
    elif image_size:
        processor.do_resize = True
        processor.size = SizeDict(height=image_size, width=image_size)
    else:
        raise ValueError("it neither resizes nor crops; set image_size")


def _scale_crop(processor: Any, image_size: int | None) -> None:
    if image_size is None:
        return
    crop, size = processor.crop_size, processor.size
    if size.shortest_edge:
        edge = round(size.shortest_edge * image_size / min(crop.height, crop.width))
        processor.size = SizeDict(shortest_edge=edge)
    else:
        height = round(size.height * image_size / crop.height)
        processor.size = SizeDict(height=height, width=round(size.width * image_size / crop.width))
    processor.crop_size = SizeDict(height=image_size, width=image_size)


def _read(processor: Any) -> Preprocessing:
    resize, crop = _resize_and_crop(processor)
    rescale = float(processor.rescale_factor) if _flag(processor, "do_rescale") else 1.0
    mean, std = _mean_and_std(processor)
    resample = getattr(processor, "resample", None)
    return Preprocessing(
        resize=resize,
        crop=crop,
        mean=mean,
        std=std,
        interpolation="bilinear" if resample is None else pil_torch_interpolation_mapping[Resampling(resample)].value,
        rescale=rescale,
        is_bgr=_flag(processor, "do_flip_channel_order"),
        processor_config=json.loads(processor.to_json_string()),
    )


def _resize_and_crop(processor: Any) -> tuple[int | tuple[int, int] | None, tuple[int, int] | None]:
    crop = None
    if _flag(processor, "do_center_crop"):
        crop = (processor.crop_size.height, processor.crop_size.width)
    if not _flag(processor, "do_resize"):
        return None, crop
    size = processor.size
    if not size.shortest_edge:
        return (size.height, size.width), crop
    return _shortest_edge_dialect(processor, crop)


def _shortest_edge_dialect(
    processor: Any, crop: tuple[int, int] | None
) -> tuple[int | tuple[int, int], tuple[int, int] | None]:
    edge = processor.size.shortest_edge
    match _dialect(processor):
        case "ConvNext" if edge >= _CONVNEXT_WARP_SIZE:
            return (edge, edge), crop
        case "ConvNext":
            return int(edge / processor.crop_pct), (edge, edge)
        case "PoolFormer" if processor.crop_pct is not None:
            return int(edge / processor.crop_pct), crop
        case "Levit":
            return int(_LEVIT_RESIZE * edge), crop
    return edge, crop


def _mean_and_std(processor: Any) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Fold EfficientNet's extra steps into one mean and one standard deviation."""
    mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    if _flag(processor, "do_normalize") and _dialect(processor) != "MobileViT":  # which ignores it
        mean, std = _channels(processor, "image_mean"), _channels(processor, "image_std")
    if _flag(processor, "rescale_offset") and _flag(processor, "do_rescale"):  # x * rescale - 1
        mean = (mean[0] + 1, mean[1] + 1, mean[2] + 1)
    if _flag(processor, "include_top"):  # divides by the standard deviation once more
        again = _channels(processor, "image_std")
        std = (std[0] * again[0], std[1] * again[1], std[2] * again[2])
    return mean, std


def _channels(processor: Any, field: str) -> tuple[float, float, float]:
    value = getattr(processor, field, None)
    numbers = [float(value)] * _CHANNELS if isinstance(value, int | float) else [float(item) for item in value or ()]
    if len(numbers) != _CHANNELS:
        raise ValueError(
            f"{field} has {len(numbers)} channels; only models of RGB pictures (3 channels) can be trained"
        )
    return numbers[0], numbers[1], numbers[2]


def _flag(processor: Any, name: str) -> bool:
    return bool(getattr(processor, name, False))


def _dialect(processor: Any) -> str:
    return type(processor).__name__.removesuffix("Pil").removesuffix("Fast").removesuffix("ImageProcessor")


def _verify(preprocessing: Preprocessing, processor: Any, name: str) -> None:
    """Run both on random pictures, wider and higher than the model's input and smaller than it."""
    height, width = preprocessing.size
    one_level = preprocessing.rescale / min(preprocessing.std)  # an 8-bit rounding of another resize, no more
    for shape in ((height + 37, width + 94), (2 * height + 61, width + 12), (height // 2 + 1, width // 2 + 8)):
        picture = torch.randint(0, 256, (_CHANNELS, *shape), dtype=torch.uint8, generator=generator(0, "probe", *shape))
        ours = preprocessing.normalise(preprocessing.eval_transform(picture)[None])[0]
        try:
            theirs = _processed(processor, picture)
        except _FAULTS as error:
            raise ModelError(
                name, f"its image processor {type(processor).__name__} fails on a picture: {error}"
            ) from error
        if ours.shape != theirs.shape or _difference(ours, theirs, processor) > 1.01 * one_level:
            problem = (
                f"its image processor {type(processor).__name__} does more than resize, crop and normalise, "
                "which can't be reproduced in training; take a model with a plain processor"
            )
            raise ModelError(name, problem)


def _processed(processor: Any, picture: torch.Tensor) -> torch.Tensor:
    # timm's transforms scale a picture of PIL, and take a tensor for one that is scaled already.
    given = to_pil_image(picture) if is_timm(processor) else picture
    values: torch.Tensor = processor(images=given, return_tensors="pt")["pixel_values"][0].to(torch.float32)
    return values


def _difference(ours: torch.Tensor, theirs: torch.Tensor, processor: Any) -> torch.Tensor:
    # PIL rounds between its two passes: some pixels of white noise differ by many levels in bicubic, and on average
    # they do by less than one. Where a crop is one pixel beside, it is 40.
    distance = (ours - theirs).abs()
    return distance.mean() if is_timm(processor) else distance.max()
