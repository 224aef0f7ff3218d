"""The text of a log: lines as a terminal shows them, their times, and the groups that they form."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from buildkite_orm.logs.ansi import MARK, without_marks
from buildkite_orm.logs.terminal import plain_text
from buildkite_orm.utils.plain_values import as_index
from buildkite_orm.utils.text import escape_lines

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
        text: The text as a terminal shows it.
        timestamp: When it was written; None if the log does not say.
        group: The title of its group; None before the first one.
    """

    text: str
    timestamp: datetime | None = None
    group: str | None = None

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class LogGroup:
    """A group of lines that Buildkite's page folds.

    Attributes:
        kind: The beginning of its header: `---`, `+++` or `~~~`.
        title: The rest of its header.
        lines: The lines below the header, without `^^^ +++` lines.
        expanded: Whether the page shows it unfolded: for `+++`, or with a `^^^ +++` line.
        started_at: When it began; None if the log does not say.
        duration: The time until the next group began, or its own last line was written. Never negative; None if the
            log does not say.
    """

    kind: str
    title: str
    lines: tuple[LogLine, ...] = field(repr=False)
    expanded: bool
    started_at: datetime | None
    duration: timedelta | None


@dataclass(frozen=True, slots=True)
class LogMatch:
    """A line of a log that matches a regular expression; prints with its context, as `grep -n` does.

    Attributes:
        number: The number of the line, from 1.
        line: The line.
        match: The match in `line.text`.
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
        lines = [f"{first + place}-{_printable(line)}" for place, line in enumerate(self.before)]
        lines.append(f"{self.number}:{_printable(self.line)}")
        lines += [f"{self.number + 1 + place}-{_printable(line)}" for place, line in enumerate(self.after)]
        return "\n".join(lines)


class LogText:
    r"""The text of a log as a terminal shows it; `job.log().fetch()` has the same properties.

    For a log from elsewhere, such as a file that `save_to()` has written.

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
        r"""The plain text, without escape sequences, and with overwritten lines in their last state.

        Example:
            >>> LogText("Counting: 10%\rCounting: 100%, done.\n").plain
            'Counting: 100%, done.\n'
        """
        return plain_text(self.text)

    @cached_property
    def lines(self) -> list[LogLine]:
        r"""The lines of `plain`, with their times and groups.

        Example:
            >>> [line.group for line in LogText("hello\n~~~ Build\nmake\n").lines]
            [None, 'Build', 'Build']
        """
        return list(LineReader().read(plain_text(self.text, marks=True)))

    @cached_property
    def groups(self) -> list[LogGroup]:
        r"""The groups, each of which begins with a header (`---`, `+++`, `~~~`).

        Example:
            >>> LogText("--- Build\nmake\n+++ Test\nmake test\n").groups[1]
            LogGroup(kind='+++', title='Test', expanded=True, started_at=None, duration=None)
        """
        return list(_groups(self.lines))

    @cached_property
    def html(self) -> str:
        r"""The log as HTML: a `pre` element with colors; all text is escaped.

        Rendering takes about half a second per megabyte.

        Raises:
            ConfigurationError: rich is not installed.

        Example:
            >>> LogText("\x1b[1m<b>\x1b[0m").html
            '<pre><span style="font-weight: bold">&lt;b&gt;</span></pre>'
        """
        from buildkite_orm.logs.html import to_html  # noqa: PLC0415 - an extra

        return to_html(self.text)

    def search(self, regex: str | re.Pattern[str], *, context: int = 0) -> Iterator[LogMatch]:
        r"""Find the lines that match a regular expression, as a terminal shows them.

        Args:
            regex: The regular expression, applied to each line.
            context: How many lines before and after each match to include.

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
    """Parses rendered text with time marks into lines; the text may be given in parts that end with a line."""

    def __init__(self) -> None:
        self._group: str | None = None

    def read(self, text: str) -> Iterator[LogLine]:
        """Return the lines; text after the last line feed is a line if it has visible characters."""
        parts = text.split("\n")
        if not without_marks(parts[-1]):
            parts.pop()
        return map(self._line, parts)

    def _line(self, rendered: str) -> LogLine:
        mark = None
        if "\x1b" in rendered:
            for mark in MARK.finditer(rendered):  # noqa: B007 - the last one
                pass
        text = without_marks(rendered) if mark else rendered.replace("\x07", "")
        if text[:3] in _BEGINNINGS and (header := _HEADER.fullmatch(text)):
            self._group = header[2]
        return LogLine(text, _time(mark[1]) if mark else None, self._group)


def search_lines(lines: Iterable[LogLine], regex: str | re.Pattern[str], context: int) -> Iterator[LogMatch]:
    """Find the lines that match, and keep only the lines of the context in memory; see `LogText.search`."""
    context = as_index("context", context)
    if context < 0:
        msg = f"context={context}: must be 0 or more"
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
            yield _with_context(*waiting.popleft())
        before.append(line)
    for match, after in waiting:
        yield _with_context(match, after)


def _with_context(match: LogMatch, after: list[LogLine]) -> LogMatch:
    return replace(match, after=tuple(after)) if after else match


def _groups(lines: list[LogLine]) -> Iterator[LogGroup]:
    headers = [place for place, line in enumerate(lines) if line.text[:3] in _BEGINNINGS and _HEADER.match(line.text)]
    for begin, end in pairwise((*headers, len(lines))):
        below = lines[begin + 1 : end]
        kind, title = lines[begin].text[:3], lines[begin].text[4:]
        visible = tuple(line for line in below if not _EXPANDS.match(line.text))
        start = next((line.timestamp for line in lines[begin:end] if line.timestamp), None)
        stop = lines[end].timestamp if end < len(lines) else None
        stop = stop or next((line.timestamp for line in reversed(lines[begin:end]) if line.timestamp), None)
        duration = max(stop - start, timedelta()) if start and stop else None
        yield LogGroup(kind, title, visible, kind == "+++" or len(visible) < len(below), start, duration)


def _printable(line: LogLine) -> str:
    """Return the text of a line with control characters and direction marks escaped."""
    return escape_lines(line.text)


def _time(milliseconds: str) -> datetime | None:
    try:
        return _EPOCH + int(milliseconds) * _MILLISECOND
    except (OverflowError, ValueError):  # past the year 9999, or too many digits for an int
        return None
