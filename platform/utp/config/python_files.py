"""Runs a user's Python config file apart from everything else and finds the configs in it."""

from __future__ import annotations

import importlib
import inspect
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any
from uuid import uuid4

from pydantic import ValidationError

from utp.config.problems import describe_problems
from utp.config.train import TrainConfig
from utp.errors import ConfigError, UtpError

MAIN_LIST = "training_configurations"
"""The list that is meant where a file is named without more."""

Makers = dict[str, Callable[[], TrainConfig]]
"""By name, in the order of the file: what gives the config."""


@contextmanager
def running(path: Path) -> Iterator[Makers]:
    """Run the file and give its configs by name; those of a list are `LIST[0]`, `LIST[1]`, ...

    Call them inside the `with`, where the file may import its neighbours. Outside nothing of it is left.

    Raises:
        ConfigError: the file can't be run, or a list in it holds something else; names file and line.
    """
    module = ModuleType(f"_utp_config_{uuid4().hex}")
    module.__file__ = str(path.resolve())
    sys.modules[module.__name__] = module  # dataclasses look their module up there
    try:
        with _importable_neighbours(path.resolve().parent) as neighbours, _blaming(path):
            # By compile, not by an import: that would leave a .pyc beside the file, and might run a stale one.
            exec(compile(path.read_bytes(), module.__file__, "exec", dont_inherit=True), vars(module))  # noqa: S102
            yield _find_makers(module, neighbours(), path)
    finally:
        del sys.modules[module.__name__]


@contextmanager
def _importable_neighbours(folder: Path) -> Iterator[Callable[[], list[ModuleType]]]:
    """Put `folder` first on `sys.path` for a while; gives a function that lists what was imported from it."""
    before = set(sys.modules)
    is_on_path = any(Path(entry).resolve() == folder for entry in sys.path)
    writes_bytecode = sys.dont_write_bytecode
    sys.path.insert(0, str(folder))
    sys.dont_write_bytecode = True
    importlib.invalidate_caches()

    def imported() -> dict[str, ModuleType]:
        # Only what `folder` as an entry of sys.path has given: a .venv beneath it holds torch, which stays.
        own = {name for name in set(sys.modules) - before if "." not in name and _lies_in(sys.modules[name], folder)}
        return {name: module for name, module in sys.modules.items() if name.partition(".")[0] in own}

    try:
        yield lambda: list(imported().values())
    finally:
        sys.dont_write_bytecode = writes_bytecode
        with suppress(ValueError):
            sys.path.remove(str(folder))
        # What can be imported without us belongs to the process: run twice, a plug-in would register its parts twice.
        for name in () if is_on_path else imported():
            del sys.modules[name]


def _lies_in(module: ModuleType, folder: Path) -> bool:
    packages = [Path(place) for place in getattr(module, "__path__", ())]
    file = getattr(module, "__file__", None)
    return any(package.parent == folder for package in packages) or (file is not None and Path(file).parent == folder)


@contextmanager
def _blaming(path: Path) -> Iterator[None]:
    """Turn whatever the user's code raises into a `ConfigError` that names the line of it."""
    try:
        yield
    except SyntaxError as error:
        shown = path if error.filename in (None, str(path.resolve())) else error.filename
        place = f"{shown}:{error.lineno}" if error.lineno else str(shown)
        raise ConfigError((f"{error.msg}; correct the Python",), place) from error
    except ConfigError as error:
        raise ConfigError(error.problems, error.source or _where(error, path)) from error
    except UtpError as error:
        raise ConfigError((str(error),), _where(error, path)) from error
    except ValidationError as error:
        is_ours = error.title == TrainConfig.__name__
        problems = describe_problems(error, TrainConfig) if is_ours else (str(error),)
        raise ConfigError(problems, _where(error, path)) from error
    except (Exception, SystemExit) as error:  # the user's code may raise anything
        hint = f"; install it, or put it beside {path.name}" if isinstance(error, ModuleNotFoundError) else ""
        raise ConfigError((f"{type(error).__name__}: {error}{hint}",), _where(error, path)) from error


def _where(error: BaseException, path: Path) -> str:
    """File and line of the innermost frame that is in the folder of the user's file."""
    file = path.resolve()
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.filename == str(file):
            return f"{path}:{frame.lineno}"
        if Path(frame.filename).parent == file.parent:
            return f"{frame.filename}:{frame.lineno}"
    return str(path)


def _find_makers(module: ModuleType, neighbours: list[ModuleType], path: Path) -> Makers:
    """What the file itself defines; an imported config counts where a list of the file holds it."""
    foreign = {id(item) for other in neighbours for item in vars(other).values() if isinstance(item, TrainConfig)}
    makers: Makers = {}
    for name, item in vars(module).items():
        if name.startswith("_"):
            continue
        if isinstance(item, TrainConfig) and id(item) not in foreign:
            makers[name] = partial(_same, item)
        elif isinstance(item, FunctionType) and item.__module__ == module.__name__ and _makes_config(item):
            makers[name] = partial(_call, item, name, path)
        elif isinstance(item, list | tuple) and (name == MAIN_LIST or any(isinstance(x, TrainConfig) for x in item)):
            _check_list(name, item, path)
            makers |= {f"{name}[{index}]": partial(_same, config) for index, config in enumerate(item)}
    return makers


def _makes_config(function: FunctionType) -> bool:
    """Whether it is annotated `-> TrainConfig`, also as text, and needs no argument."""
    returns: Any = function.__annotations__.get("return")
    if isinstance(returns, str):
        returns = returns.strip("'\"")  # text in text, where annotations are text anyway
        returns = function.__globals__.get(returns, TrainConfig if returns.endswith(".TrainConfig") else None)
    needed = [
        parameter
        for parameter in inspect.signature(function).parameters.values()
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
    return returns is TrainConfig and not needed


def _call(function: Callable[[], Any], name: str, path: Path) -> TrainConfig:
    config = function()
    if not isinstance(config, TrainConfig):
        problem = f"{name}() gives {config!r:.60}, not a TrainConfig; return one"
        raise ConfigError((problem,), f"{path}:{function.__code__.co_firstlineno}")
    return config


def _same(config: TrainConfig) -> TrainConfig:
    return config


def _check_list(name: str, items: list[Any] | tuple[Any, ...], path: Path) -> None:
    if not items:
        raise ConfigError((f"{name}: is empty; put a TrainConfig in",), str(path))
    for index, item in enumerate(items):
        if not isinstance(item, TrainConfig):
            hint = "call it" if callable(item) else "put TrainConfig objects in it alone"
            raise ConfigError((f"{name}[{index}]: is {item!r:.60}, not a TrainConfig; {hint}",), str(path))
