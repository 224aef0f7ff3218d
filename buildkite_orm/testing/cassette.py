"""The file of a recording: requests and responses as JSON, to be read and edited by people."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, cast

from buildkite_orm._version import __version__
from buildkite_orm.files.atomic import atomic_write
from buildkite_orm.files.safe_paths import Target
from buildkite_orm.testing.errors import RecordingError
from buildkite_orm.utils.json_types import as_array, as_object

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

FORMAT: Final = 1
_VERSION_FIELD: Final = "buildkite_orm_cassette"
_DEEPEST: Final = 100

NO_BODY: Final = object()
"""The body of a request that has none, or one that is not JSON."""


@dataclass(slots=True)
class RecordedRequest:
    """A request as it is recorded and matched.

    Attributes:
        method: The HTTP method.
        path: The path after `/v2/`; for a request to another server than the API, its URL.
        query: The query pairs.
        body: The JSON body, or `NO_BODY`.
    """

    method: str
    path: str
    query: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    body: Any = NO_BODY

    @property
    def line(self) -> str:
        """The method, the path and the query, for messages."""
        query = "&".join(f"{name}={value}" for name, value in self.query)
        return f"{self.method} {self.path}" + (f"?{query}" if query else "")


@dataclass(slots=True)
class RecordedResponse:
    """A response.

    Attributes:
        status: The status.
        headers: Those headers that the client reads.
        content: The body, decompressed.
        left_out: Why the body is not stored; None if it is.
        failure: `connection` or `timeout` if there was no response; None otherwise.
        was_sent: Whether the request may have reached the server.
    """

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict[str, str])
    content: bytes = b""
    left_out: str | None = None
    failure: str | None = None
    was_sent: bool = True


@dataclass(slots=True)
class Exchange:
    """A request and its response.

    Attributes:
        request: The request.
        response: The response.
        seconds: When the response arrived, in seconds since the start of the recording.
        took: How long it took, in seconds.
    """

    request: RecordedRequest
    response: RecordedResponse
    seconds: float = 0.0
    took: float = 0.0


@dataclass(slots=True)
class Cassette:
    """A recording.

    Attributes:
        started_at: The wall time at its start, in seconds since the Unix epoch.
        exchanges: The requests and responses, in the order in which the requests were sent.
    """

    started_at: float
    exchanges: list[Exchange] = field(default_factory=list[Exchange])

    @property
    def organization(self) -> str | None:
        """The slug of the organization, if all requests name the same one."""
        slugs = {slug for each in self.exchanges if (slug := _organization_in(each.request.path))}
        return slugs.pop() if len(slugs) == 1 else None


# -- reading


def read_cassette(path: Path) -> Cassette:
    """Read a cassette.

    Args:
        path: The file.

    Raises:
        RecordingError: There is none, or it is not one that this version can read.
    """
    try:
        content = path.read_bytes()
    except OSError as problem:
        raise RecordingError(f"there is no cassette {str(path)!r}: {problem.strerror}") from None
    try:
        document = as_object(json.loads(content))
    except (ValueError, RecursionError):
        document = None
    version = (document or {}).get(_VERSION_FIELD)
    if document is None or version is None:
        raise RecordingError(f"{str(path)!r} is not a cassette: it is not JSON with {_VERSION_FIELD!r}")
    if version != FORMAT:
        raise RecordingError(f"{str(path)!r} has the format {version!r}; this version reads {FORMAT}")
    return _cassette(document, path)


def _cassette(document: dict[str, Any], path: Path) -> Cassette:
    place = "clock"
    try:
        cassette = Cassette(datetime.fromisoformat(document["clock"]).timestamp())
        for number, item in enumerate(document["exchanges"]):
            place = f"exchanges[{number}]"
            cassette.exchanges.append(_exchange(item))
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as problem:
        what = f"{type(problem).__name__}: {problem}"
        raise RecordingError(f"{str(path)!r}: {place} is not as it was recorded ({what})") from None
    return cassette


def _exchange(item: dict[str, Any]) -> Exchange:
    request, response = item["request"], item["response"]
    pairs = [(name, value) for name, values in request.get("query", {}).items() for value in _as_list(values)]
    return Exchange(
        RecordedRequest(_text(request["method"]), _text(request["path"]), pairs, request.get("body", NO_BODY)),
        RecordedResponse(
            status=int(response.get("status", 0)),
            headers={name: _text(value) for name, value in response.get("headers", {}).items()},
            content=_content(response),
            left_out=response.get("left_out"),
            failure=response.get("failure"),
            was_sent=bool(response.get("was_sent", True)),
        ),
        float(item["seconds"]),
        float(item.get("took", 0.0)),
    )


def _content(response: dict[str, Any]) -> bytes:
    if "json" in response:
        return json_bytes(response["json"])
    if "text" in response:
        return _text(response["text"]).encode("utf-8", "surrogatepass")
    try:
        return base64.b64decode(response.get("base64", ""), validate=True)
    except binascii.Error as problem:
        raise ValueError(str(problem)) from None


def _text(value: object) -> str:
    if not isinstance(value, str):
        msg = f"a string is expected, not {value!r}"
        raise TypeError(msg)
    return value


def _as_list(value: object) -> list[str]:
    return [_text(each) for each in cast("list[object]", value)] if isinstance(value, list) else [_text(value)]


# -- writing


def write_cassette(path: Path, document: dict[str, Any]) -> None:
    """Write a cassette; it is complete under its name, or the file stays as it was.

    Args:
        path: The file; its folder is made.
        document: What `to_document` returns.

    Raises:
        DownloadError: The file cannot be written.
    """
    content = json_bytes(document, indent=2) + b"\n"
    with atomic_write(Target.of(path, path.name), hashlib.sha256(content).hexdigest()) as part:
        part.restart()
        part.write(content)


def to_document(started_at: float, exchanges: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Return the content of a cassette.

    Args:
        started_at: The wall time at its start.
        exchanges: What `to_item` returns.
    """
    clock = datetime.fromtimestamp(started_at, UTC).isoformat(timespec="milliseconds")
    return {
        _VERSION_FIELD: FORMAT,
        "recorded_by": f"buildkite-orm/{__version__}",
        "clock": clock,
        "exchanges": list(exchanges),
    }


def to_item(exchange: Exchange, body: dict[str, Any]) -> dict[str, Any]:
    """Return a request and its response as they are written.

    Args:
        exchange: The request and the response, without private values.
        body: The body of the response: `json`, `text` or `base64`.
    """
    request, response = exchange.request, exchange.response
    sent: dict[str, Any] = {"method": request.method, "path": request.path}
    if request.query:
        sent["query"] = _grouped(request.query)
    if request.body is not NO_BODY:
        sent["body"] = request.body
    if response.failure is not None:
        received: dict[str, Any] = {"failure": response.failure, "was_sent": response.was_sent}
    else:
        received = {"status": response.status, "headers": response.headers, **body}
        if response.left_out is not None:
            received["left_out"] = response.left_out
    return {"request": sent, "response": received, "seconds": exchange.seconds, "took": exchange.took}


def json_bytes(value: Any, *, indent: int | None = None) -> bytes:
    """Return a value as JSON, with all characters as they are where UTF-8 can express them."""
    try:
        return json.dumps(value, ensure_ascii=False, indent=indent).encode()
    except UnicodeEncodeError:  # half of a character
        return json.dumps(value, indent=indent).encode()


def parse_json(content: bytes) -> tuple[bool, Any]:
    """Return whether bytes are JSON that can be written again without a change, and their value."""
    try:
        value = json.loads(content, object_pairs_hook=_without_twins)
    except (ValueError, RecursionError):
        return False, None
    return (True, value) if _depth_is_at_most(value, _DEEPEST) else (False, None)


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("a field occurs twice")
    return fields


def _depth_is_at_most(value: Any, depth: int) -> bool:
    fields = as_object(value)
    items = as_array(value) if fields is None else list(fields.values())
    return items is None or (depth > 0 and all(_depth_is_at_most(item, depth - 1) for item in items))


def _grouped(query: list[tuple[str, str]]) -> dict[str, Any]:
    """Return query pairs by name: a string, or a list of several."""
    groups: dict[str, list[str]] = {}
    for name, value in query:
        groups.setdefault(name, []).append(value)
    return {name: values[0] if len(values) == 1 else values for name, values in groups.items()}


def _organization_in(path: str) -> str | None:
    _, found, rest = f"/{path}".partition("/organizations/")
    return rest.partition("/")[0] or None if found else None
