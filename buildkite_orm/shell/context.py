"""The namespace of the shell: a client, its organization, and the public names of the package."""

from __future__ import annotations

import sys
import threading
from contextlib import ExitStack
from datetime import timedelta
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from buildkite_orm.errors import ConfigurationError
from buildkite_orm.utils.text import short_duration

if TYPE_CHECKING:
    from buildkite_orm.client import Buildkite
    from buildkite_orm.http.retry import RetryPolicy, Wait
    from buildkite_orm.resources.organizations.organization import OrganizationRef

_DEMO_ORGANIZATION: Final = "acme"
_BUILD_INTERVAL: Final = 300.0


class ShellContext:
    """The client and the namespace of a shell, created on first use.

    Args:
        demo: Whether to use a fake Buildkite in memory.
        speed: How many times as fast the clock of the demo runs while something waits.
        organization: The slug of the organization; `BUILDKITE_ORGANIZATION_SLUG` unless given.

    Attributes:
        is_closed: Whether it was closed; then no client is created any more.

    Raises:
        ConfigurationError: The packages for the demo are not installed.
    """

    def __init__(self, *, demo: bool = False, organization: str | None = None, speed: float = 100.0) -> None:
        if demo and find_spec("werkzeug") is None:
            raise ConfigurationError("--demo needs werkzeug: pip install 'buildkite_orm[fake]'")
        self._demo = demo
        self._speed = speed
        self._slug = organization
        self.is_closed = False
        self._lock = threading.Lock()
        self._names: dict[str, Any] | None = None
        self._resources = ExitStack()

    def open(self) -> dict[str, Any]:
        """Create the client on the first call, and return the namespace: `bk`, `org`, and the public names.

        Raises:
            ConfigurationError: There is no token, or a setting is invalid.
        """
        with self._lock:
            if self._names is None:
                self._names = {} if self.is_closed else {**_public_names(), **self._client_names()}
            return self._names

    @property
    def client(self) -> Buildkite:
        """The client."""
        client: Buildkite = self.open()["bk"]
        return client

    @property
    def organization(self) -> OrganizationRef | None:
        """The organization, if one is configured."""
        return self.open().get("org")

    @property
    def notes(self) -> list[str]:
        """One line about the demo; none without it."""
        if not self._demo:
            return []
        clock = "in real time" if self._speed == 1 else f"{self._speed:g} times as fast while you wait (see --speed)"
        return [f"demo: a fake Buildkite in memory; its clock runs {clock}"]

    def close(self) -> None:
        """Close the client and the demo."""
        with self._lock:
            self.is_closed = True
            self._resources.close()

    def _client_names(self) -> dict[str, Any]:
        from buildkite_orm.client import Buildkite
        from buildkite_orm.http.retry import RetryPolicy

        retry = RetryPolicy(on_wait=_print_wait)
        client = self._demo_client(retry) if self._demo else Buildkite(organization=self._slug, retry=retry)
        self._resources.enter_context(client)
        try:
            return {"bk": client, "org": client.organization()}
        except ConfigurationError:
            return {"bk": client}

    def _demo_client(self, retry: RetryPolicy) -> Buildkite:
        from buildkite_orm.fake import FakeBuildkite
        from buildkite_orm.fake.demo_clock import DemoClock

        server = FakeBuildkite(clock=DemoClock(self._speed))
        server.build_every(_BUILD_INTERVAL, "web")
        self._resources.enter_context(server)
        return server.client(organization=self._slug or _DEMO_ORGANIZATION, retry=retry)


def _public_names() -> dict[str, Any]:
    import buildkite_orm
    from buildkite_orm.shell.help import Help

    names = {name: getattr(buildkite_orm, name) for name in buildkite_orm.__all__ if not name.startswith("_")}
    return {**names, "help": Help()}


def _print_wait(wait: Wait) -> None:
    sys.stderr.write(f"waiting {short_duration(timedelta(seconds=wait.seconds))}: {wait.reason}\n")
