"""Sphinx hooks that render docstrings: fields as a table, names as links, and no members that pydantic adds."""

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


def reference_names() -> list[str]:
    """Return the full names of all entries of the reference."""
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
def full_names() -> dict[str, str]:
    """Return the full name of each documented short name; if there are several, the shortest."""
    return {full.rpartition(".")[2]: full for full in sorted(reference_names(), key=len, reverse=True)}


# -- autodoc events


def skip_member(_app: Sphinx, _what: str, name: str, member: object, _skip: bool, _options: object) -> bool | None:  # noqa: FBT001
    """Skip members that are not methods or properties (fields are in a table), and methods that are not for users."""
    if name.startswith("_") or getattr(member, "__qualname__", "") in _INTERNAL:
        return True
    if inspect.isfunction(member) or isinstance(member, classmethod | staticmethod | property):
        return None
    return not inspect.ismethod(member)


# Methods that the modules of the library call on each other.
_INTERNAL: Final = frozenset(
    {
        "Editable.model_post_init",
        "Faults.take",
        "HistoryFigures.of",
        "Job.class_for",
        "Job.model_validate",
        "Job.model_validate_json",
        "LoadedPage.append",
        "LoadedPage.loaded_next",
        "Model.class_for",
        "MonitorEvent.class_for",
        "Model.note_drift",
        "RecordedRequest.of",
        "Ref.at",
        "Ref.bind",
        "Ref.rebind",
        "Resource.bind",
        "Resource.listed_as",
        "Resource.note_drift",
        "RetryPolicy.announce",
        "RetryPolicy.in_time",
        "Spread.of",
        "WebhookEvent.model_post_init",
        "Webhooks.deliver",
        "Webhooks.notify",
        "WebhookEvent.note_drift",
        "WebhookEvent.rebind",
    }
)


# Classes that users instantiate.
_CONSTRUCTED_BY_USERS: Final = frozenset(
    {
        "Buildkite",
        "Checkpoint",
        "FakeBuildkite",
        "LogText",
        "ManualClock",
        "PublicKeyAuth",
        "Recorder",
        "RetryPolicy",
    }
)


def hide_signature(
    _app: Sphinx, what: str, name: str, _obj: object, _options: object, signature: str | None, returned: str | None
) -> tuple[str | None, str | None] | None:
    """Hide the signatures of classes that the library instantiates."""
    if what not in {"class", "exception"} or signature is None:
        return None
    return (signature, returned) if name.rpartition(".")[2] in _CONSTRUCTED_BY_USERS else ("", None)


def render_docstring(_app: Sphinx, what: str, _name: str, obj: Any, _options: object, lines: list[str]) -> None:
    """Convert a docstring to reStructuredText: names become links, the fields of a class become a table."""
    descriptions: dict[str, str] = {}
    if what in {"class", "exception"} and inspect.isclass(obj):
        descriptions = _pop_attributes(lines)
    lines[:] = list(_linked(_split_documentation_links(lines)))
    if what == "property":
        lines[:1] = [line.replace(": ", _COLON) for line in lines[:1]]
    if what in {"class", "exception"} and inspect.isclass(obj):
        lines += [*_bases(obj), *_values(obj), *_table(obj, descriptions)]


def restore_colons(_app: Sphinx, _what: str, _name: str, _obj: object, _options: object, lines: list[str]) -> None:
    """Restore the colons that napoleon would have read as the end of a type."""
    lines[:] = [line.replace(_COLON, ": ") for line in lines]


def resolve_short_name(app: Sphinx, env: BuildEnvironment, node: pending_xref, shown: Any) -> Any:
    """Resolve a reference by its short name, as annotations use it."""
    if node.get("refdomain") != "py":
        return None
    target = str(node["reftarget"])
    short = target.rpartition(".")[2]
    full = full_names().get(short)
    if full is None or full == target:
        return None
    return env.domains.python_domain.resolve_xref(env, node["refdoc"], app.builder, "obj", full, node, shown)


# -- docstrings


def _pop_attributes(lines: list[str]) -> dict[str, str]:
    """Remove the section `Attributes` from a docstring; return the description of each attribute."""
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


def _split_documentation_links(lines: list[str]) -> Iterator[str]:
    """Put each line `Documentation: …` of a docstring into a paragraph of its own."""
    in_link = False
    for line in lines:
        if in_link and line.startswith(" "):  # the sentence continues
            yield line.strip()
            continue
        in_link = line.startswith("Documentation:")
        yield from ["", line] if in_link else [line]


def _linked(lines: Iterable[str]) -> Iterator[str]:
    """Convert inline code to reStructuredText, with links for names of the library; examples are unchanged."""
    in_example = False
    for line in lines:
        in_example = bool(line.strip()) and (in_example or line.lstrip().startswith(">>>"))
        yield line if in_example else _MARKED.sub(_to_rst, line)


def _to_rst(marked: re.Match[str]) -> str:
    if url := marked["url"]:
        return f"`{url.partition('://')[2]} <{url}>`__"
    code = marked["code"].strip()  # a literal has no blanks at its ends
    full = full_names().get(code)
    after = "\\" if marked.string[marked.end() : marked.end() + 1].isalnum() else ""
    return f":py:obj:`~{full}`{after}" if full else f"``{code}``{after}"


def _bases(obj: type[Any]) -> Iterator[str]:
    bases = [f":py:obj:`~{full_names()[base.__name__]}`" for base in obj.__bases__ if base.__name__ in full_names()]
    if bases:
        yield from ("", f"It also has the members of {' and '.join(bases)}.", "")


def _values(obj: type[Any]) -> Iterator[str]:
    if issubclass(obj, enum.Enum):
        yield from ("", "Values: " + ", ".join(f"``{member.value}``" for member in obj), "")


def _table(obj: type[Any], descriptions: dict[str, str]) -> Iterator[str]:
    """Yield a table of the fields of a class: name, type and description."""
    fields = dict.fromkeys(descriptions, "") | dict(_fields(obj))
    if not fields:
        return
    yield from ("", ".. list-table::", "   :header-rows: 1", "   :widths: auto", "   :align: left", "")
    yield from ("   * - field", "     - type", "     - description")
    for name, kind in fields.items():
        (what,) = _linked([descriptions.get(name, "")])
        yield from (f"   * - ``{name}``", f"     - {_type(kind)}", f"     - {what}")
    yield ""


def _fields(obj: type[Any]) -> Iterator[tuple[str, str]]:
    """Yield the public fields that a class declares with their types; those of errors are arguments of `__init__`."""
    if issubclass(obj, enum.Enum):
        return
    annotations = inspect.get_annotations(obj)
    if issubclass(obj, Exception):
        annotations = inspect.get_annotations(vars(obj).get("__init__", obj)) | annotations
        annotations = {
            name: kind for name, kind in annotations.items() if name not in {"message", "next_step", "return"}
        }
    for name, kind in annotations.items():
        text = kind if isinstance(kind, str) else getattr(kind, "__forward_arg__", str(kind))
        if not name.startswith("_") and not re.match(r"(typing\.)?(ClassVar|Final)\b", text):
            yield name, text


def _type(annotation: str) -> str:
    """Return an annotation with links to the documented names in it."""
    parts = re.split(r"(\w+)", re.sub(r"\bTimestamp\b", "datetime", " ".join(annotation.split())))
    linked: list[str] = []
    for is_name, text in groupby(parts, key=full_names().__contains__):
        run = list(text)
        linked += [f":py:obj:`~{full_names()[name]}`" for name in run] if is_name else [f"``{''.join(run).strip()}``"]
    return "\\ ".join(part for part in linked if part != "````")
