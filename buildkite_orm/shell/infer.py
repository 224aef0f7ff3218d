"""Infers the type of an expression from annotations; nothing is called, and no property is read."""

from __future__ import annotations

import ast
import inspect
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeVar, Union, cast, get_args, get_origin

from buildkite_orm.models.deferred import Deferred
from buildkite_orm.querysets.queryset import QuerySet, listed_model
from buildkite_orm.shell.annotations import PACKAGE, evaluate, is_from_package, return_annotation

if TYPE_CHECKING:
    from typing import TypeAlias


@dataclass(frozen=True)
class Value:
    """A value that exists in the namespace."""

    value: Any


@dataclass(frozen=True)
class Instance:
    """An object of which only the annotation is known."""

    annotation: Any


@dataclass(frozen=True)
class Method:
    """A function, and the class of the object that it is called on."""

    function: Any
    owner: Any = None


Inferred: TypeAlias = Value | Instance | Method | None


def infer(source: str, names: Mapping[str, object]) -> Inferred:
    """Infer what an expression is.

    Args:
        source: The expression.
        names: The namespace.
    """
    try:
        tree = ast.parse(f"({source})", mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return _infer(tree.body, names)


def classes_in(annotation: Any) -> list[type[Any]]:
    """Return the classes that an annotation allows, without None."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return classes_in(get_args(annotation)[0])
    if origin in {Union, types.UnionType}:
        return [kind for part in get_args(annotation) for kind in classes_in(part)]
    if origin is Literal:
        return list({value.__class__: None for value in get_args(annotation)})
    kind = origin or annotation
    return [kind] if isinstance(kind, type) and kind is not types.NoneType else []


def _infer(node: ast.expr, names: Mapping[str, object]) -> Inferred:
    match node:
        case ast.Name(id=name) if name in names:
            return Value(names[name])
        case ast.Constant(value=value):
            return Value(value)
        case ast.Attribute(value=value, attr=name):
            return _infer_attribute(_infer(value, names), name)
        case ast.Call(func=function):
            return _infer_call(_infer(function, names))
        case ast.Subscript(value=value, slice=index):
            return _infer_item(_infer(value, names), index)
        case _:
            return None


def _infer_attribute(subject: Inferred, name: str) -> Inferred:
    match subject:
        case Value(types.ModuleType() as module):
            is_there = name in vars(module) or module.__name__ == PACKAGE
            return Value(getattr(module, name, None)) if is_there else None
        case Value(type() as kind):
            return _class_attribute(kind, name)
        case Value(value):
            attributes: dict[str, Any] = getattr(value, "__dict__", {})
            is_known = name in attributes and not isinstance(attributes[name], Deferred)
            return Value(attributes[name]) if is_known else _instance_attribute(type(value), name)
        case Instance(annotation):
            found = (_instance_attribute(part, name) for part in _union_members(annotation))
            return next((each for each in found if each is not None), None)
        case _:
            return None


def _class_attribute(kind: type[Any], name: str) -> Inferred:
    member: Any = inspect.getattr_static(kind, name, None)
    if isinstance(member, classmethod):
        return Method(cast("Any", member).__func__, kind)
    if inspect.isfunction(member):
        return Method(member, kind)
    return None if member is None else Value(member)


def _instance_attribute(annotation: Any, name: str) -> Inferred:
    """Infer an attribute of an object with this annotation."""
    for kind in classes_in(annotation):
        member: Any = inspect.getattr_static(kind, name, None)
        if isinstance(member, property):
            return Instance(_substitute(return_annotation(member.fget), annotation))
        if isinstance(member, classmethod | staticmethod):
            return Method(cast("Any", member).__func__, annotation)
        if inspect.isfunction(member):
            return Method(member, annotation)
        if name in (fields := getattr(kind, "model_fields", {})):
            return Instance(fields[name].annotation)
        for base in kind.__mro__:
            if name in (annotations := inspect.get_annotations(base)):
                return Instance(_substitute(evaluate(annotations[name], base.__module__), annotation))
    return None


def _infer_call(subject: Inferred) -> Inferred:
    match subject:
        case Method(function, owner):
            return Instance(_substitute(return_annotation(function), owner))
        case Value(type() as kind):
            return Instance(kind)
        case Value(types.MethodType() as method) if is_from_package(method):
            return Instance(_substitute(return_annotation(method.__func__), type(method.__self__)))
        case Value(types.FunctionType() as free) if is_from_package(free):
            return Instance(return_annotation(free))
        case _:
            return None


def _infer_item(subject: Inferred, index: ast.expr) -> Inferred:
    match subject:
        case Value(value) if type(value) in {list, tuple, dict}:
            try:
                return Value(value[ast.literal_eval(index)])
            except (LookupError, TypeError, ValueError):
                return None
        case Value(value):
            return _item_of_type(type(value), index)
        case Instance(annotation):
            found = (_item_of_type(part, index) for part in _union_members(annotation))
            return next((each for each in found if each is not None), None)
        case _:
            return None


def _item_of_type(annotation: Any, index: ast.expr) -> Inferred:
    for kind in classes_in(annotation):
        model: Any = listed_model(kind)
        if model is not None:
            return Instance(list[model] if isinstance(index, ast.Slice) else model)
        arguments = get_args(annotation)
        if issubclass(kind, Mapping) and len(arguments) == 2:  # noqa: PLR2004 - keys and values
            return Instance(arguments[1])
        if issubclass(kind, Sequence) and arguments:
            return Instance(annotation if isinstance(index, ast.Slice) else arguments[0])
    return None


def _union_members(annotation: Any) -> list[Any]:
    """Return the members of a union; other annotations alone."""
    if get_origin(annotation) is Annotated:
        return _union_members(get_args(annotation)[0])
    return list(get_args(annotation)) if get_origin(annotation) in {Union, types.UnionType} else [annotation]


def _substitute(annotation: Any, owner: Any) -> Any:
    """Replace `Self` and type variables in an annotation by what they are for this owner."""
    if annotation is Self:
        return owner
    variables: dict[Any, Any] = {}
    for kind in classes_in(owner):
        model = listed_model(kind)
        if model is not None:
            variables = dict.fromkeys(getattr(QuerySet, "__parameters__", ()), model)
        elif get_args(owner):
            variables = dict(zip(getattr(kind, "__parameters__", ()), get_args(owner), strict=False))
    return _replace_variables(annotation, variables)


def _replace_variables(annotation: Any, variables: Mapping[Any, Any]) -> Any:
    if isinstance(annotation, TypeVar):
        return variables.get(annotation, annotation)
    mentioned = getattr(annotation, "__parameters__", ())
    if not mentioned or isinstance(annotation, type):
        return annotation
    return annotation[tuple(variables.get(each, each) for each in mentioned)]
