"""User code by name: `package.module:name` or `file.py:name`."""

import functools
import hashlib
import importlib
import importlib.util
import inspect
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, NewType, TypeVar

from .files import resolve
from .names import did_you_mean

Kind = TypeVar("Kind")
ObjectPath = NewType("ObjectPath", str)
"""`package.module:name`, or `file.py:name`."""
LISTED = 12
"""Names of a module that a message lists."""


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
    return _file_module(resolve(Path(location)))


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
