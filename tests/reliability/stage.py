"""A server, a client that faults apply to, and one that they do not."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from buildkite_orm import NotFoundError, RetryPolicy
from buildkite_orm.fake import FakeBuildkite, Settings
from buildkite_orm.fake.server import PUBLIC_URL
from buildkite_orm.http.adapter import Adapter
from buildkite_orm.http.messages import ApiRequest, path_of
from buildkite_orm.http.session import DEFAULT_TIMEOUT
from tests.reliability.network import Network, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from buildkite_orm.fake import RecordedRequest
    from tests.reliability.cases import Fault

TIMEOUT: Final = DEFAULT_TIMEOUT
POLICY: Final = RetryPolicy()
_BEFORE_THE_SERVER: Final = frozenset({"refuse", "dns"})
_HELD_UP: Final = frozenset({"read_timeout", "stall"})


class Stage:
    """A server and two clients of it.

    Args:
        over_sockets: Whether `bk` reaches it over sockets.

    Attributes:
        server: The server.
        network: The transport of `bk`.
        bk: The client that faults apply to, with the default policy.
        calm: A client without faults.
        folder: An empty folder.
    """

    def __init__(self, *, over_sockets: bool = True) -> None:
        settings = Settings(organization_limit=None, user_limit=None, public_urls=PUBLIC_URL)
        self.server = FakeBuildkite(populate=False, settings=settings)
        way, url = (Adapter(), self.server.url) if over_sockets else (self.server.adapter(), PUBLIC_URL)
        self.network = Network(way, url, self.server.faults)
        self.bk = self.server.client(base_url=url, transport=self.network, timeout=TIMEOUT, retry=POLICY)
        self.calm = self.server.client()
        self._folder = TemporaryDirectory()
        self.folder = Path(self._folder.name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.bk.close()
        self.server.close()
        self._folder.cleanup()

    def arm(
        self,
        fault: Fault,
        match: Callable[[RecordedRequest], bool],
        *,
        times: int | None,
        acts: bool = False,
    ) -> None:
        """Add a fault.

        Args:
            fault: The fault.
            match: Whether it applies to a request.
            times: How often it occurs; None for each time.
            acts: Whether the server processes the request first, if the fault allows both.
        """
        options: dict[str, Any] = dict(fault.options)
        if fault.may_act:
            options["processed"] = acts
        if fault.kind == "redirect":
            options["location"] = f"{self.server.artifacts_url}/round/and/round"
        if fault.kind not in _BEFORE_THE_SERVER:
            self.server.faults.add(fault.kind, match=match, times=times, origin=None, **options)
        if fault.kind in _BEFORE_THE_SERVER | _HELD_UP:
            self.network.faults.add(fault.kind, match=match, times=times, origin=None)

    def disarm(self) -> None:
        """Remove all faults."""
        self.server.faults.clear()
        self.network.faults.clear()

    def settle(self) -> None:
        """Wait until the server has finished with the requests that a client has abandoned."""
        self.network.hang_up()
        servers = self.server._servers.values()  # pyright: ignore[reportPrivateUsage]
        wait_until(lambda: not any(each.open_sockets for each in servers))

    def look(self, url: str) -> Any:
        """Return the payload at a URL of the API; None if it is not found."""
        path = path_of(url)
        assert path is not None, url
        try:
            return self.bk.session.send(ApiRequest("GET", path), lambda response: json.loads(response.body))
        except NotFoundError:
            return None
