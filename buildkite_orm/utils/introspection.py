"""The public members of an object: its data, relations and verbs, without those of pydantic or of its class."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_INTERNAL: Final = frozenset({"bind", "model_dump", "model_dump_json", "model_post_init", "note_drift", "rebind"})


def members(kind: type[Any]) -> frozenset[str]:
    """Return the names of the public fields, properties and methods of a class, without those of pydantic."""
    own = [base for base in kind.__mro__ if base is not object and not base.__module__.startswith("pydantic")]
    found = {name for base in own for name, member in vars(base).items() if _is_public(member)}
    found.difference_update(*(vars(base) for base in kind.__mro__ if base.__module__.startswith("pydantic")))
    found.update(getattr(kind, "model_fields", ()), getattr(kind, "__dataclass_fields__", ()))
    return frozenset(name for name in found - _INTERNAL if not name.startswith("_"))


def public_dir(obj: object, names: Iterable[str]) -> list[str]:
    """Return the names that `dir` shows for an object: public members, unknown fields, and private names.

    Args:
        obj: The object.
        names: The names that `dir` shows by default.
    """
    extra: dict[str, Any] = getattr(obj, "__pydantic_extra__", None) or {}
    data = (name for name in (*vars(obj), *extra) if not name.startswith("_"))
    return [*(name for name in names if name.startswith("_")), *sorted({*members(type(obj)), *data})]


def _is_public(member: object) -> bool:
    is_of_class = isinstance(member, classmethod | staticmethod | type)
    if getattr(member, "is_unavailable", False):
        return False
    return not is_of_class and (inspect.isroutine(member) or inspect.isdatadescriptor(member))


def name_methods(base: type[Any], owner: str = "") -> None:
    """Set the class that errors about arguments show for the methods of an internal base.

    Args:
        base: The internal base.
        owner: The name of the public class; empty if several have the base.
    """
    for function in vars(base).values():
        if inspect.isfunction(function):
            function.__qualname__ = f"{owner}.{function.__name__}".removeprefix(".")
