"""The texts of errors for wrong names: they say what the right call is.

This only makes the text of an error: no attribute is answered, and nothing is requested. What a hint names exists: it
is looked up in the class. A hint by spelling is given only if the spelling is really close.
"""

from __future__ import annotations

import re
import sys
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NoReturn

from buildkite_orm.models.enums import BuildState, JobState
from buildkite_orm.models.expressions import class_of, complete, fields_of_update, is_data, path_to
from buildkite_orm.models.guesses import (
    CLASS_GUESSES,
    CLIENT_GUESSES,
    OBJECT_GUESSES,
    QUERYSET_GUESSES,
    RELATION_GUESSES,
    TABLE_GUESSES,
)
from buildkite_orm.utils.close_names import SYNONYMS, close_name, meant
from buildkite_orm.utils.introspection import members

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

_VERB: Final = re.compile(
    r"(?:get|list|fetch|find|load|all|create|add|new|make|update|edit|delete|remove)(?:_all)?_(\w+)"
)
_NEWEST: Final = re.compile(r"(?:latest|last|newest|most_recent|first)_(\w+?)s?")
_EXPORTED: Final = ("Annotation", "Artifact", "Build", "Job")
_MAKING: Final = ("create", "add", "new", "make")
_METHODS_OF_LISTINGS: Final = ("limit", "page", "per_page")
_KEYS: Final = ("slug", "id", "uuid", "number", "name")
_BUILD_STATES: Final = frozenset(map(str, BuildState))
_JOB_STATES: Final = frozenset(map(str, JobState))


class Unavailable:
    """Hides a deprecated member of pydantic's models, whose name an unknown field of a payload may have.

    The same for names that classes of other libraries have, such as `from_json`.
    """

    is_unavailable = True

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, item: object, kind: type[Any]) -> Callable[..., NoReturn]:
        if item is not None:
            raise AttributeError(unknown_attribute(kind, self._name, has_data=True))
        problem = unknown_of_class(kind, self._name)

        def refuse(*_args: object, **_options: object) -> NoReturn:  # an AttributeError would not have this text
            raise TypeError(problem)

        return refuse


def unknown_attribute(kind: type[Any], name: str, *, has_data: bool) -> str:
    """Return the text of the error for an attribute that a ref or an object does not have.

    Args:
        kind: The class.
        name: The attribute.
        has_data: Whether it is an object, not only a ref.
    """
    if name.startswith("_"):
        return f"{kind.__name__!r} object has no attribute {name!r}"
    start = f"{kind.__name__} has no attribute {name!r}"
    right = RELATION_GUESSES.get(getattr(kind, "_kind", ""), {}).get(name)
    if right is not None:
        return f"{start}; use {right}"
    return f"{start}{_hint_for((kind, name, has_data))}"


@lru_cache(maxsize=512)  # other libraries look for the same names in each object
def _hint_for(what: tuple[type[Any], str, bool]) -> str:
    """Return the end of the text for a class, a name that it does not have, and whether it has data."""
    kind, name, has_data = what
    items = [] if has_data else _fetched(kind)
    for candidates in (_likely, _elsewhere, _possible):
        if right := _first(kind, candidates(kind, name)):
            return f"; use .{right}"
        for item in items:
            if right := _first(item, [name, *candidates(item, name)]):
                return f": a ref has no data; .fetch().{right} requests it"
    return ""


def _fetched(ref: type[Any]) -> list[type[Any]]:
    """Return the classes of the objects that a ref fetches: that of any kind of job, and those of each kind."""
    item = class_of(ref, "fetch")
    if item is None:
        return []
    return [item, *(each for each in item.__subclasses__() if each.__module__ == item.__module__)]


def unknown_of_class(kind: type[Any], name: str) -> str:
    """Return the text of the error for a name that the class of an object does not have."""
    right = CLASS_GUESSES.get(name)
    start = f"{kind.__name__} has no attribute {name!r}"
    return unknown_attribute(kind, name, has_data=True) if right is None else f"{start}; use .{right}"


def not_assigned(kind: type[Any], name: str, value: object) -> str:
    """Return the text of the error for an attribute that is assigned to a ref."""
    start = f"{kind.__name__} is a ref and has no data; .fetch() loads an object"
    shown = "None" if value is None else "…"
    return f"{start}; .update({name}={shown}) changes it" if name in fields_of_update(kind) else start


def unknown_of_table(kind: type[Any], name: str, tables: str) -> str:
    """Return the text of the error for an attribute that an Arrow table does not have.

    Args:
        kind: The class.
        name: The name of the attribute.
        tables: What other libraries read, as an expression.
    """
    start = f"{kind.__name__} has no attribute {name!r}"
    right = TABLE_GUESSES.get(name, "pyarrow.table({x})").replace("{x}", tables)
    return start if name.startswith("_") else f"{start}; use {right}"


def unknown_of_queryset(kind: type[Any], model: type[Any], name: str) -> str:
    """Return the text of the error for an attribute that a queryset does not have."""
    start = f"{kind.__name__} has no attribute {name!r}"
    if name.startswith("_"):
        return start
    if right := _of_queryset(kind, model, name):
        return f"{start}; use {right}"
    if found := _first(model, [name, *_likely(model, name)]):
        return f"{start}; its objects have: [each.{found} for each in qs]"
    if found := close_name(name, members(kind)):
        return f"{start}; use .{complete(kind, found)}"
    return f"{start}; it is a listing: iterate over it, or use .first(), .one(), .count()"


def _of_queryset(kind: type[Any], model: type[Any], name: str) -> str | None:
    """Return the replacement for a name that a queryset does not have; None if there is none."""
    right = QUERYSET_GUESSES.get(name)
    if right is not None and ".filter(" in right and not hasattr(kind, "filter"):
        right = QUERYSET_GUESSES["filter"]
    if right == ".create(…)" and not hasattr(kind, "create"):
        right = "org.pipeline(slug).builds().create(…)" if model.__name__ == "Build" else None
    if name in {"latest", "newest", "most_recent"} and model.__name__ == "Build":
        right = ".first(), since the newest builds are listed first"
    if name == "to_csv" and model.__name__ in _EXPORTED:
        right = f"{right}; the command buildkite-orm export writes {model.__name__.lower()}s into CSV files too"
    if name == "wait" and complete(model, name):
        right = "bk.wait_all(qs)"
    if name in {"download", "download_all", "save", "save_to"} and hasattr(kind, "save_all"):
        right = ".save_all(folder)"
    return right


def unknown_filter(model: type[Any], given: Mapping[str, object], name: str, known: Iterable[str]) -> str:
    """Return what to use in place of a filter that a listing does not have, as the end of a sentence.

    Args:
        model: The class of the objects.
        given: The filters that were given.
        name: The filter.
        known: The filters that there are.
    """
    if name in _METHODS_OF_LISTINGS:
        return f"; use .{name}(n)"
    names = list(known)
    right = meant(name, names)
    if model.__name__ == "Job" and (right == "kind" or "kind" in SYNONYMS.get(name, ())):
        return "; use kind=ScriptJob, or another class of jobs"
    if right is not None:
        return f"; use {right}="
    if listing := _listing_below(model, name, given.get(name)):
        return f"; use {listing}"
    field = next((each for each in [name, *_likely(model, name)] if is_data(model, each)), None)
    if field is None:
        return ""
    condition = f"… in each.{field}" if _is_list(model, field) else f"each.{field} == …"
    return f"; its objects have {'it' if field == name else field}: [each for each in qs if {condition}]"


def unknown_of_client(kind: type[Any], top: type[Any], name: str) -> str:
    """Return the text of the error for an attribute that a client does not have.

    Args:
        kind: The class of the client.
        top: The class of an organization's ref, whose relations may be meant.
        name: The attribute.
    """
    start = f"{kind.__name__} has no attribute {name!r}"
    if name.startswith("_"):
        return start
    if name in CLIENT_GUESSES:
        return f"{start}; use {CLIENT_GUESSES[name]}"
    if right := RELATION_GUESSES["organization"].get(name):
        return f"{start}; use bk.organization('acme'){right}"
    names, near = [name, *_without_verb(name)], path_to(top, name)
    spelled = [each for each in (close_name(name, members(kind)), close_name(name, members(top))) if each]
    for candidates in (names, spelled):
        if right := _first(kind, candidates):
            return f"{start}; use bk.{right}"
        if right := _first(top, candidates) or near:
            return f"{start}; use bk.organization('acme').{right}"
    return f"{start}; it has organizations, which have the rest: bk.organization('acme').pipeline('web').build(42)"


def not_subscriptable(kind: type[Any], key: object, *, has_data: bool) -> str:
    """Return the text of the error for `build["state"]`."""
    name = key if isinstance(key, str) and key.isidentifier() else None
    start = f"{kind.__name__!r} object is not subscriptable"
    if not has_data:
        return f"{start}: a ref has no data; use .fetch(){'' if name is None else f'.{name}'}"
    return f"{start}; use {'its attributes' if name is None else f'.{name}'}, or .dump(), which returns a dictionary"


def no_key(model: type[Any], key: str) -> str:
    """Return the text of the error for `org.pipelines()["web"]`."""
    template: tuple[tuple[str, str | None], ...] = next(iter(model.routes.templates), ())
    start = f"[{key!r}]: the index of a queryset is a position, not a key"
    if not template or template[-1][1] is None or len(template) < 2:  # noqa: PLR2004
        return start
    parents = [name for _, name in template[:-1] if name]
    collection = template[-2][0].replace("-", "_")
    one = f"{collection[:-3]}y" if collection.endswith("ies") else collection.removesuffix("s")
    shown = repr(key) if model.identity != "number" else key if key.isdecimal() else "…"
    return f"{start}; {parents[-1] if parents else 'bk'}.{one}({shown}) is the ref with that {model.identity}"


def no_item(listing: str, index: int, total: int | None) -> str:
    """Return the text of the error for an index past the end of a listing, whose length may be unknown."""
    if total == 0:
        return f"[{index}]: nothing matches {listing}; .first() returns None then"
    count = {None: "fewer objects", 1: "1 object"}.get(total, f"{total} objects")
    return f"[{index}]: {listing} has {count}"


def not_iterable(kind: type[Any]) -> str:
    """Return the text of the error for `list(build)` or `dict(build)`."""
    return (
        f"{kind.__name__!r} object is not iterable; .dump() returns its data as a dictionary, for example for "
        "pandas.DataFrame([each.dump() for each in objects])"
    )


def _first(kind: type[Any], candidates: Iterable[str]) -> str | None:
    """Return the first expression that a class has, a method with its parentheses; None if it has none of them."""
    return next((found for each in candidates if (found := complete(kind, each))), None)


def _likely(kind: type[Any], name: str) -> Iterator[str]:
    """Yield what a name certainly stands for, as expressions after a dot."""
    yield from OBJECT_GUESSES.get(name, ())
    snake = _snake(name)
    if snake != name:
        yield snake
        yield from OBJECT_GUESSES.get(snake, ())
    yield from _without_verb(snake, getattr(kind, "_kind", ""))
    if newest := _NEWEST.fullmatch(snake):
        yield f"{newest[1]}s().first()"
    state, _, plural = snake.rpartition("_")
    if (plural == "builds" and state in _BUILD_STATES) or (plural == "jobs" and state in _JOB_STATES):
        yield f"{plural}(state={state!r})"


def _elsewhere(kind: type[Any], name: str) -> Iterator[str]:
    """Yield how to reach a relation that another ref has."""
    path = path_to(kind, _snake(name)) if hasattr(kind, "api_path") else None
    if path is not None:
        yield path


def _possible(kind: type[Any], name: str) -> Iterator[str]:
    """Yield what a name may stand for if nothing else is found: other forms of it, and what is spelled alike."""
    snake = _snake(name)
    yield from (f"{snake}_at", f"{snake}s", snake.removesuffix("s"), f"is_{snake}")
    if isinstance(getattr(kind, f"has_{snake}", None), property):  # `has_url` is a constant of the class
        yield f"has_{snake}"
    spelled = close_name(snake, members(kind))
    if spelled is not None:
        yield spelled


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def _without_verb(name: str, kind: str = "") -> Iterable[str]:
    """Return the calls that `create_build` or `get_pipelines` may stand for."""
    found = _VERB.fullmatch(name)
    if found is None:
        return ()
    verb, what = name.partition("_")[0], found[1]
    plural = what if what.endswith("s") else f"{what}s"
    if what == kind:
        return {"update": ("update(…)",), "edit": ("update(…)",), "delete": ("delete()",)}.get(verb, ("fetch()",))
    if verb in _MAKING:
        return (f"{plural}().create(…)",)
    return (what,) if what.endswith("s") else (f"{what}(…)", plural, what)


def _listing_below(model: type[Any], name: str, value: object) -> str | None:
    """Return how to list the objects of one resource above them, as `org.pipeline('web').builds()`; None if it is none.

    Args:
        model: The class of the objects.
        name: The kind of the resource above, perhaps with the name of its key: `pipeline`, `pipeline_slug`.
        value: Its key.
    """
    template: list[tuple[str, str | None]] = list(next(iter(model.routes.templates), ()))
    parents = [kind for _, kind in template[:-1] if kind]
    parent = next((each for each in parents if name in {each, *(f"{each}_{key}" for key in _KEYS)}), None)
    if parent is None:
        return None
    above = parents.index(parent) - 1
    before = "bk" if above < 0 else "org" if parents[above] == "organization" else parents[above]
    listing = template[-2][0].replace("-", "_")
    ref = getattr(sys.modules["buildkite_orm"], f"{parent.capitalize()}Ref", None)
    if ref is not None and complete(ref, listing) is None:
        return None
    shown = repr(value) if isinstance(value, str | int) else "…"
    return f"{before}.{parent}({shown}).{listing}()"


def _is_list(model: type[Any], name: str) -> bool:
    field = model.model_fields.get(name)
    return field is not None and "list[" in str(field.annotation)
