"""A safetensors file as pieces of memory, so that one pass can hash and write it.

The library writes a file by itself, and hashing it then means reading it again. Its format is short:
https://github.com/huggingface/safetensors#format. The bytes are those that the library writes; a test compares them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

DTYPE_NAMES = {
    torch.int64: "I64",
    torch.float64: "F64",
    torch.float32: "F32",
    torch.int32: "I32",
    torch.bfloat16: "BF16",
    torch.float16: "F16",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
"""In the order in which the library lays tensors out: wide ones first, so that all are aligned."""

PIECE_BYTES = 4 * 2**20
"""Small tensors are joined up to this size: each piece is a moment in which training may have to wait for the GIL."""


def tensor_pieces(tensors: Mapping[str, Tensor]) -> Iterator[memoryview]:
    """Yield the bytes of a safetensors file. The tensors are contiguous, on the CPU, and change only after it."""
    ranks = {dtype: rank for rank, dtype in enumerate(DTYPE_NAMES)}
    order = sorted(tensors, key=lambda name: (ranks[tensors[name].dtype], name))
    joined = bytearray(_header({name: tensors[name] for name in order}))
    for name in order:
        content = _bytes_of(tensors[name])
        if joined and len(joined) + content.nbytes > PIECE_BYTES:
            yield memoryview(joined)
            joined = bytearray()
        if content.nbytes > PIECE_BYTES // 4:
            if joined:
                yield memoryview(joined)
                joined = bytearray()
            yield content
        else:
            joined += content
    if joined:
        yield memoryview(joined)


def _header(tensors: Mapping[str, Tensor]) -> bytes:
    """Eight bytes of length, then JSON: type, shape and place of each tensor; padded so that the data is aligned."""
    entries, start = {}, 0
    for name, tensor in tensors.items():
        end = start + tensor.numel() * tensor.element_size()
        entries[name] = {"dtype": DTYPE_NAMES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [start, end]}
        start = end
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _bytes_of(tensor: Tensor) -> memoryview:
    assert tensor.is_contiguous()
    return tensor.reshape(-1).view(torch.uint8).numpy().data
