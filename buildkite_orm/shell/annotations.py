"""The annotations of this package, with names that are imported for type checkers only."""

from __future__ import annotations

import ast
import inspect
import sys
from contextlib import suppress
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, ForwardRef, get_args, get_overloads, is_typeddict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PACKAGE = "buildkite_orm"


def is_from_package(obj: object) -> bool:
    """Whether a class, function or module is from this package."""
    module = getattr(obj, "__module__", None) or getattr(obj, "__name__", None)
    return isinstance(module, str) and f"{module}.".startswith(f"{PACKAGE}.")


def evaluate(annotation: Any, module: str | None) -> Any:
    """Evaluate an annotation; return `Any` if that fails.

    Args:
        annotation: The annotation, as a string or already evaluated.
        module: The name of the module that contains it.
    """
    if isinstance(annotation, ForwardRef):
        module = annotation.__forward_module__ or module
        annotation = annotation.__forward_arg__
    if not isinstance(annotation, str):
        return annotation
    try:
        return eval(annotation, dict(_module_names(module)))  # noqa: S307 - annotations of this package
    except (AttributeError, NameError, SyntaxError, TypeError):
        return Any


@cache
def keyword_annotations(function: Any) -> Mapping[str, Any]:
    """Return the annotations of the keyword arguments of a function or class; a TypedDict counts as its keys."""
    found: dict[str, Any] = {}
    for name, parameter in _parameters(function).items():
        annotation = evaluate(parameter.annotation, _module_of(function))
        if parameter.kind is parameter.VAR_KEYWORD:
            found.update(typed_dict_fields(_unpack(annotation)))
        elif parameter.kind not in {parameter.VAR_POSITIONAL, parameter.POSITIONAL_ONLY}:
            found[name] = annotation
    return found


def takes_positional(function: Any) -> bool:
    """Whether a function or class takes positional arguments."""
    by_name = {inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD}
    return any(parameter.kind not in by_name for parameter in _parameters(function).values())


def filters_type(function: Any) -> type[Any] | None:
    """Return the TypedDict whose keys a function takes as keyword arguments; None if it has none."""
    for parameter in _parameters(function).values():
        if parameter.kind is parameter.VAR_KEYWORD:
            annotation = _unpack(evaluate(parameter.annotation, _module_of(function)))
            return annotation if is_typeddict(annotation) else None
    return None


def typed_dict_fields(kind: Any) -> dict[str, Any]:
    """Return the annotations of the keys of a TypedDict; empty for other types."""
    if not is_typeddict(kind):
        return {}
    return {name: evaluate(annotation, kind.__module__) for name, annotation in inspect.get_annotations(kind).items()}


def return_annotation(function: Any) -> Any:
    """Return the return annotation of a function; that of its first overload, if it has overloads."""
    declared = next(iter(get_overloads(function)), function)
    return evaluate(inspect.get_annotations(declared).get("return", Any), _module_of(function))


def _parameters(function: Any) -> Mapping[str, inspect.Parameter]:
    """Return the parameters without `self` or `cls`; empty if there is no signature."""
    method = inspect.unwrap(function.__init__ if inspect.isclass(function) else function)
    try:
        parameters = dict(inspect.signature(method).parameters)
    except (TypeError, ValueError):
        return {}
    return {name: each for name, each in parameters.items() if name not in {"self", "cls"}}


def _module_of(function: Any) -> str | None:
    return getattr(function, "__module__", None)


def _unpack(annotation: Any) -> Any:
    return next(iter(get_args(annotation)), annotation)


@cache
def _module_names(module: str | None) -> dict[str, Any]:
    """Return the names of a module, with those that it imports for type checkers only."""
    source = sys.modules.get(module or "")
    if source is None:
        return {}
    for_type_checkers: dict[str, Any] = {}
    with suppress(OSError, TypeError):
        for node in _type_checking_imports(ast.parse(inspect.getsource(source))):
            for alias in node.names:
                with suppress(AttributeError, ImportError):
                    for_type_checkers[alias.asname or alias.name] = getattr(
                        import_module(node.module or ""), alias.name
                    )
    return {**for_type_checkers, **vars(source)}


def _type_checking_imports(tree: ast.Module) -> Iterator[ast.ImportFrom]:
    for node in tree.body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            yield from (each for each in node.body if isinstance(each, ast.ImportFrom))
