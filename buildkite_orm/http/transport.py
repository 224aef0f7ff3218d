"""Between the session and the network: the one function that sends requests, and turns failures into our errors."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, Final, cast

import requests
from requests import exceptions as requests_errors
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3 import HTTPResponse

from buildkite_orm._version import __version__
from buildkite_orm.errors import ConfigurationError, ResponseError
from buildkite_orm.http.adapter import Adapter, renew_pools
from buildkite_orm.http.client_transport import ClientTransport
from buildkite_orm.http.exchange import Exchange, current_exchange
from buildkite_orm.http.failures import error_from, too_late
from buildkite_orm.http.messages import StreamedBody
from buildkite_orm.http.signed_links import split_link
from buildkite_orm.http.stream import Stream
from buildkite_orm.utils.forking import renew_after_fork
from buildkite_orm.utils.redaction import mask_queries, mask_query

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from buildkite_orm.http.auth import Authorizer
    from buildkite_orm.http.messages import Content
    from buildkite_orm.http.network import Network
    from buildkite_orm.utils.clock import Clock
    from buildkite_orm.utils.redaction import SignedUrl

Timeout = float | tuple[float, float]

USER_AGENT: Final = f"buildkite-orm/{__version__}"
HEADERS: Final = {"Accept": "application/json", "Accept-Encoding": "gzip, deflate", "Connection": "keep-alive"}

_LOGGERS: Final = ("urllib3.connection", "urllib3.connectionpool", "urllib3.util.retry")


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request as it is sent.

    Attributes:
        method: The HTTP method.
        url: The URL, whose query may be the key to a file.
        redacted: The URL as it may be shown.
        headers: Further headers.
        content: The body.
        with_token: Whether the request is for the API, and carries the token.
    """

    method: str
    url: SignedUrl
    redacted: str
    headers: Mapping[str, str] = field(repr=False)
    content: Content = field(default=None, repr=False)
    with_token: bool = True

    @property
    def content_type(self) -> str | None:
        """The media type of the body; None without a body."""
        if self.content is None:
            return None
        return self.content.content_type if isinstance(self.content, StreamedBody) else "application/json"


class Transport:
    """Sends requests, through pooled connections or an adapter of the caller. Safe for threads and forks.

    Args:
        adapter: A requests adapter to send through in place of the network.
        network: The proxies and certificates to use.
        authorizer: Adds the token to requests to the API.
        clock: Measures deadlines.
        timeout: Seconds to connect and to wait for bytes: one number, or two.
        app: The name of the program that uses the library, for the `User-Agent`.

    Raises:
        ConfigurationError: An option is not usable.
    """

    def __init__(
        self,
        adapter: BaseAdapter | None,
        network: Network,
        authorizer: Authorizer,
        *,
        clock: Clock,
        timeout: Timeout,
        app: str | None,
    ) -> None:
        self._timeout = _checked_timeout(timeout)
        self._network = network
        self._authorizer = authorizer
        self._clock = clock
        self._headers = {**HEADERS, "User-Agent": _user_agent(app)}
        self._adapter = adapter or Adapter(network.context)
        if isinstance(adapter, ClientTransport):
            adapter.use_network(Adapter(network.context))
        self._http = _pooled(self._adapter)
        self._has_response = False
        renew_after_fork(self)

    def renew_after_fork(self) -> None:
        """Leave the connections to the parent process; called in a forked child."""
        self._http = _pooled(self._adapter)
        _renew_adapters(self._adapter)

    def close(self) -> None:
        """Close the pooled connections."""
        self._http.close()

    def send(self, outgoing: Outgoing, deadline: float) -> Stream:
        """Send a request once, and return its response when the headers have arrived.

        What requests and urllib3 raise leads to frames that hold the token or the key to a file. Our error is made
        where that is caught, and raised after that block has ended: neither its `__context__` nor its `__traceback__`
        leads there.

        Args:
            outgoing: The request.
            deadline: When the response must have arrived, by `clock.monotonic()`.

        Raises:
            TransportError: There was no response.
            ResponseError: The URL is not usable.
            ConfigurationError: A header cannot carry the token, or the environment names a wrong proxy or certificate.
        """
        connect, read = self._timeout
        exchange = Exchange(
            clock=self._clock,
            deadline=deadline,
            connect_timeout=connect,
            read_timeout=read,
            streams_body=isinstance(outgoing.content, StreamedBody),
            had_response=self._has_response,
        )
        timeout = self._timeout_for(exchange, outgoing)
        request = self._prepare(outgoing, exchange)
        if outgoing.with_token:
            self._authorizer.add_token(request)
        try:
            with exchange:
                response = self._http.send(
                    request,
                    timeout=timeout,
                    allow_redirects=False,
                    **self._network.settings_for(outgoing.url.reveal()),  # may have the password of a proxy
                )
        except BaseException as problem:  # noqa: BLE001 - raised below, without its frames
            error = error_from(problem, exchange, method=outgoing.method, url=outgoing.redacted)
        else:
            return self._stream(response, exchange, outgoing)
        finally:
            self._authorizer.remove_token(request)
            exchange.target = None
            del request  # tracebacks may show the locals of this frame
        raise error

    def _stream(self, response: requests.Response, exchange: Exchange, outgoing: Outgoing) -> Stream:
        self._has_response = True
        # the query of a URL may be the key to a file
        response.url = response.request.url = outgoing.redacted
        if isinstance(response.raw, HTTPResponse):
            response.raw.url = outgoing.redacted
        return Stream(
            response,
            exchange,
            method=outgoing.method,
            url=outgoing.redacted,
            decompress=outgoing.with_token,
            secrets=outgoing.url.secrets,
        )

    def _timeout_for(self, exchange: Exchange, outgoing: Outgoing) -> tuple[float, float]:
        """Return the timeouts for the adapter; our own keeps to the deadline by itself."""
        try:
            limited = exchange.to_connect(), exchange.to_progress()
        except TimeoutError:
            raise too_late(outgoing.method, outgoing.redacted) from None
        return self._timeout if isinstance(self._adapter, Adapter) else limited

    def _prepare(self, outgoing: Outgoing, exchange: Exchange) -> requests.PreparedRequest:
        """Prepare a request part by part: a session of requests would add cookies, and users from URLs and `.netrc`."""
        try:
            url, target = (outgoing.url.reveal(), "") if outgoing.with_token else split_link(outgoing.url.reveal())
            prepared: Any = requests.PreparedRequest()
            prepared.prepare_method(outgoing.method)
            prepared.prepare_url(url, {})
            kind = {} if outgoing.content_type is None else {"Content-Type": outgoing.content_type}
            prepared.prepare_headers({**self._headers, **kind, **outgoing.headers})
            prepared.prepare_body(outgoing.content, None)
        except (requests_errors.RequestException, ValueError):
            error = ResponseError("the URL is not usable", method=outgoing.method, url=outgoing.redacted)
        else:
            if target:  # requests and urllib3 would rewrite a link, which invalidates its signature
                exchange.target = target
                prepared.url = f"{prepared.url.rstrip('/')}{target}"
            return cast("requests.PreparedRequest", prepared)
        url, target, prepared = "", "", None  # tracebacks may show the locals of this frame
        raise error


class _Pool(requests.Session):
    """A requests session without cookies that does not prepare redirects, since it would copy the token for them."""

    def __init__(self) -> None:
        super().__init__()
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    def resolve_redirects(self, *_args: Any, **_options: Any) -> Iterator[Any]:
        """Follow no redirect."""
        return iter(())


def _pooled(adapter: BaseAdapter) -> requests.Session:
    """Return a requests session that sends everything through an adapter."""
    http = _Pool()
    http.mount("https://", adapter)
    http.mount("http://", adapter)
    return http


def _user_agent(app: str | None) -> str:
    """Return the value of `User-Agent`: the library, and after it the program that uses it.

    Raises:
        ConfigurationError: A header cannot carry the name of the program.
    """
    if app is None:
        return USER_AGENT
    is_text = isinstance(cast("object", app), str)
    if not (is_text and app.strip() and app.isascii() and app.isprintable()):
        raise ConfigurationError(f"app={app!r}: must be a name that a header can carry, in ASCII, as 'my-bot/1.0'")
    return f"{USER_AGENT} {app.strip()}"


def _checked_timeout(timeout: Timeout) -> tuple[float, float]:
    """Return the seconds to connect and to read; every request has both.

    Raises:
        ConfigurationError: They are not seconds, or infinite.
    """
    pair = timeout if isinstance(timeout, tuple) else (timeout, timeout)
    try:
        connect, read = pair
        if 0 < connect < math.inf and 0 < read < math.inf:
            return connect, read
    except (TypeError, ValueError):
        pass
    raise ConfigurationError(f"timeout={timeout!r}: must be seconds above 0, or two of them, (connect, read)")


def _renew_adapters(adapter: BaseAdapter) -> None:
    """Make new pools for an adapter, and for those that it sends through, in a forked child."""
    waiting: list[object] = [adapter]
    seen: list[object] = []
    while waiting:
        each = waiting.pop()
        if isinstance(each, Adapter) or any(each is other for other in seen):
            continue
        seen.append(each)
        if isinstance(each, HTTPAdapter):
            renew_pools(each)
        waiting += [*_held_by(each)] if isinstance(each, BaseAdapter | requests.Session) else []


def _held_by(owner: object) -> Iterator[object]:
    """Yield the values of an adapter's or session's attributes, and the items of those that are containers."""
    for value in getattr(owner, "__dict__", {}).values():
        if isinstance(value, dict):
            yield from cast("dict[object, object]", value).values()
        elif isinstance(value, list | tuple):
            yield from cast("list[object]", value)
        else:
            yield value


class _QueryFilter(logging.Filter):
    """Masks queries in what urllib3 logs of our requests, since a query may be the key to a file.

    Records about other requests stay as they are.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        if current_exchange() is not None:
            if isinstance(record.args, tuple) and record.args:  # a query may have any character, so mask to the end
                record.args = tuple(map(mask_query, record.args))
            else:
                record.msg, record.args = mask_queries(record.getMessage()), ()
            record.exc_info = record.exc_text = None  # it repeats the URL
        return True


for _name in _LOGGERS:
    logging.getLogger(_name).addFilter(_QueryFilter())
