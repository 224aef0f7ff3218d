"""An adapter for `requests` that passes each request to the app, without a network."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import unquote_to_bytes, urlsplit, urlunsplit

import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPHeaderDict
from urllib3 import HTTPResponse as Urllib3Response
from urllib3.connection import HTTPConnection
from urllib3.exceptions import MaxRetryError, NewConnectionError, ProtocolError, ReadTimeoutError

from buildkite_orm.fake.response_plan import DroppedError
from buildkite_orm.fake.validation import IncomingRequest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from werkzeug.wrappers import Response

    from buildkite_orm.fake.app import App
    from buildkite_orm.fake.context import Context
    from buildkite_orm.fake.faults import Origin
    from buildkite_orm.fake.response_plan import ResponsePlan

ARTIFACTS_HOST = "artifacts.buildkite.fake"
_NO_CONNECTION: dict[str | None, str] = {
    "unresolved": "[Errno -2] Name or service not known",
    "refused": "[Errno 111] Connection refused",
}


class LocalAdapter(BaseAdapter):
    """Serves any host; bodies are read in chunks, and break as those of a socket would.

    The exceptions for the faults `refuse` and `dns`, which prevent a connection, have the attribute
    `request_was_sent = False`: nothing was sent, and any request may be retried. Other exceptions do not have the
    attribute, since the request may have arrived.
    """

    def __init__(self, app: App) -> None:
        super().__init__()
        self._app = app
        self._builder = HTTPAdapter()

    def send(  # noqa: PLR0917
        self,
        request: requests.PreparedRequest,
        stream: bool = False,  # noqa: ARG002, FBT001, FBT002
        timeout: float | tuple[float | None, float | None] | None = None,
        verify: bool | str = True,  # noqa: FBT001, FBT002, ARG002
        cert: Any = None,  # noqa: ARG002
        proxies: Mapping[str, str] | None = None,  # noqa: ARG002
    ) -> requests.Response:
        """Pass a request to the app, and return its response."""
        incoming = IncomingRequest(_environment(request))
        incoming.is_local = True
        origin: Origin = "artifacts" if incoming.host.partition(":")[0] == ARTIFACTS_HOST else "api"
        plan = self._app.handle(incoming, origin, f"https://{ARTIFACTS_HOST}")
        read_timeout = timeout[1] if isinstance(timeout, tuple) else timeout
        if read_timeout is not None and plan.delay > read_timeout:
            raise _timed_out(request, read_timeout)
        if plan.failure is not None or plan.response is None:
            raise _connection_error(plan, request, read_timeout, self._app.context)
        raw = Urllib3Response(
            body=_Body(plan, plan.response, self._app.context, read_timeout, empty=incoming.method == "HEAD"),
            headers=HTTPHeaderDict(list(plan.response.headers)),
            status=plan.response.status_code,
            reason=plan.response.status.partition(" ")[2],
            version=11,
            preload_content=False,
            request_method=incoming.method,
        )
        return self._builder.build_response(request, raw)

    def close(self) -> None:
        """Close nothing: no connection is open."""


def _environment(request: requests.PreparedRequest) -> dict[str, Any]:
    url = urlsplit(request.url or "")
    data = _body_bytes(request.body)
    environment: dict[str, Any] = {
        "REQUEST_METHOD": request.method or "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes((url.path or "/").encode(errors="surrogatepass")).decode("latin-1"),
        "QUERY_STRING": _bytes_as_text(url.query),
        "RAW_URI": _bytes_as_text(urlunsplit(("", "", url.path or "/", url.query, ""))),
        "SERVER_NAME": url.hostname or "",
        "SERVER_PORT": str(url.port or (443 if url.scheme == "https" else 80)),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": url.netloc.rpartition("@")[2],
        "CONTENT_LENGTH": str(len(data)),
        "wsgi.url_scheme": url.scheme,
        "wsgi.input": io.BytesIO(data),
    }
    for name, value in request.headers.items():
        text = _text(value)
        key = name.upper().replace("-", "_")
        if key == "CONTENT_TYPE":
            environment[key] = text
        elif key != "CONTENT_LENGTH":
            environment[f"HTTP_{key}"] = text
    return environment


def _bytes_as_text(text: str) -> str:
    """Return a text in the encoding of WSGI: one character per byte."""
    return text.encode(errors="surrogatepass").decode("latin-1")


def _text(value: Any) -> str:
    """Return the value of a header; raise a `UnicodeEncodeError` if it cannot be sent, as `http.client` does."""
    data = value if isinstance(value, bytes) else str(value).encode("latin-1")
    return data.decode("latin-1")


def _body_bytes(body: Any) -> bytes:
    if body is None or isinstance(body, bytes):
        return body or b""
    return body.encode() if isinstance(body, str) else b"".join(body)


def _timed_out(request: requests.PreparedRequest, read_timeout: float | None) -> requests.ReadTimeout:
    pool = HTTPConnectionPool(urlsplit(request.url or "").hostname or "localhost")
    message = f"Read timed out. (read timeout={read_timeout})"
    return requests.ReadTimeout(ReadTimeoutError(pool, request.url or "", message), request=request)


def _connection_error(
    plan: ResponsePlan, request: requests.PreparedRequest, read_timeout: float | None, context: Context
) -> requests.RequestException:
    """Return the exception of `requests` for a failed connection; a timeout passes on the clock."""
    if plan.failure == "stalled":
        context.wait(read_timeout or 0)
        return _timed_out(request, read_timeout)
    if plan.failure in _NO_CONNECTION:
        url = request.url or ""
        pool = HTTPConnectionPool(urlsplit(url).hostname or "localhost")
        connection = HTTPConnection(pool.host)
        why = _NO_CONNECTION[plan.failure]
        reason = NewConnectionError(connection, f"Failed to establish a new connection: {why}")
        error = requests.ConnectionError(MaxRetryError(pool, url, reason), request=request)
        vars(error)["request_was_sent"] = False
        return error
    reset = ConnectionResetError(104, "Connection reset by peer")
    return requests.ConnectionError(ProtocolError("Connection aborted.", reset), request=request)


class _Body(io.RawIOBase):
    """A response's body, read as from a socket."""

    def __init__(
        self, plan: ResponsePlan, response: Response, context: Context, read_timeout: float | None, *, empty: bool
    ) -> None:
        super().__init__()
        self._plan = plan
        self._response = response
        self._context = context
        self._read_timeout = math.inf if read_timeout is None else read_timeout
        self._chunks: Iterator[bytes] = iter(()) if empty else plan.chunks()
        self._left = b""

    def readable(self) -> bool:
        return True

    def read1(self, size: int = -1, /) -> bytes:
        """Read available bytes, as a buffered reader does."""
        return self.read(size)

    def readinto(self, buffer: Any) -> int:
        while not self._left:
            chunk = self._next()
            if chunk is None:
                return 0
            self._left = chunk
        size = min(len(buffer), len(self._left))
        buffer[:size] = self._left[:size]
        self._left = self._left[size:]
        return size

    def _next(self) -> bytes | None:
        try:
            chunk = next(self._chunks, None)
        except DroppedError as drop:
            if drop.ending == "reset":
                raise ConnectionResetError(104, "Connection reset by peer") from None
            if drop.ending == "stalled":
                self._time_out()
            return None
        if chunk is not None:
            if self._plan.byte_delay > self._read_timeout:
                self._time_out()
            self._context.wait(self._plan.byte_delay)
        return chunk

    def _time_out(self) -> NoReturn:
        """Wait for the read timeout, then raise."""
        self._context.wait(0 if math.isinf(self._read_timeout) else self._read_timeout)
        raise TimeoutError("timed out")

    def close(self) -> None:
        if not self.closed:
            self._response.close()
        super().close()
