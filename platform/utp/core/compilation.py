"""`torch.compile` of a model: tried before anything trains, in place, with a cache that later attempts find."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import torch
from torch import nn

from utp.errors import ConfigError

_MAX_GRAPHS = 32
"""Of one model: full and last batch of training, of val and of test are six; beyond these torch would not compile."""


def prepare_compiler(cache_dir: Path, device: torch.device) -> None:
    """Have compiled kernels kept in `cache_dir`, and compile one line.

    Raises:
        ConfigError: what the compiler needs is not there, such as g++ or Python's headers.
    """
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(cache_dir))  # the default is /tmp, gone with a container
    if not torch.cuda.is_available():  # else it warns that a CUDA toolkit without a GPU was found
        logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
    try:
        if torch.compiler.get_default_backend() == "inductor":
            _find_compiler()  # by itself: what is in the cache already needs none
        torch.compile(_double)(torch.ones(8, device=device))
    except (RuntimeError, OSError) as error:
        line = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        needs = "needs a C++ compiler and Python's headers (sudo apt install g++ python3-dev)"
        raise ConfigError((f"compile: True {needs}: {line:.200}; install them, or set compile to false",)) from error


def compile_in_place(model: nn.Module) -> None:
    """Have the model compiled when it is first called; names and shapes of its weights stay.

    One graph per batch size, not one of any size: a resumed run then meets the same kernels, whatever it sees first.
    """
    # Not `torch.compile(model)`: that puts `_orig_mod.` before the names of a checkpoint. Isolated, for a process may
    # train several models of one class, and beyond a number of graphs for all of them torch silently compiles no more.
    model.compile(dynamic=False, recompile_limit=_MAX_GRAPHS, isolate_recompiles=True)


def is_compiled(model: nn.Module) -> bool:
    """Whether `compile_in_place` was called; a copy of a compiled model is not compiled."""
    return model._compiled_call_impl is not None


def _find_compiler() -> None:
    """Raise `RuntimeError` where there is no C++ compiler."""
    from torch._inductor.cpp_builder import get_cpp_compiler  # noqa: PLC0415  takes seconds to import

    get_cpp_compiler()


def _double(values: torch.Tensor) -> torch.Tensor:
    return values * 2
