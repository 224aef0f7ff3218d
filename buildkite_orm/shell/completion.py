"""Completion of members, keyword arguments and their values, by annotations.

No code of the user is evaluated, so that completion never sends a request.
"""

from __future__ import annotations

import builtins
import inspect
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from buildkite_orm.client import Buildkite
from buildkite_orm.models.ref import Ref
from buildkite_orm.shell.annotations import is_from_package, keyword_annotations, return_annotation, takes_positional
from buildkite_orm.shell.infer import Instance, Method, Value, classes_in, infer
from buildkite_orm.shell.input_parser import parse_target
from buildkite_orm.utils.introspection import members

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from buildkite_orm.shell.infer import Inferred
    from buildkite_orm.shell.input_parser import Target
    from buildkite_orm.shell.seen_keys import SeenKeys


@dataclass(frozen=True)
class Completions:
    """The completions of a prefix.

    Attributes:
        prefix: The text before the cursor that is to be completed.
        texts: The completions, which begin with the prefix.
        kind: What they are, for display.
    """

    prefix: str
    texts: list[str]
    kind: str = "member"


def complete(text: str, names: Mapping[str, object], seen: SeenKeys | None = None) -> Completions | None:
    """Return the completions at the end of a text; None if there are none, so that other completers apply.

    Args:
        text: The text before the cursor.
        names: The namespace.
        seen: The keys that were loaded in the shell.
    """
    target = parse_target(text)
    if target is None:
        return None
    texts = [each for each in _candidates(target, names, seen) if each.startswith(target.prefix)]
    return Completions(target.prefix, texts, target.kind) if texts else None


def _candidates(target: Target, names: Mapping[str, object], seen: SeenKeys | None) -> list[str]:
    subject = infer(target.subject, names)
    if target.kind == "member":
        return sorted(_members(subject), key=lambda name: (name.startswith("_"), name))
    if target.kind == "comparison":
        return (
            _values(subject.annotation, target.quote)
            if isinstance(subject, Instance)
            else _comparable_values(subject, target)
        )
    function = _callable(subject)
    if function is None:
        return []
    if target.kind == "argument":
        arguments = [f"{name}=" for name in keyword_annotations(function) if name not in target.used]
        return arguments + (_global_names(names) if target.prefix and takes_positional(function) else [])
    return _values(_argument_annotation(function, target.argument), target.quote) or _keys(function, target, seen)


def _keys(function: Any, target: Target, seen: SeenKeys | None) -> list[str]:
    """Return the keys that a function takes, inside quotation marks: it returns the ref of one."""
    if seen is None or not target.quote or target.argument is not None or not takes_positional(function):
        return []
    refs = [kind for kind in classes_in(return_annotation(function)) if issubclass(kind, Ref)]
    if len(refs) != 1:
        return []
    return seen.paths_of(refs[0]) if function is Buildkite.pipeline else seen.of(refs[0])


def _members(subject: Inferred) -> Iterable[str]:
    match subject:
        case Value(type() as kind) if is_from_package(kind):
            return _class_members(kind)
        case Value(value) if is_from_package(value.__class__):
            return [name for name in dir(value) if not name.startswith("_")]
        case Instance(annotation):
            return {name for kind in classes_in(annotation) for name in _instance_members(kind)}
        case _:
            return []


def _class_members(kind: type[Any]) -> Iterable[str]:
    """Return the members of an enum, or the public attributes of a class, without deprecated ones of pydantic."""
    if issubclass(kind, Enum):
        return kind.__members__
    from_pydantic = {name for base in kind.__mro__ if base.__module__.startswith("pydantic") for name in vars(base)}
    return [name for name in dir(kind) if not name.startswith("_") and (name not in from_pydantic or "model_" in name)]


def _instance_members(kind: type[Any]) -> Iterable[str]:
    return members(kind) if is_from_package(kind) else [name for name in dir(kind) if not name.startswith("_")]


def _callable(subject: Inferred) -> Any:
    match subject:
        case Method(function, _):
            return function
        case Value(value) if callable(value) and is_from_package(value):
            return value
        case _:
            return None


def _argument_annotation(function: Any, argument: str | None) -> Any:
    """Return the annotation of an argument; that of the first one if there is no name."""
    if argument is None and inspect.isclass(function) and issubclass(function, Enum):
        return function
    known = keyword_annotations(function)
    if argument is not None:
        return known.get(argument)
    return next(iter(known.values()), None) if takes_positional(function) else None


def _values(annotation: Any, quote: str) -> list[str]:
    """Return the values of an annotation: its literals, else those of its enums, else `True` and `False` for bool."""
    enumerated = [value for kind in classes_in(annotation) for value in _enum_values(kind)]
    strings = list(dict.fromkeys(_literal_values(annotation) or enumerated))
    if strings:
        return [value if quote else f'"{value}"' for value in strings]
    return ["True", "False"] if bool in classes_in(annotation) and not quote else []


def _comparable_values(subject: Inferred, target: Target) -> list[str]:
    match subject:
        case Value(Enum() as member):
            return _values(type(member), target.quote)
        case _:
            return []


def _literal_values(annotation: Any) -> list[str]:
    if get_origin(annotation) is Literal:
        return [value for value in get_args(annotation) if isinstance(value, str)]
    return [value for part in get_args(annotation) for value in _literal_values(part)]


def _enum_values(kind: type[Any]) -> list[str]:
    return [str(member.value) for member in kind] if issubclass(kind, Enum) else []


def _global_names(names: Mapping[str, object]) -> list[str]:
    """Return the names of the namespace, for a positional argument."""
    return sorted({*names, *vars(builtins)})
