"""Times a training image's way from its JPEG file to 224 x 224 pixels, beside peers, on one thread.

    python bench/input_pipeline.py                 photos of awkward_jpegs.tar (UTP_TEST_DATA, or ../shared/data)
    python bench/input_pipeline.py --photos DIR    any folder of photos

Two sets are cut from the photos, at quality 95, 4:2:0: 120 of 500x375 and 24 of 2000x1500; they stay below the
temporary folder for the next call. Rounds are interleaved; a ratio is the median of the rounds' ratios, by CPU time of
the process. The cache is made before; its pages are warm. Pure rows do without the compiled code (UTP_NATIVE=0).
"""

from __future__ import annotations

import argparse
import hashlib
import math
import os
import platform
import random
import statistics
import sys
import tarfile
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import PIL
import timm.data
import torch
import torchvision
from PIL import Image, ImageOps
from torchvision import transforms as v1
from torchvision.io import read_image
from torchvision.transforms import v2
from transformers.models.vit.image_processing_vit import ViTImageProcessor

from utp.core.augmentations.entries import StandardOptions
from utp.core.augmentations.standard import RandomResizedCropFlip
from utp.core.data.bounds import Bounds
from utp.core.data.decode import decode_image
from utp.core.data.decoded_cache import DecodedCache, open_cache
from utp.core.data.manifest import Sample
from utp.core.data.picture import EncodedPicture, PixelPicture
from utp.core.data.transforms import Preprocessing
from utp.core.native.jpeg import decoder_name, loaded_library
from utp.core.native.library import load_library, problem_of
from utp.core.native.resize import loaded_function
from utp.settings import get_settings

SIZE = 224
SCALE = (0.35, 1.0)
HALF = (0.5, 0.5, 0.5)
SETS = {"500x375": (500, 375, 120), "2000x1500": (2000, 1500, 24)}
REPOSITORY = Path(__file__).resolve().parents[1]
ARCHIVE = Path(os.environ.get("UTP_TEST_DATA", REPOSITORY.parent / "shared" / "data")) / "awkward_jpegs.tar"
Load = Callable[[Path], object]

SEED = v2.Compose(
    [
        v2.RandomResizedCrop(SIZE, scale=SCALE, antialias=True),
        v2.RandomHorizontalFlip(),
        v2.ToDtype(torch.float32, scale=True),
        v2.Normalize(HALF, HALF),
    ]
)
HF_EXAMPLE = v1.Compose(
    [
        v1.RandomResizedCrop(SIZE, scale=SCALE),
        v1.RandomHorizontalFlip(),
        v1.ToTensor(),
        v1.Normalize(HALF, HALF),
    ]
)
TIMM = timm.data.create_transform(SIZE, is_training=True, scale=SCALE, color_jitter=None)
OURS = RandomResizedCropFlip(Preprocessing(resize=256, crop=(SIZE, SIZE), mean=HALF, std=HALF), StandardOptions())


def peers(cache: DecodedCache, paths: list[Path]) -> dict[str, Load]:
    position = {path: number for number, path in enumerate(paths)}
    bounds = Bounds.of(paths[0].parent, None)
    processor = ViTImageProcessor(size={"height": SIZE, "width": SIZE})
    return {
        "seed: torchvision read + v2": lambda path: SEED(read_image(str(path))),
        "HF example: PIL + v1": lambda path: HF_EXAMPLE(Image.open(path).convert("RGB")),
        "HF processor, torchvision": lambda path: processor(read_image(str(path)), return_tensors="pt"),
        "timm, no jitter": lambda path: TIMM(Image.open(path).convert("RGB")),
        "utp": lambda path: OURS.from_picture(EncodedPicture(path, bounds)),
        "utp, pure": lambda path: OURS.from_picture(EncodedPicture(path, bounds)),
        "utp, decoded_cache": lambda path: OURS.from_picture(PixelPicture(cache.picture(position[path], path))),
        "utp, decoded_cache, pure": lambda path: OURS.from_picture(PixelPicture(cache.picture(position[path], path))),
        "utp, decoded_cache, plain crop": lambda path: plain_crop(cache.picture(position[path], path)),
        "limit: Pillow decodes all": lambda path: Image.open(path).load(),
    }


def plain_crop(pixels: torch.Tensor) -> torch.Tensor:
    """A random 224 x 224 of the cache, without a resize, and a flip."""
    top, left = (int(torch.randint(0, length - SIZE + 1, ())) for length in pixels.shape[1:])
    part = pixels[:, top : top + SIZE, left : left + SIZE]
    return (part.flip(-1) if float(torch.rand(())) < 0.5 else part).contiguous()


def make_cache(paths: list[Path], folder: Path) -> DecodedCache:
    samples = [Sample(path.name, 0, path.name, path.stat().st_size, str(path)) for path in paths]
    started = time.process_time()
    cache = open_cache(samples, paths[0].parent, edge=256, directory=folder)
    took_s = time.process_time() - started
    num_bytes = cache.path.stat().st_size // len(paths)
    print(f"\ndecoded_cache: {len(paths) / took_s:.1f} img/s of CPU time to write it, {num_bytes} bytes a picture")
    return cache


def use_native(name: str) -> None:
    """Switch the compiled code as the row of this name has it."""
    os.environ["UTP_NATIVE"] = "0" if name.endswith("pure") else "1"
    for forget in (get_settings, load_library, problem_of, loaded_function, loaded_library):
        forget.cache_clear()


def sets_of(photos: Path | None) -> Path:
    """Return the folder of the sets, cut now where an earlier call has not; another source is another folder."""
    digest = hashlib.blake2b(f"{photos or ARCHIVE} {SETS}".encode(), digest_size=6).hexdigest()
    folder = Path(tempfile.gettempdir()) / f"utp-bench-photos-{os.getuid()}-{digest}"
    if not folder.exists():
        with tempfile.TemporaryDirectory(dir=tempfile.gettempdir()) as temporary:
            if photos is None:
                photos = Path(temporary) / "photos"
                with tarfile.open(ARCHIVE) as tar:
                    tar.extraction_filter = getattr(tarfile, "data_filter", None)  # `filter=` came with 3.11.4
                    tar.extractall(photos)
            sets = Path(temporary) / "sets"
            sets.mkdir()
            make_sets(photos, sets)
            sets.rename(folder)
    return folder


def make_sets(photos: Path, folder: Path) -> None:
    sources = []
    for path in sorted(photos.rglob("*.jpg")):
        try:
            sources.append(ImageOps.exif_transpose(Image.open(path)).convert("RGB"))
        except OSError:
            continue  # one of the awkward ones is truncated
    rng = random.Random(0)
    for name, (width, height, count) in SETS.items():
        (folder / name).mkdir()
        for number in range(count):
            source = sources[number % len(sources)]
            wide = rng.uniform(0.6, 1) * min(source.width, source.height * width / height)
            high = wide * height / width
            left, top = rng.uniform(0, source.width - wide), rng.uniform(0, source.height - high)
            box = (left, top, left + wide, top + high)
            picture = source.resize((width, height), Image.Resampling.LANCZOS, box=box)
            picture.save(folder / name / f"{number:03}.jpg", quality=95, subsampling=2)


def measure(loads: dict[str, Load], paths: list[Path], rounds: int, per_round: int) -> dict[str, list[float]]:
    """Images per second of CPU time, by name and round; each round takes the next photos."""
    speeds: dict[str, list[float]] = {name: [] for name in loads}
    for number in range(rounds):
        chosen = [paths[(number * per_round + offset) % len(paths)] for offset in range(per_round)]
        for name, load in loads.items():
            use_native(name)
            load(paths[0])
            repeats = 10 if "cache" in name else 1  # they take so little time that a few would measure noise
            started = time.process_time()
            for path in chosen * repeats:
                load(path)
            speeds[name].append(repeats * per_round / (time.process_time() - started))
    return speeds


def worst_psnr(paths: list[Path]) -> tuple[float, float]:
    """Worst and median PSNR in dB of our crops to decoding all and resizing, over crops on a grid of 8 pixels."""
    found = []
    for number, path in enumerate(paths):
        rng = random.Random(number)
        picture, exact = EncodedPicture(path), PixelPicture(decode_image(path))
        edge = rng.uniform(SCALE[0], 1) ** 0.5 * picture.height // 8 * 8
        corner = rng.uniform(0, picture.height - edge), rng.uniform(0, picture.width - edge)
        box = (int(corner[0]) // 8 * 8, int(corner[1]) // 8 * 8, int(edge), int(edge))
        ours, theirs = (one.resized_crop(box, (SIZE, SIZE), v2.InterpolationMode.BILINEAR) for one in (picture, exact))
        error = float((ours.float() - theirs.float()).square().mean())
        found.append(math.inf if error == 0 else 10 * math.log10(255**2 / error))
    return min(found), statistics.median(found)


def report(name: str, speeds: dict[str, list[float]], fidelity: tuple[float, float]) -> None:
    seed, example = (speeds[peer] for peer in list(speeds)[:2])
    print(f"\n{name}, {len(seed)} rounds\n{'path':<32}{'img/s':>10}{'x seed':>9}{'x HF example':>14}")
    for path, values in speeds.items():
        ratios = [
            statistics.median(ours / theirs for ours, theirs in zip(values, peer, strict=True))
            for peer in (seed, example)
        ]
        print(f"{path:<32}{statistics.median(values):>10.1f}{ratios[0]:>9.2f}{ratios[1]:>14.2f}")
    print(f"PSNR of utp to decoding all: worst {fidelity[0]:.1f} dB, median {fidelity[1]:.1f} dB (inf: equal)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, help="folder of photos to cut the sets from")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--photos-per-round", type=int, default=24, help="of 500x375; of 2000x1500 a fifth")
    arguments = parser.parse_args()
    if arguments.photos is None and not ARCHIVE.exists():
        print(f"No photos: {ARCHIVE} is not here; name a folder with --photos.")
        return
    warnings.simplefilter("ignore")  # torchvision's reader is deprecated; it is the peer all the same
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print(
        f"python {sys.version.split()[0]}, torch {torch.__version__}, torchvision {torchvision.__version__}, "
        f"Pillow {PIL.__version__}, timm {timm.__version__}; {platform.machine()}, {os.cpu_count()} CPUs, "
        f"load {os.getloadavg()[0]:.1f}; {decoder_name()}"
    )
    with tempfile.TemporaryDirectory() as temporary:
        for name in SETS:
            paths = sorted((sets_of(arguments.photos) / name).iterdir())
            per_round = arguments.photos_per_round if name == "500x375" else max(1, arguments.photos_per_round // 5)
            cache = make_cache(paths, Path(temporary) / f"{name}-cache")
            speeds = measure(peers(cache, paths), paths, arguments.rounds, per_round)
            report(name, speeds, worst_psnr(paths[:12]))


if __name__ == "__main__":
    main()
