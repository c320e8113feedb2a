"""Random geometry of whole batches through Kornia, on the device of the batch, in [0, 1] before normalisation.

Kornia draws and builds the matrices on the CPU, where inverting them makes nobody wait for a device. They are
multiplied there, so that the pixels are interpolated once, not once per transform.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from kornia.augmentation import RandomAffine, RandomHorizontalFlip, RandomPerspective
from kornia.geometry.conversions import normalize_homography
from kornia.geometry.transform import homography_warp
from torch import Tensor

from utp.core.augmentations.entries import GeometricOptions
from utp.core.randomness import derive_seed

BatchAugmentation = Callable[[Tensor, int, int], Tensor]
"""(float32 (N, 3, H, W) in [0, 1], epoch, micro-batch) -> the same kind; a function of the seed and these."""


def build(options: GeometricOptions, seed: int) -> BatchAugmentation:
    """Return the augmentation."""
    shift, perspective = options.translate, options.perspective
    steps = [
        RandomHorizontalFlip(p=options.horizontal_flip),
        RandomAffine(
            degrees=options.degrees, translate=(shift, shift), scale=options.scale, shear=options.shear, p=1.0
        ),
        RandomPerspective(perspective, p=1.0 if perspective else 0.0),
    ]
    return Geometric(steps, seed)


@dataclass(frozen=True)
class Geometric:
    """Transforms of Kornia one after the other, as one warp; what lies outside the picture is its mirror image."""

    steps: list[RandomHorizontalFlip | RandomAffine | RandomPerspective]
    seed: int

    def __call__(self, images: Tensor, epoch: int, batch: int) -> Tensor:
        """Return the warped images."""
        seed = derive_seed(self.seed, "geometric", epoch, batch)
        num_images, _, height, width = images.shape
        with torch.autocast(images.device.type, enabled=False):  # coordinates in bfloat16 are pixels off
            return self._warp(images, self._draw_matrices(num_images, height, width, seed))

    def _warp(self, images: Tensor, matrices: Tensor) -> Tensor:
        size = images.shape[-2], images.shape[-1]
        sources = torch.linalg.inv(normalize_homography(matrices, size, size))
        if images.is_cuda:
            sources = sources.pin_memory()
        sources = sources.to(images.device, non_blocking=True)
        warped = homography_warp(images, sources, size, padding_mode="reflection", align_corners=True)
        return warped.clamp_(0, 1)

    def _draw_matrices(self, num_images: int, height: int, width: int, seed: int) -> Tensor:
        """Return float32 (N, 3, 3) on the CPU, from pixels of the picture to pixels of the result."""
        shape = torch.Size((num_images, 1, height, width))
        only_shape = torch.zeros(1).expand(shape)
        matrices = torch.eye(3).expand(num_images, 3, 3)
        with torch.random.fork_rng(devices=[]):  # Kornia draws from the generator that dropout is to draw from
            torch.default_generator.manual_seed(seed)
            for step in self.steps:
                draws = step.forward_parameters(shape)
                matrices = step.generate_transformation_matrix(only_shape, draws, step.flags) @ matrices
        return matrices
