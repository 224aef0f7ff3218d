"""Job logs: whole and read, their size, their end, as a file, searched while they come, or followed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from buildkite_orm.http.messages import ApiRequest
from buildkite_orm.models.resource import Fetchable
from buildkite_orm.resources.parents import InJob
from buildkite_orm.utils.numbers import parse_decimal
from buildkite_orm.utils.plain_values import as_index
from buildkite_orm.utils.text import short_size

if TYPE_CHECKING:
    import os
    import re
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from buildkite_orm.http.messages import ApiResponse
    from buildkite_orm.logs.text import LogGroup, LogLine, LogMatch, LogText


class LogRef(InJob):
    """Where a job's log is.

    Example:
        >>> log = bk.organization("acme").pipeline("web").builds(state="passed")[0].jobs()[0].log()
        >>> log.fetch_size() == len(log.fetch().text.encode())
        True
    """

    _kind = "log"
    _paths = (
        "organizations/{organization}/pipelines/{pipeline}/builds/{build}/jobs/{job}/log",
        "organizations/{organization}/jobs/{job}/log",
    )

    def fetch(self) -> Log:
        """Ask for the whole log; it may be large, see `fetch_size()`, `tail()` and `save_to()`.

        Raises:
            NotFoundError: It is not the log of a command job.
            PermissionDeniedError: The token lacks the scope `read_build_logs`.

        Documentation: https://buildkite.com/docs/apis/rest-api/jobs#get-a-jobs-log-output
        """
        return self._request(Log)

    def fetch_size(self) -> int:
        """Ask for the size of the log, in bytes, and for nothing else.

        Documentation: https://buildkite.com/docs/apis/rest-api/jobs#get-a-jobs-log-output-get-log-size-without-downloading
        """
        return self.session.send(ApiRequest("HEAD", self.api_path, headers={"Accept-Encoding": "identity"}), _announced)

    def tail(self, lines: int = 20) -> str:
        """Fetch the last lines of the log as plain text, as a terminal shows them.

        One request of 16 KiB is enough for most logs. If that has too few whole lines, up to two larger ones follow,
        of up to 1 MiB (for more than 64 lines: 16 KiB per line). The first line is cut only if it is longer than that.

        Args:
            lines: How many lines, from 1; fewer are returned if the log, or the part that was requested, has no more.

        Raises:
            ValueError: `lines` is below 1.
            NotFoundError: The job is not a command job.
            PermissionDeniedError: The token lacks the scope `read_build_logs`.

        Example:
            >>> log = bk.organization("acme").pipeline("web").builds(state="failed")[0].jobs()[0].log()
            >>> print(log.tail(1), end="")
            🚨 Error: The command exited with status 1

        Documentation: https://buildkite.com/docs/apis/rest-api/jobs#get-a-jobs-log-output-get-a-log-tail-using-a-range-request
        """
        from buildkite_orm.resources.builds.log_stream import tail

        return tail(self, _at_least_one("lines", lines))

    def tail_bytes(self, n: int) -> str:
        """Fetch the last bytes of the log as they are stored, with escape sequences.

        A character that is cut in two at the beginning is left out.

        Args:
            n: How many bytes, from 1.

        Raises:
            ValueError: `n` is below 1.
            NotFoundError: The job is not a command job.
            PermissionDeniedError: The token lacks the scope `read_build_logs`.

        Documentation: https://buildkite.com/docs/apis/rest-api/jobs#get-a-jobs-log-output-get-a-log-tail-using-a-range-request
        """
        from buildkite_orm.resources.builds.log_stream import tail_bytes

        return tail_bytes(self, _at_least_one("n", n))

    def save_to(self, path: str | os.PathLike[str]) -> Path:
        """Save the log as it is, in the memory of one chunk, and give where.

        Args:
            path: A file, or a folder (one that is there, or a string that ends with a slash): there it is named after
                its job, `<id>.log`.

        Raises:
            DownloadError: It cannot be written.
        """
        from buildkite_orm.resources.builds.log_stream import save

        return save(self, path)

    def search(self, regex: str | re.Pattern[str], *, context: int = 0) -> Iterator[LogMatch]:
        """Find the lines in which a regular expression matches what a terminal shows of them, while the log comes.

        Of a log of any size, it holds a chunk, and the lines on which a cursor may still move. Where the connection
        breaks, it goes on from there.

        Args:
            regex: The regular expression; it sees one line at a time.
            context: How many lines before and after each to give along.

        Raises:
            ValueError: `context` is negative.
            NotFoundError: It is not the log of a command job.
            PermissionDeniedError: The token lacks the scope `read_build_logs`.

        Example:
            >>> log = bk.organization("acme").pipeline("web").builds(state="failed")[0].jobs()[0].log()
            >>> [match.line.group for match in log.search("exited with status")]
            [':x: Failed with exit status 1']

        Documentation: https://buildkite.com/docs/apis/rest-api/jobs#get-a-jobs-log-output
        """
        from buildkite_orm.resources.builds.log_stream import search

        return search(self, regex, context)

    def follow(self, *, every: float = 5.0) -> Iterator[LogLine]:
        """Give the lines of the log as they are written, until the job has ended.

        It asks for the size of the log, and then for what is new, and for nothing twice; two requests at each look, and
        never more than the request budget allows. A line is given when it is whole, and as it is then: a cursor that
        goes up to it later changes nothing. A log that is deleted, or gets shorter, is a new one, and read from its
        beginning.

        Args:
            every: How many seconds to wait between two looks; up to 30 while nothing comes.

        Raises:
            ValueError: `every` is not above 0.
            NotFoundError: It is not the log of a command job.
            PermissionDeniedError: The token lacks the scope `read_build_logs`.

        Example:
            >>> log = bk.organization("acme").pipeline("web").builds(state="running")[0].jobs(state="running")[0].log()
            >>> for line in log.follow():
            ...     last = line.text
            >>> last.startswith("Uploading")
            True

        Documentation: https://buildkite.com/docs/apis/rest-api/jobs#get-a-jobs-log-output
        """
        from buildkite_orm.resources.builds.log_stream import follow

        return follow(self, every)

    def delete(self) -> None:
        """Delete the log, for good.

        Documentation: https://buildkite.com/docs/apis/rest-api/jobs#delete-a-jobs-log-output
        """
        self._execute("DELETE")


class Log(LogRef, Fetchable):
    """A job's log, which is read when `plain`, `lines`, `groups` or `html` is first asked for; none of them asks again.

    Attributes:
        content: The log as it is stored, with its escape sequences; `text` is the same.
        size: Bytes.
        header_times: When each of its groups began, in nanoseconds since the Unix epoch.

    Example:
        >>> log = bk.organization("acme").pipeline("web").builds(state="passed")[0].jobs()[0].log().fetch()
        >>> [group.title for group in log.groups][:3]
        ['Preparing working directory', 'Running commands', ':package: Install']

    Documentation: https://buildkite.com/docs/apis/rest-api/jobs#get-a-jobs-log-output
    """

    __slots__ = ("_read",)

    url: str
    content: str
    size: int
    header_times: list[int] = Field(default_factory=list[int])

    @property
    def text(self) -> str:
        """The log as it is stored, with its escape sequences."""
        return self.content

    @property
    def plain(self) -> str:
        """What a terminal shows of it: without colours and marks, and where lines are overwritten, the last of it."""
        return self._text.plain

    @property
    def lines(self) -> list[LogLine]:
        """Its lines, as in `plain`, with their times and groups."""
        return self._text.lines

    @property
    def groups(self) -> list[LogGroup]:
        """The groups that headers (`---`, `+++`, `~~~`) divide it into."""
        return self._text.groups

    @property
    def html(self) -> str:
        """It as HTML: a `pre` with its colours, all of what it says escaped.

        Raises:
            ConfigurationError: rich is not installed.
        """
        return self._text.html

    def search(self, regex: str | re.Pattern[str], *, context: int = 0) -> Iterator[LogMatch]:
        """Find the lines in which a regular expression matches what a terminal shows of them; no request.

        Args:
            regex: The regular expression; it sees one line at a time.
            context: How many lines before and after each to give along.

        Raises:
            ValueError: `context` is negative.
        """
        return self._text.search(regex, context=context)

    @property
    def _text(self) -> LogText:
        from buildkite_orm.logs.text import LogText

        read: LogText | None = self._read_slot("_read", None)
        if read is None or read.text is not self.content:
            read = LogText(self.content)
            object.__setattr__(self, "_read", read)
        return read

    def _summary(self) -> Iterable[object]:
        yield short_size(self.size)


def _at_least_one(name: str, value: int) -> int:
    number = as_index(name, value)
    if number < 1:
        msg = f"{name}={number}: must be at least 1"
        raise ValueError(msg)
    return number


def _announced(answer: ApiResponse) -> int:
    size = parse_decimal(answer.headers.get("Content-Length"))
    is_page = answer.headers.get("Content-Type", "").startswith("text/html")
    is_packed = answer.headers.get("Content-Encoding", "identity") != "identity"
    if is_page or is_packed or size is None:
        raise answer.unexpected("the answer does not tell the size of the log")
    return size
