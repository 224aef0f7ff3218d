"""Write docs/operations.md: every operation of the API with its Python call, read off the library's own code.

    python docs/make_operations.py           write it
    python docs/make_operations.py --check   fail where it is stale

An operation is a public method whose docstring names the page that documents it; how one gets there is read off what
the methods before it return.
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
# How the path of calls begins in the table.
_SHORT = ("bk.organization(slug)", "org")
# These lead somewhere only inside of a job.
_ELSEWHERE = ("_", "current_")


@dataclass(frozen=True, slots=True, order=True)
class Operation:
    """A row of the table: the page and heading that document it, the call, and what that does."""

    page: str
    heading: str
    call: str
    what: str


def operations() -> list[Operation]:
    """Give all operations, each by its shortest call; refs go before what only a listing gives."""
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
                what = (inspect.getdoc(member) or "").partition("\n")[0]
                written = call.removesuffix("…)") + f"{argument}=…, …)" if argument else call
                found.setdefault((page, heading), Operation(page, heading, written, what))
            returned = _returned(member, classes)
            if returned is not None and item is None:
                waiting.append((call.replace(*_SHORT), returned))
        if item is not None:
            listed.append((re.sub(r"(?<!^)(?=[A-Z])", "_", item.__name__).lower(), item))
    return sorted(found.values())


def _classes() -> dict[str, type[Any]]:
    """Give all refs, objects and querysets by their names."""
    for module in pkgutil.walk_packages(resources.__path__, f"{resources.__name__}."):
        import_module(module.name)
    found: list[type[Any]] = [*_below(Ref), *_below(QuerySet)]
    return {each.__name__: each for each in found}


def _below(base: type[Any]) -> Iterator[type[Any]]:
    for each in base.__subclasses__():
        yield each
        yield from _below(each)


def _members(kind: type[Any]) -> Iterator[tuple[str, object]]:
    """Give the public methods and properties that this library defines, in their order."""
    given = {name: member for base in reversed(kind.__mro__) for name, member in vars(base).items()}
    for name, member in given.items():
        if not name.startswith(_ELSEWHERE) and (inspect.isfunction(member) or isinstance(member, property)):
            yield name, member


def _arguments(member: object) -> str:
    """Write the arguments that must be given; `…` stands for those that may be."""
    if not inspect.isfunction(member):
        return ""
    parameters = list(inspect.signature(member).parameters.values())[1:]
    needed = [each for each in parameters if each.default is each.empty and each.kind is not each.VAR_KEYWORD]
    if not needed and parameters and parameters[0].name == "slug":
        needed = parameters[:1]  # the default organization is not the point here
    written = [each.name if each.kind is not each.KEYWORD_ONLY else f"{each.name}=…" for each in needed]
    return f"({', '.join([*written, '…'] if len(parameters) > len(needed) else written)})"


def _documented_at(kind: type[Any], name: str, member: object) -> Iterator[tuple[str, str, str]]:
    """Give the page and heading of each operation that a method is, and the argument that makes it this one."""
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
    """Write the page."""
    rows = operations()
    lines = [
        "# Every operation",
        "",
        f"{len(rows)} operations, each with its call, by the page that documents it. `bk` is a `Buildkite`, `org` is",
        "`bk.organization(slug)`; what is reached by a ref is reached by its object too. A name that stands alone, as",
        "`annotation`, is an object out of its listing.",
        "",
        "This page is made by `python docs/make_operations.py` from the code.",
    ]
    for page, of_page in groupby(rows, key=lambda row: row.page):
        lines += ["", f"## {page}", "", "| what it does | call |", "| --- | --- |"]
        for row in of_page:
            what = f"[{row.what}]({DOCUMENTATION}{page}#{row.heading})" if page != UNDOCUMENTED else row.what
            lines.append(f"| {what} | `{row.call}` |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write the page, or tell whether it is stale."""
    text = table()
    if "--check" in sys.argv[1:]:
        return 0 if PAGE.read_text(encoding="utf-8") == text else 1
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
