"""What the annotations of the package say, also where only type checkers see what they name."""

from __future__ import annotations

import ast
import inspect
import sys
from contextlib import suppress
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, ForwardRef, get_args, is_typeddict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PACKAGE = "buildkite_orm"


def is_ours(thing: object) -> bool:
    """Tell whether a class, function or module is one of this package."""
    home = getattr(thing, "__module__", None) or getattr(thing, "__name__", None)
    return isinstance(home, str) and f"{home}.".startswith(f"{PACKAGE}.")


def evaluated(annotation: Any, module: str | None) -> Any:
    """Give what an annotation means; `Any` where that cannot be said.

    Args:
        annotation: As it is written, or what it means already.
        module: The name of the module that it stands in.
    """
    if isinstance(annotation, ForwardRef):
        module = annotation.__forward_module__ or module
        annotation = annotation.__forward_arg__
    if not isinstance(annotation, str):
        return annotation
    try:
        return eval(annotation, dict(_names(module)))  # noqa: S307 - it stands in this package
    except (AttributeError, NameError, SyntaxError, TypeError):
        return Any


@cache
def keywords(function: Any) -> Mapping[str, Any]:
    """Give the annotations of what a function or class takes by name, with the keys of a TypedDict one by one."""
    found: dict[str, Any] = {}
    for name, parameter in _parameters(function).items():
        said = evaluated(parameter.annotation, _home_of(function))
        if parameter.kind is parameter.VAR_KEYWORD:
            found.update(fields(_unpacked(said)))
        elif parameter.kind not in {parameter.VAR_POSITIONAL, parameter.POSITIONAL_ONLY}:
            found[name] = said
    return found


def takes_by_place(function: Any) -> bool:
    """Tell whether a function or class takes anything by its place."""
    by_name = {inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD}
    return any(parameter.kind not in by_name for parameter in _parameters(function).values())


def filters_of(function: Any) -> type[Any] | None:
    """Give the TypedDict whose keys a function takes; None where it takes none."""
    for parameter in _parameters(function).values():
        if parameter.kind is parameter.VAR_KEYWORD:
            said = _unpacked(evaluated(parameter.annotation, _home_of(function)))
            return said if is_typeddict(said) else None
    return None


def fields(kind: Any) -> dict[str, Any]:
    """Give the annotations of a TypedDict's keys."""
    if not is_typeddict(kind):
        return {}
    return {name: evaluated(said, kind.__module__) for name, said in inspect.get_annotations(kind).items()}


def returned(function: Any) -> Any:
    """Give what a function is annotated to return."""
    return evaluated(inspect.get_annotations(function).get("return", Any), _home_of(function))


def _parameters(function: Any) -> Mapping[str, inspect.Parameter]:
    """Give the parameters without that of the object; none where there is no telling."""
    method = inspect.unwrap(function.__init__ if inspect.isclass(function) else function)
    try:
        parameters = dict(inspect.signature(method).parameters)
    except (TypeError, ValueError):
        return {}
    return {name: each for name, each in parameters.items() if name not in {"self", "cls"}}


def _home_of(function: Any) -> str | None:
    return getattr(function, "__module__", None)


def _unpacked(annotation: Any) -> Any:
    return next(iter(get_args(annotation)), annotation)


@cache
def _names(module: str | None) -> dict[str, Any]:
    """Give the names of a module, with those that it imports for type checkers only."""
    home = sys.modules.get(module or "")
    if home is None:
        return {}
    unseen: dict[str, Any] = {}
    with suppress(OSError, TypeError):
        for node in _for_type_checkers(ast.parse(inspect.getsource(home))):
            for alias in node.names:
                with suppress(AttributeError, ImportError):
                    unseen[alias.asname or alias.name] = getattr(import_module(node.module or ""), alias.name)
    return {**unseen, **vars(home)}


def _for_type_checkers(tree: ast.Module) -> Iterator[ast.ImportFrom]:
    for node in tree.body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            yield from (each for each in node.body if isinstance(each, ast.ImportFrom))
