"""Logs that are not held: their end, searched while they come, and followed while their job runs.

The server gives a log's beginning only with all of it, and its end by the number of bytes. So what is missing is asked
for as an end that is as long: after a connection that broke, and of a log that has grown.
"""

from __future__ import annotations

import codecs
import math
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

_WHOLE, _PARTIAL, _NOTHING_THERE = 200, 206, 416
_CONTINUES: Final = 0x80  # what the first two bits of a byte say that goes on with a character in UTF-8
_LONGEST_PAUSE: Final = 30.0
_SETTLED: Final = 60.0
_SLOWER: Final = 1.5
_ENDS: Final = 10
_REQUESTS_PER_POLL: Final = 2
_TAIL_SIZE: Final = 16 * 1024
_TAIL_GROWTH: Final = 8
_TAIL_REQUESTS: Final = 3
_LINE_SIZE: Final = 256


def save(log: LogRef, path: str | os.PathLike[str]) -> Path:
    """Save a log; see `LogRef.save_to`. The server returns no range from an offset on, so a retry starts over."""
    target = Target.of(path, f"{log.job.api_path.rpartition('/')[2]}.log")

    def attempt() -> None:
        stream = log.session.stream(_call(log, None))
        with stream, atomic_write(target, f"log {log.api_path}") as part:
            part.restart()
            for chunk in log_chunks(log, stream):
                part.write(chunk)

    log.session.retries.run(attempt, idempotent=True)
    return target.path


def tail(log: LogRef, lines: int, *, requests: int = _TAIL_REQUESTS) -> str:
    """Fetch the last lines of a log as plain text; see `LogRef.tail`.

    Args:
        log: The log.
        lines: How many lines.
        requests: How many requests this may take; each asks for eight times as much as the one before it.
    """
    body, shown = b"", list[str]()
    size = max(_TAIL_SIZE, _LINE_SIZE * lines)
    for n in (size * _TAIL_GROWTH**number for number in range(requests)):
        body, is_complete = _end_of(log, n)
        terminal = Terminal()
        whole_lines = body if is_complete else body.partition(b"\n")[2]
        shown = _split_lines(terminal.close(whole_lines.decode(errors="replace")))
        # a cursor that moved up may have reached lines that are not in this part of the log
        needed = lines + ROWS if terminal.has_moved_up else lines
        if is_complete or len(shown) >= needed:
            break
    if not shown:  # no line begins in this part: return the end of the one there is
        shown = _split_lines(Terminal().close(_without_cut_character(body).decode(errors="replace")))
    return "".join(shown[-lines:])


def tail_bytes(log: LogRef, n: int) -> str:
    """Fetch the last bytes of a log; see `LogRef.tail_bytes`."""
    body, _ = _end_of(log, n)
    return _without_cut_character(body[-n:]).decode(errors="replace")


def _end_of(log: LogRef, n: int) -> tuple[bytes, bool]:
    """Fetch the last bytes of a log, and whether they are all of it; a server without ranges returns the whole log."""
    try:
        return log.session.send(_call(log, n), _whole_end)
    except StatusError as error:
        if error.status != _NOTHING_THERE:
            raise
        return b"", True


def search(log: LogRef, regex: str | re.Pattern[str], context: int) -> Iterator[LogMatch]:
    """Search a log while it comes; see `LogRef.search`."""
    return search_lines(_lines(log), regex, context)


def follow(log: LogRef, every: float) -> Iterator[LogLine]:
    """Give the lines of a log as they come; see `LogRef.follow`."""
    every = as_number("every", every)
    if not every > 0:  # nor is it NaN
        msg = f"every={every!r}: seconds, above 0"
        raise ValueError(msg)
    return _Follower(log, every).lines()


def _lines(log: LogRef) -> Iterator[LogLine]:
    lines = _Lines(ROWS)
    for chunk in _Content(log).chunks():
        yield from lines.feed(chunk)
    yield from lines.close()


class _Lines:
    """Makes lines of bytes, as a terminal shows them once they cannot change any more."""

    def __init__(self, rows: int) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._terminal = Terminal(rows=rows, marks=True)
        self._reader = LineReader()

    def feed(self, chunk: bytes) -> Iterator[LogLine]:
        self._terminal.feed(self._decoder.decode(chunk))
        return self._reader.read(self._terminal.take_finished())

    def close(self) -> Iterator[LogLine]:
        return self._reader.read(self._terminal.close(self._decoder.decode(b"", final=True)))


class _Content:
    """The bytes of a log, chunk by chunk, resumed where a connection breaks.

    Attributes:
        offset: The number of bytes that were received.
    """

    def __init__(self, log: LogRef) -> None:
        self._log = log
        self._session = log.session
        self._size: int | None = None
        self.offset = 0

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
            if error.status != _NOTHING_THERE:
                raise
            return
        if stream is not None:
            with stream:
                yield from _after(stream, log_chunks(self._log, stream, received=offset - skip), skip)

    def _request_rest(self, offset: int, size: int | None) -> tuple[Stream | None, int]:
        """Request the bytes after an offset; the response may begin before that, because the log may have grown."""
        missing = (self._log.fetch_size() if size is None else size) - offset
        if missing <= 0:
            return None, 0
        for _ in range(_ENDS):
            stream = self._request(missing)
            begin = _begin(stream)
            if begin <= offset:
                return stream, offset - begin
            stream.close()
            missing += 2 * (begin - offset)
        raise ResponseError(f"the server returned {_ENDS} times less of the end of the log than was requested")

    def _request(self, last: int | None = None) -> Stream:
        return self._session.stream(_call(self._log, last))


class _Follower:
    """Looks at a log again and again, until its job has ended."""

    def __init__(self, log: LogRef, every: float) -> None:
        self._log = log
        self._every = every
        self._session = log.session
        self._content = _Content(log)
        self._lines = _Lines(rows=1)
        self._is_command = False
        self._is_finished = False
        self._ran_at = -math.inf  # when it was last seen before its end, by the monotonic clock
        self._is_settled = False
        self._quiet = 0

    def lines(self) -> Iterator[LogLine]:
        """Give the lines, and wait for more."""
        with wait_state(self._session).waiting():
            yield from self._growth()
        yield from self._lines.close()

    def _growth(self) -> Iterator[LogLine]:
        has_grown = False
        while True:
            was_over = self._is_finished
            if not has_grown and not was_over:
                self._look_at_job()
            size = self._size()
            if size < self._content.offset:
                self._begin_anew()
            has_grown = size > self._content.offset
            if has_grown:
                for chunk in self._content.chunks(size):
                    yield from self._lines.feed(chunk)
            if self._is_settled or (was_over and not has_grown):
                return
            self._quiet = 0 if has_grown or self._is_finished else self._quiet + 1
            self._pause()

    def _look_at_job(self) -> None:
        """See whether the job has ended; its agent may go on for a moment to send what was written."""
        job = self._log.job.fetch()
        self._is_command = isinstance(job, ScriptJob)
        self._is_finished = job_is_finished(job)
        finished_at = moment(job, "finished_at")
        clock = self._session.clock
        if not self._is_finished:
            self._ran_at = clock.monotonic()
        elif finished_at is not None:
            # a wall clock that is ahead must not hide what the agent sends after the end that was waited for
            ago = min(clock.now() - finished_at.timestamp(), clock.monotonic() - self._ran_at)
            self._is_settled = ago >= _SETTLED

    def _size(self) -> int:
        try:
            return self._log.fetch_size()
        except (NotFoundError, GoneError):
            if not self._is_command:
                raise
            return 0  # it is not there yet, or not any more

    def _begin_anew(self) -> None:
        """Take a log that was deleted, or cut, for another one: of what it says now nothing was seen."""
        self._content, self._lines = _Content(self._log), _Lines(rows=1)

    def _pause(self) -> None:
        wanted = min(self._every * _SLOWER**self._quiet, max(self._every, _LONGEST_PAUSE))
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


def _call(log: LogRef, last: int | None) -> ApiRequest:
    """Ask for the last so many bytes of a log, or for all."""
    of_it = {} if last is None else {"Accept-Encoding": "identity", "Range": f"bytes=-{last}"}
    return ApiRequest("GET", log.api_path, headers={"Accept": "text/plain", **of_it})


def _range(headers: Mapping[str, str]) -> tuple[int, int] | None:
    """Tell which bytes of the log an answer has, the first and the one behind the last; None where it does not say."""
    found = content_range(headers)
    return (found.start, found.stop) if found else None


def _whole_end(answer: ApiResponse) -> tuple[bytes, bool]:
    told = _range(answer.headers) if answer.status == _PARTIAL else None
    if told is not None and told[1] - told[0] != len(answer.body):
        error = answer.unexpected("the end of the log is not as long as its Content-Range tells")
        error.damaged = True
        raise error
    return answer.body, answer.status == _WHOLE or (told is not None and told[0] == 0)


def _split_lines(text: str) -> list[str]:
    """Split a text into lines with their ends; only a line feed ends a line."""
    *lines, rest = text.split("\n")
    return [f"{line}\n" for line in lines] + ([rest] if rest else [])


def _without_cut_character(body: bytes) -> bytes:
    """Drop up to three bytes at the beginning that go on with a character which is not there."""
    start = 0
    while start < min(3, len(body)) and body[start] & 0xC0 == _CONTINUES:
        start += 1
    return body[start:]


def _begin(stream: Stream) -> int:
    """Tell with which byte of the log an answer begins."""
    if stream.status == _WHOLE:
        return 0
    told = _range(stream.headers)
    if told is None:
        stream.close()
        raise ResponseError("the end of a log came without Content-Range, which tells where it begins")
    return told[0]


def _after(stream: Stream, chunks: Iterator[bytes], skip: int) -> Iterator[bytes]:
    told = _range(stream.headers) if stream.status == _PARTIAL else None
    missing = 0 if told is None else told[1] - told[0]
    for chunk in chunks:
        missing -= len(chunk)
        if len(chunk) > skip:
            yield chunk[skip:]
        skip = max(0, skip - len(chunk))
    if missing > 0:
        what = f"the answer broke off {missing} bytes before the end that its Content-Range tells"
        raise ConnectionFailedError(what, method="GET", url=stream.url)
