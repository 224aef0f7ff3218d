"""Between the session and the network: which server may be asked, and what goes wrong on the way, in words of ours."""

from __future__ import annotations

import logging
import math
import re
from abc import ABC, abstractmethod
from contextvars import ContextVar
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar, cast

import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3 import BaseHTTPResponse, HTTPResponse

from buildkite_orm._version import __version__
from buildkite_orm.errors import ConfigurationError, ConnectionFailedError, ResponseError
from buildkite_orm.http.adapter import Adapter, renew_pools
from buildkite_orm.http.decoding import Decoder, DecodingError, UnknownEncodingError
from buildkite_orm.http.failures import error_from
from buildkite_orm.utils.numbers import parse_decimal
from buildkite_orm.utils.redaction import MASK, Secrets, SignedUrl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from buildkite_orm.http.exchange import Exchange

T = TypeVar("T")

USER_AGENT: Final = f"buildkite-orm/{__version__}"

HEADERS: Final = {"Accept": "application/json", "Accept-Encoding": "gzip, deflate", "Connection": "keep-alive"}

CHUNK: Final = 128 * 1024  # a file takes a seventh less CPU than with half of it, and more with twice as much
_QUERY: Final = re.compile(r"\?\S+")
_LOGGERS: Final = ("urllib3.connection", "urllib3.connectionpool", "urllib3.util.retry")
_is_ours: ContextVar[bool] = ContextVar("is_ours", default=False)


def user_agent(app: str | None) -> str:
    """Return the value of `User-Agent`, with the name of what uses the library behind its own.

    Raises:
        ConfigurationError: A header cannot carry the name.
    """
    if app is None:
        return USER_AGENT
    is_text = isinstance(cast("object", app), str)
    if not (is_text and app.strip() and app.isascii() and app.isprintable()):
        raise ConfigurationError(f"app={app!r}: a name that a header can carry, in ASCII, as 'my-bot/1.0'")
    return f"{USER_AGENT} {app.strip()}"


def renew_transport(transport: BaseAdapter) -> None:
    """Make new pools for a caller's transport, in a forked child; also for the adapters that it sends through."""
    waiting: list[object] = [transport]
    seen: list[object] = []
    while waiting:
        each = waiting.pop()
        if isinstance(each, Adapter) or any(each is other for other in seen):
            continue
        seen.append(each)
        if isinstance(each, HTTPAdapter):
            renew_pools(each)
        waiting += [*_parts(each)] if isinstance(each, BaseAdapter | requests.Session) else []


def _parts(thing: object) -> Iterator[object]:
    """Yield what an adapter or session holds, and what is in the containers that it holds."""
    for value in getattr(thing, "__dict__", {}).values():
        if isinstance(value, dict):
            yield from cast("dict[object, object]", value).values()
        elif isinstance(value, list | tuple):
            yield from cast("list[object]", value)
        else:
            yield value


class StreamedBody(ABC):
    """A request's body that is no JSON: its bytes are made while they are sent, and anew for each attempt.

    Attributes:
        content_type: What the bytes are.
    """

    content_type: str

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __iter__(self) -> Iterator[bytes]: ...


Content = bytes | StreamedBody | None


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request as it is sent.

    Attributes:
        method: The HTTP method.
        url: The URL, whose query may be the key to a file.
        shown: The URL as it may be shown.
        headers: Further headers.
        content: The body.
        with_token: Whether it is for the API, and carries the token.
    """

    method: str
    url: SignedUrl
    shown: str
    headers: Mapping[str, str] = field(repr=False)
    content: Content = field(default=None, repr=False)
    with_token: bool = True

    @property
    def content_type(self) -> str | None:
        """The type of the body; None without one."""
        if self.content is None:
            return None
        return self.content.content_type if isinstance(self.content, StreamedBody) else "application/json"


def checked_timeout(timeout: float | tuple[float, float]) -> tuple[float, float]:
    """Give the seconds to connect and to read; no request is without either.

    Raises:
        ConfigurationError: They are no seconds, or end never.
    """
    pair = timeout if isinstance(timeout, tuple) else (timeout, timeout)
    try:
        connect, read = pair
        if 0 < connect < math.inf and 0 < read < math.inf:
            return connect, read
    except (TypeError, ValueError):
        pass
    raise ConfigurationError(f"timeout={timeout!r}: seconds above 0, or two of them, (connect, read)")


class _WithoutQueries(logging.Filter):
    """Takes the queries out of what urllib3 logs of requests of ours: to a file, one is the key.

    What it logs of anybody else's stays as it is.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        if _is_ours.get():
            if (
                isinstance(record.args, tuple) and record.args
            ):  # a query may have any character: it ends where the argument does
                record.args = tuple(_without_query(arg) for arg in record.args)
            else:
                record.msg, record.args = _QUERY.sub(f"?{MASK}", record.getMessage()), ()
            record.exc_info = record.exc_text = None  # it says the same once more
        return True


def _without_query(arg: object) -> object:
    text = str(arg)
    return f"{text.partition('?')[0]}?{MASK}" if "?" in text else arg


for _name in _LOGGERS:
    logging.getLogger(_name).addFilter(_WithoutQueries())


class _Pool(requests.Session):
    """A requests session that keeps no cookies and prepares no redirect: that would copy the token on its own terms."""

    def __init__(self) -> None:
        super().__init__()
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    def resolve_redirects(self, *_args: Any, **_options: Any) -> Iterator[Any]:
        """Follow nothing."""
        return iter(())

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        """Send a request; what urllib3 logs meanwhile is of ours."""
        before = _is_ours.set(True)
        try:
            return super().send(request, **options)
        finally:
            _is_ours.reset(before)


def pooled(adapter: BaseAdapter) -> requests.Session:
    """Return a requests session that sends everything through an adapter."""
    http = _Pool()
    http.mount("https://", adapter)
    http.mount("http://", adapter)
    return http


def attempt(do: Callable[[], T], exchange: Exchange, method: str, url: str) -> T | BaseException:
    """Do it, and return what goes wrong as a value, free of the frames and exceptions that carry the token along."""
    try:
        return do()
    except BaseException as problem:  # noqa: BLE001 - it goes on, without its frames
        return error_from(problem, exchange, method=method, url=url)


def forget_url(response: requests.Response, shown: str) -> None:
    """Leave in a response only so much of its URL as may be seen: a query may be the key to a file."""
    response.url = response.request.url = shown
    if isinstance(response.raw, HTTPResponse):
        response.raw.url = shown


class Stream:
    """A response whose body is read chunk by chunk. Close it, or use it in a `with`.

    The API's own responses come decompressed, a file as it is stored: its size and checksums are those of what is
    stored.
    """

    def __init__(
        self,
        response: requests.Response,
        exchange: Exchange,
        *,
        method: str,
        url: str,
        unpacked: bool = True,
        secrets: Callable[[], Secrets] = Secrets,
    ) -> None:
        self.secrets = secrets  # a function, since a traceback or a debugger shows what an object holds
        self._response = response
        self._exchange = exchange
        self._unpacked = unpacked
        self._method = method
        self.url = url
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[bytes]:
        return self.chunks(CHUNK)

    def chunks(self, size: int) -> Iterator[bytes]:
        """Read the body in chunks of at most `size` bytes; decompressed, in chunks of any size.

        Raises:
            TransportError: The connection broke, or fewer bytes came than were announced.
            ResponseError: The compression is damaged.
        """
        received = self._received(self._response.raw.read, size)
        return self._decoded(received) if self._unpacked else received

    def arriving(self) -> Iterator[bytes]:
        """Read the body as it arrives, decompressed.

        Raises:
            TransportError: As for `chunks`.
            ResponseError: As for `chunks`.
        """
        raw = self._response.raw
        read = raw.read1 if hasattr(getattr(raw, "_fp", None), "read1") else raw.read  # mocks may have only `read`
        return self._decoded(self._received(read, CHUNK))

    def show(self, body: bytes) -> bytes:
        """Return a body that was read, by requests' own way, so that whoever watches requests sees it too."""
        self._response.raw.close()
        self._response.raw = HTTPResponse(BytesIO(body), {}, preload_content=False)
        return b"".join(self._response.iter_content(CHUNK))

    def lift_deadline(self) -> None:
        """Bound what is read only by the time since the last progress, and no longer by the request's deadline."""
        self._exchange.lift_deadline()

    def read(self) -> bytes:
        """Read the whole body."""
        return b"".join(self)

    def close(self) -> None:
        """Return the connection to its pool, or close it if the body was not read to its end."""
        self._response.close()

    def _received(self, read: Callable[..., bytes], size: int) -> Iterator[bytes]:
        # only a response of urllib3 decompresses: mocks may have a file in its place
        options = {"decode_content": False} if isinstance(self._response.raw, BaseHTTPResponse) else {}

        def receive() -> bytes:
            self._exchange.to_progress()  # a transport of the caller's does not know of the deadline
            return read(size, **options)

        while chunk := self._or_raise(attempt(receive, self._exchange, self._method, self.url)):
            yield chunk
            del chunk  # what comes next may raise, and a traceback shows what is in this frame
        short = _short_by(self._response)
        self.close()
        if short:
            raise ConnectionFailedError(
                f"the response broke off {short} bytes before its end", method=self._method, url=self.url
            )

    def _decoded(self, received: Iterator[bytes]) -> Iterator[bytes]:
        try:
            decoder = Decoder(self.headers.get("Content-Encoding", ""))
            for chunk in received:
                for piece in decoder.decode(chunk):
                    yield piece
                    del piece
                del chunk
            decoder.finish()
        except UnknownEncodingError as problem:
            what = f"the response has the encoding {str(problem)[:40]!r}, which was not requested"
            self.close()
            raise ResponseError(what, method=self._method, url=self.url) from None
        except DecodingError:
            self.close()
            error = ResponseError("the response's compression is damaged", method=self._method, url=self.url)
            error.damaged = True
            raise error from None

    def _or_raise(self, got: bytes | BaseException) -> bytes:
        if isinstance(got, bytes):
            return got
        self.close()
        raise got


class ReadsStream:
    """What reads a stream chunk by chunk, and may drop it in the middle."""

    _stream: Stream | None = None
    _chunks: Iterator[bytes] | None = None

    def _drop(self) -> None:
        """Give the connection back."""
        stream, self._stream, self._chunks = self._stream, None, None
        if stream is not None:
            stream.close()


def _short_by(response: requests.Response) -> int:
    """Count the announced bytes that did not come; a transport other than a socket may not have noticed."""
    announced = parse_decimal(response.headers.get("Content-Length"))
    if announced is None or response.request.method == "HEAD" or response.status_code in {204, 205, 304}:
        return 0
    return max(0, announced - response.raw.tell())
