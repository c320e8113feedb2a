"""Depth of every parameter in its model, for layer-wise learning-rate decay (BEiT, https://arxiv.org/abs/2106.08254).

Embeddings have depth 0, each block of the encoder one more than the block before it, norms after the last block and the
head the greatest. Blocks are found in the module tree, since families name them differently: they are the elements of
lists, and a list of stages is opened to the blocks of each stage.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from torch import nn

_LISTS = (nn.ModuleList, nn.Sequential)
_EMBEDDINGS_OF_STAGE = re.compile(r"embeddings\.(\d+)\.")


def layer_depths(model: nn.Module) -> dict[str, int]:
    """Return the depth of each parameter by name; empty for a model without blocks."""
    stages = [list(blocks) for blocks in _stages(model, "")]
    blocks = [path for stage in stages for path in stage]
    depth_of = {path: depth for depth, path in enumerate(blocks, start=1)}
    first_of_stage = [depth_of[stage[0]] for stage in stages]
    depths: dict[str, int] = {}
    seen = 0  # modules are registered in the order in which they run, save for the embeddings of stages
    for name, _ in model.named_parameters() if blocks else ():
        if inside := next((depth for path, depth in depth_of.items() if name.startswith(f"{path}.")), 0):
            seen = max(seen, inside)
            depths[name] = inside
        elif (found := _EMBEDDINGS_OF_STAGE.search(name)) and 0 < int(found[1]) < len(first_of_stage):
            depths[name] = first_of_stage[int(found[1])]
        else:
            depths[name] = seen + 1 if seen else 0  # before a block like it, after the last like the head
    return depths


def _stages(module: nn.Module, path: str) -> Iterator[list[str]]:
    """Yield the paths of blocks in order, a list per stage; an encoder without stages is one stage."""
    if not _is_list_of_parts(module):
        for name, child in module.named_children():
            if "embed" not in name:
                yield from _stages(child, f"{path}.{name}" if path else name)
        return
    blocks: list[str] = []
    for index, element in module.named_children():
        if not _is_stage(element):
            blocks.append(f"{path}.{index}")
            continue
        if blocks:  # such as the embeddings between two stages of a SwiftFormer
            yield blocks
            blocks = []
        yield from _stages(element, f"{path}.{index}")
    if blocks:
        yield blocks


def _is_list_of_parts(module: nn.Module) -> bool:
    """Whether a module is a list of modules that are no plain layers, such as a convolution and its norm are."""
    return isinstance(module, _LISTS) and any(True for _ in module.children()) and not any(map(_is_plain, module))


def _is_plain(module: nn.Module) -> bool:
    return type(module).__module__.startswith("torch.nn.") and not isinstance(module, _LISTS)


def _is_stage(module: nn.Module) -> bool:
    """Whether an element of a list holds blocks: it is a list itself, or called a stage."""
    return isinstance(module, _LISTS) or type(module).__name__.endswith("Stage")
