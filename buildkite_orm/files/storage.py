"""The storage of artifacts: links to it, redirects, and ranges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from buildkite_orm.cache.policy import latest_end
from buildkite_orm.errors import (
    BuildkiteError,
    ChecksumMismatchError,
    ConnectionFailedError,
    DownloadError,
    NotFoundError,
)
from buildkite_orm.files.checksums import ExpectedContent
from buildkite_orm.http.messages import ApiRequest
from buildkite_orm.http.signed_links import resolve_link
from buildkite_orm.http.sizes import FileLimit, content_length, content_range, limit_size
from buildkite_orm.http.storage_errors import download_refused
from buildkite_orm.utils.redaction import SignedUrl

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from datetime import datetime

    from buildkite_orm.http.messages import ApiResponse
    from buildkite_orm.http.stream import Stream
    from buildkite_orm.resources.builds.artifact import ArtifactRef

_EXPIRED: Final = frozenset({400, 401, 403, 410})
_MAX_LINKS: Final = 2
_REDIRECT: Final = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS: Final = 5


class ArtifactStorage:
    """The content of an artifact, behind a link that the API returns and that expires.

    Args:
        artifact: The artifact.

    Attributes:
        latest_end: The latest end of jobs whose artifacts may be stored, by the response with the last link.
    """

    def __init__(self, artifact: ArtifactRef) -> None:
        self.latest_end: datetime | None = None
        self._session = artifact.session
        self._path = artifact.api_path
        self._state = artifact.__dict__.get("state")
        expected = ExpectedContent.of(artifact)
        self._size = expected.size
        self._has_sums = bool(expected.sums)
        self._version: str | None = None
        self._total: int | None = None
        self._link: SignedUrl | None = None

    def chunks_from(self, offset: int) -> Iterator[bytes]:
        """Request the content from an offset on, and yield its chunks.

        Raises:
            BuildkiteError: The storage does not return it.
        """
        if self._size is not None and 0 < self._size <= offset:
            return  # an empty file is requested, since its size may be unknown to the API
        stream = self.request({"Range": f"bytes={offset}-"} if offset else {})
        if stream.status not in {200, 206} and not ends_at(stream, offset):
            error = self.refusal(stream)
            del stream  # tracebacks may show the locals of this frame
            raise error
        with stream:
            self._check_total(stream, offset)
            yield from _from_offset(stream, offset, self._file_limit(), self._total)

    def request(self, headers: dict[str, str]) -> Stream:
        """Request the content; request a link first if there is none, and another one if it has expired.

        Args:
            headers: The headers of the request, such as a range.

        Raises:
            BuildkiteError: There is no link, or no response to it.
        """
        stream = self._follow(headers)
        for _ in range(1, _MAX_LINKS):
            if stream.status not in _EXPIRED:
                break
            stream.close()
            self._link = None
            stream = self._follow(headers)
        self._check_version(stream)
        return stream

    def refusal(self, stream: Stream) -> BuildkiteError:
        """Return the error for a response that is not the content."""
        with stream:
            return download_refused(stream, self._session)

    def _check_version(self, stream: Stream) -> None:
        """Refuse the rest of another file than the first part belongs to; checksums, if known, show that later."""
        version = stream.headers.get("ETag")
        if self._has_sums or stream.status not in {200, 206} or not version:
            return
        if self._version not in {None, version}:
            stream.close()
            raise ChecksumMismatchError(f"{self._path}: its storage has another file now than when it was begun")
        self._version = version

    def _check_total(self, stream: Stream, offset: int) -> None:
        """Refuse the rest of a file that has become longer or shorter since its first part."""
        if stream.status == 206:  # noqa: PLR2004
            part = content_range(stream.headers)
            total = None if part is None else part.total
        else:
            total = content_length(stream.headers) if stream.status == 200 else None  # noqa: PLR2004
        if offset and total is not None and self._total not in {None, total}:
            raise ChecksumMismatchError(
                f"{self._path}: its storage has {total} bytes now, and had {self._total} when it was begun"
            )
        self._total = self._total if total is None else total

    def _file_limit(self) -> FileLimit:
        """Return the limit of the file's size, as far as it is known before its storage responds."""
        if self._size is not None:
            return FileLimit(self._path, self._size, "uploaded")
        return FileLimit(self._path, self._session.limits.file, None)

    def _follow(self, headers: dict[str, str]) -> Stream:
        url = self._link = self._link or self._new_link()
        for _ in range(_MAX_REDIRECTS):
            stream = self._session.stream_without_token(url, headers)
            if stream.status not in _REDIRECT or not stream.headers.get("Location"):
                return stream
            stream.close()
            target = _resolved(url, stream.headers["Location"])
            del stream  # tracebacks may show the locals of this frame
            if target is None:
                raise DownloadError(f"{self._path}: its storage redirects to a text that is not a URL")
            url = target
        raise DownloadError(f"{self._path}: its storage redirects more than {_MAX_REDIRECTS} times")

    def _new_link(self) -> SignedUrl:
        request = ApiRequest("GET", f"{self._path}/download", expects_redirect=True)
        try:
            # keep nothing else of the response: a traceback would show the signed link in its headers
            self.latest_end, link = self._session.send(
                request, lambda response: (latest_end(response.headers), _link_in(response))
            )
        except NotFoundError as error:
            if self._state:
                error.message += f"; its state was {str(self._state)!r} when the artifact was loaded"
            raise
        return link


def ends_at(stream: Stream, offset: int) -> bool:
    """Whether a storage refuses a range because the file ends at its offset."""
    return stream.status == 416 and stream.headers.get("Content-Range") == f"bytes */{offset}"  # noqa: PLR2004


def _link_in(response: ApiResponse) -> SignedUrl:
    location = response.headers.get("Location")
    link = _resolved(SignedUrl(response.url), location) if location else None
    if link is None:
        raise response.unexpected("a redirect to the file was expected")
    return link


def _resolved(base: SignedUrl, location: str) -> SignedUrl | None:
    """Return the target of a redirect; None if it is not a URL."""
    try:
        return SignedUrl(resolve_link(base.reveal(), location))
    except ValueError:
        return None


def _from_offset(stream: Stream, offset: int, limit: FileLimit, total: int | None) -> Generator[bytes]:
    """Yield the chunks from an offset on, whether or not the server has returned that range.

    Args:
        stream: The response.
        offset: The offset.
        limit: How many bytes the file may have.
        total: The size of the file, if its storage has stated it.
    """
    if ends_at(stream, offset):
        return
    skip, end = offset, None
    if stream.status == 206:  # noqa: PLR2004
        part = content_range(stream.headers)
        if part is None or part.start != offset:
            raise DownloadError("the storage returned another range than was requested")
        content_length(stream.headers)  # raises if it is not a number
        skip, limit = 0, limit.declared_as(part.stop)
        allowed, end = max(0, limit.size - offset), total or part.stop
    else:
        limit = limit.declared_as(content_length(stream.headers))
        allowed = limit.size
    received = offset - skip
    for chunk in limit_size(stream, allowed, limit.error):
        received += len(chunk)
        if skip >= len(chunk):
            skip -= len(chunk)
            continue
        yield chunk[skip:]
        skip = 0
    if end is not None and received < end:  # the next attempt resumes there
        raise ConnectionFailedError(f"{limit.path}: its storage ended after {received} of {end} bytes")
