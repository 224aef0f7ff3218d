"""Logs that are not kept in memory: the last lines, search while loading, and following a running job.

The API returns either a whole log or its last bytes. So missing bytes are requested as a suffix of that length, both
after a connection broke and when a log has grown.
"""

from __future__ import annotations

import codecs
import math
from contextlib import nullcontext
from typing import TYPE_CHECKING, Final

from buildkite_orm.errors import ConnectionFailedError, GoneError, NotFoundError, ResponseError, StatusError
from buildkite_orm.files.atomic import atomic_write
from buildkite_orm.files.safe_paths import Target
from buildkite_orm.http.messages import ApiRequest
from buildkite_orm.http.sizes import FileLimit, content_length, content_range, limit_size
from buildkite_orm.logs.terminal import ROWS, Terminal
from buildkite_orm.logs.text import LineReader, search_lines
from buildkite_orm.resources.builds.job import ScriptJob
from buildkite_orm.resources.builds.status import job_is_finished, moment
from buildkite_orm.resources.builds.wait_state import wait_state
from buildkite_orm.utils.cancellation import sleep
from buildkite_orm.utils.plain_values import as_number

if TYPE_CHECKING:
    import os
    import re
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from buildkite_orm.http.messages import ApiResponse
    from buildkite_orm.http.stream import Stream
    from buildkite_orm.logs.text import LogLine, LogMatch
    from buildkite_orm.resources.builds.log import LogRef

_FULL, _PARTIAL, _RANGE_NOT_SATISFIABLE = 200, 206, 416
_CONTINUATION: Final = 0x80  # the first two bits of a byte that continues a character in UTF-8
_MAX_PAUSE: Final = 30.0
_SETTLED: Final = 60.0
_SLOWDOWN: Final = 1.5
_MAX_RANGES: Final = 10
_REQUESTS_PER_POLL: Final = 2
_TAIL_SIZE: Final = 16 * 1024
_TAIL_GROWTH: Final = 8
_TAIL_REQUESTS: Final = 3
_LINE_SIZE: Final = 256


def save(log: LogRef, path: str | os.PathLike[str]) -> Path:
    """Save a log; see `LogRef.save_to`. The server returns no range from an offset on, so a retry starts over."""
    target = Target.of(path, f"{log.job.api_path.rpartition('/')[2]}.log")

    def attempt() -> None:
        stored = _stored_chunks(log)
        stream = log.session.stream(_log_request(log, None)) if stored is None else nullcontext()
        with stream, atomic_write(target, f"log {log.api_path}") as part:
            part.restart()
            received = stored if isinstance(stream, nullcontext) else _stored_while_read(log, stream)
            for chunk in received or ():
                part.write(chunk)

    log.session.retries.run(attempt, idempotent=True)
    return target.path


def tail(log: LogRef, lines: int) -> str:
    """Fetch the last lines of a log as plain text; see `LogRef.tail`."""
    body, shown = b"", list[str]()
    size = max(_TAIL_SIZE, _LINE_SIZE * lines)
    for n in (size * _TAIL_GROWTH**number for number in range(_TAIL_REQUESTS)):
        body, is_complete = _end_of(log, n)
        terminal = Terminal()
        shown = _split_lines(terminal.close(_whole_lines(body, is_complete=is_complete)))
        # a cursor that moved up may have reached lines that are not in this part of the log
        needed = lines + ROWS if terminal.has_moved_up else lines
        if is_complete or len(shown) >= needed:
            break
    if not shown:  # no line begins in this part: return the end of the one there is
        shown = _split_lines(Terminal().close(_without_cut_character(body).decode(errors="replace")))
    return "".join(shown[-lines:])


def plain_end(log: LogRef, size: int) -> str:
    """Fetch the whole lines in the last bytes of a log as plain text, in one request; the end of a line without any.

    Args:
        log: The log.
        size: How many bytes.
    """
    body, is_complete = _end_of(log, size)
    text = _whole_lines(body, is_complete=is_complete) or _without_cut_character(body).decode(errors="replace")
    return Terminal().close(text)


def tail_bytes(log: LogRef, n: int) -> str:
    """Fetch the last bytes of a log; see `LogRef.tail_bytes`."""
    body, _ = _end_of(log, n)
    return _without_cut_character(body[-n:]).decode(errors="replace")


def _end_of(log: LogRef, n: int) -> tuple[bytes, bool]:
    """Fetch the last bytes of a log, and whether they are all of it; a server without ranges returns the whole log."""
    if log.session.cache is None:
        return _request_end(log, n)[1]
    from buildkite_orm.resources.builds.cached_log import store_end, stored_end

    if (stored := stored_end(log, n)) is not None:
        return stored
    response, (body, is_whole) = _request_end(log, n)
    if response is not None:
        store_end(log, n, response.headers, body, is_whole=is_whole)
    return body, is_whole


def _request_end(log: LogRef, n: int) -> tuple[ApiResponse | None, tuple[bytes, bool]]:
    try:
        return log.session.send(_log_request(log, n), lambda response: (response, _read_end(response)))
    except StatusError as error:
        if error.status != _RANGE_NOT_SATISFIABLE:
            raise
        return None, (b"", True)


def search(log: LogRef, regex: str | re.Pattern[str], context: int) -> Iterator[LogMatch]:
    """Search a log while it is loading; see `LogRef.search`."""
    return search_lines(_lines(log), regex, context)


def follow(log: LogRef, every: float) -> Iterator[LogLine]:
    """Yield the lines of a log as they are written; see `LogRef.follow`."""
    every = as_number("every", every)
    if not every > 0:  # also refuses NaN
        msg = f"every={every!r}: must be more than 0 seconds"
        raise ValueError(msg)
    return _LogFollower(log, every).lines()


def _lines(log: LogRef) -> Iterator[LogLine]:
    lines = _LineDecoder(ROWS)
    for chunk in _stored_chunks(log) or _whole_content(log):
        yield from lines.feed(chunk)
    yield from lines.close()


def _whole_content(log: LogRef) -> Iterator[bytes]:
    """Request all chunks of a log, which the cache stores if its job is finished."""
    content = _LogContent(log)
    if log.session.cache is None:
        return content.chunks()
    from buildkite_orm.resources.builds.cached_log import store_while_read

    return store_while_read(log, content.chunks(), lambda: content.headers)


def _stored_chunks(log: LogRef) -> Iterator[bytes] | None:
    """Return the chunks that the cache has."""
    if log.session.cache is None:
        return None
    from buildkite_orm.resources.builds.cached_log import stored_chunks

    return stored_chunks(log)


def _stored_while_read(log: LogRef, stream: Stream) -> Iterator[bytes]:
    """Yield the chunks of a response with a whole log, which the cache stores if its job is finished."""
    if log.session.cache is None:
        return log_chunks(log, stream)
    from buildkite_orm.resources.builds.cached_log import store_while_read

    return store_while_read(log, log_chunks(log, stream), lambda: stream.headers)


class _LineDecoder:
    """Decodes bytes into lines as a terminal shows them, once the cursor cannot reach them any more."""

    def __init__(self, rows: int) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._terminal = Terminal(rows=rows, marks=True)
        self._reader = LineReader()

    def feed(self, chunk: bytes) -> Iterator[LogLine]:
        self._terminal.feed(self._decoder.decode(chunk))
        return self._reader.read(self._terminal.take_finished())

    def close(self) -> Iterator[LogLine]:
        return self._reader.read(self._terminal.close(self._decoder.decode(b"", final=True)))


class _LogContent:
    """The bytes of a log, chunk by chunk, resumed where a connection breaks.

    Attributes:
        offset: The number of bytes that were received.
        headers: The headers of the first response.
    """

    def __init__(self, log: LogRef) -> None:
        self._log = log
        self._session = log.session
        self._size: int | None = None
        self.offset = 0
        self.headers: Mapping[str, str] = {}

    def chunks(self, size: int | None = None) -> Iterator[bytes]:
        """Yield the chunks that were not received before, as far as the log goes now.

        Args:
            size: The size of the log, if it is known.
        """
        self._size = size
        for chunk in self._session.retries.transfer(self._chunks_from, self.offset):
            self.offset += len(chunk)
            yield chunk

    def _chunks_from(self, offset: int) -> Iterator[bytes]:
        size, self._size = self._size, None  # another attempt requests the size again
        try:
            stream, skip = self._request_rest(offset, size) if offset else (self._request(), 0)
        except StatusError as error:
            if error.status != _RANGE_NOT_SATISFIABLE:
                raise
            return
        if stream is not None:
            self.headers = self.headers or stream.headers
            with stream:
                yield from _skip_bytes(stream, log_chunks(self._log, stream, received=offset - skip), skip)

    def _request_rest(self, offset: int, size: int | None) -> tuple[Stream | None, int]:
        """Request the bytes after an offset; the response may begin before that, because the log may have grown."""
        missing = (self._log.fetch_size() if size is None else size) - offset
        if missing <= 0:
            return None, 0
        for _ in range(_MAX_RANGES):
            stream = self._request(missing)
            start = _start_of(stream)
            if start <= offset:
                return stream, offset - start
            stream.close()
            missing += 2 * (start - offset)
        raise ResponseError(f"the server returned a shorter end of the log than requested, {_MAX_RANGES} times")

    def _request(self, last: int | None = None) -> Stream:
        return self._session.stream(_log_request(self._log, last))


class _LogFollower:
    """Polls a log until its job is finished."""

    def __init__(self, log: LogRef, every: float) -> None:
        self._log = log
        self._every = every
        self._session = log.session
        self._content = _LogContent(log)
        self._lines = _LineDecoder(rows=1)
        self._is_command = False
        self._is_finished = False
        self._last_seen_running = -math.inf  # by the monotonic clock
        self._is_complete = False
        self._idle_polls = 0

    def lines(self) -> Iterator[LogLine]:
        """Yield the lines, waiting for more."""
        with wait_state(self._session).waiting():
            yield from self._new_lines()
        yield from self._lines.close()

    def _new_lines(self) -> Iterator[LogLine]:
        has_grown = False
        while True:
            was_finished = self._is_finished
            if not has_grown and not was_finished:
                self._check_job()
            size = self._size()
            if size < self._content.offset:
                self._restart()
            has_grown = size > self._content.offset
            if has_grown:
                for chunk in self._content.chunks(size):
                    yield from self._lines.feed(chunk)
            if self._is_complete or (was_finished and not has_grown):
                return
            self._idle_polls = 0 if has_grown or self._is_finished else self._idle_polls + 1
            self._pause()

    def _check_job(self) -> None:
        """Check whether the job is finished; its agent may send the end of the log a moment later."""
        job = self._log.job.fetch()
        self._is_command = isinstance(job, ScriptJob)
        self._is_finished = job_is_finished(job)
        finished_at = moment(job, "finished_at")
        clock = self._session.clock
        if not self._is_finished:
            self._last_seen_running = clock.monotonic()
        elif finished_at is not None:
            # a wall clock that is ahead must not cut off what the agent sends after the job has finished
            ago = min(clock.now() - finished_at.timestamp(), clock.monotonic() - self._last_seen_running)
            self._is_complete = ago >= _SETTLED

    def _size(self) -> int:
        try:
            return self._log.fetch_size()
        except (NotFoundError, GoneError):
            if not self._is_command:
                raise
            return 0  # not written yet, or deleted

    def _restart(self) -> None:
        """Read a log that was deleted or got shorter from its beginning."""
        self._content, self._lines = _LogContent(self._log), _LineDecoder(rows=1)

    def _pause(self) -> None:
        wanted = min(self._every * _SLOWDOWN**self._idle_polls, max(self._every, _MAX_PAUSE))
        affordable = _REQUESTS_PER_POLL * wait_state(self._session).min_interval(self._log.api_path)
        sleep(self._session.clock, max(wanted, affordable))


def log_chunks(log: LogRef, stream: Stream, *, received: int = 0) -> Iterator[bytes]:
    """Yield the chunks of a response with a log, no more than it declares or `SizeLimits.file` allows.

    Args:
        log: The log.
        stream: The response.
        received: The number of bytes of the log that were received before.

    Raises:
        ResponseError: The response is another part of the log, or its Content-Length is not a number.
        DownloadError: There are more bytes.
    """
    part = content_range(stream.headers)
    if stream.status != _PARTIAL:
        part = None
    elif part is None or part.start != received or part.total not in {None, part.stop}:
        raise ResponseError("the response is another part of the log than was requested", method="GET", url=stream.url)
    declared = content_length(stream.headers, decompressed=True)
    limit = FileLimit(log.api_path, log.session.limits.file, None, received=received)
    limit = limit.declared_as(declared).declared_as(None if part is None else part.stop - part.start)
    return limit_size(stream, limit.size - limit.received, limit.error)


def _log_request(log: LogRef, last: int | None) -> ApiRequest:
    """Return the request for the last bytes of a log, or for all of it."""
    range_headers = {} if last is None else {"Accept-Encoding": "identity", "Range": f"bytes=-{last}"}
    return ApiRequest("GET", log.api_path, headers={"Accept": "text/plain", **range_headers})


def _read_end(response: ApiResponse) -> tuple[bytes, bool]:
    part = content_range(response.headers) if response.status == _PARTIAL else None
    if part is not None and part.stop - part.start != len(response.body):
        error = response.unexpected("the end of the log is shorter than its Content-Range")
        error.damaged = True
        raise error
    return response.body, response.status == _FULL or (part is not None and part.start == 0)


def _whole_lines(body: bytes, *, is_complete: bool) -> str:
    """Decode the end of a log, without the line that is cut at the beginning."""
    return (body if is_complete else body.partition(b"\n")[2]).decode(errors="replace")


def _split_lines(text: str) -> list[str]:
    """Split a text into lines with their ends; only a line feed ends a line."""
    *lines, rest = text.split("\n")
    return [f"{line}\n" for line in lines] + ([rest] if rest else [])


def _without_cut_character(body: bytes) -> bytes:
    """Drop up to three bytes at the beginning that continue a character whose first byte is missing."""
    start = 0
    while start < min(3, len(body)) and body[start] & 0xC0 == _CONTINUATION:
        start += 1
    return body[start:]


def _start_of(stream: Stream) -> int:
    """Return the offset in the log at which a response begins."""
    if stream.status == _FULL:
        return 0
    part = content_range(stream.headers)
    if part is None:
        stream.close()
        raise ResponseError("the end of a log was received without Content-Range, so that its beginning is unknown")
    return part.start


def _skip_bytes(stream: Stream, chunks: Iterator[bytes], skip: int) -> Iterator[bytes]:
    """Yield the chunks of a response without its first bytes; raise if it ends before its Content-Range."""
    part = content_range(stream.headers) if stream.status == _PARTIAL else None
    missing = 0 if part is None else part.stop - part.start
    for chunk in chunks:
        missing -= len(chunk)
        if len(chunk) > skip:
            yield chunk[skip:]
        skip = max(0, skip - len(chunk))
    if missing > 0:
        what = f"the response broke off {missing} bytes before the end of its Content-Range"
        raise ConnectionFailedError(what, method="GET", url=stream.url)
