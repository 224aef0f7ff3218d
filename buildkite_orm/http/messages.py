"""Requests and responses of the API, as the session takes and returns them."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from buildkite_orm.errors import ResponseError
from buildkite_orm.http.links import read_links
from buildkite_orm.utils.redaction import TOKEN_PARAMETERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from buildkite_orm.http.encoding import Query

_IDEMPOTENT_METHODS: Final = frozenset({"GET", "HEAD", "PATCH", "PUT", "DELETE"})


class StreamedBody(ABC):
    """A request body that is not JSON. Its bytes are made while they are sent, and again for each attempt.

    Attributes:
        content_type: The media type of the bytes.
    """

    content_type: str

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __iter__(self) -> Iterator[bytes]: ...


Content = bytes | StreamedBody | None


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """A request to the API.

    Attributes:
        method: The HTTP method.
        path: The path after `/v2/`, encoded.
        query: The query pairs.
        body: The JSON body, a `StreamedBody`, or None.
        headers: Further headers.
        idempotent: False if the request starts a build each time it is sent, for any method (`PUT …/rebuild`).
        safe: Whether the request changes nothing, for any method.
        about: The path of the resource that the request is about, if that resource is known to exist.
        expects_redirect: Whether the response is a redirect, which is returned and not followed.
        splittable: Whether a slow response is not retried, because the caller then requests less.
        already_deleted_status: The status of a DELETE of a resource that was deleted before.
    """

    method: str
    path: str
    query: Query = field(default_factory=list[tuple[str, str]])
    body: Any = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    idempotent: bool = True
    safe: bool = False
    about: str | None = None
    expects_redirect: bool = False
    splittable: bool = False
    already_deleted_status: int = 404

    @property
    def effective_method(self) -> str:
        """The method whose rules for retries apply: GET if the request is safe."""
        return "GET" if self.safe else self.method

    @property
    def is_idempotent(self) -> bool:
        """Whether sending the request twice has the same effect as sending it once."""
        return self.effective_method in _IDEMPOTENT_METHODS and self.idempotent

    @property
    def organization(self) -> str | None:
        """The slug of the organization whose budget the request uses, if the path names one."""
        _, found, rest = f"/{self.path}".partition("/organizations/")  # may follow `analytics` or `packages`
        return rest.partition("/")[0] or None if found else None

    @property
    def content(self) -> Content:
        """The body as it is sent.

        Raises:
            ValueError: JSON cannot express a value, such as an infinite number.
        """
        if self.body is None or isinstance(self.body, StreamedBody):
            return self.body
        return json.dumps(self.body, allow_nan=False).encode()


@dataclass(frozen=True, slots=True)
class ApiResponse:
    """A complete response.

    Attributes:
        compressed: The body as it arrived, if it is small and in gzip, so that the cache need not compress it again.
    """

    method: str
    url: str
    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    compressed: bytes | None = field(default=None, repr=False, compare=False)

    @property
    def links(self) -> dict[str, Query]:
        """The queries of the pages in the `Link` header, by `next`, `prev`, `first` and `last`."""
        return {rel: query_of(url) for rel, url in read_links(self.headers.get("Link") or "").items()}

    def unexpected(self, problem: str) -> ResponseError:
        """Return the error for a response of another kind than was requested."""
        error = ResponseError(
            problem,
            method=self.method,
            url=self.url,
            status=self.status,
            request_id=self.headers.get("X-Request-Id"),
        )
        error.damaged = self.method != "HEAD" and self.status < 300 and not _is_json(self.body)  # noqa: PLR2004
        return error


def query_of(url: str) -> Query:
    """Return the query of a URL from a response, without parameters that may carry a token.

    Raises:
        ResponseError: The text is not a URL.
    """
    try:
        pairs = parse_qsl(urlsplit(url).query, keep_blank_values=True)
    except ValueError:
        raise ResponseError("the response links to a page by a text that is not a URL") from None
    return [(key, value) for key, value in pairs if key not in TOKEN_PARAMETERS]


def path_of(url: str) -> str | None:
    """Return the path after `/v2/` in a URL from a response; None if it is not a URL of the API."""
    try:
        _, _, path = urlsplit(url).path.partition("/v2/")
    except ValueError:
        return None
    path = path.strip("/")
    leaves = any(unquote(segment) in {"", ".", ".."} for segment in path.split("/"))
    return None if leaves else path


def is_html(headers: Mapping[str, str]) -> bool:
    """Whether a response is an HTML page."""
    return headers.get("Content-Type", "").lower().startswith("text/html")


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True
