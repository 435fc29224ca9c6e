"""Hashes of what user code computes: the same for the same code and data, in any process."""

import ast
import dataclasses
import functools
import hashlib
import importlib.util
import inspect
import os
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import jax
import numpy as np

_FOREIGN = (
    *(f"{sysconfig.get_path(name)}{os.sep}" for name in ("stdlib", "purelib", "platlib")),
    f"{Path(__file__).parent}{os.sep}",
)
"""Folders whose modules are not user code: standard library, installed packages, this package."""


def fingerprint(*values: object) -> str:
    """Hash what values compute: their data, and the source of all user code that they reach.

    User code is every module outside of the standard library, installed packages and this package.
    A module counts as a whole, with the user modules that it imports: any change of them changes
    the hash, whatever it does. Names of files do not matter.
    """
    modules: dict[str, ModuleType] = {}
    parts = [part for value in values for part in _parts(value, modules, set())]
    sources = sorted(_sources(modules))
    return hashlib.sha256("\0".join([*parts, *sources]).encode()).hexdigest()


def _parts(value: object, modules: dict[str, ModuleType], seen: set[int]) -> Iterator[str]:
    """Describe a value in text that is equal for equal values; collect the modules of its code."""
    if value is None or isinstance(value, bool | int | float | complex | str | bytes | Path):
        yield repr(value)
        return
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, ModuleType):
        _collect(value, modules)
        yield value.__name__
        return
    _collect(_module_of(value), modules)
    _collect(_module_of(type(value)), modules)
    if isinstance(value, np.ndarray | jax.Array):
        array = np.asarray(value)
        yield f"{array.dtype}{array.shape}{hashlib.sha256(array.tobytes()).hexdigest()}"
        return
    yield getattr(value, "__qualname__", type(value).__qualname__)
    for child in _children(value):
        yield from _parts(child, modules, seen)


def _children(value: Any) -> list[object]:
    """List everything that decides what a value computes, beside the code of its module."""
    if isinstance(value, CodeType):
        return [value.co_code, *value.co_consts, value.co_names]
    if isinstance(value, Mapping):
        return [each for item in value.items() for each in item]
    if isinstance(value, tuple | list):
        return list(value)
    if isinstance(value, set | frozenset):
        return sorted(value, key=repr)
    if isinstance(value, functools.partial):
        return [value.func, value.args, value.keywords]
    if inspect.isfunction(value):
        cells = [cell.cell_contents for cell in value.__closure__ or ()]
        # In a notebook there is no file that would be hashed as a whole.
        code = [] if _has_file(_module_of(value)) else [value.__code__, *_named(value)]
        return [value.__defaults__, value.__kwdefaults__, *cells, *code]
    if inspect.ismethod(value):
        return [value.__self__, value.__func__]
    if isinstance(value, type):
        if _has_file(_module_of(value)):
            return []
        return [each for each in vars(value).values() if inspect.isfunction(each)]
    if dataclasses.is_dataclass(value):
        names = [each.name for each in dataclasses.fields(value)]
        return [type(value), *(getattr(value, name) for name in names)]
    return [type(value), *vars(value).values()] if hasattr(value, "__dict__") else [type(value)]


def _named(function: FunctionType) -> list[object]:
    """List what the code of a function names outside of it: helpers, constants, modules.

    Functions of installed packages stand for themselves by their names.
    """
    names = sorted({name for code in _codes(function.__code__) for name in code.co_names})
    values = [function.__globals__[name] for name in names if name in function.__globals__]
    return [
        f"{value.__module__}.{value.__qualname__}"
        if hasattr(value, "__qualname__") and _is_foreign(_module_of(value))
        else value
        for value in values
    ]


def _codes(code: CodeType) -> Iterator[CodeType]:
    """Yield code with the functions and comprehensions inside it."""
    yield code
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from _codes(each)


def _module_of(value: object) -> ModuleType | None:
    """Return a module itself, or the one in which a function or class is defined."""
    if isinstance(value, ModuleType):
        return value
    name = getattr(value, "__module__", None)
    return sys.modules.get(name) if isinstance(name, str) else None


def _has_file(module: ModuleType | None) -> bool:
    return bool(getattr(module, "__file__", None))


def _is_foreign(module: ModuleType | None) -> bool:
    return (getattr(module, "__file__", None) or "").startswith(_FOREIGN)


def _collect(module: ModuleType | None, modules: dict[str, ModuleType]) -> None:
    """Add a user module, and those that it imports."""
    path = getattr(module, "__file__", None)
    if module is None or not path or module.__name__ in modules or _is_foreign(module):
        return
    modules[module.__name__] = module
    for node in ast.walk(ast.parse(Path(path).read_bytes())):
        for name in _imported(node, module.__package__ or ""):
            _collect(sys.modules.get(name), modules)


def _imported(node: ast.AST, package: str) -> list[str]:
    """List the modules that a statement may import."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        name = "." * node.level + (node.module or "")
        base = importlib.util.resolve_name(name, package) if node.level else name
        return [base, *(f"{base}.{alias.name}" for alias in node.names)]
    return []


def _sources(modules: Mapping[str, ModuleType]) -> Iterator[str]:
    for module in modules.values():
        assert module.__file__ is not None
        yield Path(module.__file__).read_text(errors="replace")
