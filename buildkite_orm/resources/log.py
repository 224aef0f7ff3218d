"""Job logs: whole, their size, their end, or as a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from buildkite_orm.errors import StatusError
from buildkite_orm.paths import parent_path
from buildkite_orm.resource import Fetchable
from buildkite_orm.resources.underjob import UnderJob
from buildkite_orm.session import Call

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from buildkite_orm.resources.job import JobRef
    from buildkite_orm.session import Answer

_PARTIAL, _NOTHING_THERE = 206, 416
_CONTINUES = 0x80  # what the first two bits of a byte say that goes on with a character in UTF-8


class LogRef(UnderJob):
    """Where a job's log is.

    Example:
        >>> log = bk.organization("acme").pipeline("web").builds(state="passed")[0].jobs()[0].log()
        >>> log.fetch_size() == len(log.fetch().text.encode())
        True
    """

    _kind = "log"

    @property
    def job(self) -> JobRef:
        """The job whose log it is."""
        from buildkite_orm.resources.job import JobRef

        return JobRef.at(self.session, parent_path(self.api_path))

    def fetch(self) -> Log:
        """Ask for the whole log; it may be large, see `fetch_size()`, `tail()` and `save_to()`.

        Raises:
            NotFoundError: It is not the log of a command job.
            PermissionDeniedError: The token lacks the scope `read_build_logs`.

        Documentation: https://buildkite.com/docs/apis/rest-api/jobs#get-a-jobs-log-output
        """
        return self._send(Log)

    def fetch_size(self) -> int:
        """Ask for the size of the log, in bytes, and for nothing else.

        Documentation: https://buildkite.com/docs/apis/rest-api/jobs#get-a-jobs-log-output-get-log-size-without-downloading
        """
        return self.session.send(Call("HEAD", self.api_path, headers={"Accept-Encoding": "identity"}), _announced)

    def tail(self, n: int) -> str:
        """Ask for the end of the log; a character that is cut in two at its beginning is left out.

        Args:
            n: How many bytes, from 1.

        Raises:
            ValueError: `n` is below 1.

        Documentation: https://buildkite.com/docs/apis/rest-api/jobs#get-a-jobs-log-output-get-a-log-tail-using-a-range-request
        """
        if n < 1:
            msg = f"tail({n}): at least 1 byte"
            raise ValueError(msg)
        headers = {"Accept": "text/plain", "Accept-Encoding": "identity", "Range": f"bytes=-{n}"}
        try:
            answer = self.session.send(Call("GET", self.api_path, headers=headers), lambda answer: answer)
        except StatusError as error:
            if error.status == _NOTHING_THERE:
                return ""
            raise
        body = answer.body if answer.status == _PARTIAL else answer.body[-n:]
        return _without_cut_character(body).decode(errors="replace")

    def save_to(self, path: str | os.PathLike[str]) -> Path:
        """Save the log as it is, in the memory of one chunk, and give where.

        Args:
            path: A file, or a folder (one that is there, or a string that ends with a slash): there it is named after
                its job, `<id>.log`.

        Raises:
            DownloadError: It cannot be written.
        """
        from buildkite_orm.downloads import save_log

        return save_log(self, path)

    def delete(self) -> None:
        """Delete the log, for good.

        Documentation: https://buildkite.com/docs/apis/rest-api/jobs#delete-a-jobs-log-output
        """
        self._do("DELETE")


class Log(LogRef, Fetchable):
    """A job's log.

    Attributes:
        content: The log as it is stored, with its escape sequences; `text` is the same.
        size: Bytes.
        header_times: When each of its groups began, in nanoseconds since the Unix epoch.

    Documentation: https://buildkite.com/docs/apis/rest-api/jobs#get-a-jobs-log-output
    """

    identity: ClassVar[str | None] = None

    url: str
    content: str
    size: int
    header_times: list[int] = Field(default_factory=list[int])

    @property
    def text(self) -> str:
        """The log as it is stored, with its escape sequences."""
        return self.content

    def _headline(self) -> str:
        return f"{self.size} bytes"


def _announced(answer: Answer) -> int:
    size = answer.headers.get("Content-Length", "")
    is_page = answer.headers.get("Content-Type", "").startswith("text/html")
    is_packed = answer.headers.get("Content-Encoding", "identity") != "identity"
    if is_page or is_packed or not size.isdigit():
        raise answer.unexpected("the answer does not tell the size of the log")
    return int(size)


def _without_cut_character(body: bytes) -> bytes:
    """Drop up to three bytes at the beginning that go on with a character which is not there."""
    start = 0
    while start < min(3, len(body)) and body[start] & 0xC0 == _CONTINUES:
        start += 1
    return body[start:]
