"""A write happens once: wherever in a request's life a connection ends, and however it does."""

from __future__ import annotations

import gc
import importlib
import socket
import sys
import threading
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import product
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, Literal

import pytest
import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool
from urllib3.exceptions import MaxRetryError

from buildkite_orm import TransportError
from tests.network import payloads
from tests.network.conftest import policy
from tests.network.names import TEMPORARY_FAILURE, closed_port
from tests.network.proxies import ConnectProxy
from tests.network.servers import JOIN_SECONDS, FullBacklog, RawServer, head, in_turn, json_response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from buildkite_orm import Buildkite
    from tests.network.certificates import Certificates
    from tests.network.conftest import Connect, Serve
    from tests.network.names import Lookup, Names
    from tests.network.proxies import Ending as ProxyEnding
    from tests.network.proxies import Place as ProxyPlace
    from tests.network.servers import Connection, Listener

# Python's own: `wrap_socket` forgets to close a socket that is reset before the handshake.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")

TIMEOUT: Final = 0.25
PATIENT: Final = 5.0  # where no timeout is to be seen, a busy machine must not cause one
HOSTS: Final = {"http": "localhost", "https": "localhost", "proxy": "api.buildkite.test"}
PROXY_HOST: Final = "proxy.localhost"
JOB: Final = "0190abcd-0000-4000-8000-000000000001"
LARGE: Final = "x" * 6_000_000  # more than the buffers of the operating system take

Route = Literal["http", "https", "proxy"]
Kind = Literal["GET", "HEAD", "PATCH", "DELETE", "POST", "PUT"]


# -- the table ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cell:
    """The outcome of a request whose first attempt fails, while the server responds to all further ones.

    Attributes:
        attempts: How often it is attempted.
        seen: How often the server sees it, or its beginning.
        outcome_unknown: Of the error that is raised; None where none is.
    """

    attempts: int
    seen: int
    outcome_unknown: bool | None = None


UNSENT: Final = Cell(attempts=2, seen=1)  # nothing was sent: any request is attempted again
REPEATED: Final = Cell(attempts=2, seen=2)  # it may have been sent, and to repeat it is harmless
ONCE: Final = Cell(attempts=1, seen=1, outcome_unknown=True)  # it may have been sent, and is never retried
RECONNECTED: Final = Cell(attempts=1, seen=1)  # the pool notices that the connection was closed, and opens another


@dataclass(frozen=True)
class Row:
    """A place in a request's life where its connection ends.

    Attributes:
        place: Where.
        ending: How.
        route: Over plain HTTP, over TLS, or over TLS through a proxy.
        safe: The outcome of a GET or HEAD.
        repeatable: The outcome of a PATCH or DELETE.
        acting: The outcome of a POST that creates an object, or a PUT that starts a build.
        reused: Whether the connection has served a request before.
        only: The operations that it concerns.
    """

    place: str
    ending: str
    route: Route
    safe: Cell
    repeatable: Cell
    acting: Cell
    reused: bool = False
    only: tuple[Kind, ...] = ("GET", "HEAD", "PATCH", "DELETE", "POST", "PUT")

    def __str__(self) -> str:
        return f"{self.place}: {self.ending}, {self.route}{', reused' if self.reused else ''}"

    def cell(self, kind: Kind) -> Cell:
        by_kind = {"GET": self.safe, "HEAD": self.safe, "PATCH": self.repeatable, "DELETE": self.repeatable}
        return by_kind.get(kind, self.acting)


_DIRECT_AND_PROXY: Final[tuple[Route, ...]] = ("http", "proxy")
ENDINGS: Final = ("close", "reset", "timeout")
WITH_BODY: Final[tuple[Kind, ...]] = ("PATCH", "POST")
WITH_RESPONSE_BODY: Final[tuple[Kind, ...]] = ("GET", "PATCH", "DELETE", "POST", "PUT")


def rows() -> Iterator[Row]:
    """Return the table: outcomes of GET and HEAD, of PATCH and DELETE, and of POST and a PUT with side effects."""
    yield from _before_the_first_byte((UNSENT, UNSENT, UNSENT))
    yield from _after_it((REPEATED, REPEATED, ONCE))
    yield from _within_the_headers((REPEATED, REPEATED, ONCE))
    for route in _DIRECT_AND_PROXY:  # between two requests
        for ending in ("close", "reset"):
            yield Row("idle", ending, route, RECONNECTED, RECONNECTED, RECONNECTED, reused=True)


def _before_the_first_byte(cells: tuple[Cell, Cell, Cell]) -> Iterator[Row]:
    for route in _DIRECT_AND_PROXY:  # of the server, or of the proxy
        yield Row("lookup", "fails for now", route, *cells)
        yield Row("connect", "refused", route, *cells)
        yield Row("connect", "timeout", route, *cells)
    for ending in ENDINGS:
        yield Row("proxy accepts", ending, "proxy", *cells)
        yield Row("proxy has read CONNECT", ending, "proxy", *cells)
        yield Row("proxy has sent its status", ending, "proxy", *cells)
        yield Row("TLS", ending, "https", *cells)
        yield Row("TLS", ending, "proxy", *cells)
    yield Row("proxy refuses", "502", "proxy", *cells)


def _after_it(cells: tuple[Cell, Cell, Cell]) -> Iterator[Row]:
    for ending, reused in product(ENDINGS, (False, True)):
        for route in _DIRECT_AND_PROXY:
            yield Row("headers out", ending, route, *cells, reused)
            yield Row("no status", ending, route, *cells, reused)
            yield Row("half the body", ending, route, *cells, reused, only=WITH_RESPONSE_BODY)
        yield Row("body out", ending, "http", *cells, reused, only=WITH_BODY)


def _within_the_headers(cells: tuple[Cell, Cell, Cell]) -> Iterator[Row]:
    for place in ("half a status line", "half the headers"):
        for ending, reused in product(ENDINGS, (False, True)):
            yield Row(place, ending, "http", *cells, reused)
        for ending in ("close", "reset"):
            yield Row(place, ending, "proxy", *cells)


CELLS: Final = [pytest.param(row, kind, id=f"{row}, {kind}") for row in rows() for kind in row.only]
# Each attempt that times out takes a while, so that these are tried with one operation alone.
LASTING: Final = [
    pytest.param(row, kind, id=f"{row}, {kind}")
    for row in rows()
    for kind in row.only
    if kind == "POST" or (row.ending != "timeout" and kind in {"GET", "PATCH"})
    if not row.reused and row.place not in {"half a status line", "half the headers"}
]


@pytest.mark.parametrize(("row", "kind"), CELLS)
def test_a_write_happens_once_wherever_its_connection_ends(row: Row, kind: Kind, stage: Stage) -> None:
    """The first attempt fails; all later ones succeed."""
    stage.prepare(row, kind, lasting=False)
    error = stage.attempt()
    outcome_unknown = None if error is None else error.outcome_unknown
    assert Cell(stage.attempts, stage.seen, outcome_unknown) == row.cell(kind), error
    if error is not None:
        assert not error.never_sent


@pytest.mark.parametrize(("row", "kind"), LASTING)
def test_an_error_states_that_a_request_was_never_sent_only_if_no_byte_was_sent(
    row: Row, kind: Kind, stage: Stage
) -> None:
    """All attempts fail, of which there are two."""
    stage.prepare(row, kind, lasting=True)
    error = stage.attempt()
    assert error is not None
    attempts = row.cell(kind).attempts
    was_sent = row.cell(kind) is not UNSENT
    assert (error.never_sent, error.outcome_unknown) == (not was_sent, was_sent and kind not in {"GET", "HEAD"}), error
    assert (stage.attempts, stage.seen) == (attempts, attempts if was_sent else 0)


def test_a_lookup_that_is_abandoned_at_the_deadline_has_sent_nothing(connect: Connect, names: Names) -> None:
    names.lead("localhost", "stall")
    bk = connect("http://localhost:1", timeout=TIMEOUT, retry=policy(max_elapsed=0.4))
    with pytest.raises(TransportError) as caught:
        _operation("POST", "text")(bk)
    assert (caught.value.never_sent, caught.value.outcome_unknown) == (True, False)


# -- where it cannot be known ------------------------------------------------------------------------------------------


class OwnAdapter(HTTPAdapter):
    """A caller's adapter."""


@pytest.mark.parametrize(("kind", "seen"), [("POST", 1), ("PUT", 1), ("GET", 3), ("PATCH", 3)])
def test_a_request_through_a_custom_transport_counts_as_sent(
    kind: str, seen: int, serve: Serve, connect: Connect
) -> None:
    server = serve(in_turn(lambda connection, _request: connection.close()))
    bk = connect(server, transport=OwnAdapter(), retry=policy(attempts=3))
    with pytest.raises(TransportError) as caught:
        _operation(kind, "text")(bk)
    assert (caught.value.never_sent, caught.value.outcome_unknown) == (False, kind != "GET")
    assert len(server.requests) == seen


def test_an_error_of_a_callers_own_transport_does_not_say_that_nothing_was_sent(connect: Connect) -> None:
    """It may be one that has sent the request by itself, several times."""

    class Failing(HTTPAdapter):
        attempts = 0

        def send(self, *_args: Any, **_options: Any) -> requests.Response:
            self.attempts += 1
            raise requests.exceptions.ProxyError(MaxRetryError(HTTPConnectionPool("localhost"), "/", None))

    adapter = Failing()
    bk = connect("https://localhost", transport=adapter)
    with pytest.raises(TransportError) as caught:
        _operation("POST", "text")(bk)
    assert (caught.value.never_sent, caught.value.outcome_unknown) == (False, True)
    assert adapter.attempts == 1


@pytest.mark.parametrize(("kind", "seen"), [("POST", 1), ("PUT", 1), ("GET", 3), ("PATCH", 3)])
def test_a_request_through_a_socks_proxy_counts_as_sent(  # noqa: PLR0917
    kind: str,
    seen: int,
    serve: Serve,
    connect: Connect,
    trusted: Certificates,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    host = HOSTS["proxy"]
    closing = in_turn(lambda connection, _request: connection.close())
    server = serve(closing, tls=trusted.server_context(host), host=host)
    _install_socks(monkeypatch, server.address)
    monkeypatch.setenv("HTTPS_PROXY", "socks5h://127.0.0.1:1")
    bk = connect(server, retry=policy(attempts=3))
    with pytest.raises(TransportError) as caught:
        _operation(kind, "text")(bk)
    assert (caught.value.never_sent, caught.value.outcome_unknown) == (False, kind != "GET")
    assert len(server.requests) == seen


def _install_socks(monkeypatch: pytest.MonkeyPatch, target: tuple[str, int]) -> None:
    """Replace PySocks, which the library does not depend on."""
    module = ModuleType("socks")
    names = ("ProxyError", "GeneralProxyError", "ProxyConnectionError", "SOCKS5Error")
    for name in names:
        setattr(module, name, type(name, (OSError,), {}))
    module.PROXY_TYPE_SOCKS4, module.PROXY_TYPE_SOCKS5 = 1, 2  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue]

    def create_connection(_address: object, timeout: float | None = None, **_options: object) -> socket.socket:
        return socket.create_connection(target, timeout)

    module.create_connection = create_connection  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue]
    monkeypatch.setitem(sys.modules, "socks", module)
    monkeypatch.delitem(sys.modules, "urllib3.contrib.socks", raising=False)
    manager = importlib.import_module("urllib3.contrib.socks").SOCKSProxyManager
    monkeypatch.delitem(sys.modules, "urllib3.contrib.socks")
    monkeypatch.setattr("requests.adapters.SOCKSProxyManager", manager)


# -- how it is played --------------------------------------------------------------------------------------------------


def _web(bk: Buildkite) -> Any:
    return bk.organization().pipeline("web")


def _operation(kind: str, text: str) -> Callable[[Buildkite], object]:
    operations: dict[str, Callable[[Buildkite], object]] = {
        "GET": lambda bk: _web(bk).build(1).fetch(),
        "HEAD": lambda bk: _web(bk).build(1).job(JOB).log().fetch_size(),
        "PATCH": lambda bk: _web(bk).update(description=text),
        "DELETE": lambda bk: _web(bk).delete(),
        "POST": lambda bk: _web(bk).builds().create(commit="HEAD", branch="main", message=text),
        "PUT": lambda bk: _web(bk).build(1).rebuild(),
    }
    return operations[kind]


RESPONSES: Final[dict[str, Callable[[], bytes]]] = {
    "GET": lambda: json_response(payloads.build(1)),
    "HEAD": lambda: head(200, {"Content-Length": "7"}),
    "PATCH": lambda: json_response(payloads.pipeline()),
    "DELETE": lambda: json_response({}),
    "POST": lambda: json_response(payloads.build(2), 201),
    "PUT": lambda: json_response(payloads.build(2)),
}


class Stage:
    """A client, the way to a server, and a fault on it."""

    def __init__(
        self, connect: Connect, names: Names, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self._connect = connect
        self._names = names
        self._certificates = certificates
        self._monkeypatch = monkeypatch
        self._stack = ExitStack()
        self._before = 0
        self._responded = threading.Event()
        self.seen = 0

    def prepare(self, row: Row, kind: Kind, *, lasting: bool) -> None:
        """Start what a row needs, and make the client."""
        self._row, self._kind, self._lasting = row, kind, lasting
        self._server = self._stack.enter_context(RawServer(self._handle))
        first: Listener
        self._looked_up, first = HOSTS[row.route], self._server
        if row.route == "proxy":
            self._looked_up, first = PROXY_HOST, self._stack.enter_context(self._proxy())
            self._monkeypatch.setenv("HTTPS_PROXY", f"http://{PROXY_HOST}:{first.port}")
        self._lead(first.address)
        scheme = "http" if row.route == "http" else "https"
        self._bk = self._connect(
            f"{scheme}://{HOSTS[row.route]}:{self._server.port}",
            timeout=TIMEOUT if row.ending == "timeout" else PATIENT,
            retry=policy(attempts=2 if lasting else 3),
        )
        if row.reused:
            self._bk.organization().fetch()
            self._responded.set()
            if row.place == "idle":
                first.wait_until_idle()
            self._before = self._names.count(self._looked_up)

    def attempt(self) -> TransportError | None:
        """Run the operation, and return its error."""
        text = LARGE if self._row.place == "body out" else "text"
        try:
            _operation(self._kind, text)(self._bk)
        except TransportError as error:
            return error
        finally:
            self._bk.close()
            self._stack.close()
            if self._row.place == "proxy has sent its status":
                gc.collect()  # here, and not in another test; the top of the file says why
        return None

    @property
    def attempts(self) -> int:
        """The number of attempts: each on a new connection, except the first one on a reused connection."""
        new = self._names.count(self._looked_up) - self._before
        return new + (self._row.reused and self._row.place != "idle")

    def _lead(self, address: tuple[str, int]) -> None:
        bad: Lookup | None = None
        if self._row.place == "lookup":
            bad = TEMPORARY_FAILURE
        elif self._row.place == "connect":
            refused = self._row.ending == "refused"
            bad = closed_port() if refused else self._stack.enter_context(FullBacklog()).address
        lookups: list[Lookup] = [address] if bad is None else [bad] if self._lasting else [bad, address]
        self._names.lead(self._looked_up, *lookups)

    def _proxy(self) -> ConnectProxy:
        places: dict[str, ProxyPlace] = {
            "proxy accepts": "accept",
            "proxy has read CONNECT": "connect",
            "proxy has sent its status": "status",
            "TLS": "tls",
        }
        endings: dict[str, ProxyEnding] = {"close": "close", "reset": "reset", "timeout": "stall"}
        place = places.get(self._row.place)
        return ConnectProxy(
            {HOSTS["proxy"]: self._server.address},
            refusal=502 if self._row.place == "proxy refuses" else None,
            breaks=None if place is None else (place, endings[self._row.ending]),
            times=None if self._lasting else 1,
        )

    def _handle(self, connection: Connection, index: int) -> None:
        is_bad = index == 0 or self._lasting
        if self._row.route == "https" and is_bad:
            connection.wait_for_request()  # the first bytes of TLS
            self._end(connection)
            return
        if self._row.route != "http":
            connection.start_tls(self._certificates.server_context(HOSTS[self._row.route]))
        if self._row.reused and index == 0:
            connection.read_request()
            connection.send(json_response(payloads.organization()))
            if self._row.place == "idle":
                self._responded.wait(JOIN_SECONDS)
                self._end(connection)
                return
        if is_bad and self._row.place in _OF_THE_SERVER:
            self._fail(connection)
            return
        while connection.wait_for_request():
            self.seen += 1
            connection.read_request()
            connection.send(RESPONSES[self._kind]())

    def _fail(self, connection: Connection) -> None:
        if not connection.wait_for_request():
            return
        self.seen += 1
        if self._row.place == "body out":
            connection.read_head()
        elif self._row.place != "headers out":
            connection.read_request()
            response = RESPONSES[self._kind]()
            before, blank, body = response.partition(b"\r\n\r\n")
            parts = {
                "no status": b"",
                "half a status line": b"HTTP/1.1 2",
                "half the headers": before[:-5],
                "half the body": before + blank + body[: len(body) // 2],
            }
            connection.send(parts[self._row.place])
        self._end(connection)

    def _end(self, connection: Connection) -> None:
        if self._row.ending == "timeout":
            if self._row.place == "body out":
                connection.hold()
            connection.stall()
        elif self._row.ending == "reset":
            connection.reset()
        else:
            connection.close()


_OF_THE_SERVER: Final = frozenset(
    {"headers out", "body out", "no status", "half a status line", "half the headers", "half the body"}
)


@pytest.fixture
def stage(connect: Connect, names: Names, trusted: Certificates, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """A stage for one cell of the table."""
    return Stage(connect, names, trusted, monkeypatch)
