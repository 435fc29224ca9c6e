"""User code by name, `package.module:name` or `file.py:name`: loading it, and hashing what it
computes."""

import ast
import dataclasses
import functools
import hashlib
import importlib
import importlib.util
import inspect
import os
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, NewType, TypeVar

import jax
import numpy as np

from .names import did_you_mean

Kind = TypeVar("Kind")
ObjectPath = NewType("ObjectPath", str)
"""`package.module:name`, or `file.py:name`."""
LISTED = 12
"""Names of a module that a message lists."""
_FOREIGN = (
    *(f"{sysconfig.get_path(name)}{os.sep}" for name in ("stdlib", "purelib", "platlib")),
    f"{Path(__file__).parent}{os.sep}",
)
"""Folders whose modules are not user code: standard library, installed packages, this package."""


class PluginError(ValueError):
    """User code that cannot be loaded or is not of the expected kind; one line."""


def load(path: ObjectPath | str, option: str = "plugin") -> Any:
    """Import the object that `package.module:name` or `file.py:name` names.

    Args:
        path: where the object is. Files may import their neighbours, as scripts do.
        option: the command-line option that named it, for messages.

    Raises:
        PluginError: no such file, module or name, or code that raises when it is imported.
    """
    location, colon, name = path.rpartition(":")
    if not colon or not location or not name.isidentifier():
        raise PluginError(f"--{option} {path}: expected package.module:name or file.py:name")
    try:
        module = _module(location)
    except Exception as error:  # anything may happen in foreign code
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise PluginError(f"--{option} {path}: {location} cannot be imported ({reason})") from error
    if not hasattr(module, name):
        public = [each for each in vars(module) if not each.startswith("_")]
        more = ", ..." if len(public) > LISTED else ""
        defined = ", ".join(public[:LISTED]) or "nothing"
        hint = did_you_mean(name, public) or f"; it defines {defined}{more}"
        raise PluginError(f"--{option} {path}: {location} has no {name!r}{hint}")
    return getattr(module, name)


def load_as(kind: type[Kind], path: ObjectPath | str, option: str, *also: type) -> Kind:
    """Load an object of a kind (or `also` of others), or call a function that returns one.

    The function takes no arguments.

    Raises:
        PluginError: as `load` does, or an object of another kind.
    """
    found = load(path, option)
    if inspect.isfunction(found):
        try:
            found = found()
        except Exception as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise PluginError(f"--{option} {path}: calling it raised {reason}") from error
    if not isinstance(found, (kind, *also)):
        raise PluginError(
            f"--{option} {path}: expected an object of type {kind.__name__}, or a function without "
            f"arguments that returns one, not of type {type(found).__name__}"
        )
    return found  # type: ignore[return-value]


def _module(location: str) -> ModuleType:
    if not location.endswith(".py"):
        return importlib.import_module(location)
    return _file_module(Path(location).resolve())


@functools.cache
def _file_module(path: Path) -> ModuleType:
    if not path.is_file():
        raise FileNotFoundError(f"no such file {path}")
    name = f"{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up there
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    finally:
        sys.path.remove(str(path.parent))
    return module


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
        code = [] if _has_file(_module_of(value)) else [value.__code__]  # as in notebooks
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


def _module_of(value: object) -> ModuleType | None:
    """Return a module itself, or the one in which a function or class is defined."""
    if isinstance(value, ModuleType):
        return value
    name = getattr(value, "__module__", None)
    return sys.modules.get(name) if isinstance(name, str) else None


def _has_file(module: ModuleType | None) -> bool:
    return bool(getattr(module, "__file__", None))


def _collect(module: ModuleType | None, modules: dict[str, ModuleType]) -> None:
    """Add a user module, and those that it imports."""
    path = getattr(module, "__file__", None)
    if module is None or not path or module.__name__ in modules or path.startswith(_FOREIGN):
        return
    modules[module.__name__] = module
    for node in ast.walk(ast.parse(Path(path).read_text())):
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
