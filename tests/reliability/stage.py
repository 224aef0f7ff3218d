"""Where a fault meets an operation: a server, a client that reaches it over sockets, and one that nothing befalls."""

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
        network: What lies between it and `bk`.
        bk: The client that a fault befalls, with the policy that clients have.
        calm: A client that nothing befalls.
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
        """Have a fault strike.

        Args:
            fault: The fault.
            match: Whom it strikes.
            times: How often.
            acts: Whether the server does what is asked all the same, where the fault leaves that open.
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
        """End all faults."""
        self.server.faults.clear()
        self.network.faults.clear()

    def settle(self) -> None:
        """Wait until the server is done with what a client has given up."""
        self.network.hang_up()
        servers = self.server._servers.values()  # pyright: ignore[reportPrivateUsage]
        wait_until(lambda: not any(each.open_sockets for each in servers))

    def look(self, url: str) -> Any:
        """Ask for what is at a URL of the API; None where nothing is."""
        path = path_of(url)
        assert path is not None, url
        try:
            return self.bk.session.send(ApiRequest("GET", path), lambda answer: json.loads(answer.body))
        except NotFoundError:
            return None
