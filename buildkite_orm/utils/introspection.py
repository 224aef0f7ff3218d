"""What an object offers: its data, relations and verbs, without what only its class or the machinery needs."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_MACHINERY: Final = frozenset({"bind", "model_dump", "model_dump_json", "model_post_init", "note_drift", "rebind"})


def members(kind: type[Any]) -> frozenset[str]:
    """Name what the objects of a class offer: fields, properties and methods, and nothing of what pydantic brings."""
    own = [base for base in kind.__mro__ if base is not object and not base.__module__.startswith("pydantic")]
    found = {name for base in own for name, member in vars(base).items() if _is_offered(member)}
    found.update(getattr(kind, "model_fields", ()), getattr(kind, "__dataclass_fields__", ()))
    return frozenset(name for name in found - _MACHINERY if not name.startswith("_"))


def public_dir(thing: object, names: Iterable[str]) -> list[str]:
    """Give what `dir` tells of an object: what it offers, a field that is not known too, and what is private.

    Args:
        thing: The object.
        names: What `dir` tells of it otherwise.
    """
    extra: dict[str, Any] = getattr(thing, "__pydantic_extra__", None) or {}
    data = (name for name in (*vars(thing), *extra) if not name.startswith("_"))
    return [*(name for name in names if name.startswith("_")), *sorted({*members(type(thing)), *data})]


def _is_offered(member: object) -> bool:
    is_of_class = isinstance(member, classmethod | staticmethod | type)
    return not is_of_class and (inspect.isroutine(member) or inspect.isdatadescriptor(member))
