"""Parse responses into models: fast if all is as documented, else item by item.

A value that cannot be parsed is kept as received, in its place, and reported: it does not break the page.
"""

from __future__ import annotations

import gc
import json
import re
import types
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, Union, cast, get_args, get_origin

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from buildkite_orm.errors import BuildkiteWarning
from buildkite_orm.models.paths import key_in, path_from_url
from buildkite_orm.utils.json_types import as_array, as_object
from buildkite_orm.utils.text import escape_control
from buildkite_orm.utils.warn import warn_caller

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from pydantic.fields import FieldInfo

    from buildkite_orm.http.messages import ApiResponse
    from buildkite_orm.models.resource import Model, Resource

R = TypeVar("R", bound="Resource")
M = TypeVar("M", bound="Model")
T = TypeVar("T")

_MOST_LISTED = 3
_NUMBER_OR_UUID = re.compile(r"[0-9]+|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)
_INDEX = re.compile(r"\[\d+\]")
# What stands in brackets in `Drift.field`: the index of a list, or the `repr` of a map's key.
_INDEX_OR_KEY = re.compile(r"""\[(?:\d+|'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")\]""")
# apart from other types: half a character, and values that nest too deep
_NOT_AS_DOCUMENTED = (ValidationError, UnicodeError, RecursionError)


class DriftWarning(BuildkiteWarning):
    """A response differs from the documentation; it is kept as received."""


@dataclass(frozen=True, slots=True)
class Drift:
    """One difference from the documentation.

    Attributes:
        field: The path of the field, as `jobs[3].exit_status`.
        problem: What differs: the type that was received, never the value.
    """

    field: str
    problem: str


def load_one(model: type[R], response: ApiResponse) -> R:
    """Load an object; `report` warns of its drift.

    Args:
        model: Its class.
        response: A JSON object.

    Raises:
        ResponseError: The response is not a JSON object.
    """
    try:
        return _adapter(model.listed_as()).validate_json(response.body)  # type: ignore[no-any-return]
    except _NOT_AS_DOCUMENTED:
        pass
    data, problem = _read(response, as_object, "a JSON object was")
    if data is None:
        raise response.unexpected(problem)
    return _tolerant(model, data)


def load_payload(model: type[M], data: dict[str, Any]) -> M:
    """Load data that no request of this library returned; its drift is noted, without a warning.

    Args:
        model: The class.
        data: A JSON object.
    """
    try:
        return _adapter(model).validate_python(data)  # type: ignore[no-any-return]
    except _NOT_AS_DOCUMENTED:
        pass
    return cast("M", _parse_object(model, data, "", []))


def load_data(model: type[R], data: dict[str, Any]) -> R:
    """Load an object from its payload, as `load_one` does from JSON; nothing is reported."""
    return _tolerant(model, data)


def check_identity(method: str, path: str, response: ApiResponse, item: Resource) -> None:
    """Check that a response is that of its own request: a server or a proxy may have mixed them up.

    Only numbers and UUIDs are compared: slugs change, and hosts and prefixes are those of the server.

    Args:
        method: The method of the request; only what was requested by its own path is compared.
        path: Its path.
        response: The response.
        item: The object that was loaded from it.

    Raises:
        ResponseError: It is another's.
    """
    wanted = key_in(path)
    if method != "GET" or item.identity in {None, "slug"} or not _NUMBER_OR_UUID.fullmatch(wanted):
        return
    got = key_in(path_from_url(item.__dict__.get("url")) or wanted)
    if got.lower() != wanted.lower():
        raise response.unexpected(f"{wanted} was requested, and the response is about {escape_control(got)}")


def load_list(model: type[R], response: ApiResponse, *, strict: bool, pause_gc: bool = True) -> list[R]:
    """Load an array of objects.

    Args:
        model: Their class.
        response: A JSON array.
        strict: Whether anything that is not as documented is an error.
        pause_gc: Whether the garbage collector pauses meanwhile.

    Raises:
        ResponseError: The response is not a JSON array; or, if strict, it differs from the documentation.
    """
    documented = load_documented(model, response.body, pause_gc=pause_gc)
    if documented is not None:
        return documented
    data, problem = _read(response, as_array, "a JSON array was")
    if data is None:
        raise response.unexpected(problem)
    items = _load_items(model, data)
    del data  # it may contain secrets, and tracebacks can show the locals of this frame
    _report_items(response, items, strict=strict)
    return items


def load_documented(model: type[R], body: bytes, *, pause_gc: bool) -> list[R] | None:
    """Load an array of objects if all are as documented, else return None.

    Args:
        model: Their class.
        body: The JSON.
        pause_gc: Whether the garbage collector pauses meanwhile.
    """
    adapter = _adapter(list[model.listed_as()])  # type: ignore[misc]
    try:
        with _gc_paused() if pause_gc else nullcontext():
            return adapter.validate_json(body)  # type: ignore[no-any-return]
    except _NOT_AS_DOCUMENTED:
        return None


@contextmanager
def _gc_paused() -> Generator[None]:
    """Pause the garbage collector while a page is validated: some 20 ms, in which other threads wait anyway.

    All objects of a page are alive until it is complete. Collections in the middle find nothing, and took a third of
    the time of a listing of builds with their jobs. A collector that is turned off stays off.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def load_cursor_page(model: type[R], response: ApiResponse, *, strict: bool) -> tuple[list[R], dict[str, str]]:
    """Load `{items, links}`; arguments and errors as in `load_list`."""
    data, problem = _read(response, _page, "items and links were")
    if data is None:
        raise response.unexpected(problem)
    links = _cursor_links(response, data.get("links"))
    items = _load_items(model, data["items"])
    del data
    _report_items(response, items, strict=strict)
    return items, links


def _cursor_links(response: ApiResponse, links: object) -> dict[str, str]:
    """Return the URLs of other pages; a next page whose URL cannot be read is an error, since items would be lost."""
    named = as_object(links or {})
    if named is None:
        raise response.unexpected(f"links were expected to be an object, not {_kind(links)}")
    following = named.get("next")
    if following and not _is_text(following):
        raise response.unexpected(f"the next page was expected to be a URL, not {_kind(following)}")
    return {rel: url for rel, url in named.items() if url and _is_text(url)}


def _is_text(value: object) -> bool:
    """Return whether this is a string that can be written in a URL, which half of a character cannot."""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _load_items(model: type[R], data: list[Any]) -> list[R]:
    try:
        return _adapter(list[model.listed_as()]).validate_python(data)  # type: ignore[misc, no-any-return]
    except _NOT_AS_DOCUMENTED:
        pass
    return [_tolerant(model, item) for item in data]


def _report_items(response: ApiResponse, items: Sequence[Resource], *, strict: bool) -> None:
    report(response, [(item, f"[{index}].") for index, item in enumerate(items) if item.drift], strict=strict)


def _read(response: ApiResponse, choose: Callable[[object], T | None], wanted: str) -> tuple[T | None, str]:
    """Parse the JSON of a response; None and the problem if it is not JSON, or not the wanted type."""
    try:
        data = json.loads(response.body)
    except (ValueError, RecursionError):
        kind = response.headers.get("Content-Type", "no type").partition(";")[0]
        return None, f"JSON was expected, not {len(response.body)} bytes of {kind}"
    return choose(data), f"{wanted} expected, not {_kind(data)}{_message_in(data)}"


def _page(data: object) -> dict[str, Any] | None:
    page = as_object(data) or {}
    return page if as_array(page.get("items")) is not None else None


@cache
def _adapter(annotation: Any) -> TypeAdapter[Any]:
    return TypeAdapter(annotation)


@cache
def _field_adapter(annotation: Any) -> TypeAdapter[Any]:
    """Validate the value of a field as strictly as its model does."""
    bare = get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
    return TypeAdapter(annotation, config=None if _is_model(bare) else ConfigDict(strict=True))


def _is_model(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _tolerant(model: type[R], data: Any) -> R:
    try:
        return _adapter(model.listed_as()).validate_python(data)  # type: ignore[no-any-return]
    except _NOT_AS_DOCUMENTED:
        pass
    if (known := as_object(data)) is not None:
        return cast("R", _parse_object(model, known, "", []))
    item: Any = model.model_construct()
    object.__setattr__(item, "__pydantic_extra__", {"": data})
    item.note_drift((Drift("", f"received as {_kind(data)}"),))
    return cast("R", item)


def _parse_object(model: type[Model], data: dict[str, Any], path: str, drift: list[Drift]) -> Any:
    """Build a model field by field, and keep values raw that their fields reject."""
    model = model.class_for(data)
    own: list[Drift] = []
    names = {field.alias or name: name for name, field in model.model_fields.items()}
    values: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for key, value in data.items():
        name = names.get(key)
        if name is None:
            extra[key] = value
        else:
            values[name] = _parse_field(model.model_fields[name], value, key, own)
    missing = [key for key, name in names.items() if model.model_fields[name].is_required() and name not in values]
    own.extend(Drift(key, "is missing") for key in missing)
    item = model.model_construct(set(values), **values)
    object.__setattr__(item, "__pydantic_extra__", extra)
    item.note_drift(tuple(own))
    drift.extend(Drift(f"{path}{odd.field}", odd.problem) for odd in own)
    return item


def _parse_field(field: FieldInfo, value: Any, path: str, drift: list[Drift]) -> Any:
    annotation = Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
    return _parse_value(annotation, value, path, drift)


def _parse_value(annotation: Any, value: Any, path: str, drift: list[Drift]) -> Any:
    try:
        return _field_adapter(annotation).validate_python(value)
    except _NOT_AS_DOCUMENTED:
        pass
    array, known = as_array(value), as_object(value)
    for part in _parts(annotation):
        if array is not None and get_origin(part) is list:
            (inner,) = get_args(part)
            return [_parse_value(inner, item, f"{path}[{index}]", drift) for index, item in enumerate(array)]
        if known is not None and get_origin(part) is dict:
            _, inner = get_args(part)
            return {key: _parse_value(inner, item, f"{path}[{key!r}]", drift) for key, item in known.items()}
        if known is not None and _is_model(part):
            return _parse_object(part, known, f"{path}.", drift)
    drift.append(Drift(path, f"received as {_kind(value)}"))
    return value


def _parts(annotation: Any) -> Iterator[Any]:
    """Return the alternatives of an annotation, without its metadata."""
    if get_origin(annotation) is Annotated:
        yield from _parts(get_args(annotation)[0])
    elif get_origin(annotation) in {Union, types.UnionType}:
        for part in get_args(annotation):
            yield from _parts(part)
    else:
        yield annotation


def report(response: ApiResponse, items: Sequence[tuple[Resource, str]], *, strict: bool) -> None:
    """Warn of the drift in a response, in one warning that names classes, fields and types.

    Its text has no value, URL, number or key of a map: Python remembers the text of each warning for ever, and
    shows the same text once.

    Args:
        response: The response.
        items: The loaded items, each with the prefix of its fields.
        strict: Whether it is an error.

    Raises:
        ResponseError: It is an error.
    """
    if not any(item.drift for item, _ in items):
        return
    if strict:
        odd = (_INDEX.sub("[]", _line(f"{prefix}{each.field}", each)) for item, prefix in items for each in item.drift)
        raise response.unexpected(f"not as documented: {_listed(list(dict.fromkeys(odd)))}")
    kinds = {_kind_of_drift(item, each) for item, _ in items for each in item.drift}
    warn_caller(f"{_listed(sorted(kinds))} (kept as received; see .drift)", DriftWarning)


def _kind_of_drift(item: Resource, drift: Drift) -> str:
    return _line(_INDEX_OR_KEY.sub("[]", f"{type(item).__name__}.{drift.field}"), drift)


def _line(place: str, drift: Drift) -> str:
    return f"{place.strip('.')} {drift.problem}"


def _listed(lines: list[str]) -> str:
    return "; ".join(lines[:_MOST_LISTED]) + ("; …" if len(lines) > _MOST_LISTED else "")


def _kind(value: object) -> str:
    names: dict[type, str] = {dict: "object", list: "array", str: "string", type(None): "null", bool: "boolean"}
    return names.get(type(value), "number")


def _message_in(data: object) -> str:
    message = (as_object(data) or {}).get("message")
    return f": {str(message)[:200]!r}" if message else ""
