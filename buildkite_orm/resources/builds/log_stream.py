"""Logs that are not held: their end, searched while they come, and followed while their job runs.

The server gives a log's beginning only with all of it, and its end by the number of bytes. So what is missing is asked
for as an end that is as long: after a connection that broke, and of a log that has grown.
"""

from __future__ import annotations

import codecs
import math
from typing import TYPE_CHECKING, Final

from buildkite_orm.errors import ConnectionFailedError, GoneError, NotFoundError, ResponseError, StatusError
from buildkite_orm.files.download import as_final, log_chunks, retry_transfer
from buildkite_orm.http.session import ApiRequest
from buildkite_orm.http.sizes import content_range
from buildkite_orm.http.transport import ReadsStream
from buildkite_orm.logs.terminal import ROWS, Terminal
from buildkite_orm.logs.text import LineReader, search_lines
from buildkite_orm.resources.builds.job import ScriptJob
from buildkite_orm.resources.builds.status import job_is_finished, moment
from buildkite_orm.resources.builds.wait_state import wait_state
from buildkite_orm.utils.cancellation import sleep
from buildkite_orm.utils.plain_values import as_number

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator, Mapping

    from buildkite_orm.http.session import ApiResponse
    from buildkite_orm.http.transport import Stream
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
    content, lines = _Content(log), _Lines(ROWS)
    try:
        while chunk := content.read():
            yield from lines.feed(chunk)
        yield from lines.close()
    finally:
        content.close()


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


class _Content(ReadsStream):
    """The bytes of a log, chunk by chunk; where a connection breaks, they go on from there.

    Attributes:
        offset: How many have come.
    """

    def __init__(self, log: LogRef) -> None:
        self._log = log
        self._session = log.session
        self._size: int | None = None
        self.offset = 0

    def read(self, size: int | None = None) -> bytes:
        """Give the next chunk, or b"" where there is no more now.

        Args:
            size: How long the log is, if that is known.
        """
        self._size = size
        return retry_transfer(self._session, self._read)

    def close(self) -> None:
        """Give the connection back."""
        self._drop()

    def _read(self) -> bytes:
        try:
            if self._chunks is None:
                with as_final():
                    self._chunks = self._opened()
            chunk = next(self._chunks, b"")
        except BaseException:
            self._size = None
            self.close()
            raise
        self.offset += len(chunk)
        if not chunk:
            self.close()
        return chunk

    def _opened(self) -> Iterator[bytes]:
        try:
            self._stream, skip = self._ask_for_rest() if self.offset else (self._ask(), 0)
        except StatusError as error:
            if error.status != _NOTHING_THERE:
                raise
            return iter(())
        if self._stream is None:
            return iter(())
        return _behind(self._stream, log_chunks(self._log, self._stream, came=self.offset - skip), skip)

    def _ask_for_rest(self) -> tuple[Stream | None, int]:
        """Ask for what has not come; what comes may begin before that, but not after, for the log may have grown."""
        missing = (self._log.fetch_size() if self._size is None else self._size) - self.offset
        if missing <= 0:
            return None, 0
        for _ in range(_ENDS):
            stream = self._ask(missing)
            begin = _begin(stream)
            if begin <= self.offset:
                return stream, self.offset - begin
            stream.close()
            missing += 2 * (begin - self.offset)
        raise ResponseError(f"the server gave {_ENDS} times less of the end of the log than was requested")

    def _ask(self, last: int | None = None) -> Stream:
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
        try:
            with wait_state(self._session).waiting():
                yield from self._growth()
            yield from self._lines.close()
        finally:
            self._content.close()

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
                while chunk := self._content.read(size):
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
        self._content.close()
        self._content, self._lines = _Content(self._log), _Lines(rows=1)

    def _pause(self) -> None:
        wanted = min(self._every * _SLOWER**self._quiet, max(self._every, _LONGEST_PAUSE))
        affordable = _REQUESTS_PER_POLL * wait_state(self._session).min_interval(self._log.api_path)
        sleep(self._session.clock, max(wanted, affordable))


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


def _behind(stream: Stream, chunks: Iterator[bytes], skip: int) -> Iterator[bytes]:
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
