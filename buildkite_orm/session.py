"""What sends requests: token, timeouts, sending again, and streams.

A request's body is read inside the retry, and so is its JSON: half an answer is no answer.
"""

from __future__ import annotations

import io
import json
import logging
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

import requests
import requests.auth
from requests import exceptions as failed

from buildkite_orm.clock import SystemClock
from buildkite_orm.encoding import to_query_string
from buildkite_orm.errors import (
    BuildkiteError,
    ConfigurationError,
    RateLimitError,
    RequestTimeoutError,
    ResponseError,
    StatusError,
    error_for,
    redact_url,
)
from buildkite_orm.http.limits import SizeLimits
from buildkite_orm.http.links import read_links
from buildkite_orm.memory import Memory
from buildkite_orm.ratelimit import RateLimiter
from buildkite_orm.retry import RetryPolicy, is_repeatable, outcome_is_unknown
from buildkite_orm.transport import (
    Stream,
    StreamedBody,
    attempt,
    can_follow,
    checked_base_url,
    checked_timeout,
    pooled,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from requests.adapters import BaseAdapter

    from buildkite_orm.clock import Clock
    from buildkite_orm.encoding import Query
    from buildkite_orm.ratelimit import Budget

logger = logging.getLogger("buildkite_orm")

T = TypeVar("T")

Timeout = float | tuple[float, float]
Content = bytes | StreamedBody | None

DEFAULT_BASE_URL: Final = "https://api.buildkite.com"
DEFAULT_TIMEOUT: Final = (5.0, 30.0)

# What requests reads of the environment for each request; each is known in small letters too.
_SETTINGS: Final = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_SETTINGS_NAMES: Final = (*_SETTINGS, *(name.lower() for name in _SETTINGS))

_SECRET_LINK_PARAMETERS: Final = frozenset({"api_key", "access_token"})
_NOT_A_HEADER: Final = "the token has characters that no token has; check how it was copied"


@dataclass(frozen=True, slots=True)
class Call:
    """One request, as the caller means it.

    Attributes:
        method: The HTTP method.
        path: What stands behind `/v2/`, encoded.
        query: The query pairs.
        body: The JSON body, or one that is streamed, or None for none.
        headers: Further headers.
        acts: Whether it starts something each time it is sent (`PUT …/rebuild`).
        reads: Whether it changes nothing, whatever its method says.
        about: The path of what it is about, where that is known to be there.
        points_elsewhere: Whether its answer is a redirect, for the caller to follow.
        divisible: Whether it is not sent again where the answer takes too long, since the caller then asks for less.
        gone: The status that a DELETE finds once what it deletes is gone.
    """

    method: str
    path: str
    query: Query = field(default_factory=list[tuple[str, str]])
    body: Any = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    acts: bool = False
    reads: bool = False
    about: str | None = None
    points_elsewhere: bool = False
    divisible: bool = False
    gone: int = 404

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
class Answer:
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


class _NoNetrc(requests.auth.AuthBase):
    """Adds nothing; that it is there keeps requests from asking a `.netrc`."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


class StaticToken:
    """A token that shows itself to nobody but the API."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value
        del value  # a traceback may show what is in this frame
        if _bearer(self._value) is None:
            raise ConfigurationError(_NOT_A_HEADER)

    def __call__(self) -> str:
        """Give the token."""
        return self._value

    def __repr__(self) -> str:
        return "<token>"

    def __reduce__(self) -> NoReturn:
        """Stay in this process."""
        msg = "a token is not copied or pickled"
        raise TypeError(msg)


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
    ) -> None:
        if not 0 <= reserve < 1:
            raise ConfigurationError(f"reserve={reserve}: a share from 0 to less than 1")
        self.base_url = checked_base_url(base_url)
        self.strict = strict
        self.clock: Clock = clock or SystemClock()
        self.retry = retry or RetryPolicy()
        self.limits = limits or SizeLimits()
        self._auth = auth
        self._timeout = checked_timeout(timeout)
        self._limiter = RateLimiter(self.clock, self.retry, reserve=reserve)
        self.memory = Memory(self._limiter)
        self._http = pooled(transport)
        self._settings: dict[tuple[str, str], tuple[object, dict[str, Any]]] = {}

    def __repr__(self) -> str:
        return f"<Session {self.base_url}>"

    def __reduce__(self) -> NoReturn:
        """Stay in this process: a session has connections, and a token that belongs in no pickle."""
        msg = "a client is not copied or pickled; make a new one, and bind objects to it: bk.bind(…)"
        raise TypeError(msg)

    def close(self) -> None:
        """Close the pooled connections."""
        self._http.close()

    def budgets(self, organization: str | None = None) -> list[Budget]:
        """Tell what the last answers said of the user's request budget, and of an organization's; no request.

        Args:
            organization: The slug of the organization.
        """
        return self._limiter.known(organization)

    def send(self, call: Call, parse: Callable[[Answer], T]) -> T:
        """Send a request, again where that is harmless, and parse its answer.

        Args:
            call: The request.
            parse: Makes the result; a ResponseError from it is a failed attempt.

        Raises:
            BuildkiteError: As the tree in `errors` says.
        """
        try:
            return self._persist(call, lambda deadline: parse(self._exchange(call, deadline)))
        except StatusError as error:
            if call.method != "DELETE" or error.status != call.gone or not error.outcome_unknown:
                raise
            return parse(Answer(call.method, error.url or "", 204, {}, b""))  # sent again, and it is gone

    def stream(self, call: Call) -> Stream:
        """Send a GET whose body is read chunk by chunk; what comes after the headers is not sent again.

        Raises:
            BuildkiteError: As the tree in `errors` says.
        """
        return self._persist(call, lambda deadline: self._open(call, deadline))

    def stream_elsewhere(
        self, url: str, headers: Mapping[str, str], *, method: str = "GET", body: StreamedBody | None = None
    ) -> Stream:
        """Get a file from where an answer pointed to, or send one there; without the token.

        Plain HTTP is for loopback only.

        Raises:
            TransportError: There was no answer.
            ResponseError: The URL is none to follow.
        """
        shown = redact_url(url).partition("?")[0]  # the query is a key to the file
        if not can_follow(url):
            raise ResponseError("the server points to a URL that is not https", method=method, url=shown)
        headers = {"Accept": "*/*", "Accept-Encoding": "identity", **headers}
        return self._open_url(method, url, shown, headers=headers, content=body, with_token=False)

    def _persist(self, call: Call, do: Callable[[float], T]) -> T:
        """Do it until it is done, or may not be done again; an error tells what earlier attempts may have done."""
        unknown, method = False, "GET" if call.reads else call.method
        policy = self.retry.in_time()
        deadline = self.clock.now() + policy.max_elapsed

        def once() -> T:
            nonlocal unknown
            try:
                return do(deadline)
            except BuildkiteError as error:
                unknown = unknown or outcome_is_unknown(error, method=method)
                error.outcome_unknown = unknown
                error.about = f"{self.base_url}/v2/{call.about}" if call.about else None
                error.method, error.url = error.method or call.method, error.url or self._shown(call)
                raise

        repeatable = is_repeatable(method, acts=call.acts)
        return policy.persist(once, self.clock, repeatable=repeatable, divisible=call.divisible)

    def _exchange(self, call: Call, deadline: float) -> Answer:
        with self._limiter.permit(call.organization, deadline=deadline):
            return self._whole(call, self._dispatch(call))

    def _open(self, call: Call, deadline: float) -> Stream:
        with self._limiter.permit(call.organization, deadline=deadline):
            stream = self._dispatch(call)
            if stream.status < 300 and not is_html(stream.headers):  # noqa: PLR2004
                return stream
            raise self._whole(call, stream).unexpected("there is nothing in the answer")

    def _whole(self, call: Call, stream: Stream) -> Answer:
        patience = max(self._timeout[1], self.retry.max_elapsed)
        until, body = self.clock.now() + patience, io.BytesIO()  # whose repr, in a traceback, tells nothing of it
        with stream:
            for piece in stream.arriving():
                body.write(piece)
                del piece
                if self.clock.now() > until:  # each byte in time, and no end in sight
                    raise RequestTimeoutError(f"the answer was not whole after {patience:g} s")
        answer = Answer(call.method, stream.url, stream.status, stream.headers, stream.unpack(body.getvalue()))
        self._check(call, answer)
        return answer

    def _dispatch(self, call: Call) -> Stream:
        url = self._url(call)
        stream = self._open_url(call.method, url, redact_url(url), headers=call.headers, content=call.content)
        self._limiter.told(call.organization, stream.headers)
        return stream

    def _open_url(
        self,
        method: str,
        url: str,
        shown: str,
        *,
        headers: Mapping[str, str],
        content: Content = None,
        with_token: bool = True,
    ) -> Stream:
        response = self._transmit(method, url, shown, headers, content, with_token=with_token)
        if isinstance(response, BaseException):
            raise response
        logger.debug("%s %s -> %s", method, shown, response.status_code)
        return Stream(response, method=method, url=shown, unpacked=with_token)

    def _transmit(
        self, method: str, url: str, shown: str, headers: Mapping[str, str], content: Content, *, with_token: bool
    ) -> requests.Response | BaseException:
        """Send a request; it carries the token, so what goes wrong leaves this frame as a value."""
        settings = self._settings_for(url)
        try:
            request = self._prepared(method, url, headers, content)
        except (failed.RequestException, UnicodeError):
            return ResponseError("there is no such URL", method=method, url=shown)
        if with_token:
            self._authorize(request)
        try:
            return attempt(
                lambda: self._http.send(request, timeout=self._timeout, allow_redirects=False, **settings),
                method,
                shown,
            )
        finally:
            request.headers.pop("Authorization", None)  # the response goes on to hold the request

    def _authorize(self, request: requests.PreparedRequest) -> None:
        request.headers["Authorization"] = _bearer(self._auth()) or ""
        if not request.headers["Authorization"]:
            raise ConfigurationError(_NOT_A_HEADER)

    def _prepared(
        self, method: str, url: str, headers: Mapping[str, str], content: Content
    ) -> requests.PreparedRequest:
        content_type = content.content_type if isinstance(content, StreamedBody) else "application/json"
        kind = {} if content is None else {"Content-Type": content_type}
        request = requests.Request(method, url, headers={**kind, **headers}, data=content, auth=_NoNetrc())
        return self._http.prepare_request(request)

    def _settings_for(self, url: str) -> dict[str, Any]:
        """Give what the environment says of proxies and certificates; plain http stays on this machine."""
        parts = urlsplit(url)
        # requests looks through the whole environment each time, which is a sixth of what a request costs
        server, environment = (parts.scheme, parts.netloc), [os.environ.get(name) for name in _SETTINGS_NAMES]
        known, settings = self._settings.get(server, (None, {}))
        if environment != known:
            settings = dict(self._http.merge_environment_settings(url, {}, stream=True, verify=None, cert=None))
            if parts.scheme == "http":
                settings["proxies"] = {}
            self._settings[server] = environment, settings
        bundle = settings["verify"]
        if isinstance(bundle, str) and not Path(bundle).exists():
            raise ConfigurationError(f"no certificates at {bundle}; see REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE")
        return settings

    def _check(self, call: Call, answer: Answer) -> None:
        if call.points_elsewhere and answer.status == 302:  # noqa: PLR2004
            return
        if answer.status < 300:  # noqa: PLR2004
            if answer.body and is_html(answer.headers):
                raise answer.unexpected(f"{answer.status}: an HTML page, which the API never answers with")
            return
        if answer.status < 400:  # noqa: PLR2004
            elsewhere = redact_url(answer.headers.get("Location", "nowhere")).partition("?")[0]
            raise answer.unexpected(f"{answer.status}: a redirect to {elsewhere}, which is not followed with a token")
        error = error_for(
            method=call.method, url=answer.url, status=answer.status, headers=answer.headers, body=answer.body
        )
        if isinstance(error, RateLimitError):
            self._limiter.refused(call.organization, error)
        raise error

    def _url(self, call: Call) -> str:
        query = "?" + to_query_string(call.query) if call.query else ""
        return f"{self.base_url}/v2/{call.path}{query}"

    def _shown(self, call: Call) -> str:
        return redact_url(self._url(call))


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


def _bearer(token: object) -> str | None:
    """Make the header of a token; None where it is none that a header can carry."""
    if not isinstance(token, str) or not token or " " in token or not (token.isascii() and token.isprintable()):
        return None
    return f"Bearer {token}"


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True


def is_html(headers: Mapping[str, str]) -> bool:
    """Tell whether an answer is an HTML page."""
    return headers.get("Content-Type", "").lower().startswith("text/html")
