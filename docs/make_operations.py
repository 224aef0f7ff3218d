"""Write docs/operations.md: every operation of the API with its Python call, from the library's code.

    python docs/make_operations.py           write it
    python docs/make_operations.py --check   fail if it is out of date

An operation is a public method whose docstring names the page that documents it. The calls before it are found by the
return types of methods.
"""

from __future__ import annotations

import inspect
import pkgutil
import re
import sys
from collections import deque
from dataclasses import dataclass
from importlib import import_module
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from buildkite_orm import Buildkite, resources
from buildkite_orm.models.ref import Deletable, Ref
from buildkite_orm.querysets.queryset import QuerySet, listed_model

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).parent / "operations.md"
DOCUMENTATION = "https://buildkite.com/docs/apis/rest-api/"
UNDOCUMENTED = "on no page of the documentation"
_LINK = re.compile(rf"Documentation: (?:{re.escape(DOCUMENTATION)}(\S+)(?: \(with (\S+)\))?|(none; .+))")
# The beginning of a call, and its short form in the table.
_SHORT = ("bk.organization(slug)", "org")
# Private names, and methods that work only inside a job.
_SKIPPED = ("_", "current_")
_SHORTCUTS = [Buildkite.pipeline]  # the calls from the organization say the same


@dataclass(frozen=True, slots=True, order=True)
class Operation:
    """A row of the table: the page and heading that document the operation, its call and its summary."""

    page: str
    heading: str
    call: str
    summary: str


def operations() -> list[Operation]:
    """Return all operations, each with its shortest call; calls of refs are preferred to calls of listed objects."""
    classes = _classes()
    found: dict[tuple[str, str], Operation] = {}
    waiting, listed = deque[tuple[str, type[Any]]]([("bk", Buildkite)]), deque[tuple[str, type[Any]]]()
    seen = set[type[Any]]()
    while waiting or listed:
        expression, kind = waiting.popleft() if waiting else listed.popleft()
        if kind in seen:
            continue
        seen.add(kind)
        item = listed_model(kind)
        for name, member in _members(kind):
            call = f"{expression}.{name}{_arguments(member)}"
            for page, heading, argument in _documented_at(kind, name, member):
                summary = (inspect.getdoc(member) or "").partition("\n")[0]
                full_call = call.removesuffix("…)") + f"{argument}=…, …)" if argument else call
                found.setdefault((page, heading), Operation(page, heading, full_call, summary))
            returned = _returned(member, classes)
            if returned is not None and item is None:
                waiting.append((call.replace(*_SHORT), returned))
        if item is not None:
            listed.append((re.sub(r"(?<!^)(?=[A-Z])", "_", item.__name__).lower(), item))
    return sorted(found.values())


def _classes() -> dict[str, type[Any]]:
    """Return all refs, objects and querysets by name."""
    for module in pkgutil.walk_packages(resources.__path__, f"{resources.__name__}."):
        import_module(module.name)
    found: list[type[Any]] = [*_subclasses(Ref), *_subclasses(QuerySet)]
    return {each.__name__: each for each in found}


def _subclasses(base: type[Any]) -> Iterator[type[Any]]:
    for each in base.__subclasses__():
        yield each
        yield from _subclasses(each)


def _members(kind: type[Any]) -> Iterator[tuple[str, object]]:
    """Yield the public methods and properties of a class in the order of their definition."""
    members = {name: member for base in reversed(kind.__mro__) for name, member in vars(base).items()}
    for name, member in members.items():
        if member in _SHORTCUTS or name.startswith(_SKIPPED):
            continue
        if inspect.isfunction(member) or isinstance(member, property):
            yield name, member


def _arguments(member: object) -> str:
    """Return the required arguments as text, with `…` for optional ones."""
    if not inspect.isfunction(member):
        return ""
    parameters = list(inspect.signature(member).parameters.values())[1:]
    required = [each for each in parameters if each.default is each.empty and each.kind is not each.VAR_KEYWORD]
    if not required and parameters and parameters[0].name == "slug":
        required = parameters[:1]  # the table shows the slug, which may be omitted
    names = [each.name if each.kind is not each.KEYWORD_ONLY else f"{each.name}=…" for each in required]
    return f"({', '.join([*names, '…'] if len(parameters) > len(required) else names)})"


def _documented_at(kind: type[Any], name: str, member: object) -> Iterator[tuple[str, str, str]]:
    """Yield page and heading of each operation of a method, and the argument that selects the operation."""
    if name == "delete" and issubclass(kind, Deletable):
        links = [(kind.delete_documentation, "")]
    else:
        text = re.sub(r"\s+", " ", inspect.getdoc(member) or "") if inspect.isfunction(member) else ""
        links = [(link or f"{UNDOCUMENTED}#{none}", argument) for link, argument, none in _LINK.findall(text)]
    for link, argument in links:
        page, _, heading = link.partition("#")
        yield page, heading, argument


def _returned(member: object, classes: dict[str, type[Any]]) -> type[Any] | None:
    function = member.fget if isinstance(member, property) else member
    names = re.findall(r"\w+", str(getattr(function, "__annotations__", {}).get("return", "")))
    return next((classes[name] for name in names if name in classes), None)


def table() -> str:
    """Return the text of the page."""
    rows = operations()
    lines = [
        "# Every operation",
        "",
        f"This page lists all {len(rows)} operations with their calls, by the page that documents them. `bk` is a",
        "`Buildkite` client, `org` is `bk.organization(slug)`. Methods of a ref are methods of its object too. A",
        "single name, such as `annotation`, is an object from a listing.",
        "",
        "`python docs/make_operations.py` writes this page from the code.",
    ]
    for page, of_page in groupby(rows, key=lambda row: row.page):
        lines += ["", f"## {page}", "", "| operation | call |", "| --- | --- |"]
        for row in of_page:
            link = f"[{row.summary}]({DOCUMENTATION}{page}#{row.heading})" if page != UNDOCUMENTED else row.summary
            lines.append(f"| {link} | `{row.call}` |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write the page, or return 1 if it is out of date."""
    text = table()
    if "--check" in sys.argv[1:]:
        return 0 if PAGE.read_text(encoding="utf-8") == text else 1
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
