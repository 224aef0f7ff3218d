"""What Tab offers: members by what annotations tell, filters by their names, and the values that a filter has.

Nothing is evaluated, so no Tab costs a request.
"""

from __future__ import annotations

import builtins
import inspect
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from buildkite_orm.shell.annotations import is_ours, keywords, takes_by_place
from buildkite_orm.shell.infer import Instance, Known, Method, classes_of, what_is
from buildkite_orm.shell.input_parser import question_at_end
from buildkite_orm.utils.introspection import members

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from buildkite_orm.shell.infer import What
    from buildkite_orm.shell.input_parser import Question


@dataclass(frozen=True)
class Offer:
    """What may stand in the place of what is begun.

    Attributes:
        begun: What is there already.
        texts: What may stand there, all of it beginning so.
        kind: What that is, in a word.
    """

    begun: str
    texts: list[str]
    kind: str = "member"


def complete(text: str, names: Mapping[str, object]) -> Offer | None:
    """Tell how a text may go on; None where this knows nothing, and others may.

    Args:
        text: What stands before the cursor.
        names: What the names in it stand for.
    """
    question = question_at_end(text)
    if question is None:
        return None
    texts = [each for each in _answers(question, names) if each.startswith(question.begun)]
    return Offer(question.begun, texts, question.about) if texts else None


def _answers(question: Question, names: Mapping[str, object]) -> list[str]:
    subject = what_is(question.subject, names)
    if question.about == "member":
        return sorted(_members(subject), key=lambda name: (name.startswith("_"), name))
    if question.about == "comparison":
        return _values(subject.said, question.quote) if isinstance(subject, Instance) else _like(subject, question)
    function = _callable(subject)
    if function is None:
        return []
    if question.about == "argument":
        arguments = [f"{name}=" for name in keywords(function) if name not in question.taken]
        return arguments + (_plain(names) if question.begun and takes_by_place(function) else [])
    return _values(_said_of(function, question.argument), question.quote)


def _members(of: What) -> Iterable[str]:
    match of:
        case Known(type() as kind) if is_ours(kind):
            return _of_class(kind)
        case Known(value) if is_ours(value.__class__):
            return [name for name in dir(value) if not name.startswith("_")]
        case Instance(said):
            return {name for kind in classes_of(said) for name in _public(kind)}
        case _:
            return []


def _of_class(kind: type[Any]) -> Iterable[str]:
    """Give the members of an enum, or what a class itself offers; of pydantic, what it goes by today."""
    if issubclass(kind, Enum):
        return kind.__members__
    brought = {name for base in kind.__mro__ if base.__module__.startswith("pydantic") for name in vars(base)}
    return [name for name in dir(kind) if not name.startswith("_") and (name not in brought or "model_" in name)]


def _public(kind: type[Any]) -> Iterable[str]:
    return members(kind) if is_ours(kind) else [name for name in dir(kind) if not name.startswith("_")]


def _callable(subject: What) -> Any:
    match subject:
        case Method(function, _):
            return function
        case Known(value) if callable(value) and is_ours(value):
            return value
        case _:
            return None


def _said_of(function: Any, argument: str | None) -> Any:
    """Give the annotation of an argument; that of the first where there is no name."""
    if argument is None and inspect.isclass(function) and issubclass(function, Enum):
        return function
    known = keywords(function)
    if argument is not None:
        return known.get(argument)
    return next(iter(known.values()), None) if takes_by_place(function) else None


def _values(said: Any, quote: str) -> list[str]:
    """Give the values that an annotation names: those of its literals, else those of its enums; or true and false."""
    enumerated = [value for kind in classes_of(said) for value in _enumerated(kind)]
    strings = list(dict.fromkeys(_literals(said) or enumerated))
    if strings:
        return [value if quote else f'"{value}"' for value in strings]
    return ["True", "False"] if bool in classes_of(said) and not quote else []


def _like(subject: What, question: Question) -> list[str]:
    match subject:
        case Known(Enum() as member):
            return _values(type(member), question.quote)
        case _:
            return []


def _literals(said: Any) -> list[str]:
    if get_origin(said) is Literal:
        return [value for value in get_args(said) if isinstance(value, str)]
    return [value for part in get_args(said) for value in _literals(part)]


def _enumerated(kind: type[Any]) -> list[str]:
    return [str(member.value) for member in kind] if issubclass(kind, Enum) else []


def _plain(names: Mapping[str, object]) -> list[str]:
    """Give the names that there are, for an argument that is given by its place."""
    return sorted({*names, *vars(builtins)})
