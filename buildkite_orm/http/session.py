"""The session that sends the requests of all objects: budgets, retries, and errors for responses."""

from __future__ import annotations

import io
import logging
from contextlib import nullcontext, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

from buildkite_orm.errors import (
    BuildkiteError,
    ConfigurationError,
    RateLimitError,
    ResponseError,
    StatusError,
    UnboundError,
    error_for,
)
from buildkite_orm.http.auth import Authorizer
from buildkite_orm.http.encoding import to_query_string
from buildkite_orm.http.events import Hooks
from buildkite_orm.http.failures import too_large
from buildkite_orm.http.limits import SizeLimits
from buildkite_orm.http.messages import ApiResponse, is_html
from buildkite_orm.http.network import Network, NetworkOptions
from buildkite_orm.http.rate_limit import RateLimiter
from buildkite_orm.http.retry import Retries, RetryPolicy, outcome_is_unknown
from buildkite_orm.http.stream import ReceivedCopy
from buildkite_orm.http.transport import Outgoing, Timeout, Transport
from buildkite_orm.utils.clock import SystemClock
from buildkite_orm.utils.plain_values import as_plain
from buildkite_orm.utils.redaction import Secrets, SignedUrl, redact_url

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from requests.adapters import BaseAdapter

    from buildkite_orm.cache.client_cache import ClientCache
    from buildkite_orm.http.messages import ApiRequest, StreamedBody
    from buildkite_orm.http.rate_limit import Budget
    from buildkite_orm.http.stream import Stream
    from buildkite_orm.utils.clock import Clock

logger = logging.getLogger("buildkite_orm")

T = TypeVar("T")

DEFAULT_BASE_URL: Final = "https://api.buildkite.com"
DEFAULT_TIMEOUT: Final = (5.0, 30.0)
_READING_METHODS: Final = frozenset({"GET", "HEAD"})


class Session:
    """A connection to one API, safe for threads.

    Args:
        auth: Called for each request; returns the bearer token.
        base_url: The URL before `/v2`.
        timeout: Seconds to connect and to wait for bytes: one number, or two.
        retry: How often and for how long to retry.
        reserve: The share (0 to 1) of an organization's request budget to leave to others.
        processes: How many processes share the token.
        strict: Whether a response that is not as documented is an error.
        clock: Returns the time, and waits.
        transport: A requests adapter to send through, in place of the network.
        limits: How large responses may be.
        network: How to reach servers.
        hooks: What to call for each request and response.
        app: The name of the program that uses the library, for the `User-Agent`.
        pause_gc: Whether the garbage collector pauses while a page is validated.

    Attributes:
        on_load: Called with the objects of each response, by the shell, which completes their keys.
    """

    def __init__(
        self,
        auth: Callable[[], str],
        *,
        base_url: str = DEFAULT_BASE_URL,
        timeout: Timeout = DEFAULT_TIMEOUT,
        retry: RetryPolicy | None = None,
        reserve: float = 0.0,
        processes: int = 1,
        strict: bool = False,
        clock: Clock | None = None,
        transport: BaseAdapter | None = None,
        limits: SizeLimits | None = None,
        network: NetworkOptions | None = None,
        hooks: Hooks | None = None,
        app: str | None = None,
        pause_gc: bool = True,
    ) -> None:
        if not 0 <= reserve < 1:
            raise ConfigurationError(f"reserve={reserve}: must be a share from 0 to less than 1")
        if not isinstance(as_plain(processes), int) or processes < 1:
            raise ConfigurationError(f"processes={processes!r}: how many processes share the token, from 1")
        self._network = Network(network or NetworkOptions())
        self.base_url = self._network.checked_base_url(base_url)
        self.strict = strict
        self.pause_gc = pause_gc
        self.clock: Clock = clock or SystemClock()
        self.retry = retry or RetryPolicy()
        self.retries = Retries(self.retry, self.clock)
        self.limits = limits or SizeLimits()
        self.limiter = RateLimiter(self.clock, self.retry, reserve=reserve, processes=processes)
        self.is_closed = False
        self.on_load: Callable[[Sequence[Any]], object] | None = None
        self._hooks = hooks or Hooks()
        self._secrets = Secrets()
        self._authorizer = Authorizer(auth, self._secrets)
        self.cache: ClientCache | None = None
        self._transport = Transport(
            transport,
            self._network,
            self._authorizer,
            clock=self.clock,
            timeout=timeout,
            app=app,
        )

    def __repr__(self) -> str:
        return f"<Session {getattr(self, 'base_url', 'that is not complete')}>"

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled: connections and the token stay in this process."""
        msg = "a client is not copied or pickled; make a new one, and bind objects to it: bk.bind(…)"
        raise TypeError(msg)

    def close(self) -> None:
        """Close the pooled connections; requests are refused from now on."""
        self.is_closed = True
        self._transport.close()
        if self.cache is not None:
            self.cache.close()

    def _check_open(self, request: ApiRequest | None = None) -> None:
        if self.is_closed:
            raise UnboundError("the client is closed; make a new one, and bind objects to it: bk.bind(…)")
        if request is not None and self.cache is not None:
            self.cache.check_request(request)

    def token_fingerprint(self, key: bytes) -> str:
        """Return a keyed hash of the token and the API; see `Authorizer.fingerprint`."""
        return self._authorizer.fingerprint(key, self.base_url)

    def budgets(self, organization: str | None = None) -> list[Budget]:
        """Return the user's request budget, and an organization's, as the last responses state them; no request.

        Args:
            organization: The slug of the organization.
        """
        return self.limiter.known(organization)

    def send(self, request: ApiRequest, parse: Callable[[ApiResponse], T]) -> T:
        """Send a request, with retries, and parse its response.

        Args:
            request: The request.
            parse: Returns the result; a ResponseError from it is a failed attempt.

        Raises:
            BuildkiteError: See the tree in `errors`.
        """
        self._check_open(request)
        if self.cache is not None and request.effective_method not in _READING_METHODS:
            return self._send_write(self.cache, request, parse)
        return self._send(request, parse)

    def _send_write(self, cache: ClientCache, request: ApiRequest, parse: Callable[[ApiResponse], T]) -> T:
        """Send a write, and remove from the cache what it may have changed."""
        responses: list[ApiResponse] = []

        def parse_and_note(response: ApiResponse) -> T:
            responses.append(response)
            return parse(response)

        try:
            result = self._send(request, parse_and_note)
        except BaseException as error:
            refused = isinstance(error, BuildkiteError) and not error.outcome_unknown and not responses
            if not refused:
                cache.forget(request, responses[-1] if responses else None)
            raise
        cache.forget(request, responses[-1] if responses else None)
        return result

    def _send(self, request: ApiRequest, parse: Callable[[ApiResponse], T]) -> T:
        attempt = partial(self._exchange, request, parse, self._deadline(), _ErrorDetails(self, request))
        try:
            return self.retries.run(attempt, idempotent=request.is_idempotent, splittable=request.splittable)
        except StatusError as error:
            if request.method != "DELETE" or error.status != request.already_deleted_status:
                raise
            if not error.outcome_unknown:
                raise
            return parse(ApiResponse(request.method, error.url or "", 204, {}, b""))  # an earlier attempt deleted it

    def stream(self, request: ApiRequest) -> Stream:
        """Send a GET, with retries, and return its response to be read chunk by chunk; the body is not retried.

        Raises:
            BuildkiteError: See the tree in `errors`.
        """
        self._check_open(request)
        attempt = partial(self._open_stream, request, self._deadline(), _ErrorDetails(self, request))
        return self.retries.run(attempt, idempotent=request.is_idempotent)

    def stream_without_token(
        self, url: str | SignedUrl, headers: Mapping[str, str], *, method: str = "GET", body: StreamedBody | None = None
    ) -> Stream:
        """Request or send a file at a URL from a response, once, without the token.

        Plain HTTP is allowed on loopback only.

        Raises:
            TransportError: There was no response.
            ResponseError: The URL is not one to follow.
        """
        self._check_open()
        url = url if isinstance(url, SignedUrl) else SignedUrl(url)  # the query is a key to the file
        redacted = self._secrets.mask(str(url))
        if not self._network.can_follow(url.reveal()):
            raise ResponseError("the server points to a URL that is not https", method=method, url=redacted)
        headers = {"Accept": "*/*", "Accept-Encoding": "identity", **headers}
        outgoing = Outgoing(method, url, redacted, headers=headers, content=body, with_token=False)
        stream = self._open(outgoing, self._deadline())
        stream.lift_deadline()
        return stream

    def redacted_url(self, path: str, query: str = "") -> str:
        """Return the URL of a path of the API as it may be shown."""
        return self._secrets.mask(redact_url(f"{self.base_url}/v2/{path}{query}"))

    def _deadline(self) -> float:
        return self.clock.monotonic() + self.retry.limited().max_elapsed

    def _exchange(
        self, request: ApiRequest, parse: Callable[[ApiResponse], T], deadline: float, details: _ErrorDetails
    ) -> T:
        with details:
            with self.limiter.acquire(request.organization, deadline=deadline):
                response = self._read(request, self._open(self._outgoing(request), deadline, request.organization))
            try:
                return parse(response)
            except (ValueError, ArithmeticError, RecursionError) as problem:
                kind = type(problem).__name__  # an odd response raises our error: the write has happened
            raise response.unexpected(f"the response cannot be read: {kind}")

    def _open_stream(self, request: ApiRequest, deadline: float, details: _ErrorDetails) -> Stream:
        with details, self.limiter.acquire(request.organization, deadline=deadline):
            stream = self._open(self._outgoing(request), deadline, request.organization)
            if stream.status < 300 and not is_html(stream.headers):  # noqa: PLR2004
                stream.lift_deadline()
                return stream
            response = self._read(request, stream)
            del stream  # tracebacks may show the locals of this frame
            raise response.unexpected("the response has no content")

    def _outgoing(self, request: ApiRequest) -> Outgoing:
        url = f"{self.base_url}/v2/{request.path}{_query_string(request)}"
        redacted = self._secrets.mask(redact_url(url))
        return Outgoing(request.method, SignedUrl(url), redacted, headers=request.headers, content=request.content)

    def _open(self, outgoing: Outgoing, deadline: float, organization: str | None = None) -> Stream:
        """Send a request once, call the hooks, and read the budget headers."""
        self._hooks.request(outgoing.method, outgoing.redacted)
        started = self.clock.monotonic()
        try:
            stream = self._transport.send(outgoing, deadline)
        except BaseException:
            self._hooks.response(outgoing.method, outgoing.redacted, seconds=self.clock.monotonic() - started)
            raise
        seconds = self.clock.monotonic() - started
        self._secrets.mask_headers(stream.headers)
        if outgoing.with_token:
            self.limiter.update_from_headers(organization, stream.headers, seconds=seconds)
        self._hooks.response(
            outgoing.method,
            outgoing.redacted,
            seconds=seconds,
            status=stream.status,
            request_id=stream.headers.get("X-Request-Id") if outgoing.with_token else None,
            budgets=lambda: self.limiter.known(organization) if outgoing.with_token else [],
        )
        logger.debug("%s %s -> %s", outgoing.method, outgoing.redacted, stream.status)
        return stream

    def _read(self, request: ApiRequest, stream: Stream) -> ApiResponse:
        """Read a whole response, and raise the error that it stands for."""
        is_error = stream.status >= 400  # noqa: PLR2004
        limit = self.limits.error_body if is_error else self.limits.response
        body = io.BytesIO()  # its repr, in a traceback, does not show the content
        copy = ReceivedCopy() if self.cache is not None and not is_error else None
        with stream:
            # the status of an error counts, even if its body arrived and cannot be decoded
            with suppress(ResponseError) if is_error else nullcontext():
                for piece in stream.chunks_as_received(copy):
                    body.write(piece)
                    del piece
                    if body.tell() > limit:
                        break
            if body.tell() > limit and not is_error:
                raise too_large(limit)
            body.truncate(min(body.tell(), limit))
            content = stream.replay(body.getvalue())
        if stream.status >= 300 or is_html(stream.headers):  # noqa: PLR2004 - the content is for an error
            content = self._secrets.mask_bytes(content)
        compressed = copy.as_gzip(body.getvalue(), content) if copy is not None else None
        response = ApiResponse(request.method, stream.url, stream.status, stream.headers, content, compressed)
        del stream, body, content, copy, compressed  # tracebacks may show the locals of this frame
        self._raise_for_status(request, response)
        return response

    def _raise_for_status(self, request: ApiRequest, response: ApiResponse) -> None:
        status = response.status
        if request.expects_redirect and status == 302:  # noqa: PLR2004
            return
        if status < 300:  # noqa: PLR2004
            if response.body and is_html(response.headers):
                raise response.unexpected(f"{status}: an HTML page, which the API never responds with")
            return
        if status < 400:  # noqa: PLR2004
            location = self._secrets.mask(str(SignedUrl(response.headers.get("Location", "nowhere"))))
            raise response.unexpected(f"{status}: a redirect to {location}, which is not followed with a token")
        error = error_for(
            method=request.method,
            url=response.url,
            status=status,
            headers=response.headers,
            body=response.body,
            now=self.clock.now(),
            secrets=self._secrets,
        )
        if isinstance(error, RateLimitError):
            self.limiter.on_429(request.organization, error)
        raise error


class _ErrorDetails:
    """Completes the errors of a request: its method and URL, and whether any of its attempts may have had an effect."""

    def __init__(self, session: Session, request: ApiRequest) -> None:
        self._session = session
        self._request = request
        self._unknown = False

    def __enter__(self) -> None:
        """Begin an attempt."""

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if not isinstance(error, BuildkiteError):
            return
        request = self._request
        self._unknown = self._unknown or outcome_is_unknown(error, method=request.effective_method)
        error.outcome_unknown = self._unknown
        error.about = self._session.redacted_url(request.about) if request.about else None
        error.method = error.method or request.method
        error.url = error.url or self._session.redacted_url(request.path, _query_string(request))


def _query_string(request: ApiRequest) -> str:
    return f"?{to_query_string(request.query)}" if request.query else ""
