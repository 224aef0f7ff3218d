"""Job logs: fetched, saved, searched while loading, followed, and their size and last lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
    from datetime import timedelta
    from pathlib import Path

    from buildkite_orm.cache.options import CacheMode
    from buildkite_orm.data.arrow import ArrowStream
    from buildkite_orm.http.messages import ApiResponse
    from buildkite_orm.logs.text import LogGroup, LogLine, LogMatch, LogText


class LogRef(InJob):
    """A reference to the log of a job.

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

    def fetch(self, *, cache: CacheMode | None = None, max_age: timedelta | None = None) -> Log:
        """Fetch the whole log; it may be large, see `fetch_size()`, `tail()` and `save_to()`.

        A client with a cache returns the log of a finished job from it. It stores the log if the job is an object and
        not only a ref, since an object shows that the job is finished.

        Args:
            cache: How this call uses the cache of the client; by default, as the client does.
            max_age: How long ago the log may have been stored; by default, that of the cache.

        Raises:
            NotCachedError: With `cache="only"`: the cache does not have it.
            NotFoundError: The job is not a command job.
            PermissionDeniedError: The token lacks the scope `read_build_logs`.

        Documentation: https://buildkite.com/docs/apis/rest-api/jobs#get-a-jobs-log-output
        """
        if self.session.cache is None and cache is None:
            return self._request(Log)
        from buildkite_orm.resources.builds.cached_log import fetch_log

        return fetch_log(self, cache, max_age)

    def fetch_size(self) -> int:
        """Fetch the size of the log in bytes, without the log.

        Documentation: https://buildkite.com/docs/apis/rest-api/jobs#get-a-jobs-log-output-get-log-size-without-downloading
        """
        if self.session.cache is not None:
            from buildkite_orm.resources.builds.cached_log import stored_size

            if (size := stored_size(self)) is not None:
                return size
        return self.session.send(ApiRequest("HEAD", self.api_path, headers={"Accept-Encoding": "identity"}), _read_size)

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
            >>> log = bk.organization("acme").pipeline("web").builds(state="failed")[0].failed_jobs()[0].log()
            >>> print(log.tail(1), end="")
            Uploading coverage/index.html (20480 bytes)

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
        """Save the log as it is stored, in the memory of one chunk, and return the path.

        Args:
            path: A file, or a folder (one that exists, or a string that ends with a slash), in which the file is named
                after the job: `<id>.log`.

        Raises:
            DownloadError: The file cannot be written.
        """
        from buildkite_orm.resources.builds.log_stream import save

        return save(self, path)

    def search(self, regex: str | re.Pattern[str], *, context: int = 0) -> Iterator[LogMatch]:
        """Find the lines that match a regular expression, as a terminal shows them, while the log is loading.

        It keeps in memory one chunk and the lines that the cursor may still reach. If the connection breaks, it
        continues from there.

        Args:
            regex: The regular expression, applied to each line.
            context: How many lines before and after each match to include.

        Raises:
            ValueError: `context` is negative.
            NotFoundError: The job is not a command job.
            PermissionDeniedError: The token lacks the scope `read_build_logs`.

        Example:
            >>> log = bk.organization("acme").pipeline("web").builds(state="failed")[0].failed_jobs()[0].log()
            >>> [match.line.group for match in log.search("exited with status")]
            [':x: Failed with exit status 1']

        Documentation: https://buildkite.com/docs/apis/rest-api/jobs#get-a-jobs-log-output
        """
        from buildkite_orm.resources.builds.log_stream import search

        return search(self, regex, context)

    def follow(self, *, every: float = 5.0) -> Iterator[LogLine]:
        """Yield the lines of the log as they are written, until the job is finished.

        Each poll requests the size of the log, and if that has grown, the new bytes: at most two requests, within the
        request budget. A line is yielded once it is complete; a cursor that moves up to it later does not change it. A
        log that is deleted or gets shorter is read again from its beginning.

        Args:
            every: How many seconds to wait between two polls; up to 30 while there is nothing new.

        Raises:
            ValueError: `every` is not above 0.
            NotFoundError: The job is not a command job.
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
        """Delete the log permanently.

        Documentation: https://buildkite.com/docs/apis/rest-api/jobs#delete-a-jobs-log-output
        """
        self._execute("DELETE")


class Log(LogRef, Fetchable):
    """A fetched log; `plain`, `lines`, `groups` and `html` are computed on first access, without requests.

    Attributes:
        content: The log as it is stored, with its escape sequences; `text` is the same.
        size: The size in bytes.
        header_times: The times at which its groups began, in nanoseconds since the Unix epoch.

    Example:
        >>> log = bk.organization("acme").pipeline("web").builds(state="passed")[0].jobs()[0].log().fetch()
        >>> [group.title for group in log.groups][:3]
        ['Preparing working directory', 'Running commands', ':package: Install']

    Documentation: https://buildkite.com/docs/apis/rest-api/jobs#get-a-jobs-log-output
    """

    __slots__ = ("_parsed",)

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
        """The plain text, without escape sequences, and with overwritten lines in their last state."""
        return self._text.plain

    @property
    def lines(self) -> list[LogLine]:
        """The lines of `plain`, with their times and groups."""
        return self._text.lines

    @property
    def groups(self) -> list[LogGroup]:
        """The groups, each of which begins with a header (`---`, `+++`, `~~~`)."""
        return self._text.groups

    @property
    def html(self) -> str:
        """The log as HTML: a `pre` element with colors; all text is escaped.

        Raises:
            ConfigurationError: rich is not installed.
        """
        return self._text.html

    def search(self, regex: str | re.Pattern[str], *, context: int = 0) -> Iterator[LogMatch]:
        """Find the lines that match a regular expression, as a terminal shows them; no request.

        Args:
            regex: The regular expression, applied to each line.
            context: How many lines before and after each match to include.

        Raises:
            ValueError: `context` is negative.
        """
        return self._text.search(regex, context=context)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the lines as dictionaries with the keys `time`, `group` and `line`; no request."""
        from buildkite_orm.data.rows import log_columns, rows_of
        from buildkite_orm.data.schema import LOG_TABLE

        return rows_of(LOG_TABLE, log_columns(self.lines))

    def arrow(self) -> ArrowStream:
        """Return the lines as an Arrow table with the columns `time`, `group` and `line`; no request.

        Raises:
            ConfigurationError: pyarrow is not installed: `pip install 'buildkite_orm[arrow]'`.
        """
        from buildkite_orm.data.arrow import log_stream

        return log_stream(self.lines)

    @property
    def _text(self) -> LogText:
        from buildkite_orm.logs.text import LogText

        parsed: LogText | None = self._read_slot("_parsed", None)
        if parsed is None or parsed.text is not self.content:
            parsed = LogText(self.content)
            object.__setattr__(self, "_parsed", parsed)
        return parsed

    def _summary(self) -> Iterable[object]:
        yield short_size(self.size)


def _at_least_one(name: str, value: int) -> int:
    number = as_index(name, value)
    if number < 1:
        msg = f"{name}={number}: must be at least 1"
        raise ValueError(msg)
    return number


def _read_size(response: ApiResponse) -> int:
    size = parse_decimal(response.headers.get("Content-Length"))
    is_html = response.headers.get("Content-Type", "").startswith("text/html")
    is_compressed = response.headers.get("Content-Encoding", "identity") != "identity"
    if is_html or is_compressed or size is None:
        raise response.unexpected("the response does not contain the size of the log")
    return size
