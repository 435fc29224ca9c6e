"""Public names of packages that are imported when they are first used (PEP 562): JAX loads slowly,
and `--help` does without it."""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module


def attach(
    package: str, homes: Mapping[str, str]
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Return the `__getattr__` and `__dir__` of a package.

    Args:
        package: its `__name__`.
        homes: the module inside the package that defines each public name, or `module:name` where
            it has another name there.
    """

    def get(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, _, original = homes[name].partition(":")
        value = getattr(import_module(f"{package}.{module}"), original or name)
        setattr(sys.modules[package], name, value)
        return value

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *homes})

    return get, names
