"""Whether a class has what an expression names, and how to reach a relation from another ref: for hints in errors."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, get_args

from buildkite_orm.models.guesses import REFUSED
from buildkite_orm.utils.introspection import members

if TYPE_CHECKING:
    from collections.abc import Callable

_MOST_STEPS: Final = 3


@dataclass(frozen=True, slots=True)
class _Member:
    """A member of a class.

    Attributes:
        call: What calls it: "()", or "(…)" if it needs arguments; empty for data.
        result: The class of its value, or of what it returns; None if that is unknown.
    """

    call: str
    result: type[Any] | None


def complete(kind: type[Any], expression: str) -> str | None:
    """Return an expression if a class has what it names, a method with its parentheses; else None.

    Args:
        kind: The class.
        expression: What stands after `x.`, as `jobs()[0].log()`; `…` stands for any arguments.
    """
    try:
        tree = ast.parse(f"x.{expression.replace('…', '...')}", mode="eval").body
        if isinstance(tree, ast.Attribute):
            owner = _type_of(tree.value, kind)
            return expression + ("" if owner is None else _member(owner, tree.attr).call)
        _type_of(tree, kind)
    except (LookupError, SyntaxError):
        return None
    return expression


def is_data(kind: type[Any], name: str) -> bool:
    """Return whether a class has a field or property with a name."""
    return complete(kind, name) == name


def class_of(kind: type[Any], name: str) -> type[Any] | None:
    """Return the class of what a member is or returns; None if there is no such member, or it is unknown."""
    try:
        return _member(kind, name).result
    except LookupError:
        return None


def fields_of_update(kind: type[Any]) -> frozenset[str]:
    """Return the fields that `update()` of a class takes; none if it has no such method."""
    update = getattr(kind, "update", None)
    options = re.fullmatch(r"Unpack\[(\w+)\]", str(getattr(update, "__annotations__", {}).get("changes", "")))
    if update is None or options is None:
        return frozenset()
    return frozenset(getattr(_find(options[1], update), "__annotations__", ()))


def path_to(kind: type[Any], name: str) -> str | None:
    """Return how to reach a relation of another ref, as `cluster(…).queue(…)`; None if no ref that is near has it.

    The refs that this one belongs to are tried first, then those below it, the nearest ones first.

    Args:
        kind: The class of the ref.
        name: The name of the relation.
    """
    above = [(f"{each}.", member.result) for each, member in _refs_of(kind) if not member.call]
    level: list[tuple[str, type[Any] | None]] = [("", kind)]
    levels = [above]
    for _ in range(_MOST_STEPS - 1):
        level = [
            (f"{path}{each}{member.call}.", member.result)
            for path, owner in level
            for each, member in _refs_of(owner)
            if member.call
        ]
        levels.append(level)
    for path, owner in (each for level in levels for each in level):
        try:
            member = None if owner is None else _member(owner, name)
        except LookupError:
            continue
        if member is None or member.result is None or not _is_relation(member.result):
            continue
        if member.call or (path, owner) in above:  # the refs above one below belong to others
            return f"{path}{name}{member.call}"
    return None


def _refs_of(kind: type[Any] | None) -> list[tuple[str, _Member]]:
    """Return the members of a class that are or return refs without data."""
    if kind is None:
        return []
    found = [(name, _member(kind, name)) for name in sorted(members(kind)) if name not in REFUSED]
    return [(name, member) for name, member in found if member.result is not None and _is_ref(member.result)]


def _is_ref(kind: type[Any]) -> bool:
    return hasattr(kind, "api_path") and not hasattr(kind, "model_fields")


def _is_relation(kind: type[Any]) -> bool:
    """Return whether a class is that of refs or of listings; a method that returns an object sends a request."""
    return _is_ref(kind) or hasattr(kind, "_model")


def _type_of(node: ast.expr, kind: type[Any]) -> type[Any] | None:
    """Return the class of the value of an expression; None if it is unknown.

    Raises:
        LookupError: There is no such member, or it is called and no method, or the other way round.
    """
    if isinstance(node, ast.Name):
        return kind
    if isinstance(node, ast.Subscript):
        return getattr(_type_of(node.value, kind), "_model", None)
    is_call = isinstance(node, ast.Call)
    part = node.func if isinstance(node, ast.Call) else node
    if not isinstance(part, ast.Attribute):
        raise LookupError(ast.unparse(node))  # noqa: TRY004 - `complete` reads LookupError
    owner = _type_of(part.value, kind)
    if owner is None:
        return None
    member = _member(owner, part.attr)
    if bool(member.call) != is_call:
        raise LookupError(part.attr)
    if isinstance(node, ast.Call) and member.call == "(…)" and not (node.args or node.keywords):
        raise LookupError(f"{part.attr} needs arguments")
    return member.result


def _member(kind: type[Any], name: str) -> _Member:
    """Return what a class has under a name.

    Raises:
        LookupError: It has nothing.
    """
    fields: dict[str, Any] = getattr(kind, "model_fields", {})
    if name in fields:
        parts = get_args(fields[name].annotation) or (fields[name].annotation,)
        return _Member("", next((part for part in parts if isinstance(part, type) and part is not type(None)), None))
    if name == getattr(kind, "identity", None):
        return _Member("", None)
    found = inspect.getattr_static(kind, name, None)
    if found is None or name in REFUSED:
        raise LookupError(name)
    if isinstance(found, property):
        return _Member("", _result(found.fget, kind))
    function: Any = getattr(found, "__func__", found)
    if not inspect.isfunction(function):
        return _Member("", None)
    own = 0 if isinstance(found, staticmethod) else 1
    return _Member("(…)" if _count_required(function) > own else "()", _result(function, kind))


def _count_required(function: Callable[..., Any]) -> int:
    """Return how many parameters have no default, among them `self`."""
    parameters = inspect.signature(function).parameters.values()
    several = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
    return sum(1 for each in parameters if each.default is each.empty and each.kind not in several)


def _result(function: Any, kind: type[Any]) -> type[Any] | None:
    """Return the class that a function returns, from its annotation, which is text; None if it is unknown."""
    name = re.split(r"\W", str(getattr(function, "__annotations__", {}).get("return", "")), maxsplit=1)[0]
    found = kind if name == "Self" else _find(name, function)
    return found if isinstance(found, type) else None


def _find(name: str, function: Any) -> object:
    """Return what a name in an annotation of a function stands for; None if that is unknown.

    A class that its module has not loaded is one that the package exports, or that the function imports.
    """
    if not name or name == "None":
        return None
    found = function.__globals__.get(name) or getattr(sys.modules["buildkite_orm"], name, None)
    for module in () if found else function.__code__.co_names:
        if module.startswith("buildkite_orm."):
            found = found or getattr(import_module(module), name, None)
    return found
