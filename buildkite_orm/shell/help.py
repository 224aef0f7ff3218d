"""`help` as the shell has it: a page that names the filters, and leaves out what a class has from elsewhere."""

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

from buildkite_orm.shell.annotations import fields, filters_of, is_ours
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
    """What `help` is in the shell: of anything of Buildkite a page of its own, of all else the usual one."""

    def __repr__(self) -> str:
        return "help(x) tells what x is and what can be done with it; help() is the help of Python."

    def __call__(self, *things: Any) -> None:
        """Show the page of a thing."""
        text = page(things[0]) if things else None
        if text is None:
            pydoc.help(*things)
        else:
            pydoc.pager(text)


def page(thing: Any) -> str | None:
    """Write the page of a thing of this package; None where it is none.

    Args:
        thing: A class, an object, a function, a method, or a property.
    """
    if isinstance(thing, property):
        return page(thing.fget)
    if isinstance(thing, type):
        return _page_of_class(cast("type[Any]", thing)) if is_ours(cast("object", thing)) else None
    if inspect.isroutine(thing):
        return _page_of_function(thing) if is_ours(thing) else None
    about = page(thing.__class__)
    return about and f"{thing!r}\n\n{about}"


def _page_of_function(function: Any) -> str:
    owner = function.__qualname__.rpartition(".")[0]
    return _joined(f"{owner}.{_signature(function)}".removeprefix("."), _with_filters(function))


def _page_of_class(kind: type[Any]) -> str:
    told = _told(kind)
    if is_typeddict(kind):
        keys = "\n".join(_entries(fields(kind), told))
        return _joined(f"{kind.__name__}, arguments by name", _prose(kind), keys)
    if issubclass(kind, Enum):
        values = "\n".join(f"{name} = {member.value!r}" for name, member in kind.__members__.items())
        return _joined(f"{kind.__name__}, one of several", _prose(kind), values)
    names, data = members(kind), _data_of(kind)
    entries = _entries({name: data[name] for name in data if name in names}, told)
    others = (inspect.getattr_static(kind, name) for name in sorted(names - data.keys()))
    verbs = [_line_of(other) for other in others if isinstance(other, property) or inspect.isfunction(other)]
    return _joined(
        f"{kind.__name__}, in {kind.__module__}",
        _prose(kind),
        *(["Data:", textwrap.indent("\n".join(entries), _INDENT)] if entries else []),
        *(["Relations and verbs:", textwrap.indent("\n".join(verbs), _INDENT)] if verbs else []),
    )


def _data_of(kind: type[Any]) -> dict[str, Any]:
    modelled: Mapping[str, Any] = getattr(kind, "model_fields", {})
    declared: Mapping[str, Any] = getattr(kind, "__dataclass_fields__", {})
    return {name: field.annotation for name, field in modelled.items()} | {
        name: field.type for name, field in declared.items()
    }


def _line_of(member: Any) -> str:
    """Write what a method or property is called with, and the first sentence of what it does."""
    function: Any = member.fget if isinstance(member, property) else member
    head = _signature(function) if function is member else f"{function.__name__}{_answer(function)}"
    return f"{head}\n{textwrap.indent(_first(function), _INDENT)}"


def _signature(function: Any) -> str:
    """Write what a function is called with: the filters by their names, and what it gives."""
    parts: list[str] = []
    for name, parameter in inspect.signature(function).parameters.items():
        if name in {"self", "cls"}:
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and "*" not in parts:
            parts.append("*")
        default = "" if parameter.default is parameter.empty else f"={parameter.default!r}"
        stars = _STARS.get(parameter.kind, "")
        known = fields(filters_of(function)) if stars == "**" else {}
        parts += [*([] if "*" in parts or not known else ["*"]), *(f"{key}=…" for key in known)]
        parts += [] if known else [f"{stars}{name}{default}"]
    whole = f"{function.__name__}({', '.join(parts)}){_answer(function)}"
    return textwrap.fill(whole, _WIDTH, subsequent_indent=_INDENT, break_long_words=False)


def _answer(function: Any) -> str:
    said = inspect.get_annotations(function).get("return")
    return f" -> {said}" if isinstance(said, str) else ""


def _with_filters(function: Any) -> str:
    """Give a docstring with the filters one by one, in the place of what points to them."""
    doc = inspect.getdoc(function) or ""
    kind = filters_of(function)
    if kind is None:
        return doc
    lines = textwrap.indent("\n".join(_entries(fields(kind), _told(kind))), _INDENT)
    pointer = re.compile(rf"^ {{4}}\w+: See `{kind.__name__}`\.$", re.MULTILINE)
    written, count = pointer.subn(lambda _: lines, doc)
    return written if count else f"{doc}\n\nArgs:\n{lines}"


def _prose(kind: type[Any]) -> str:
    """Give what a class says of itself, but for its attributes."""
    own = vars(kind).get("__doc__") or ""
    return _ATTRIBUTES.sub("\n\n", inspect.cleandoc(own)).strip()


def _told(kind: type[Any]) -> dict[str, str]:
    """Give what a class and those that it stands on say of their attributes."""
    found: dict[str, str] = {}
    for base in (*kind.__mro__, *(_stood_on(kind) if is_typeddict(kind) else ())):
        doc = f"{inspect.cleandoc(vars(base).get('__doc__') or '')}\n"
        entries = (entry for block in _ATTRIBUTES.finditer(doc) for entry in _ENTRY.finditer(block[1]))
        for entry in entries:
            found.setdefault(entry[1], " ".join(entry[2].split()))
    return found


def _stood_on(kind: type[Any]) -> Iterator[type[Any]]:
    """Give the TypedDicts that one points to, and those that it has all keys of: it does not know its own bases."""
    pointed_to = _POINTER.findall(kind.__doc__ or "")
    for name, other in vars(sys.modules[kind.__module__]).items():
        if is_typeddict(other) and (name in pointed_to or fields(other).keys() < fields(kind).keys()):
            yield other


def _entries(annotations: Mapping[str, Any], told: Mapping[str, str]) -> list[str]:
    return [_entry(name, said, told.get(name, "")) for name, said in annotations.items()]


def _entry(name: str, said: Any, meaning: str) -> str:
    head = textwrap.fill(f"{name}: {_words(said)}", _WIDTH, subsequent_indent=_INDENT * 2)
    body = textwrap.indent(textwrap.fill(meaning, _WIDTH), _INDENT)
    return f"{head}\n{body}" if body else head


def _words(said: Any) -> str:
    """Write an annotation for people: the strings that it names, and `several` where it takes a sequence too."""
    if isinstance(said, str):
        return said
    origin, arguments = get_origin(said), get_args(said)
    if origin is Annotated:
        return _words(arguments[0])
    if origin is Literal:
        return ", ".join(repr(value) for value in arguments)
    if origin in {Union, UnionType}:
        return _union(arguments)
    if arguments and isinstance(origin, type):
        return f"{origin.__name__}[{', '.join(map(_words, arguments))}]"
    return "None" if said is NoneType else getattr(said, "__name__", str(said).removeprefix("typing."))


def _union(parts: Iterable[Any]) -> str:
    single = [part for part in parts if get_origin(part) is not Sequence]
    several = [part for part in parts if get_origin(part) is Sequence]
    words = [_words(part) for part in single]
    is_of_same = bool(words) and all(_words(get_args(part)[0]) == _union(single) for part in several)
    return " | ".join(words if is_of_same else [_words(part) for part in parts]) + (
        ", or several" if several and is_of_same else ""
    )


def _first(function: Any) -> str:
    return (inspect.getdoc(function) or "").partition("\n")[0]


def _joined(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part) + "\n"
