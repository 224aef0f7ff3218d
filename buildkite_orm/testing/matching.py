"""Which recorded response a request gets: that of an equal request, in the order in which they were recorded."""

from __future__ import annotations

import json
import threading
from collections import defaultdict, deque
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from buildkite_orm.testing.cassette import NO_BODY
from buildkite_orm.testing.errors import RecordingError
from buildkite_orm.testing.placeholders import has_placeholder, matches
from buildkite_orm.utils.json_types import as_array, as_object
from buildkite_orm.utils.redaction import NO_SECRETS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from buildkite_orm.testing.cassette import Exchange, RecordedRequest

_LONGEST_VALUE: Final = 60
_MOST_DIFFERENCES: Final = 4
_MOST_COMPARED: Final = 2000


class Player:
    """Returns the exchange for a request, each one once. Safe for threads.

    Requests are equal by method, path, query and JSON body; the order of query parameters does not matter. In a
    recorded request, a placeholder stands for any text.

    Args:
        exchanges: The recorded exchanges.
        path: The file, for messages.
    """

    def __init__(self, exchanges: Sequence[Exchange], path: Path) -> None:
        self._exchanges = exchanges
        self._path = path
        self._lock = threading.Lock()
        self._played: set[int] = set()
        self._equal: dict[str, deque[int]] = defaultdict(deque)
        for index, exchange in enumerate(exchanges):
            self._equal[_key(exchange.request)].append(index)
        self._with_placeholders = [index for index, each in enumerate(exchanges) if has_placeholder(_key(each.request))]

    def take(self, request: RecordedRequest) -> Exchange:
        """Return the next exchange for a request.

        Raises:
            RecordingError: There is none.
        """
        with self._lock:
            index = next(self._candidates(request), None)
            if index is None:
                raise self._refuse(request)
            self._played.add(index)
            return self._exchanges[index]

    def _candidates(self, request: RecordedRequest) -> Iterator[int]:
        """Yield the exchanges that are left: those of an equal request first."""
        equal = self._equal.get(_key(request), ())
        yield from (index for index in equal if index not in self._played)
        for index in self._with_placeholders:
            if index not in self._played and _is_like(self._exchanges[index].request, request):
                yield index

    def _refuse(self, request: RecordedRequest) -> RecordingError:
        """Return the error for a request that has no response left."""
        cassette = f"the cassette {str(self._path)!r}"
        times = sum(_is_like(each.request, request) for each in self._exchanges)
        if not self._exchanges:
            message = f"{cassette} has no requests"
        elif times:
            message = (
                f"{cassette} has this request {_times(times)}, and all responses to it were returned; "
                f"the closest request is {_shown(self._closest(request))}"
            )
        else:
            closest = self._closest(request)
            differences = _differences(closest, request)
            detail = f", which differs in {differences}" if differences else ""
            message = f"{cassette} has no such request; the closest is {_shown(closest)}{detail}"
        return RecordingError(message, method=request.method, url=_shown(request).partition(" ")[2])

    def _closest(self, request: RecordedRequest) -> RecordedRequest:
        several = [each.request for each in self._exchanges[:_MOST_COMPARED]]
        same_place = [each for each in several if (each.method, each.path) == (request.method, request.path)]
        matcher = SequenceMatcher(b=_key(request)[:_MOST_COMPARED], autojunk=False)

        def likeness(recorded: RecordedRequest) -> float:
            matcher.set_seq1(_key(recorded)[:_MOST_COMPARED])
            return matcher.quick_ratio() + 0.1 * matcher.real_quick_ratio()

        return max(same_place or several, key=likeness)


def _key(request: RecordedRequest) -> str:
    body = "" if request.body is NO_BODY else json.dumps(request.body, sort_keys=True, ensure_ascii=False)
    return "\n".join([request.method, request.path, json.dumps(sorted(request.query), ensure_ascii=False), body])


def _is_like(recorded: RecordedRequest, actual: RecordedRequest) -> bool:
    query, actual_query = sorted(recorded.query), sorted(actual.query)
    return (
        recorded.method == actual.method
        and matches(unquote(recorded.path), unquote(actual.path))
        and [name for name, _ in query] == [name for name, _ in actual_query]
        and all(matches(value, other) for (_, value), (_, other) in zip(query, actual_query, strict=True))
        and _is_like_json(recorded.body, actual.body)
    )


def _is_like_json(recorded: Any, actual: Any) -> bool:
    if isinstance(recorded, str) and isinstance(actual, str):
        return matches(recorded, actual)
    if (fields := as_object(recorded)) is not None:
        others = as_object(actual)
        return (
            others is not None
            and fields.keys() == others.keys()
            and all(_is_like_json(value, others[name]) for name, value in fields.items())
        )
    if (items := as_array(recorded)) is not None:
        several = as_array(actual)
        return several is not None and len(items) == len(several) and all(map(_is_like_json, items, several))
    if isinstance(recorded, str) and actual is not None and actual is not NO_BODY:
        return has_placeholder(recorded) and isinstance(actual, int | float)  # the value of a variable
    return bool(recorded == actual)


def _differences(recorded: RecordedRequest, actual: RecordedRequest) -> str:
    """Describe how a request differs from one with the same method and path; "" if it has another path."""
    if (recorded.method, recorded.path) != (actual.method, actual.path):
        return ""
    found = [*_changes("", _as_fields(recorded.query), _as_fields(actual.query))]
    body, other = as_object(recorded.body), as_object(actual.body)
    if body is not None and other is not None:
        found += _changes("body.", body, other)
    elif recorded.body != actual.body:
        found.append("its body")
    return ", ".join(found[:_MOST_DIFFERENCES])


def _as_fields(query: list[tuple[str, str]]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, value in query:
        fields[name] = [*fields.get(name, []), value]
    return {name: values[0] if len(values) == 1 else values for name, values in fields.items()}


def _changes(prefix: str, recorded: dict[str, Any], actual: dict[str, Any]) -> Iterator[str]:
    for name in dict.fromkeys([*recorded, *actual]):
        before, after = recorded.get(name), actual.get(name)
        if before != after and not _is_like_json(before, after):
            yield f"{prefix}{name} ({_short(before)}, now {_short(after)})"


def _short(value: object) -> str:
    text = "absent" if value is None else repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"


def _shown(request: RecordedRequest) -> str:
    """Return the line of a request without secrets; the query of a URL may be the key to a file."""
    line = request.line.partition("?")[0] if "://" in request.path else request.line
    return NO_SECRETS.mask(line)


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")
