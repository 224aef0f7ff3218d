"""The door inside of the process: an adapter for `requests` that hands each request to the app."""

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
    from buildkite_orm.fake.response_plan import Delivery

ARTIFACTS_HOST = "artifacts.buildkite.fake"
_NO_CONNECTION: dict[str | None, str] = {
    "unresolved": "[Errno -2] Name or service not known",
    "refused": "[Errno 111] Connection refused",
}


class LocalAdapter(BaseAdapter):
    """Serves any host; bodies come in pieces, and break as those of a socket would.

    The exceptions that it raises for the faults `refuse` and `dns`, where there is no connection, have the attribute
    `request_was_sent = False`: nothing has left, and any request may be sent again. Other exceptions have no such
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
        """Hand a request to the app, and what comes back to `requests`."""
        asked = IncomingRequest(_environment(request))
        origin: Origin = "artifacts" if asked.host.partition(":")[0] == ARTIFACTS_HOST else "api"
        delivery = self._app.exchange(asked, origin, f"https://{ARTIFACTS_HOST}")
        patience = timeout[1] if isinstance(timeout, tuple) else timeout
        if patience is not None and delivery.late > patience:
            raise _timed_out(request, patience)
        if delivery.silence is not None or delivery.response is None:
            raise _silence(delivery, request, patience, self._app.context)
        raw = Urllib3Response(
            body=_Body(delivery, delivery.response, self._app.context, patience, empty=asked.method == "HEAD"),
            headers=HTTPHeaderDict(list(delivery.response.headers)),
            status=delivery.response.status_code,
            reason=delivery.response.status.partition(" ")[2],
            version=11,
            preload_content=False,
            request_method=asked.method,
        )
        return self._builder.build_response(request, raw)

    def close(self) -> None:
        """Nothing is open."""


def _environment(request: requests.PreparedRequest) -> dict[str, Any]:
    url = urlsplit(request.url or "")
    data = _whole(request.body)
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
    """Return a text as WSGI has it: one character for each byte."""
    return text.encode(errors="surrogatepass").decode("latin-1")


def _text(value: Any) -> str:
    """Return the value of a header; raise a `UnicodeEncodeError` where it cannot be sent, as `http.client` does."""
    data = value if isinstance(value, bytes) else str(value).encode("latin-1")
    return data.decode("latin-1")


def _whole(body: Any) -> bytes:
    if body is None or isinstance(body, bytes):
        return body or b""
    return body.encode() if isinstance(body, str) else b"".join(body)


def _timed_out(request: requests.PreparedRequest, patience: float | None) -> requests.ReadTimeout:
    pool = HTTPConnectionPool(urlsplit(request.url or "").hostname or "localhost")
    message = f"Read timed out. (read timeout={patience})"
    return requests.ReadTimeout(ReadTimeoutError(pool, request.url or "", message), request=request)


def _silence(
    delivery: Delivery, request: requests.PreparedRequest, patience: float | None, context: Context
) -> requests.RequestException:
    """Give what `requests` raises where no answer comes; waiting in vain takes as long as the timeout."""
    if delivery.silence == "held":
        context.pause(patience or 0)
        return _timed_out(request, patience)
    if delivery.silence in _NO_CONNECTION:
        url = request.url or ""
        pool = HTTPConnectionPool(urlsplit(url).hostname or "localhost")
        connection = HTTPConnection(pool.host)
        why = _NO_CONNECTION[delivery.silence]
        reason = NewConnectionError(connection, f"Failed to establish a new connection: {why}")
        error = requests.ConnectionError(MaxRetryError(pool, url, reason), request=request)
        vars(error)["request_was_sent"] = False
        return error
    reset = ConnectionResetError(104, "Connection reset by peer")
    return requests.ConnectionError(ProtocolError("Connection aborted.", reset), request=request)


class _Body(io.RawIOBase):
    """A response's body as a socket would give it."""

    def __init__(
        self, delivery: Delivery, response: Response, context: Context, patience: float | None, *, empty: bool
    ) -> None:
        super().__init__()
        self._delivery = delivery
        self._response = response
        self._world = context
        self._patience = math.inf if patience is None else patience
        self._pieces: Iterator[bytes] = iter(()) if empty else delivery.pieces()
        self._left = b""

    def readable(self) -> bool:
        return True

    def read1(self, size: int = -1, /) -> bytes:
        """Read what has come, as a buffered reader does."""
        return self.read(size)

    def readinto(self, buffer: Any) -> int:
        while not self._left:
            piece = self._next()
            if piece is None:
                return 0
            self._left = piece
        size = min(len(buffer), len(self._left))
        buffer[:size] = self._left[:size]
        self._left = self._left[size:]
        return size

    def _next(self) -> bytes | None:
        try:
            piece = next(self._pieces, None)
        except DroppedError as drop:
            if drop.ending == "reset":
                raise ConnectionResetError(104, "Connection reset by peer") from None
            if drop.ending == "held":
                self._give_up()
            return None
        if piece is not None:
            if self._delivery.pause > self._patience:
                self._give_up()
            self._world.pause(self._delivery.pause)
        return piece

    def _give_up(self) -> NoReturn:
        """Wait for bytes as long as the client does."""
        self._world.pause(0 if math.isinf(self._patience) else self._patience)
        raise TimeoutError("timed out")

    def close(self) -> None:
        if not self.closed:
            self._response.close()
        super().close()
