"""Predicts with an exported model: a directory with config, weights and image processor, as a run's `hf/` is one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import PreTrainedModel

from utp.core.data.decode import decode_image
from utp.core.data.preprocessing import Preprocessing, load_preprocessing
from utp.core.device import available_cores
from utp.core.models.architecture import saved_classes
from utp.core.models.build import load_classifier
from utp.core.models.source import resolve_source
from utp.errors import CorruptImage, DatasetError
from utp.settings import Settings


@dataclass(frozen=True)
class Prediction:
    """The most probable classes of one image, best first, or why there are none."""

    path: Path
    top: tuple[tuple[str, float], ...]
    """Class and probability."""
    fault: str = ""
    """Why the file can't be used; empty where it can."""


class Predictor:
    """A model with its preprocessing, on a GPU where there is one; computes in float32."""

    def __init__(self, model: PreTrainedModel, preprocessing: Preprocessing) -> None:
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._model = model.to(self._device).eval()  # type: ignore[arg-type]  # its `to` is annotated for a string
        self._preprocessing = preprocessing
        self.classes = saved_classes(model.config)

    def predict(self, paths: Sequence[Path], *, num_top: int, batch_size: int) -> Iterator[Prediction]:
        """Yield a prediction for each file, in order; memory holds one batch."""
        with ThreadPoolExecutor(available_cores()) as pool:
            for start in range(0, len(paths), batch_size):
                chosen = paths[start : start + batch_size]
                yield from self._predict_batch(chosen, list(pool.map(self._read, chosen)), num_top)

    def _read(self, path: Path) -> torch.Tensor | str:
        try:
            return self._preprocessing.eval_transform(decode_image(path))
        except CorruptImage as error:
            return error.reason
        except DatasetError:  # it was deleted since the folder was listed
            return "the file is gone"

    def _predict_batch(
        self, paths: Sequence[Path], pictures: Sequence[torch.Tensor | str], num_top: int
    ) -> Iterator[Prediction]:
        sound = [picture for picture in pictures if isinstance(picture, torch.Tensor)]
        rows = iter(self._top(torch.stack(sound), num_top) if sound else [])
        for path, picture in zip(paths, pictures, strict=True):
            yield Prediction(path, (), picture) if isinstance(picture, str) else Prediction(path, next(rows))

    @torch.inference_mode()
    def _top(self, images: torch.Tensor, num_top: int) -> list[tuple[tuple[str, float], ...]]:
        """Return the classes and probabilities of uint8 (N, 3, H, W)."""
        logits = self._model(pixel_values=self._preprocessing.normalise(images.to(self._device))).logits
        top = logits.float().softmax(dim=1).cpu().topk(min(num_top, len(self.classes)), dim=1)
        names = [[self.classes[index] for index in row] for row in top.indices.tolist()]
        return [tuple(zip(row, values, strict=True)) for row, values in zip(names, top.values.tolist(), strict=True)]


def load_predictor(directory: Path) -> Predictor:
    """Return the predictor of an exported model; runs no code that lies beside the weights, opens no pickle.

    Raises:
        ModelError: the directory holds no image classifier, or not all of its weights.
    """
    # The mounts are for names in configs; this directory was named on the command line, as a file to open.
    source = resolve_source(str(directory.absolute()), None, Settings().model_copy(update={"models_dir": None}))
    return Predictor(load_classifier(source), load_preprocessing(source.location))
