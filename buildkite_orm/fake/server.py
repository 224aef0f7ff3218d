"""The fake as tests use it: state, servers, clock and faults in one object."""

from __future__ import annotations

import threading
import weakref
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from buildkite_orm.fake.app import App
from buildkite_orm.fake.budgets import Budgets
from buildkite_orm.fake.clock import ManualClock
from buildkite_orm.fake.commands import Commands, check_platform
from buildkite_orm.fake.contents import Contents
from buildkite_orm.fake.context import Context
from buildkite_orm.fake.control.access import PREFIX, Access, new_access_token, new_token
from buildkite_orm.fake.control.gate import ControlGate
from buildkite_orm.fake.faults import Faults
from buildkite_orm.fake.forking import renew_locks_after_fork
from buildkite_orm.fake.hosts import artifact_host_for, base_url, loopback_of
from buildkite_orm.fake.http_server import HttpServer, close_all
from buildkite_orm.fake.lifecycle import Lifecycle
from buildkite_orm.fake.requests_adapter import LocalAdapter
from buildkite_orm.fake.seed import populate as populate_acme
from buildkite_orm.fake.settings import Settings
from buildkite_orm.fake.store import SCOPES, Store
from buildkite_orm.fake.webhooks.sender import WebhookService, add_webhooks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType
    from typing import Self, Unpack

    from buildkite_orm.client import Buildkite
    from buildkite_orm.fake.clock import Clock
    from buildkite_orm.fake.faults import Origin, RecordedRequest
    from buildkite_orm.fake.webhooks.receivers import Receiver
    from buildkite_orm.fake.webhooks.sender import WebhookOptions, Webhooks

PUBLIC_URL = "https://api.buildkite.com"


class FakeBuildkite(Contents):
    """An in-memory Buildkite server, for `requests` in the process (`adapter()`) and over HTTP (`url`).

    Attributes:
        settings: Limits, formats and quirks; may be changed at any time.
        clock: The clock; the default one is moved by `server.clock.advance(60)`.
        store: The state.
        faults: The errors to produce.
        token: A token with all scopes, or with `token_scopes`.
        control_token: The token of the control API at `control_url`.
        context: All of these together, for a server of your own.
    """

    def __init__(
        self,
        *,
        seed: int = 2026,
        populate: bool = True,
        clock: Clock | None = None,
        settings: Settings | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        artifact_host: str | None = None,
        artifact_port: int = 0,
        token_scopes: Iterable[str] = SCOPES,
        run_commands: bool = False,
        control_token: str | None = None,
        control_hosts: Iterable[str] = (),
        setup: Callable[[FakeBuildkite], object] | None = None,
    ) -> None:
        """Create a server.

        Args:
            seed: The seed of ids, tokens and contents.
            populate: Whether the organization `acme` has pipelines, builds and agents, or only one user.
            clock: The clock; a `ManualClock` at 2026-08-01T12:00:00Z unless given.
            settings: Limits, formats and quirks.
            host: The interface that the HTTP server listens on.
            port: Its port; 0 for a free one.
            artifact_host: The host name in the URLs of artifacts. By default, whichever of `localhost` and `127.0.0.1`
                the request did not use, since many HTTP clients keep the token on a redirect to the same host name. If
                clients use another name of this machine, such as a container's, give a second one.
            artifact_port: The port of artifacts; 0 for a free one.
            token_scopes: The scopes of `token`; all unless given.
            run_commands: Whether the commands of steps in YAML run for real, with a random `token`.
            control_token: The token of the control API; a random one unless given.
            control_hosts: Host names of the control API, in addition to loopback and `host`.
            setup: Called with the server to add to its initial state, also at each `reset()`; for example the
                function that `buildkite_orm.fake.seed_file.load_seed_file(path)` returns.
        """
        self.settings = settings or Settings()
        self.clock: Any = clock or ManualClock()
        self.store = Store(seed, self.clock)
        self.faults = Faults()
        self.control_token = new_token() if control_token is None else control_token
        self._commands = Commands(self.clock)
        self._random_token = new_access_token() if run_commands else None
        self.context = Context(
            settings=self.settings,
            clock=self.clock,
            store=self.store,
            lifecycle=Lifecycle(self.store, self.clock, self.settings, self._commands),
            budgets=Budgets(self.settings, self.clock),
            faults=self.faults,
            secret=self.store.ids.token(),
            access=Access.of(self.control_token, [host, *control_hosts]),
        )
        self.run_commands = run_commands
        self._app = App(self.context)
        self._host = host
        self._ports: dict[Origin, int] = {"api": port, "artifacts": artifact_port}
        self._artifact_host = artifact_host
        self._servers: dict[Origin, HttpServer] = {}
        self._control = ControlGate(self, self.context.access)
        self._initial = (replace(self.settings, pace=replace(self.settings.pace)), getattr(self.clock, "speed", None))
        self._populate, self._token_scopes, self._setup = populate, tuple(token_scopes), setup
        self._lock = threading.RLock()
        renew_locks_after_fork(self)
        weakref.finalize(self, _close, self._servers, self._commands)  # runs at interpreter exit too
        self._fill()

    def _fill(self) -> None:
        """Create the initial state."""
        acme = self.store.add_organization("acme", name="Acme Inc")
        self._user = self.store.add_user(acme, "Ada Lovelace", "ada@acme.example")
        self.token = self.store.add_token(self._user, self._token_scopes, secret=self._random_token).token
        if self._populate:
            populate_acme(self.context, acme)
        if self._setup is not None:
            self._setup(self)

    @property
    def run_commands(self) -> bool:
        """Whether the commands of steps in YAML run for real, in subprocesses of this machine. POSIX only.

        Each runs in a temporary folder and a process group of its own, without the `BUILDKITE_*` variables of this
        process, for at most an hour. Its log, its exit status and the files of `artifact_paths` become those of its
        job. It is killed if the job is canceled or times out. Commands take real time: on a `ManualClock`, `run(60)`
        waits until they end, or for 60 seconds. A job for which `set_outcome` has a rule is simulated instead.

        Who has a token with `write_pipelines` and `write_builds` can run any command. Requests of web pages, and
        those to host names other than loopback and `host`, are rejected.
        """
        return self._commands.enabled

    @run_commands.setter
    def run_commands(self, enabled: bool) -> None:
        if enabled:
            check_platform()
        self._commands.enabled = enabled

    # -- access

    @property
    def url(self) -> str:
        """The base URL of the HTTP server, which is started on first access."""
        return self._http_server("api").url

    @property
    def artifacts_url(self) -> str:
        """The base URL of artifacts for a client of `url`."""
        return self._artifacts_base(self._host)

    def _artifacts_base(self, requested_host: str) -> str:
        """Return the base URL of artifacts for a client that uses a host name of the API."""
        host = self._artifact_host or artifact_host_for(requested_host)
        return base_url(host, self._http_server("artifacts").port)

    def _http_server(self, origin: Origin) -> HttpServer:
        """Return the HTTP server of an origin; takes no lock if it is running."""
        if (server := self._servers.get(origin)) is not None:
            return server
        with self._lock:
            if origin not in self._servers:
                base = str if origin == "artifacts" else self._artifacts_base
                control = self._control if origin == "api" else None
                self._servers[origin] = HttpServer(
                    self._app, origin, base, self._host, self._ports[origin], control=control
                )
            return self._servers[origin]

    @property
    def control_url(self) -> str:
        """The base URL of the control API, which is used with `control_token`; see `docs/fake_control.md`."""
        return base_url(loopback_of(self._host), self._http_server("api").port) + PREFIX

    def adapter(self) -> LocalAdapter:
        """Return an adapter for a `requests.Session`; it serves any host without a network."""
        return LocalAdapter(self._app)

    def client(self, *, http: bool = False, **options: Any) -> Buildkite:
        """Return a client of this server; with `http=True`, over the network.

        It does not use the cache that the environment names: another fake may have other data under the same ids.
        """
        from buildkite_orm.client import Buildkite  # noqa: PLC0415

        values: dict[str, Any] = {"token": self.token, "clock": self.clock, "cache": "off"}
        if http:
            values["base_url"] = self.url
        else:
            values |= {"base_url": PUBLIC_URL, "transport": self.adapter()}
        return Buildkite(**(values | options))

    if not TYPE_CHECKING:  # type checkers know the attributes

        def __getattr__(self, name: str) -> Any:
            problem = f"{type(self).__name__!r} object has no attribute {name!r}"
            if not name.startswith("_"):
                from buildkite_orm.client import Buildkite  # noqa: PLC0415

                problem += f"; use .client().{name}" if hasattr(Buildkite, name) else ""
            raise AttributeError(problem)

    def close(self) -> None:
        """Stop the HTTP servers, close their connections and kill the commands that run.

        A forked process leaves those of its parent alone.
        """
        with self._lock:
            _close(self._servers, self._commands)

    def renew_locks(self) -> None:
        """Replace the locks in a forked process, in which the threads that hold them do not exist."""
        self._lock = threading.RLock()
        self.context.lock.renew()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # -- requests and time

    @property
    def requests(self) -> list[RecordedRequest]:
        """All received requests, in order; you may `clear()` it."""
        return self.context.requests

    def run(self, seconds: float = 0.0) -> None:
        """Wait `seconds` on the clock, and process what is due."""
        self.context.wait(seconds)
        with self.context.lock:
            self.context.lifecycle.run()

    def build_every(self, seconds: float, pipeline: str, *, organization: str = "acme") -> None:
        """Create a build of a pipeline's default branch every `seconds`, so that there is always a running one."""
        with self.context.lock:
            self.context.lifecycle.build_repeatedly(self.store.organizations[organization].pipelines[pipeline], seconds)

    def reset_budgets(self) -> None:
        """Start new windows of all rate limits."""
        self.context.budgets.reset()

    def reset(self) -> None:
        """Restore the initial state, settings and clock speed, and remove faults and recorded requests.

        The time and `token` are kept. Other tokens, and records obtained before, are no longer valid.
        """
        settings, speed = self._initial
        with self.context.lock:
            for each in fields(settings):
                setattr(self.settings, each.name, getattr(settings, each.name))
            self.settings.pace = replace(settings.pace)
            if speed is not None:
                self.clock.speed = speed
            self._commands.close()
            self.store = self.context.store = Store(self.store.seed, self.clock)
            self.context.lifecycle = Lifecycle(self.store, self.clock, self.settings, self._commands)
            self.context.secret = self.store.ids.token()
            self.faults.clear()
            self.requests.clear()
            self.warnings.clear()
            self.context.webhooks.clear()
            self.reset_budgets()
            self._fill()

    def deliver_webhooks(
        self, receiver: Receiver, *, secret: str, organization: str = "acme", **options: Unpack[WebhookOptions]
    ) -> Webhooks:
        """Send the events of an organization to a receiver from now on, as its lifecycle produces them.

        Args:
            receiver: A URL, or a function of a body and headers that returns a status, or nothing for 200.
            secret: The token of the webhook, which signs each request.
            organization: The slug of the organization.
            options: See `WebhookOptions`.
        """
        service = WebhookService(receiver, secret, organization, self._user)
        return add_webhooks(self.context, self._shown_url, service, options)

    def remove_webhooks(self) -> None:
        """Send no more events, to any receiver."""
        with self.context.lock:
            self.store.listeners.clear()
            self.context.webhooks.clear()

    def _shown_url(self) -> str:
        """Return the base of URLs in payloads that no request asks for."""
        return self.settings.public_urls or (self.url if "api" in self._servers else PUBLIC_URL)


def _close(servers: dict[Origin, HttpServer], commands: Commands) -> None:
    commands.close()
    close_all(servers)
