"""Between the session and the network: which server may be asked, and what goes wrong on the way, in words of ours."""

from __future__ import annotations

import ipaddress
import logging
import math
import re
import ssl
from abc import ABC, abstractmethod
from contextvars import ContextVar
from http.cookiejar import DefaultCookiePolicy
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar
from urllib.parse import urlsplit

import requests
import urllib3.exceptions as broken
from requests import exceptions as failed
from requests.adapters import HTTPAdapter
from urllib3 import HTTPResponse

from buildkite_orm._version import __version__
from buildkite_orm.errors import (
    BuildkiteError,
    ConfigurationError,
    ConnectionFailedError,
    RequestTimeoutError,
    ResponseError,
    TransportError,
)
from buildkite_orm.hidden import HIDDEN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from requests.adapters import BaseAdapter

T = TypeVar("T")

USER_AGENT: Final = f"buildkite-orm/{__version__}"

CHUNK: Final = 128 * 1024  # a file takes a seventh less CPU than with half of it, and more with twice as much
_POOLED: Final = 32

_QUERY: Final = re.compile(r"\?\S+")
_LOGGERS: Final = ("urllib3.connection", "urllib3.connectionpool", "urllib3.util.retry")
_is_ours: ContextVar[bool] = ContextVar("is_ours", default=False)


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


def checked_base_url(url: str) -> str:
    """Check what stands before `/v2`, and cut what does not belong.

    Raises:
        ConfigurationError: It is no http(s) URL, carries a password or a query, or is plain HTTP off loopback.
    """
    try:
        parts = urlsplit(requests.Request("GET", url.strip()).prepare().url or "")
    except (failed.RequestException, UnicodeError):
        parts = urlsplit("")
    if parts.scheme not in {"http", "https"} or not _is_host(parts.hostname):  # what else it is may be a secret
        raise ConfigurationError("base_url is no URL of a server, as https://api.buildkite.com is")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ConfigurationError("base_url must carry no user, password, query or fragment")
    if not _is_safe(parts.scheme, parts.hostname or ""):
        raise ConfigurationError(
            f"base_url: the token is not sent over plain http to {parts.hostname}, only to this machine; use https"
        )
    path = parts.path.rstrip("/").removesuffix("/v2").rstrip("/")
    return f"{parts.scheme}://{parts.netloc}{path}"


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


def can_follow(url: str) -> bool:
    """Tell whether a file may be had from a URL: over https, or from this machine."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.hostname is not None and _is_host(parts.hostname) and _is_safe(parts.scheme, parts.hostname)


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
                record.msg, record.args = _QUERY.sub(f"?{HIDDEN}", record.getMessage()), ()
            record.exc_info = record.exc_text = None  # it says the same once more
        return True


def _without_query(arg: object) -> object:
    text = str(arg)
    return f"{text.partition('?')[0]}?{HIDDEN}" if "?" in text else arg


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


def pooled(transport: BaseAdapter | None) -> requests.Session:
    """Make the pool of connections; a transport takes the place of the network."""
    http = _Pool()
    http.headers["User-Agent"] = USER_AGENT
    http.headers["Accept"] = "application/json"
    http.headers["Accept-Encoding"] = "gzip, deflate"
    adapter = transport or HTTPAdapter(pool_maxsize=_POOLED)
    http.mount("https://", adapter)
    http.mount("http://", adapter)
    return http


def attempt(do: Callable[[], T], method: str, url: str) -> T | BaseException:
    """Do it, and give what goes wrong as a value, free of the frames and exceptions that carry the token along."""
    try:
        return do()
    except failed.RequestException as problem:
        return _explained(problem, method, url)
    except broken.LocationValueError:
        return ConfigurationError("there is no such host", method=method, url=url)
    except (broken.HTTPError, OSError, ValueError) as problem:
        return _broken_off(problem, method, url)
    except BaseException as problem:  # noqa: BLE001 - it goes on, without its frames
        problem.__cause__ = problem.__context__ = None
        return problem.with_traceback(None)


def forget_url(response: requests.Response, shown: str) -> None:
    """Leave in a response only so much of its URL as may be seen: a query may be the key to a file."""
    response.url = response.request.url = shown
    if isinstance(response.raw, HTTPResponse):
        response.raw.url = shown


class Stream:
    """An answer whose body is read chunk by chunk. Close it, or use it in a `with`.

    The API's own answers come unpacked, a file as it is stored: its size and checksums are those of what is stored.
    """

    def __init__(self, response: requests.Response, *, method: str, url: str, unpacked: bool = True) -> None:
        self._response = response
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
        """Read the body in chunks of at most `size` bytes.

        Raises:
            TransportError: The connection broke, or fewer bytes came than were announced.
        """
        response = self._response
        unpacked = response.iter_content(size) if self._unpacked else None
        return self._checked(unpacked or response.raw.stream(size, decode_content=False))

    def arriving(self) -> Iterator[bytes]:
        """Read the body as it arrives and as it was packed, for `unpack`; an older urllib3 waits for whole chunks.

        Raises:
            TransportError: As for `chunks`.
        """
        raw = self._response.raw
        read = getattr(raw, "read1", raw.read)
        return self._checked(iter(lambda: read(CHUNK, decode_content=False), b""))

    def unpack(self, body: bytes) -> bytes:
        """Unpack a whole body, by requests' own way, so that whoever watches requests sees it too.

        Raises:
            ResponseError: It is not packed as it says.
        """
        coding = {name: self.headers[name] for name in ("Content-Encoding",) if name in self.headers}
        self._response.raw = HTTPResponse(BytesIO(body), coding, preload_content=False)
        chunks = self._response.iter_content(CHUNK)
        return self._or_raise(attempt(lambda: b"".join(chunks), self._method, self.url))

    def read(self) -> bytes:
        """Read the whole body."""
        return b"".join(self)

    def close(self) -> None:
        """Give the connection back."""
        self._response.close()

    def _checked(self, reader: Iterator[bytes]) -> Iterator[bytes]:
        while chunk := self._or_raise(attempt(lambda: next(reader, b""), self._method, self.url)):
            yield chunk
            del chunk  # what comes next may raise, and a traceback shows what is in this frame
        short = _short_by(self._response)
        self.close()
        if short:
            raise ConnectionFailedError(
                f"the answer broke off {short} bytes before its end", method=self._method, url=self.url
            )

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
    """Count the announced bytes that did not come; an older urllib3 does not."""
    announced = response.headers.get("Content-Length", "")
    if not announced.isdigit() or response.request.method == "HEAD" or response.status_code in {204, 304}:
        return 0
    return max(0, int(announced) - response.raw.tell())


def _explained(problem: failed.RequestException, method: str, url: str) -> BuildkiteError:
    if isinstance(problem, failed.Timeout):
        return _timed_out(method, url, never_sent=isinstance(problem, failed.ConnectTimeout))
    if isinstance(problem, failed.ConnectionError):
        return _disconnected(problem, method, url)
    if isinstance(problem, failed.ContentDecodingError):
        return _garbled(method, url)
    if isinstance(problem, failed.InvalidURL | failed.InvalidSchema):
        what = f"the request could not be made: {type(problem).__name__}; check base_url, and the proxy settings"
        return ConfigurationError(what, method=method, url=url)
    return ConnectionFailedError("the answer broke off before its end", method=method, url=url)


def _broken_off(problem: Exception, method: str, url: str) -> BuildkiteError:
    if isinstance(problem, broken.ReadTimeoutError):
        return _timed_out(method, url, never_sent=False)
    if isinstance(problem, broken.DecodeError):
        return _garbled(method, url)
    if isinstance(problem, broken.ProtocolError):
        return ConnectionFailedError("the answer broke off before its end", method=method, url=url)
    return ConnectionFailedError(f"the connection broke: {type(problem).__name__}", method=method, url=url)


def _garbled(method: str, url: str) -> ResponseError:
    error = ResponseError("the answer's compression is damaged", method=method, url=url)
    error.damaged = True
    return error


def _disconnected(problem: failed.ConnectionError, method: str, url: str) -> TransportError:
    cause = problem.args[0] if problem.args else None
    if isinstance(cause, broken.ReadTimeoutError):
        return _timed_out(method, url, never_sent=False)
    reason = getattr(cause, "reason", cause)
    if _was_never_made(reason):
        error = ConnectionFailedError(f"no connection: {type(reason).__name__}", method=method, url=url)
        error.never_sent = True
        return error
    return ConnectionFailedError("the connection was lost", method=method, url=url)


def _was_never_made(reason: object) -> bool:
    """Tell whether a connection failed before anything was sent; TLS may break later too, but for certificates."""
    if isinstance(reason, broken.SSLError):
        return any(isinstance(arg, ssl.SSLCertVerificationError) for arg in reason.args)
    return isinstance(reason, broken.NewConnectionError | broken.ConnectTimeoutError | broken.ProxyError)


def _timed_out(method: str, url: str, *, never_sent: bool) -> TransportError:
    what = "connecting" if never_sent else "waiting for the answer"
    error = RequestTimeoutError(f"timed out while {what}", method=method, url=url)
    error.never_sent = never_sent
    return error


def _is_host(host: str | None) -> bool:
    try:
        return bool((host or "").encode("idna"))
    except UnicodeError:
        return False


def _is_safe(scheme: str, host: str) -> bool:
    return scheme == "https" or (scheme == "http" and _is_loopback(host))


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
