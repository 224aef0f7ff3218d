"""What a job's log says: its lines as a terminal shows them, when they were written, and the groups that they form."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from buildkite_orm.logs.ansi import MARK, without_marks
from buildkite_orm.logs.terminal import show
from buildkite_orm.utils.plain_values import as_index
from buildkite_orm.utils.text import harmless_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_BEGINNINGS: Final = frozenset({"---", "+++", "~~~", "^^^"})
_HEADER: Final = re.compile(r"(---|\+\+\+|~~~)\s(.*)", re.DOTALL)
_EXPANDS: Final = re.compile(r"\^\^\^\s\+\+\+")


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line of a log.

    Attributes:
        text: What a terminal shows of it.
        timestamp: When it was written; None where the log does not say.
        group: The title of the group that it belongs to; None before the first one.
    """

    text: str
    timestamp: datetime | None = None
    group: str | None = None

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class LogGroup:
    """A group of lines, as Buildkite's page folds them.

    Attributes:
        kind: What its header begins with: `---`, `+++` or `~~~`.
        title: What its header says.
        lines: The lines below its header; one that only says `^^^ +++` is left out.
        expanded: Whether the page shows it unfolded: for `+++`, or a `^^^ +++` below it.
        started_at: When it began; None where the log does not say.
        duration: How long it took: until the next group began, or its own last line was written. Never negative; None
            where the log does not say.
    """

    kind: str
    title: str
    lines: tuple[LogLine, ...] = field(repr=False)
    expanded: bool
    started_at: datetime | None
    duration: timedelta | None


@dataclass(frozen=True, slots=True)
class LogMatch:
    """A line of a log in which a regular expression was found; it prints with its context, as `grep -n` has it.

    Attributes:
        number: Which line it is, from 1.
        line: The line.
        match: What was found, in `line.text`.
        before: The lines before it.
        after: The lines after it.
    """

    number: int
    line: LogLine
    match: re.Match[str]
    before: tuple[LogLine, ...] = ()
    after: tuple[LogLine, ...] = ()

    def __str__(self) -> str:
        first = self.number - len(self.before)
        told = [f"{first + place}-{_printable(line)}" for place, line in enumerate(self.before)]
        told.append(f"{self.number}:{_printable(self.line)}")
        told += [f"{self.number + 1 + place}-{_printable(line)}" for place, line in enumerate(self.after)]
        return "\n".join(told)


class LogText:
    r"""The text of a log, read as a terminal shows it; `job.log().fetch()` has all of this too.

    For a log that is at hand in another way: a file that `save_to()` has written, or a `tail()`.

    Args:
        text: The log as it is stored.

    Example:
        >>> log = LogText("--- Test\r\n\x1b_bk;t=1785585600000\x07 10%\r100%\x1b[K \x1b[32mok\x1b[0m\r\n")
        >>> log.plain
        '--- Test\n100% ok\n'
        >>> log.lines[1].timestamp.isoformat(), log.lines[1].group
        ('2026-08-01T12:00:00+00:00', 'Test')
    """

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return f"LogText(<{len(self.text)} characters>)"

    @cached_property
    def plain(self) -> str:
        r"""What a terminal shows of it: without colours and marks, and where lines are overwritten, the last of it.

        Example:
            >>> LogText("Counting: 10%\rCounting: 100%, done.\n").plain
            'Counting: 100%, done.\n'
        """
        return show(self.text)

    @cached_property
    def lines(self) -> list[LogLine]:
        r"""Its lines, as in `plain`, with their times and groups.

        Example:
            >>> [line.group for line in LogText("hello\n~~~ Build\nmake\n").lines]
            [None, 'Build', 'Build']
        """
        return list(LineReader().read(show(self.text, marks=True)))

    @cached_property
    def groups(self) -> list[LogGroup]:
        r"""The groups that headers (`---`, `+++`, `~~~`) divide it into.

        Example:
            >>> LogText("--- Build\nmake\n+++ Test\nmake test\n").groups[1]
            LogGroup(kind='+++', title='Test', expanded=True, started_at=None, duration=None)
        """
        return list(_groups(self.lines))

    @cached_property
    def html(self) -> str:
        r"""It as HTML: a `pre` with its colours, all of what it says escaped.

        It takes a while for a large log: about half a second for each megabyte.

        Raises:
            ConfigurationError: rich is not installed.

        Example:
            >>> LogText("\x1b[1m<b>\x1b[0m").html
            '<pre><span style="font-weight: bold">&lt;b&gt;</span></pre>'
        """
        from buildkite_orm.logs.html import to_html  # noqa: PLC0415 - an extra

        return to_html(self.text)

    def search(self, regex: str | re.Pattern[str], *, context: int = 0) -> Iterator[LogMatch]:
        r"""Find the lines in which a regular expression matches what a terminal shows of them.

        Args:
            regex: The regular expression; it sees one line at a time.
            context: How many lines before and after each to give along.

        Raises:
            ValueError: `context` is negative.

        Example:
            >>> log = LogText("make\nerror: no rule\nmake: stopped\n")
            >>> print(*log.search("error", context=1))
            1-make
            2:error: no rule
            3-make: stopped
        """
        return search_lines(self.lines, regex, context)


class LineReader:
    """Makes lines of what a terminal shows, with its marks; it may come in parts that end with a line."""

    def __init__(self) -> None:
        self._group: str | None = None

    def read(self, shown: str) -> Iterator[LogLine]:
        """Give the lines; what follows the end of the last one is one if there is anything in it to see."""
        parts = shown.split("\n")
        if not without_marks(parts[-1]):
            parts.pop()
        return map(self._line, parts)

    def _line(self, shown: str) -> LogLine:
        mark = None
        if "\x1b" in shown:
            for mark in MARK.finditer(shown):  # noqa: B007 - the last one
                pass
        text = without_marks(shown) if mark else shown.replace("\x07", "")
        if text[:3] in _BEGINNINGS and (header := _HEADER.fullmatch(text)):
            self._group = header[2]
        return LogLine(text, _moment(mark[1]) if mark else None, self._group)


def search_lines(lines: Iterable[LogLine], regex: str | re.Pattern[str], context: int) -> Iterator[LogMatch]:
    """Find the lines that match, each with its context, holding no more lines than that takes; see `LogText.search`."""
    context = as_index("context", context)
    if context < 0:
        msg = f"context={context}: not below 0"
        raise ValueError(msg)
    return _matches(lines, re.compile(regex), context)


def _matches(lines: Iterable[LogLine], pattern: re.Pattern[str], context: int) -> Iterator[LogMatch]:
    before: deque[LogLine] = deque(maxlen=context)
    waiting: deque[tuple[LogMatch, list[LogLine]]] = deque()
    for number, line in enumerate(lines, 1):
        for _, after in waiting:
            after.append(line)
        if found := pattern.search(line.text):
            waiting.append((LogMatch(number, line, found, tuple(before)), []))
        while waiting and len(waiting[0][1]) == context:
            yield _whole(*waiting.popleft())
        before.append(line)
    for match, after in waiting:
        yield _whole(match, after)


def _whole(match: LogMatch, after: list[LogLine]) -> LogMatch:
    return replace(match, after=tuple(after)) if after else match


def _groups(lines: list[LogLine]) -> Iterator[LogGroup]:
    headers = [place for place, line in enumerate(lines) if line.text[:3] in _BEGINNINGS and _HEADER.match(line.text)]
    for begin, end in pairwise((*headers, len(lines))):
        below = lines[begin + 1 : end]
        kind, title = lines[begin].text[:3], lines[begin].text[4:]
        said = tuple(line for line in below if not _EXPANDS.match(line.text))
        start = next((line.timestamp for line in lines[begin:end] if line.timestamp), None)
        stop = lines[end].timestamp if end < len(lines) else None
        stop = stop or next((line.timestamp for line in reversed(lines[begin:end]) if line.timestamp), None)
        took = max(stop - start, timedelta()) if start and stop else None
        yield LogGroup(kind, title, said, kind == "+++" or len(said) < len(below), start, took)


def _printable(line: LogLine) -> str:
    """Return the text of a line for a terminal: what does not print, a mark of direction say, is escaped."""
    return harmless_lines(line.text)


def _moment(milliseconds: str) -> datetime | None:
    try:
        return _EPOCH + int(milliseconds) * _MILLISECOND
    except (OverflowError, ValueError):  # past the year 9999, or more digits than a number has
        return None
