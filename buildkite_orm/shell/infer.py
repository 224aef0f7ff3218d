"""What an expression is, told by annotations alone: nothing is called, and no property is read."""

from __future__ import annotations

import ast
import inspect
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeVar, Union, cast, get_args, get_origin

from buildkite_orm.querysets.queryset import QuerySet, listed_model
from buildkite_orm.shell.annotations import PACKAGE, evaluated, is_ours, returned

if TYPE_CHECKING:
    from typing import TypeAlias


@dataclass(frozen=True)
class Known:
    """A thing that is there."""

    value: Any


@dataclass(frozen=True)
class Instance:
    """A thing of which the annotation is known."""

    said: Any


@dataclass(frozen=True)
class Method:
    """What can be called, and on an object of which class."""

    function: Any
    owner: Any = None


What: TypeAlias = Known | Instance | Method | None


def what_is(source: str, names: Mapping[str, object]) -> What:
    """Tell what an expression is.

    Args:
        source: The expression.
        names: What the names in it stand for.
    """
    try:
        tree = ast.parse(f"({source})", mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return _what(tree.body, names)


def classes_of(said: Any) -> list[type[Any]]:
    """Give the classes that something annotated so may have, without None."""
    origin = get_origin(said)
    if origin is Annotated:
        return classes_of(get_args(said)[0])
    if origin in {Union, types.UnionType}:
        return [kind for part in get_args(said) for kind in classes_of(part)]
    if origin is Literal:
        return list({value.__class__: None for value in get_args(said)})
    kind = origin or said
    return [kind] if isinstance(kind, type) and kind is not types.NoneType else []


def _what(node: ast.expr, names: Mapping[str, object]) -> What:
    match node:
        case ast.Name(id=name) if name in names:
            return Known(names[name])
        case ast.Constant(value=value):
            return Known(value)
        case ast.Attribute(value=value, attr=name):
            return _attribute(_what(value, names), name)
        case ast.Call(func=function):
            return _called(_what(function, names))
        case ast.Subscript(value=value, slice=index):
            return _item(_what(value, names), index)
        case _:
            return None


def _attribute(of: What, name: str) -> What:
    match of:
        case Known(types.ModuleType() as module):
            is_there = name in vars(module) or module.__name__ == PACKAGE
            return Known(getattr(module, name, None)) if is_there else None
        case Known(type() as kind):
            return _of_class(kind, name)
        case Known(value):
            here: dict[str, Any] = getattr(value, "__dict__", {})
            return Known(here[name]) if name in here else _of_instance(type(value), name)
        case Instance(said):
            found = (_of_instance(part, name) for part in _parts(said))
            return next((each for each in found if each is not None), None)
        case _:
            return None


def _of_class(kind: type[Any], name: str) -> What:
    member: Any = inspect.getattr_static(kind, name, None)
    if isinstance(member, classmethod):
        return Method(cast("Any", member).__func__, kind)
    if inspect.isfunction(member):
        return Method(member, kind)
    return None if member is None else Known(member)


def _of_instance(said: Any, name: str) -> What:
    """Tell what an attribute is of something that is annotated, as a class or as one of something."""
    for kind in classes_of(said):
        member: Any = inspect.getattr_static(kind, name, None)
        if isinstance(member, property):
            return Instance(_bound(returned(member.fget), said))
        if isinstance(member, classmethod | staticmethod):
            return Method(cast("Any", member).__func__, said)
        if inspect.isfunction(member):
            return Method(member, said)
        if name in (fields := getattr(kind, "model_fields", {})):
            return Instance(fields[name].annotation)
        for base in kind.__mro__:
            if name in (annotations := inspect.get_annotations(base)):
                return Instance(_bound(evaluated(annotations[name], base.__module__), said))
    return None


def _called(what: What) -> What:
    match what:
        case Method(function, owner):
            return Instance(_bound(returned(function), owner))
        case Known(type() as kind):
            return Instance(kind)
        case Known(types.MethodType() as method) if is_ours(method):
            return Instance(_bound(returned(method.__func__), type(method.__self__)))
        case Known(types.FunctionType() as free) if is_ours(free):
            return Instance(returned(free))
        case _:
            return None


def _item(of: What, index: ast.expr) -> What:
    match of:
        case Known(value) if type(value) in {list, tuple, dict}:
            try:
                return Known(value[ast.literal_eval(index)])
            except (LookupError, TypeError, ValueError):
                return None
        case Known(value):
            return _item_of(type(value), index)
        case Instance(said):
            found = (_item_of(part, index) for part in _parts(said))
            return next((each for each in found if each is not None), None)
        case _:
            return None


def _item_of(said: Any, index: ast.expr) -> What:
    for kind in classes_of(said):
        model: Any = listed_model(kind)
        if model is not None:
            return Instance(list[model] if isinstance(index, ast.Slice) else model)
        arguments = get_args(said)
        if issubclass(kind, Mapping) and len(arguments) == 2:  # noqa: PLR2004 - of keys and of values
            return Instance(arguments[1])
        if issubclass(kind, Sequence) and arguments:
            return Instance(said if isinstance(index, ast.Slice) else arguments[0])
    return None


def _parts(said: Any) -> list[Any]:
    """Give what a union may be, one by one."""
    if get_origin(said) is Annotated:
        return _parts(get_args(said)[0])
    return list(get_args(said)) if get_origin(said) in {Union, types.UnionType} else [said]


def _bound(said: Any, owner: Any) -> Any:
    """Put into an annotation what its variables stand for in an object of this class."""
    if said is Self:
        return owner
    variables: dict[Any, Any] = {}
    for kind in classes_of(owner):
        model = listed_model(kind)
        if model is not None:
            variables = dict.fromkeys(getattr(QuerySet, "__parameters__", ()), model)
        elif get_args(owner):
            variables = dict(zip(getattr(kind, "__parameters__", ()), get_args(owner), strict=False))
    return _substituted(said, variables)


def _substituted(said: Any, variables: Mapping[Any, Any]) -> Any:
    if isinstance(said, TypeVar):
        return variables.get(said, said)
    mentioned = getattr(said, "__parameters__", ())
    if not mentioned or isinstance(said, type):
        return said
    return said[tuple(variables.get(each, each) for each in mentioned)]
