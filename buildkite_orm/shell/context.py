"""What a shell works with: a client, its organization, and the demo's own Buildkite."""

from __future__ import annotations

import sys
import threading
from datetime import timedelta
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from buildkite_orm.errors import ConfigurationError
from buildkite_orm.utils.text import short_duration

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from buildkite_orm.client import Buildkite
    from buildkite_orm.http.retry import RetryPolicy, Wait
    from buildkite_orm.resources.organizations.organization import OrganizationRef

_DEMO: Final = "acme"
_EVERY: Final = 300.0


class Workplace:
    """A client that is made when it is first needed, with the names that a shell has.

    Args:
        demo: Whether it is one of a Buildkite in memory, in place of the account that the environment names.
        organization: The slug of the organization; that of the environment unless given.

    Attributes:
        is_closed: Whether it was closed, after which nothing is made any more.

    Raises:
        ConfigurationError: The demo lacks what it needs.
    """

    def __init__(self, *, demo: bool = False, organization: str | None = None) -> None:
        if demo and find_spec("werkzeug") is None:
            raise ConfigurationError("--demo needs werkzeug: pip install 'buildkite_orm[fake]'")
        self._demo = demo
        self._slug = organization
        self.is_closed = False
        self._lock = threading.Lock()
        self._names: dict[str, Any] | None = None
        self._held: list[AbstractContextManager[Any]] = []

    def open(self) -> dict[str, Any]:
        """Make the client, once; give `bk`, `org` where one is named, and the public names of the package.

        Raises:
            ConfigurationError: There is no token, or a setting cannot be.
        """
        with self._lock:
            if self._names is None:
                self._names = {} if self.is_closed else {**_public_names(), **self._own_names()}
            return self._names

    @property
    def client(self) -> Buildkite:
        """The client."""
        client: Buildkite = self.open()["bk"]
        return client

    @property
    def organization(self) -> OrganizationRef | None:
        """The organization, where one is named."""
        return self.open().get("org")

    def close(self) -> None:
        """Close the client and the demo; what was not made yet is not made any more."""
        with self._lock:
            self.is_closed = True
            while self._held:
                self._held.pop().__exit__(None, None, None)

    def _own_names(self) -> dict[str, Any]:
        from buildkite_orm.client import Buildkite
        from buildkite_orm.http.retry import RetryPolicy

        retry = RetryPolicy(on_wait=_tell_of)
        client = self._demo_client(retry) if self._demo else Buildkite(organization=self._slug, retry=retry)
        self._held.append(client)
        try:
            return {"bk": client, "org": client.organization()}
        except ConfigurationError:
            return {"bk": client}

    def _demo_client(self, retry: RetryPolicy) -> Buildkite:
        from buildkite_orm.fake import FakeBuildkite, SystemClock

        server = FakeBuildkite(clock=SystemClock())
        server.build_every(_EVERY, "web")
        self._held.append(server)
        return server.client(organization=self._slug or _DEMO, retry=retry)


def _public_names() -> dict[str, Any]:
    import buildkite_orm
    from buildkite_orm.shell.help import Help

    names = {name: getattr(buildkite_orm, name) for name in buildkite_orm.__all__ if not name.startswith("_")}
    return {**names, "help": Help()}


def _tell_of(wait: Wait) -> None:
    sys.stderr.write(f"waiting {short_duration(timedelta(seconds=wait.seconds))}: {wait.reason}\n")
