"""The lines of a log that explain why its job failed: the first error, the end of its report, and the exit status.

The agent prints its own output after that of the command: hooks and uploads. So the search ends at the agent's error
line. It prefers groups that the command expanded (`+++`, `^^^ +++`) and the last group that reports an error.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

GAP: Final = "…"
"""Stands for lines that are left out."""

_MAX_LENGTH: Final = 500  # of a line; minified code and data have longer ones
_MIN_WITH_GAPS: Final = 4  # with fewer lines, all of them show the log
_NEAR_AFTER, _NEAR_BEFORE = 5, 2
_RESULTS_SHARE: Final = 5  # one line in five for the results at the end

_HEADER: Final = re.compile(r"(?:---|\+\+\+|~~~)\s(?!(?:FAIL|PASS|SKIP|BENCH):)")  # not those of `go test`
_EXPANDS: Final = re.compile(r"\^\^\^\s\+\+\+")
_OF_AGENT: Final = "~~~ "  # begins the headers of the agent
_AGENT_ERROR: Final = re.compile(r"🚨 Error: ")
_COMMAND_ERROR: Final = re.compile(r"🚨 Error: The command (?:exited with status|was interrupted)")
_CANCELED: Final = re.compile(r"# Received cancell?ation signal")
_AGENT_AFTERWARDS: Final = re.compile(
    r"~~~ (?:Uploading artifacts|Running .*(?:post-command|pre-artifact|post-artifact|pre-exit) hook)"
)
_PREFIX: Final = re.compile(r"#\d+ (?:\d+\.\d+ )?|[\w.-]+[-_]\d+\s+\| ")  # of docker build, docker compose


def _any_of(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns))


_REPORTS: Final = _any_of(
    r"E {2,}\S",  # pytest
    r"Traceback \(most recent call last\):",
    r"\s*● (?!Console)\S.*",  # jest
    r"\s*FAIL\s{1,2}\S+.* > ",  # vitest
    r"\s*\d+ failing$",  # mocha
    r"\s*not ok ",  # TAP
    r".*\bFailure/Error:",  # rspec
    r"\s*--- FAIL:",  # go test
    r"panic: |fatal error: |fatal: ",
    r"(?:\./)?\S+\.go:\d+:\d+: ",  # go build, go vet
    r"error(?:\[\w+\])?: ",  # rustc, clang
    r"thread '.*'.* panicked at ",
    r".*\berror (?:TS|CS|MSB|NU|FS|BC|NETSDK|CA)\d+\b",  # tsc, dotnet
    r"\S+:\d+(?::\d+)?: (?:fatal )?error:",  # gcc, clang, javac, swiftc, mypy
    r"e: (?:file:)?/",  # kotlinc
    r".* > .* FAILED$",  # gradle
    r"FAILURE: Build failed|\* What went wrong:",
    r"\[ERROR\] \S",  # maven
    r"npm (?:ERR!|error) code E",
    r"\s+\d+:\d+\s+error\s",  # eslint
    r"(?:[│|] )?Error: \S",  # terraform
    r"In \S+ line \d+:$",  # shellcheck
    r"\s+Failed \S.* \[(?:< )?\d+ m?s\]",  # dotnet test
    r"ERROR: (?:failed to (?:solve|build)|process )|executor failed running",  # docker build
    r"\S+: (?:line )?\d+: .*(?:not found|unbound variable|No such file|[Pp]ermission denied|[Ss]yntax error)",  # shells
)
_MENTIONS: Final = re.compile(
    r"^\s*(?:[\w$]+[.:]+)*\w*(?:Error|Exception)\b.*:"
    r"|^\s*[\u00d7✕✖✗✘] "
    r"|(?i:\b(?:error|fatal|critical|failed|failure|failing|denied|killed|aborted|exception|timed out|timeout|not found"
    r"|no such file|cannot|could not|unable to|segmentation fault|core dumped|out of memory|exceeded)\b)"
)
_HARMLESS: Final = re.compile(
    r"^\s*(?:✓|✔|√|ok\b|PASS\b)|(?:\.\.\. ok|PASSED|\bpassed)$|^\$ "
    r"|(?i:\b(?:0|no) (?:errors?|failures?|failed)\b|\bwarn(?:ing)?\b|\bdeprecated\b)"
)
_RESULTS: Final = _any_of(
    r".*\b[1-9]\d* (?:failed|failing|failures?|errors?|problems?|examples?)\b",
    r".*\b(?:Failures|Errors|Failed|failed):\s*[1-9]",
    r"(?:FAILED|ERROR|FAIL)\s+\S",
    r"\s*not ok ",
    r"rspec \./",
    r"test result: FAILED",
    r"make(?:\[\d+\])?: \*\*\*",
    r"npm (?:ERR!|error) code E",
    r"[\w.]+(?:Error|Exception)(?:: |$)",
    r"# fail [1-9]",
    r".*\bBUILD FAIL(?:ED|URE)",
    r"Failed!|Build FAILED",
    r"error: (?:could not compile|test failed)",
    r"ERROR: failed to (?:solve|build)",
    r".*\bexit(?:ed with)? (?:code|status):? [1-9]",
)
_REPORT, _MENTION, _NOTHING = 2, 1, 0


def failure_lines(text: str, count: int) -> tuple[str, ...]:
    """Return the lines of a log that explain why its job failed, in their order.

    Args:
        text: The log, or its end, as plain text.
        count: How many lines at most. With four or more, `…` stands for lines that are left out; those count too.
    """
    log = _Log.of(text)
    selection = _Selection(log.lines, max(count, 0))
    cause = None if log.is_canceled else _find_cause(log)
    if cause is None:
        selection.add([] if log.error is None else [log.error])
        selection.add(_backward(log))
    else:
        selection.add(_by_priority(log, *cause, count // _RESULTS_SHARE))
    return tuple(selection.texts())


@dataclass(frozen=True, slots=True)
class _Log:
    """The lines of a log, without blank ones and `^^^ +++`.

    Attributes:
        lines: The lines.
        marks: The indexes of the lines that a `^^^ +++` follows.
        stop: The index after the last line of the command.
        error: The index of the agent's error line.
    """

    lines: list[str]
    marks: list[int]
    stop: int
    error: int | None

    @classmethod
    def of(cls, text: str) -> Self:
        lines: list[str] = []
        marks: list[int] = []
        for line in filter(None, map(str.rstrip, text.split("\n"))):
            if _EXPANDS.match(line):
                marks.append(len(lines) - 1)
            else:
                lines.append(line)
        error = _agent_error(lines)
        return cls(lines, marks, _end_of_command(lines) if error is None else error, error)

    @property
    def is_canceled(self) -> bool:
        return any(_CANCELED.match(line) for line in self.lines[: self.stop])

    def groups(self) -> Iterator[_Group]:
        """Yield the groups of the command."""
        headers = (index for index in range(1, self.stop) if _is_header(self.lines, index))
        marks = list(self.marks)
        if self.stop - 1 in marks:  # the agent expands the last group of every command that failed
            marks.remove(self.stop - 1)
        for start, stop in pairwise(sorted({0, *headers, self.stop})):
            is_expanded = self.lines[start].startswith("+++ ") or any(start <= mark < stop for mark in marks)
            yield _Group(start, stop, is_expanded)


@dataclass(frozen=True, slots=True)
class _Group:
    """The lines from `start` to `stop`, the first of which is its header, if it has one."""

    start: int
    stop: int
    is_expanded: bool


def _agent_error(lines: Sequence[str]) -> int | None:
    """Return the index of the line in which the agent reports the failure; errors of later hooks do not count."""
    errors = [index for index, line in enumerate(lines) if _AGENT_ERROR.match(line)]
    of_command = [index for index in errors if _COMMAND_ERROR.match(lines[index])]
    return of_command[-1] if of_command else errors[0] if errors else None


def _end_of_command(lines: Sequence[str]) -> int:
    """Return the index after the last line of a command for which the agent reports no error."""
    stop = len(lines)
    for index in range(len(lines) - 1, 0, -1):
        if lines[index].startswith(_OF_AGENT):
            if not _AGENT_AFTERWARDS.match(lines[index]):
                break
            stop = index
    return stop


def _is_header(lines: Sequence[str], index: int) -> bool:
    """Whether a line begins a group; the first two lines of a unified diff do not."""
    if not _HEADER.match(lines[index]):
        return False
    first = index if lines[index].startswith("--- ") else index - 1
    diff = [line[:3] for line in lines[max(first, 0) : first + 3]]
    return diff != ["---", "+++", "@@ "]


def _find_cause(log: _Log) -> tuple[_Group, int] | None:
    """Return the group that explains the failure and the index of its first error; None without any error."""
    best, best_rank = None, 0
    for group in log.groups():
        kinds = [_kind(log.lines, index) for index in range(group.start, group.stop)]
        kind = max(kinds, default=_NOTHING)
        rank = kind + group.is_expanded
        if kind != _NOTHING and rank >= best_rank:
            best, best_rank = (group, group.start + kinds.index(kind)), rank
    return best


def _kind(lines: Sequence[str], index: int) -> int:
    line = _without_prefix(lines[index])[:_MAX_LENGTH]
    if _is_header(lines, index) or _HARMLESS.search(line):
        return _NOTHING
    if _REPORTS.match(line):
        return _REPORT
    return _MENTION if _MENTIONS.search(line) else _NOTHING


def _without_prefix(line: str) -> str:
    prefix = _PREFIX.match(line)
    return line[prefix.end() :] if prefix else line


def _by_priority(log: _Log, group: _Group, first: int, results: int) -> Iterator[int]:
    """Yield the indexes of the lines around the first error, the most important ones first."""
    after, before = range(first + 1, group.stop), range(first - 1, group.start, -1)
    yield first
    if log.error is not None:
        yield log.error
    if _kind(log.lines, first) == _MENTION:  # it may be harmless: the last lines are as likely to have the reason
        yield from reversed(after[len(after) - min(results, len(after)) :])
    yield from after[:_NEAR_AFTER]
    yield from before[:_NEAR_BEFORE]
    found = [index for index in after if _RESULTS.match(_without_prefix(log.lines[index])[:_MAX_LENGTH])]
    yield from found[len(found) - min(results, len(found)) :]
    if not log.lines[group.start].startswith(_OF_AGENT):
        yield group.start
    yield from after
    yield from before


def _backward(log: _Log) -> Iterator[int]:
    """Yield the indexes of the lines at the end of the command, the last one first, up to the agent's header."""
    for index in range(log.stop - 1, -1, -1):
        if log.lines[index].startswith(_OF_AGENT) and index < log.stop - 1:
            return
        yield index


class _Selection:
    """Selects lines up to a number that includes the gaps between them."""

    def __init__(self, lines: Sequence[str], count: int) -> None:
        self._lines = lines
        self._count = count
        self._has_gaps = count >= _MIN_WITH_GAPS
        self._chosen: set[int] = set()
        self._size = 0

    def add(self, indexes: Iterable[int]) -> None:
        """Add the lines with these indexes for which there is room."""
        for index in indexes:
            size = self._size_with(index)
            if index not in self._chosen and size <= self._count:
                self._chosen.add(index)
                self._size = size

    def _size_with(self, index: int) -> int:
        neighbors = (index - 1 in self._chosen) + (index + 1 in self._chosen)
        more_gaps = 1 - neighbors if self._chosen and self._has_gaps else 0
        return self._size + 1 + more_gaps

    def texts(self) -> Iterator[str]:
        """Yield the selected lines, with a mark for each gap; a gap of one line is that line."""
        previous = None
        for index in sorted(self._chosen):
            gap = 0 if previous is None else index - previous - 1
            if gap and self._has_gaps:
                yield _shorten(self._lines[index - 1]) if gap == 1 else GAP
            yield _shorten(self._lines[index])
            previous = index


def _shorten(line: str) -> str:
    return line if len(line) <= _MAX_LENGTH else f"{line[:_MAX_LENGTH]}{GAP}"
