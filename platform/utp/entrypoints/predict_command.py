"""`utp predict`: classes of image files, by the model that a run has exported or any folder like it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from utp.config.naming import open_run
from utp.config.paths import RunPaths
from utp.entrypoints.console import print_error, progress_bar, stdout
from utp.errors import ConfigError
from utp.settings import get_settings

if TYPE_CHECKING:
    from utp.core.predictor import Prediction

EXIT_SKIPPED = 1


def predict(
    model: Annotated[Path, typer.Argument(metavar="RUN_OR_HF_DIR", help="Finished run, or folder of a model.")],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGES...", help="Image files, and folders of them.")],
    topk: Annotated[int, typer.Option("--topk", min=1, help="Classes to show of each image.")] = 1,
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Images per step.")] = 32,
    as_json: Annotated[bool, typer.Option("--json", help="Print all predictions as JSON.")] = False,
) -> None:
    """Say which class each image is of, with its probability.

    Files that are no sound images are reported and left out; the exit code is then 1.
    """
    directory = _model_directory(model)
    files = _image_files(images)

    from utp.core.predictor import load_predictor  # noqa: PLC0415  # torch, once the arguments are known to be right

    report = _Report(as_json)
    with progress_bar("predicting") as on_progress:
        predictor = load_predictor(directory)
        for number, prediction in enumerate(predictor.predict(files, num_top=topk, batch_size=batch_size), start=1):
            on_progress(number, len(files))
            report.add(prediction)
    report.finish(directory)
    raise typer.Exit(EXIT_SKIPPED if report.skipped else 0)


@dataclass
class _Report:
    """Prints predictions as they come, or all at the end as one JSON object."""

    as_json: bool
    predictions: list[dict[str, Any]] = field(default_factory=list)
    skipped: list[dict[str, str]] = field(default_factory=list)

    def add(self, prediction: Prediction) -> None:
        path = str(prediction.path)
        if prediction.fault:
            self.skipped.append({"path": path, "reason": prediction.fault})
            print_error(f"{path} is left out: {prediction.fault}")
        elif self.as_json:
            top = [{"class": name, "probability": probability} for name, probability in prediction.top]
            self.predictions.append({"path": path, "top": top})
        else:
            for name, probability in prediction.top:
                stdout.print(Text(f"{path}  {name}  {probability:.4f}"), soft_wrap=True)

    def finish(self, directory: Path) -> None:
        if self.as_json:
            content = {"model": str(directory), "predictions": self.predictions, "skipped": self.skipped}
            typer.echo(json.dumps(content, indent=2))
        elif self.skipped:
            print_error(f"{len(self.skipped)} files were left out")


def _model_directory(directory: Path) -> Path:
    """Return the folder of the model itself, which a run has from its end on."""
    if not _is_run(directory):
        return directory
    paths = open_run(directory, get_settings())
    if not paths.hf.is_dir():
        problem = f"model: {paths.name} has no {paths.hf} yet; it comes with the end of the run: utp resume {directory}"
        raise ConfigError((problem,))
    return paths.hf


def _is_run(directory: Path) -> bool:
    """Whether it is meant as a run: an exported model has a config.json too, and an image processor beside it."""
    return not (directory / "preprocessor_config.json").exists() and RunPaths(directory, directory).attempts.is_dir()


def _image_files(images: Sequence[Path]) -> list[Path]:
    """Return the files in order, each once; folders by their images, subfolders included."""
    files = list(dict.fromkeys(file for path in images for file in _files_of(path)))
    if not files:
        raise ConfigError((f"images: there are no images in {', '.join(map(str, images))}; name files or folders",))
    return files


def _files_of(path: Path) -> Iterable[Path]:
    if path.is_dir():
        return _images_below(path)
    if not path.exists():
        raise ConfigError((f"images: {str(path)!r} is not there; name image files or folders of them",))
    return [path]


def _images_below(folder: Path) -> Iterator[Path]:
    from utp.core.data.folders import is_image  # noqa: PLC0415

    for path in sorted(folder.rglob("*")):
        if path.is_file() and is_image(path.name) and not path.name.startswith("."):
            yield path
