"""From the library's docstrings to pages: fields as a table, names as links, and nothing of what pydantic adds."""

from __future__ import annotations

import enum
import inspect
import re
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sphinx.addnodes import pending_xref
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

REFERENCE: Final = Path(__file__).parent / "reference"
_ENTRY = re.compile(r"^\.\. (currentmodule|auto\w+|py:type):: (\S+)$", re.MULTILINE)
_COLON: Final = "\ue000"
_MARKED = re.compile(r"(?<![`\w])`(?P<code>[^`\n]+)`(?!`)|(?P<url>https?://[^\s)]*[^\s).,;:])")
_FIELD = re.compile(r" {4}(\w+): (.*)")


def listed() -> list[str]:
    """Give the full names of what the reference has."""
    found: list[str] = []
    for page in sorted(REFERENCE.glob("*.rst")):
        module = ""
        for directive, name in _ENTRY.findall(page.read_text(encoding="utf-8")):
            if directive == "currentmodule":
                module = name
            else:
                found.append(name if name.startswith("buildkite_orm.") else f"{module}.{name}")
    return found


@cache
def documented() -> dict[str, str]:
    """Give the full name of each name that has a place in the reference; of several, the shortest."""
    return {full.rpartition(".")[2]: full for full in sorted(listed(), key=len, reverse=True)}


# -- what autodoc asks


def skipped(_app: Sphinx, _what: str, name: str, member: object, _skip: bool, _options: object) -> bool | None:  # noqa: FBT001
    """Leave out what is no method or property: fields are in a table, and the rest is the library's own."""
    if name in _OWN:
        return True
    if inspect.isfunction(member) or isinstance(member, classmethod | staticmethod | property):
        return None
    return not inspect.ismethod(member)


# What classes of the library tell it about themselves.
_OWN: Final = frozenset(
    {
        "announce",
        "append",
        "at",
        "bind",
        "class_for",
        "concerns",
        "follow",
        "in_time",
        "listed_as",
        "loaded_next",
        "model_post_init",
        "model_validate",
        "model_validate_json",
        "note_drift",
        "of",
        "persist",
        "rebind",
        "step",
        "take",
    }
)


# What users make themselves.
_MADE_BY_HAND: Final = frozenset(
    {
        "Buildkite",
        "FakeBuildkite",
        "LogText",
        "ManualClock",
        "PublicKeyAuth",
        "RetryPolicy",
    }
)


def signature_shown(
    _app: Sphinx, what: str, name: str, _thing: object, _options: object, signature: str | None, returned: str | None
) -> tuple[str | None, str | None] | None:
    """Hide how objects are made that come from the server."""
    if what not in {"class", "exception"} or signature is None:
        return None
    return (signature, returned) if name.rpartition(".")[2] in _MADE_BY_HAND else ("", None)


def tidied(_app: Sphinx, what: str, _name: str, thing: Any, _options: object, lines: list[str]) -> None:
    """Make reStructuredText of a docstring: links of what is named, and of the fields of a class a table."""
    explained: dict[str, str] = {}
    if what in {"class", "exception"} and inspect.isclass(thing):
        explained = _taken_out(lines)
    lines[:] = list(_linked(_one_paragraph_each(lines)))
    if what == "property":
        lines[:1] = [line.replace(": ", _COLON) for line in lines[:1]]
    if what in {"class", "exception"} and inspect.isclass(thing):
        lines += [*_bases(thing), *_values(thing), *_table(thing, explained)]


def with_colons(_app: Sphinx, _what: str, _name: str, _thing: object, _options: object, lines: list[str]) -> None:
    """Put back what napoleon would have taken for the end of a type."""
    lines[:] = [line.replace(_COLON, ": ") for line in lines]


def where_it_is(app: Sphinx, env: BuildEnvironment, node: pending_xref, shown: Any) -> Any:
    """Find what is named in short, as annotations do."""
    if node.get("refdomain") != "py":
        return None
    target = str(node["reftarget"])
    short = target.rpartition(".")[2]
    full = documented().get(short)
    if full is None or full == target:
        return None
    return env.domains.python_domain.resolve_xref(env, node["refdoc"], app.builder, "obj", full, node, shown)


# -- docstrings


def _taken_out(lines: list[str]) -> dict[str, str]:
    """Take the section `Attributes` out of a docstring, and give what it says of each."""
    if "Attributes:" not in lines:
        return {}
    begin = lines.index("Attributes:")
    end = next((at for at in range(begin + 1, len(lines)) if lines[at] and not lines[at].startswith(" ")), len(lines))
    found: dict[str, str] = {}
    name = ""
    for line in lines[begin + 1 : end]:
        if entry := _FIELD.fullmatch(line):
            name, found[name] = entry[1], entry[2]
        elif line and name:
            found[name] += f" {line.strip()}"
    del lines[begin:end]
    return found


def _one_paragraph_each(lines: list[str]) -> Iterator[str]:
    """Set apart the pages of Buildkite's documentation that a docstring names line by line."""
    told = False
    for line in lines:
        if told and line.startswith(" "):  # the sentence goes on
            yield line.strip()
            continue
        told = line.startswith("Documentation:")
        yield from ["", line] if told else [line]


def _linked(lines: Iterable[str]) -> Iterator[str]:
    """Write code as reStructuredText has it, and the names of the library as links; examples stay as they are."""
    in_example = False
    for line in lines:
        in_example = bool(line.strip()) and (in_example or line.lstrip().startswith(">>>"))
        yield line if in_example else _MARKED.sub(_written, line)


def _written(marked: re.Match[str]) -> str:
    if url := marked["url"]:
        return f"`{url.partition('://')[2]} <{url}>`__"
    code = marked["code"].strip()  # or it would be no literal
    full = documented().get(code)
    after = "\\" if marked.string[marked.end() : marked.end() + 1].isalnum() else ""
    return f":py:obj:`~{full}`{after}" if full else f"``{code}``{after}"


def _bases(thing: type[Any]) -> Iterator[str]:
    bases = [f":py:obj:`~{documented()[base.__name__]}`" for base in thing.__bases__ if base.__name__ in documented()]
    if bases:
        yield from ("", f"It has what {' and '.join(bases)} has, too.", "")


def _values(thing: type[Any]) -> Iterator[str]:
    if issubclass(thing, enum.Enum):
        yield from ("", "Values: " + ", ".join(f"``{member.value}``" for member in thing), "")


def _table(thing: type[Any], explained: dict[str, str]) -> Iterator[str]:
    """Write the fields of a class: the name, the type as the code has it, and what the docstring says."""
    fields = dict.fromkeys(explained, "") | dict(_fields(thing))
    if not fields:
        return
    yield from ("", ".. list-table::", "   :header-rows: 1", "   :widths: auto", "   :align: left", "")
    yield from ("   * - field", "     - type", "     - what it is")
    for name, kind in fields.items():
        (what,) = _linked([explained.get(name, "")])
        yield from (f"   * - ``{name}``", f"     - {_type(kind)}", f"     - {what}")
    yield ""


def _fields(thing: type[Any]) -> Iterator[tuple[str, str]]:
    """Give the public fields that a class declares, with their types; errors are given theirs when they are made."""
    if issubclass(thing, enum.Enum):
        return
    told = inspect.get_annotations(thing)
    if issubclass(thing, Exception):
        told = inspect.get_annotations(vars(thing).get("__init__", thing)) | told
        told = {name: kind for name, kind in told.items() if name not in {"message", "next_step", "return"}}
    for name, kind in told.items():
        written = kind if isinstance(kind, str) else getattr(kind, "__forward_arg__", str(kind))
        if not name.startswith("_") and not re.match(r"(typing\.)?(ClassVar|Final)\b", written):
            yield name, written


def _type(written: str) -> str:
    """Write a type with links to what of it is documented."""
    parts = re.split(r"(\w+)", re.sub(r"\bTimestamp\b", "datetime", " ".join(written.split())))
    told: list[str] = []
    for is_name, text in groupby(parts, key=documented().__contains__):
        run = list(text)
        told += [f":py:obj:`~{documented()[name]}`" for name in run] if is_name else [f"``{''.join(run).strip()}``"]
    return "\\ ".join(part for part in told if part != "````")
