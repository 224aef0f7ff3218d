"""The `help` of the shell: pages with the filters one by one, and without inherited names that users do not need."""

from __future__ import annotations

import inspect
import pydoc
import re
import sys
import textwrap
from collections.abc import Mapping, Sequence
from enum import Enum
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Union, cast, get_args, get_origin, is_typeddict

from buildkite_orm.shell.annotations import filters_type, is_from_package, typed_dict_fields
from buildkite_orm.utils.introspection import members

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_WIDTH: Final = 100
_INDENT: Final = "    "
_ATTRIBUTES: Final = re.compile(r"\n*^Attributes:\n((?:^ +.*\n?|^\n)+)", re.MULTILINE)
_STARS: Final[dict[Any, str]] = {inspect.Parameter.VAR_KEYWORD: "**", inspect.Parameter.VAR_POSITIONAL: "*"}
_POINTER: Final = re.compile(r"See `(\w+)`")
_ENTRY: Final = re.compile(r"^ {4}(\w+): (.*(?:\n {5,}.*)*)", re.MULTILINE)


class Help:
    """The `help` function of the shell: pages of its own for this package, Python's help for everything else."""

    def __repr__(self) -> str:
        return "help(x) shows the fields and methods of x; help() starts Python's help."

    def __call__(self, *objects: Any) -> None:
        """Show the help page of an object."""
        text = help_page(objects[0]) if objects else None
        if text is None:
            pydoc.help(*objects)
        else:
            pydoc.pager(text)


def help_page(obj: Any) -> str | None:
    """Return the help page of an object of this package; None for other objects.

    Args:
        obj: A class, an object, a function, a method, or a property.
    """
    if isinstance(obj, property):
        return help_page(obj.fget)
    if isinstance(obj, type):
        return _class_page(cast("type[Any]", obj)) if is_from_package(cast("object", obj)) else None
    if inspect.isroutine(obj):
        return _function_page(obj) if is_from_package(obj) else None
    about = help_page(obj.__class__)
    return about and f"{obj!r}\n\n{about}"


def _function_page(function: Any) -> str:
    owner = function.__qualname__.rpartition(".")[0]
    return _join(f"{owner}.{_signature(function)}".removeprefix("."), _doc_with_filters(function))


def _class_page(kind: type[Any]) -> str:
    docs = _attribute_docs(kind)
    if is_typeddict(kind):
        keys = "\n".join(_entries(typed_dict_fields(kind), docs))
        return _join(f"{kind.__name__}, keyword arguments", _class_doc(kind), keys)
    if issubclass(kind, Enum):
        values = "\n".join(f"{name} = {member.value!r}" for name, member in kind.__members__.items())
        return _join(f"{kind.__name__}, an enum", _class_doc(kind), values)
    names, data = members(kind), _data_annotations(kind)
    entries = _entries({name: data[name] for name in data if name in names}, docs)
    others = (inspect.getattr_static(kind, name) for name in sorted(names - data.keys()))
    methods = [_member_entry(other) for other in others if isinstance(other, property) or inspect.isfunction(other)]
    return _join(
        f"{kind.__name__}, in {kind.__module__}",
        _class_doc(kind),
        *(["Fields:", textwrap.indent("\n".join(entries), _INDENT)] if entries else []),
        *(["Relations and methods:", textwrap.indent("\n".join(methods), _INDENT)] if methods else []),
    )


def _data_annotations(kind: type[Any]) -> dict[str, Any]:
    modelled: Mapping[str, Any] = getattr(kind, "model_fields", {})
    declared: Mapping[str, Any] = getattr(kind, "__dataclass_fields__", {})
    return {name: field.annotation for name, field in modelled.items()} | {
        name: field.type for name, field in declared.items()
    }


def _member_entry(member: Any) -> str:
    """Return the signature of a method or property and the first line of its docstring."""
    function: Any = member.fget if isinstance(member, property) else member
    head = _signature(function) if function is member else f"{function.__name__}{_return_text(function)}"
    return f"{head}\n{textwrap.indent(_summary_line(function), _INDENT)}"


def _signature(function: Any) -> str:
    """Return the signature of a function, with the filters by name."""
    parts: list[str] = []
    for name, parameter in inspect.signature(function).parameters.items():
        if name in {"self", "cls"}:
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and "*" not in parts:
            parts.append("*")
        default = "" if parameter.default is parameter.empty else f"={parameter.default!r}"
        stars = _STARS.get(parameter.kind, "")
        known = typed_dict_fields(filters_type(function)) if stars == "**" else {}
        parts += [*([] if "*" in parts or not known else ["*"]), *(f"{key}=…" for key in known)]
        parts += [] if known else [f"{stars}{name}{default}"]
    whole = f"{function.__name__}({', '.join(parts)}){_return_text(function)}"
    return textwrap.fill(whole, _WIDTH, subsequent_indent=_INDENT, break_long_words=False)


def _return_text(function: Any) -> str:
    annotation = inspect.get_annotations(function).get("return")
    return f" -> {annotation}" if isinstance(annotation, str) else ""


def _doc_with_filters(function: Any) -> str:
    """Return a docstring with the filters one by one, in place of the reference to their class."""
    doc = inspect.getdoc(function) or ""
    kind = filters_type(function)
    if kind is None:
        return doc
    lines = textwrap.indent("\n".join(_entries(typed_dict_fields(kind), _attribute_docs(kind))), _INDENT)
    pointer = re.compile(rf"^ {{4}}\w+: See `{kind.__name__}`\.$", re.MULTILINE)
    written, count = pointer.subn(lambda _: lines, doc)
    return written if count else f"{doc}\n\nArgs:\n{lines}"


def _class_doc(kind: type[Any]) -> str:
    """Return the docstring of a class without its attributes."""
    own = vars(kind).get("__doc__") or ""
    return _ATTRIBUTES.sub("\n\n", inspect.cleandoc(own)).strip()


def _attribute_docs(kind: type[Any]) -> dict[str, str]:
    """Return the descriptions of attributes from the docstrings of a class and its bases."""
    found: dict[str, str] = {}
    for base in (*kind.__mro__, *(_base_typed_dicts(kind) if is_typeddict(kind) else ())):
        doc = f"{inspect.cleandoc(vars(base).get('__doc__') or '')}\n"
        entries = (entry for block in _ATTRIBUTES.finditer(doc) for entry in _ENTRY.finditer(block[1]))
        for entry in entries:
            found.setdefault(entry[1], " ".join(entry[2].split()))
    return found


def _base_typed_dicts(kind: type[Any]) -> Iterator[type[Any]]:
    """Yield the TypedDicts that one refers to or extends; a TypedDict does not know its bases."""
    referred = _POINTER.findall(kind.__doc__ or "")
    for name, other in vars(sys.modules[kind.__module__]).items():
        if is_typeddict(other) and (
            name in referred or typed_dict_fields(other).keys() < typed_dict_fields(kind).keys()
        ):
            yield other


def _entries(annotations: Mapping[str, Any], docs: Mapping[str, str]) -> list[str]:
    return [_entry(name, annotation, docs.get(name, "")) for name, annotation in annotations.items()]


def _entry(name: str, annotation: Any, meaning: str) -> str:
    head = textwrap.fill(f"{name}: {_annotation_text(annotation)}", _WIDTH, subsequent_indent=_INDENT * 2)
    body = textwrap.indent(textwrap.fill(meaning, _WIDTH), _INDENT)
    return f"{head}\n{body}" if body else head


def _annotation_text(annotation: Any) -> str:
    """Return an annotation for people: the strings of a literal, and `several` if it takes a sequence too."""
    if isinstance(annotation, str):
        return annotation
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _annotation_text(arguments[0])
    if origin is Literal:
        return ", ".join(repr(value) for value in arguments)
    if origin in {Union, UnionType}:
        return _union(arguments)
    if arguments and isinstance(origin, type):
        return f"{origin.__name__}[{', '.join(map(_annotation_text, arguments))}]"
    return (
        "None" if annotation is NoneType else getattr(annotation, "__name__", str(annotation).removeprefix("typing."))
    )


def _union(parts: Iterable[Any]) -> str:
    single = [part for part in parts if get_origin(part) is not Sequence]
    several = [part for part in parts if get_origin(part) is Sequence]
    words = [_annotation_text(part) for part in single]
    is_of_same = bool(words) and all(_annotation_text(get_args(part)[0]) == _union(single) for part in several)
    return " | ".join(words if is_of_same else [_annotation_text(part) for part in parts]) + (
        ", or several" if several and is_of_same else ""
    )


def _summary_line(function: Any) -> str:
    return (inspect.getdoc(function) or "").partition("\n")[0]


def _join(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part) + "\n"
