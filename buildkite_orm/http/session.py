"""What sends requests: token, timeouts, sending again, and streams.

A request's body is read inside the retry, and so is its JSON: half an answer is no answer.
"""

from __future__ import annotations

import io
import json
import logging
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar, cast
from urllib.parse import parse_qsl, unquote, urlsplit

import requests
from requests import exceptions as failed

from buildkite_orm.errors import (
    BuildkiteError,
    ConfigurationError,
    RateLimitError,
    ResponseError,
    StatusError,
    error_for,
    redact_url,
)
from buildkite_orm.http.adapter import Adapter
from buildkite_orm.http.auth import authorize
from buildkite_orm.http.encoding import to_query_string
from buildkite_orm.http.events import Hooks
from buildkite_orm.http.exchange import Exchange
from buildkite_orm.http.failures import too_large, too_late
from buildkite_orm.http.limits import SizeLimits
from buildkite_orm.http.links import read_links
from buildkite_orm.http.network import Network, NetworkOptions
from buildkite_orm.http.rate_limit import RateLimiter
from buildkite_orm.http.retry import RetryPolicy, is_repeatable, outcome_is_unknown
from buildkite_orm.http.signed_links import split_link
from buildkite_orm.http.transport import (
    HEADERS,
    Content,
    Outgoing,
    Stream,
    StreamedBody,
    attempt,
    checked_timeout,
    forget_url,
    pooled,
    renew_transport,
    user_agent,
)
from buildkite_orm.utils.clock import SystemClock
from buildkite_orm.utils.forking import renew_after_fork
from buildkite_orm.utils.redaction import Secrets, SignedUrl

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from requests.adapters import BaseAdapter

    from buildkite_orm.http.encoding import Query
    from buildkite_orm.http.rate_limit import Budget
    from buildkite_orm.utils.clock import Clock

logger = logging.getLogger("buildkite_orm")

T = TypeVar("T")

Timeout = float | tuple[float, float]
DEFAULT_BASE_URL: Final = "https://api.buildkite.com"
DEFAULT_TIMEOUT: Final = (5.0, 30.0)

_SECRET_LINK_PARAMETERS: Final = frozenset({"api_key", "access_token"})


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """One request, as the caller means it.

    Attributes:
        method: The HTTP method.
        path: What stands behind `/v2/`, encoded.
        query: The query pairs.
        body: The JSON body, or one that is streamed, or None for none.
        headers: Further headers.
        idempotent: False if it starts something each time it is sent, whatever its method says (`PUT …/rebuild`).
        safe: Whether it changes nothing, whatever its method says.
        about: The path of what it is about, where that is known to be there.
        expects_redirect: Whether its response is a redirect, which is returned and not followed.
        splittable: Whether it is not sent again where the answer takes too long, since the caller then asks for less.
        already_deleted_status: The status of a DELETE of what is deleted already.
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
    def organization(self) -> str | None:
        """The slug of the organization that the request counts against, if it names one."""
        _, found, rest = f"/{self.path}".partition("/organizations/")  # some stand below `analytics` or `packages`
        return rest.partition("/")[0] or None if found else None

    @property
    def content(self) -> Content:
        """The body as it is sent.

        Raises:
            ValueError: JSON has nothing for a value: an infinite number, say.
        """
        if self.body is None or isinstance(self.body, StreamedBody):
            return self.body
        return json.dumps(self.body, allow_nan=False).encode()


@dataclass(frozen=True, slots=True)
class ApiResponse:
    """A whole answer."""

    method: str
    url: str
    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def links(self) -> dict[str, Query]:
        """The queries of the pages that the `Link` header names, by `next`, `prev`, `first` and `last`."""
        return {rel: query_of(url) for rel, url in read_links(self.headers.get("Link") or "").items()}

    def unexpected(self, what: str) -> ResponseError:
        """Make the error for an answer that is not of the kind that was asked for."""
        error = ResponseError(
            what,
            method=self.method,
            url=self.url,
            status=self.status,
            request_id=self.headers.get("X-Request-Id"),
        )
        error.damaged = self.method != "HEAD" and self.status < 300 and not _is_json(self.body)  # noqa: PLR2004
        return error


class Session:
    """A pooled connection to one API, safe for threads.

    Args:
        auth: Called for each request, gives the bearer token.
        base_url: What stands before `/v2`.
        timeout: Seconds to connect and to wait for bytes: one number, or two.
        retry: How persistent to be.
        reserve: The share (0 to 1) of an organization's request budget to leave to others.
        strict: Whether an answer that is not as documented is an error.
        clock: Tells the time and waits.
        transport: A requests adapter to send through, in place of the network.
        limits: How large responses may be.
        network: How to reach servers.
        hooks: What to call for each request and response.
        app: What uses the library, for the `User-Agent`.
    """

    def __init__(
        self,
        auth: Callable[[], str],
        *,
        base_url: str = DEFAULT_BASE_URL,
        timeout: Timeout = DEFAULT_TIMEOUT,
        retry: RetryPolicy | None = None,
        reserve: float = 0.0,
        strict: bool = False,
        clock: Clock | None = None,
        transport: BaseAdapter | None = None,
        limits: SizeLimits | None = None,
        network: NetworkOptions | None = None,
        hooks: Hooks | None = None,
        app: str | None = None,
    ) -> None:
        if not 0 <= reserve < 1:
            raise ConfigurationError(f"reserve={reserve}: a share from 0 to less than 1")
        self._network = Network(network or NetworkOptions())
        self.base_url = self._network.checked_base_url(base_url)
        self.strict = strict
        self.clock: Clock = clock or SystemClock()
        self.retry = retry or RetryPolicy()
        self.limits = limits or SizeLimits()
        self._auth = auth
        self._timeout = checked_timeout(timeout)
        self.limiter = RateLimiter(self.clock, self.retry, reserve=reserve)
        self._secrets = Secrets()
        self._transport = transport or Adapter(self._network.context)
        self._http = pooled(self._transport)
        self._headers = {**HEADERS, "User-Agent": user_agent(app)}
        self._hooks = hooks or Hooks()
        self._has_response = False
        renew_after_fork(self)

    def __repr__(self) -> str:
        return f"<Session {getattr(self, 'base_url', 'that is not made yet')}>"

    def __reduce__(self) -> NoReturn:
        """Stay in this process: a session has connections, and a token that belongs in no pickle."""
        msg = "a client is not copied or pickled; make a new one, and bind objects to it: bk.bind(…)"
        raise TypeError(msg)

    def renew_after_fork(self) -> None:
        """Leave the connections and budgets to the parent process; called in a forked child."""
        self._http = pooled(self._transport)
        renew_transport(self._transport)

    def close(self) -> None:
        """Close the pooled connections."""
        self._http.close()

    def budgets(self, organization: str | None = None) -> list[Budget]:
        """Tell what the last answers said of the user's request budget, and of an organization's; no request.

        Args:
            organization: The slug of the organization.
        """
        return self.limiter.known(organization)

    def send(self, call: ApiRequest, parse: Callable[[ApiResponse], T]) -> T:
        """Send a request, again where that is harmless, and parse its answer.

        Args:
            call: The request.
            parse: Makes the result; a ResponseError from it is a failed attempt.

        Raises:
            BuildkiteError: As the tree in `errors` says.
        """
        try:
            return self._persist(call, lambda deadline: _parsed(parse, self._exchange(call, deadline)))
        except StatusError as error:
            if call.method != "DELETE" or error.status != call.already_deleted_status or not error.outcome_unknown:
                raise
            return parse(ApiResponse(call.method, error.url or "", 204, {}, b""))  # sent again, and it is gone

    def stream(self, call: ApiRequest) -> Stream:
        """Send a GET whose body is read chunk by chunk; what comes after the headers is not sent again.

        Raises:
            BuildkiteError: As the tree in `errors` says.
        """
        return self._persist(call, lambda deadline: self._open(call, deadline))

    def stream_elsewhere(
        self, url: str | SignedUrl, headers: Mapping[str, str], *, method: str = "GET", body: StreamedBody | None = None
    ) -> Stream:
        """Get a file from where an answer pointed to, or send one there; without the token.

        Plain HTTP is for loopback only.

        Raises:
            TransportError: There was no answer.
            ResponseError: The URL is none to follow.
        """
        url = url if isinstance(url, SignedUrl) else SignedUrl(url)  # the query is a key to the file
        shown = self._secrets.mask(str(url))
        if not self._network.can_follow(url.reveal()):
            raise ResponseError("the server points to a URL that is not https", method=method, url=shown)
        headers = {"Accept": "*/*", "Accept-Encoding": "identity", **headers}
        deadline = self.clock.monotonic() + self.retry.in_time().max_elapsed
        request = Outgoing(method, url, shown, headers=headers, content=body, with_token=False)
        stream = self._open_url(request, deadline)
        stream.lift_deadline()
        return stream

    def _persist(self, call: ApiRequest, do: Callable[[float], T]) -> T:
        """Do it until it is done, or may not be done again; an error tells what earlier attempts may have done."""
        unknown, method = False, "GET" if call.safe else call.method
        policy = self.retry.in_time()
        deadline = self.clock.monotonic() + policy.max_elapsed

        def once() -> T:
            nonlocal unknown
            try:
                return do(deadline)
            except BuildkiteError as error:
                unknown = unknown or outcome_is_unknown(error, method=method)
                error.outcome_unknown = unknown
                error.about = self._secrets.mask(f"{self.base_url}/v2/{call.about}") if call.about else None
                error.method, error.url = error.method or call.method, error.url or self._shown(call)
                raise

        repeatable = is_repeatable(method, idempotent=call.idempotent)
        return policy.run(once, self.clock, repeatable=repeatable, splittable=call.splittable)

    def _exchange(self, call: ApiRequest, deadline: float) -> ApiResponse:
        with self.limiter.acquire(call.organization, deadline=deadline):
            return self._whole(call, self._dispatch(call, deadline))

    def _open(self, call: ApiRequest, deadline: float) -> Stream:
        with self.limiter.acquire(call.organization, deadline=deadline):
            stream = self._dispatch(call, deadline)
            if stream.status < 300 and not is_html(stream.headers):  # noqa: PLR2004
                stream.lift_deadline()
                return stream
            answer = self._whole(call, stream)
            del stream  # a traceback may show what is in this frame
            raise answer.unexpected("there is nothing in the answer")

    def _whole(self, call: ApiRequest, stream: Stream) -> ApiResponse:
        is_error = stream.status >= 400  # noqa: PLR2004
        limit = self.limits.error_body if is_error else self.limits.response
        body = io.BytesIO()  # whose repr, in a traceback, shows nothing of it
        with stream:
            # the status of an error counts, though its body came whole and cannot be decoded
            with suppress(ResponseError) if is_error else nullcontext():
                for piece in stream.arriving():
                    body.write(piece)
                    del piece
                    if body.tell() > limit:
                        break
            if body.tell() > limit and not is_error:
                raise too_large(limit)
            body.truncate(min(body.tell(), limit))
            whole = stream.show(body.getvalue())
        if stream.status >= 300 or is_html(stream.headers):  # noqa: PLR2004 - it is for an error, not for its data
            whole = self._secrets.mask_bytes(whole)
        answer = ApiResponse(call.method, stream.url, stream.status, stream.headers, whole)
        del stream, body, whole  # a traceback may show what is in this frame
        self._check(call, answer)
        return answer

    def _dispatch(self, call: ApiRequest, deadline: float) -> Stream:
        url = self._url(call)
        shown = self._secrets.mask(redact_url(url))
        request = Outgoing(call.method, SignedUrl(url), shown, headers=call.headers, content=call.content)
        return self._open_url(request, deadline, call.organization)

    def _open_url(self, request: Outgoing, deadline: float, organization: str | None = None) -> Stream:
        connect, read = self._timeout
        exchange = Exchange(
            clock=self.clock,
            deadline=deadline,
            connect_timeout=connect,
            read_timeout=read,
            streams_body=isinstance(request.content, StreamedBody),
            had_response=self._has_response,
        )
        self._hooks.request(request.method, request.shown)
        began = self.clock.monotonic()
        response = self._transmit(request, exchange)
        seconds, exchange.target = self.clock.monotonic() - began, None  # a traceback may show what is in this frame
        if isinstance(response, BaseException):
            self._hooks.response(request.method, request.shown, seconds=seconds)
            raise response
        self._has_response = True
        self._secrets.mask_headers(response.headers)
        if request.with_token:
            self.limiter.update_from_headers(organization, response.headers)
        self._hooks.response(
            request.method,
            request.shown,
            seconds=seconds,
            status=response.status_code,
            request_id=response.headers.get("X-Request-Id") if request.with_token else None,
            budgets=lambda: self.limiter.known(organization) if request.with_token else [],
        )
        logger.debug("%s %s -> %s", request.method, request.shown, response.status_code)
        forget_url(response, request.shown)
        return Stream(
            response,
            exchange,
            method=request.method,
            url=request.shown,
            unpacked=request.with_token,
            secrets=request.url.secrets,
        )

    def _transmit(self, out: Outgoing, exchange: Exchange) -> requests.Response | BaseException:
        """Send a request; it carries the token or a key, so what goes wrong leaves this frame as a value."""
        try:
            request = self._prepared(out, exchange)
            timeout = self._timeout_for(exchange)
        except (failed.RequestException, ValueError):
            return ResponseError("there is no such URL", method=out.method, url=out.shown)
        except TimeoutError:
            return too_late(out.method, out.shown)
        if out.with_token:
            authorize(request, lambda: self._secrets.remember(self._auth()))
        try:
            with exchange:
                return attempt(lambda: self._send(request, timeout, out.url), exchange, out.method, out.shown)
        finally:
            request.headers.pop("Authorization", None)  # the response goes on to hold the request

    def _send(self, request: requests.PreparedRequest, timeout: Timeout, url: SignedUrl) -> requests.Response:
        settings = self._network.settings_for(url.reveal())  # they have the password of a proxy
        return self._http.send(request, timeout=timeout, allow_redirects=False, **settings)

    def _timeout_for(self, exchange: Exchange) -> tuple[float, float]:
        """Return the timeouts for the transport; our own keeps to the deadline by itself."""
        bounded = exchange.to_connect(), exchange.to_progress()
        return self._timeout if isinstance(self._transport, Adapter) else bounded

    def _prepared(self, out: Outgoing, exchange: Exchange) -> requests.PreparedRequest:
        """Prepare a request by its parts: a session of requests would add cookies, and users from URLs and `.netrc`."""
        url, target = (out.url.reveal(), "") if out.with_token else split_link(out.url.reveal())
        prepared: Any = requests.PreparedRequest()
        prepared.prepare_method(out.method)
        prepared.prepare_url(url, {})
        kind = {} if out.content_type is None else {"Content-Type": out.content_type}
        prepared.prepare_headers({**self._headers, **kind, **out.headers})
        prepared.prepare_body(out.content, None)
        if target:  # requests and urllib3 would both write a link in their own way, and spoil its signature
            exchange.target = target
            prepared.url = f"{prepared.url.rstrip('/')}{target}"
        return cast("requests.PreparedRequest", prepared)

    def _check(self, call: ApiRequest, answer: ApiResponse) -> None:
        if call.expects_redirect and answer.status == 302:  # noqa: PLR2004
            return
        if answer.status < 300:  # noqa: PLR2004
            if answer.body and is_html(answer.headers):
                raise answer.unexpected(f"{answer.status}: an HTML page, which the API never answers with")
            return
        if answer.status < 400:  # noqa: PLR2004
            elsewhere = self._secrets.mask(str(SignedUrl(answer.headers.get("Location", "nowhere"))))
            raise answer.unexpected(f"{answer.status}: a redirect to {elsewhere}, which is not followed with a token")
        error = error_for(
            method=call.method,
            url=answer.url,
            status=answer.status,
            headers=answer.headers,
            body=answer.body,
            now=self.clock.now(),
            secrets=self._secrets,
        )
        if isinstance(error, RateLimitError):
            self.limiter.on_429(call.organization, error)
        raise error

    def _url(self, call: ApiRequest) -> str:
        query = "?" + to_query_string(call.query) if call.query else ""
        return f"{self.base_url}/v2/{call.path}{query}"

    def _shown(self, call: ApiRequest) -> str:
        return self._secrets.mask(redact_url(self._url(call)))


def _parsed(parse: Callable[[ApiResponse], T], answer: ApiResponse) -> T:
    """Parse a response; whatever is odd about it is an error of ours, so that a write that happened is not lost."""
    try:
        return parse(answer)
    except (ValueError, ArithmeticError, RecursionError) as problem:
        kind = type(problem).__name__
    raise answer.unexpected(f"the response cannot be read: {kind}")


def query_of(url: str) -> Query:
    """Read the query of a URL in an answer; a token in it is dropped.

    Raises:
        ResponseError: It is no URL.
    """
    try:
        pairs = parse_qsl(urlsplit(url).query, keep_blank_values=True)
    except ValueError:
        raise ResponseError("the server points to a page by what is no URL") from None
    return [(key, value) for key, value in pairs if key not in _SECRET_LINK_PARAMETERS]


def path_of(url: str) -> str | None:
    """Read what stands behind `/v2/` in a URL of an answer; None where it is no URL of the API."""
    try:
        _, _, path = urlsplit(url).path.partition("/v2/")
    except ValueError:
        return None
    path = path.strip("/")
    leaves = any(unquote(segment) in {"", ".", ".."} for segment in path.split("/"))
    return None if leaves else path


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True


def is_html(headers: Mapping[str, str]) -> bool:
    """Tell whether an answer is an HTML page."""
    return headers.get("Content-Type", "").lower().startswith("text/html")
