"""Logs with a cache: that of a finished job is stored as it was received."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from buildkite_orm.cache.client_cache import cache_use
from buildkite_orm.cache.files import CHUNK
from buildkite_orm.cache.keys import LOG, log_key
from buildkite_orm.cache.options import checked_age
from buildkite_orm.cache.packing import packed_row, unpack
from buildkite_orm.cache.policy import FinishedAt, finished_at, is_settled, latest_end
from buildkite_orm.errors import NotCachedError
from buildkite_orm.models.binding import Binding
from buildkite_orm.models.parsing import load_data
from buildkite_orm.models.paths import short_path
from buildkite_orm.resources.builds.log import Log, LogRef
from buildkite_orm.resources.builds.status import moment
from buildkite_orm.utils.json_types import as_object

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime, timedelta
    from io import BufferedReader

    from buildkite_orm.cache.client_cache import CacheUse, FileCopy
    from buildkite_orm.cache.options import CacheMode
    from buildkite_orm.http.messages import ApiResponse
    from buildkite_orm.models.resource import Resource

_WHOLE: Final = "whole"


def owner_finished_at(owner: Resource, *, is_finished: bool) -> FinishedAt | None:
    """Return when a job or a build was finished; None if it is not, or that is not known."""
    time = moment(owner, "finished_at") if is_finished else None
    return None if time is None else FinishedAt(time)


def fetch_log(log: LogRef, mode: CacheMode | None, max_age: timedelta | None) -> Log:
    """Fetch a log; see `LogRef.fetch`."""
    if max_age is not None:
        checked_age("max_age", max_age)
    use, key, path = cache_use(log.session, mode), log_key(log.api_path), log.api_path
    if use is None or key is None:
        return _request(log)
    stored = _stored(log, use, key, max_age) if use.reads else None
    if stored is not None:
        return stored
    if not use.requests:
        raise NotCachedError.of([short_path(path)])
    return _request(log, use, key)


def _request(log: LogRef, use: CacheUse | None = None, key: str = "") -> Log:
    context, ended = log._bound.context, _finished_at(log)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]

    def store(response: ApiResponse, item: Log) -> None:
        if use is not None and is_settled(ended, latest_end(response.headers)) and not item.drift:
            payload = _payload_of(item)
            use.cache.put([] if payload is None else [packed_row(key, LOG, "", payload)])

    return log._request(Log, context=context, received=store)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]


def stored_size(log: LogRef) -> int | None:
    """Return the size of a stored log; None if it is not stored."""
    use, key = _use_of(log)
    stored = None if use is None else _stored(log, use, key, None)
    return None if stored is None else stored.size


def stored_chunks(log: LogRef) -> Iterator[bytes] | None:
    """Return the bytes of a stored log, chunk by chunk; None if they are not stored.

    Raises:
        NotCachedError: They are not stored, and the client sends no requests.
    """
    use, key = _use_of(log)
    if use is None:
        return None
    file = use.cache.open_file(key, use.cache.options.max_age)
    if file is not None:
        return _chunks_of(file)
    stored = _stored(log, use, key, None)
    content = None if stored is None else stored.content.encode(errors="surrogatepass")
    if content is not None and stored is not None and len(content) == stored.size and "\ufffd" not in stored.content:
        return iter([content] if content else [])
    if not use.requests:
        raise NotCachedError.of([short_path(log.api_path)])
    return None


def stored_end(log: LogRef, n: int) -> tuple[bytes, bool] | None:
    """Return the last bytes of a stored log, and whether they are all of it; None if they are not stored."""
    use, key = _use_of(log)
    if use is None:
        return None
    for row in use.cache.find([_end_kind(n)], [key], max_age=use.cache.options.max_age):
        body = unpack(row.data)
        if body is not None:
            return body, row.stamp == _WHOLE
        use.cache.remove([row])
    chunks = stored_chunks(log)
    if chunks is None:
        return None
    content = b"".join(chunks)
    return content[-n:], len(content) <= n


def store_end(log: LogRef, n: int, headers: Mapping[str, str], body: bytes, *, is_whole: bool) -> None:
    """Store the last bytes of the log of a finished job."""
    use, key = _use_of(log)
    if use is not None and is_settled(_finished_at(log), latest_end(headers)):
        use.cache.put([packed_row(key, _end_kind(n), _WHOLE if is_whole else "", body)])


def store_while_read(log: LogRef, chunks: Iterator[bytes], headers: Callable[[], Mapping[str, str]]) -> Iterator[bytes]:
    """Yield the chunks of a whole log, and store them once all were read, if its job is finished.

    Args:
        log: The log.
        chunks: Its chunks.
        headers: Returns the headers of the first response, after the first chunk.
    """
    use, key = _use_of(log)
    if use is None or _finished_at(log) is None:
        yield from chunks
        return
    copy: FileCopy | None = None
    try:
        for number, chunk in enumerate(chunks):
            if number == 0 and is_settled(_finished_at(log), latest_end(headers())):
                copy = use.cache.new_file()
            if copy is not None:
                copy.write(chunk)
            yield chunk
        if copy is not None:
            copy.keep(key)
    finally:
        if copy is not None:
            copy.discard()


def _use_of(log: LogRef) -> tuple[CacheUse | None, str]:
    """Return the way in which the client uses its cache for the log, if it reads and has a key."""
    key = None if log.session.cache is None else log_key(log.api_path)
    use = None if key is None else cache_use(log.session, None)
    return (None, "") if use is None or key is None or not use.reads else (use, key)


def _finished_at(log: LogRef) -> datetime | None:
    return finished_at(log._bound.context)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]


def _end_kind(n: int) -> str:
    return f"end of log, {n} bytes"


def _chunks_of(file: BufferedReader) -> Iterator[bytes]:
    with file:
        yield from iter(lambda: file.read(CHUNK), b"")


def _payload_of(log: Log) -> bytes | None:
    """Return what is stored of a log: a line of JSON with its other fields, and its content."""
    try:
        return json.dumps(log.dump() | {"content": None}).encode() + b"\n" + log.content.encode()
    except UnicodeEncodeError:  # half a character
        return None


def _load(payload: bytes | None) -> Log | None:
    """Load a log from what is stored of it; None if that is damaged."""
    fields, separator, content = (payload or b"").partition(b"\n")
    try:
        data = as_object(json.loads(fields)) if separator else None
        return None if data is None else load_data(Log, {**data, "content": content.decode()})
    except ValueError:
        return None


def _stored(log: LogRef, use: CacheUse, key: str, max_age: timedelta | None) -> Log | None:
    for row in use.cache.find([LOG], [key], max_age=max_age or use.cache.options.max_age):
        item = _load(unpack(row.data))
        if item is None or item.drift:
            use.cache.remove([row])
            continue
        context = log._bound.context  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        return item.bind(Binding(log.session, log.api_path, context, log.api_path, row.stored_at))
    return None
