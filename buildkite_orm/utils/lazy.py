"""Packages that import their public names when they are first used."""

from __future__ import annotations

import sys
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    GetAttribute = Callable[[str], object]
    Dir = Callable[[], list[str]]


def lazy_names(package: str, modules: Mapping[str, Iterable[str]]) -> tuple[GetAttribute, Dir]:
    """Return the `__getattr__` and `__dir__` of a package that imports its public names when they are first used.

    Args:
        package: The name of the package.
        modules: Its modules, by their names below the package, and the public names of each.
    """
    homes = {name: module for module, names in modules.items() for name in names}
    namespace = vars(sys.modules[package])

    def get(name: str) -> object:
        module = homes.get(name)
        if module is None:
            raise _no_attribute(package, name)
        value = namespace[name] = getattr(import_module(f"{package}.{module}"), name)
        return value

    def names() -> list[str]:
        return sorted({*namespace, *homes})

    return get, names


def lazy_modules(package: str) -> tuple[GetAttribute, Dir]:
    """Return the `__getattr__` and `__dir__` of a package whose public names are the `__all__` of its modules.

    A name is looked for in the modules in order, those first whose own name it contains: `QueueRef` in `queue`.

    Args:
        package: The name of the package.
    """
    namespace = vars(sys.modules[package])
    modules = [module.name for module in iter_modules(namespace["__path__"])]

    def exported(module: str) -> dict[str, object]:
        loaded = import_module(f"{package}.{module}")
        return {name: getattr(loaded, name) for name in getattr(loaded, "__all__", ())}

    def get(name: str) -> object:
        if name == "__all__":
            return sorted(each for module in modules for each in exported(module))
        if name.startswith("_"):
            raise _no_attribute(package, name)
        for module in sorted(modules, key=lambda module: module.replace("_", "") not in name.lower()):
            namespace.update(exported(module))
            if name in namespace:
                return namespace[name]
        raise _no_attribute(package, name)

    def names() -> list[str]:
        return sorted({*namespace, *(each for module in modules for each in exported(module))})

    return get, names


def _no_attribute(package: str, name: str) -> AttributeError:
    return AttributeError(f"module {package!r} has no attribute {name!r}")
