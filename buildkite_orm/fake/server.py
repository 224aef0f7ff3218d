"""The fake as tests use it: state, servers, clock and faults in one object."""

from __future__ import annotations

import threading
import weakref
from dataclasses import fields, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from buildkite_orm.fake.app import App
from buildkite_orm.fake.budgets import Budgets
from buildkite_orm.fake.clock import ManualClock
from buildkite_orm.fake.context import Context
from buildkite_orm.fake.control.access import PREFIX, Access, new_token
from buildkite_orm.fake.control.gate import ControlGate
from buildkite_orm.fake.faults import Faults
from buildkite_orm.fake.forking import renew_locks_after_fork
from buildkite_orm.fake.handlers.step_uploads import add_step_upload
from buildkite_orm.fake.hosts import artifact_host_for, base_url, loopback_of
from buildkite_orm.fake.http_server import HttpServer, close_all
from buildkite_orm.fake.lifecycle import Lifecycle
from buildkite_orm.fake.pipeline_yaml import read_pipeline
from buildkite_orm.fake.requests_adapter import LocalAdapter
from buildkite_orm.fake.seed import populate as populate_acme
from buildkite_orm.fake.settings import Settings
from buildkite_orm.fake.steps import CommandStep
from buildkite_orm.fake.store import SCOPES, Store
from buildkite_orm.fake.webhooks.sender import WebhookService, add_webhooks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime
    from types import TracebackType
    from typing import Self, Unpack

    from buildkite_orm.client import Buildkite
    from buildkite_orm.fake.clock import Clock
    from buildkite_orm.fake.faults import Origin, RecordedRequest
    from buildkite_orm.fake.records import (
        AgentRecord,
        AnnotationRecord,
        ArtifactRecord,
        BuildRecord,
        JobRecord,
        OrganizationRecord,
        PipelineRecord,
        UserRecord,
    )
    from buildkite_orm.fake.steps import Step
    from buildkite_orm.fake.webhooks.receivers import Receiver
    from buildkite_orm.fake.webhooks.sender import WebhookOptions, Webhooks

PUBLIC_URL = "https://api.buildkite.com"


class FakeBuildkite:
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
            control_token: The token of the control API; a random one unless given.
            control_hosts: Host names of the control API, in addition to loopback and `host`.
            setup: Called with the server to add to its initial state, also at each `reset()`; for example the
                function that `buildkite_orm.fake.seed_file.load_seed_file(path)` returns.
        """
        self.settings = settings or Settings()
        self.clock: Any = clock or ManualClock()
        self.store = Store(seed, self.clock)
        self.faults = Faults()
        self.context = Context(
            settings=self.settings,
            clock=self.clock,
            store=self.store,
            lifecycle=Lifecycle(self.store, self.clock, self.settings),
            budgets=Budgets(self.settings, self.clock),
            faults=self.faults,
            secret=self.store.ids.token(),
        )
        self._app = App(self.context)
        self._host = host
        self._ports: dict[Origin, int] = {"api": port, "artifacts": artifact_port}
        self._artifact_host = artifact_host
        self._servers: dict[Origin, HttpServer] = {}
        self.control_token = new_token() if control_token is None else control_token
        self._control = ControlGate(self, Access.of(self.control_token, [host, *control_hosts]))
        self._initial = (replace(self.settings, pace=replace(self.settings.pace)), getattr(self.clock, "speed", None))
        self._populate, self._token_scopes, self._setup = populate, tuple(token_scopes), setup
        self._lock = threading.RLock()
        renew_locks_after_fork(self)
        weakref.finalize(self, close_all, self._servers)  # runs at interpreter exit too
        self._fill()

    def _fill(self) -> None:
        """Create the initial state."""
        acme = self.store.add_organization("acme", name="Acme Inc")
        self._user = self.store.add_user(acme, "Ada Lovelace", "ada@acme.example")
        self.token = self.store.add_token(self._user, self._token_scopes).token
        if self._populate:
            populate_acme(self.context, acme)
        if self._setup is not None:
            self._setup(self)

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
        """Return a client of this server; with `http=True`, over the network."""
        from buildkite_orm.client import Buildkite  # noqa: PLC0415

        values: dict[str, Any] = {"token": self.token, "clock": self.clock}
        if http:
            values["base_url"] = self.url
        else:
            values |= {"base_url": PUBLIC_URL, "transport": self.adapter()}
        return Buildkite(**(values | options))

    def close(self) -> None:
        """Stop the HTTP servers and close their connections; a forked process leaves those of its parent alone."""
        with self._lock:
            close_all(self._servers)

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
            self.store = self.context.store = Store(self.store.seed, self.clock)
            self.context.lifecycle = Lifecycle(self.store, self.clock, self.settings)
            self.context.secret = self.store.ids.token()
            self.faults.clear()
            self.requests.clear()
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

    def _shown_url(self) -> str:
        """Return the base of URLs in payloads that no request asks for."""
        return self.settings.public_urls or (self.url if "api" in self._servers else PUBLIC_URL)

    # -- contents

    def make_token(
        self, *scopes: str, user: UserRecord | None = None, organizations: Iterable[str] | None = None
    ) -> str:
        """Create a token with only these scopes, for only these organizations (slugs; all unless given)."""
        with self.context.lock:
            return self.store.add_token(user or self._user, scopes, organizations=organizations).token

    def add_public_key(self, public_key: str, *scopes: str) -> str:
        """Create a token that is used by JWTs signed with the private key of this RSA key (PEM); return its UUID.

        It has all scopes unless some are named.
        """
        with self.context.lock:
            token = self.store.add_token(self._user, scopes or SCOPES, description="Public key")
            del self.store.tokens[token.token]
            self.store.public_keys[token.uuid] = (token, public_key)
            return token.uuid

    def add_user(self, name: str, email: str, *, organization: str = "acme") -> UserRecord:
        """Add a member."""
        with self.context.lock:
            return self.store.add_user(self.store.organizations[organization], name, email)

    def add_organization(self, slug: str, *, name: str | None = None) -> OrganizationRecord:
        """Add an organization, which all tokens can access."""
        with self.context.lock:
            organization = self.store.add_organization(slug, name=name)
            organization.users.append(self._user)
            return organization

    def add_pipeline(
        self,
        slug: str,
        *,
        steps: Sequence[Step] | None = None,
        yaml: str | None = None,
        organization: str = "acme",
        **fields: Any,
    ) -> PipelineRecord:
        """Add a pipeline whose builds run `steps`, or those of a pipeline in YAML; one command unless given.

        Args:
            slug: Its slug.
            steps: The steps that its builds run.
            yaml: Its `configuration`. One warning names the documented keys that are not simulated.
            organization: The slug of its organization.
            fields: Fields of its record: `name`, `default_branch`, `repository`, ...

        Raises:
            ValueError: `yaml` is not a valid pipeline, or `steps` are given too.
        """
        if yaml is not None:
            if steps is not None:
                raise ValueError("a pipeline has either steps or yaml")
            definition = read_pipeline(yaml)
            definition.warn(slug)
            steps = definition.plan
            fields = {"configuration": yaml, "env": definition.env, "steps": definition.visual_steps, **fields}
        with self.context.lock:
            plan = [CommandStep(label="Test", command="make test", key="test")] if steps is None else steps
            return self.store.add_pipeline(self.store.organizations[organization], slug, plan, **fields)

    def add_build(
        self,
        pipeline: PipelineRecord | str = "web",
        *,
        number: int | None = None,
        state: str = "passed",
        created_at: datetime | float | None = None,
        jobs: int | Sequence[dict[str, Any]] = 0,
        organization: str = "acme",
        **fields: Any,
    ) -> BuildRecord:
        """Add a build that is in `state` and stays there.

        Args:
            pipeline: Its pipeline, or the slug of one, which is created if it does not exist.
            number: Its number; the next one unless given.
            state: Its state.
            created_at: When it was created; now unless given.
            jobs: The number of its jobs (created on first access), or their fields.
            organization: The organization of a pipeline that is named by its slug.
            fields: Fields of its record: `branch`, `commit`, `meta_data`, `blocked`, `creator`, ...
        """
        with self.context.lock:
            return self.store.add_build(
                self._pipeline(pipeline, organization),
                state=state,
                created_at=created_at,
                jobs=jobs,
                **({} if number is None else {"number": number}),
                **fields,
            )

    def add_builds(
        self,
        pipeline: PipelineRecord | str,
        count: int,
        *,
        spacing: float = 1.0,
        newest: datetime | float | None = None,
        jobs: int = 0,
        organization: str = "acme",
        **fields: Any,
    ) -> list[BuildRecord]:
        """Add many builds, `spacing` seconds apart, the last one at `newest` (now); see `add_build`."""
        with self.context.lock:
            record = self._pipeline(pipeline, organization)
            last = self.clock.now() if newest is None else newest
            end = last if isinstance(last, int | float) else last.timestamp()
            add = partial(self.store.add_build, record, jobs=jobs, **fields)
            return [add(created_at=end - spacing * (count - 1 - place)) for place in range(count)]

    def _pipeline(self, pipeline: PipelineRecord | str, organization: str) -> PipelineRecord:
        if not isinstance(pipeline, str):
            return pipeline
        found = self.store.organizations[organization].pipelines.get(pipeline)
        return found or self.add_pipeline(pipeline, organization=organization)

    def add_job(self, build: BuildRecord, **fields: Any) -> JobRecord:
        """Add a job; `fields` are those of its record (`type`, `state`, `name`, `step_key`, ...)."""
        with self.context.lock:
            return self.store.add_job(build, **fields)

    def add_artifact(self, job: JobRecord, path: str, content: bytes | int = b"", **fields: Any) -> ArtifactRecord:
        """Add an artifact: its bytes, or the size of a content that is generated while it is read."""
        with self.context.lock:
            return self.store.add_artifact(job, path, content, **fields)

    def add_agent(
        self, name: str | None = None, *, queue: str = "default", organization: str = "acme", **fields: Any
    ) -> AgentRecord:
        """Add an agent."""
        with self.context.lock:
            return self.store.add_agent(self.store.organizations[organization], name=name, queue=queue, **fields)

    def add_annotation(
        self,
        build: BuildRecord,
        body: str = "Hello",
        *,
        context: str = "default",
        job: JobRecord | None = None,
        **fields: Any,
    ) -> AnnotationRecord:
        """Add an annotation to a build, or to one of its jobs."""
        with self.context.lock:
            return self.store.add_annotation(build, body=body, context=context, job=job, **fields)

    def finish_job(self, job: JobRecord, exit_status: int = 0, *, signal: str | None = None) -> None:
        """Finish a script job: it passes with exit status 0, and fails with any other. Its build continues.

        Raises:
            ValueError: It is not a script job, waits for another step, or has finished.
        """
        with self.context.lock:
            self.context.lifecycle.run()
            self.context.lifecycle.finish(job, exit_status, signal)

    def set_outcome(
        self,
        *,
        step_key: str | None = None,
        command: str | None = None,
        exit_status: int | Sequence[int] | None = None,
        seconds: float | None = None,
        log: bytes | None = None,
        artifacts: Sequence[tuple[str, bytes | int]] | None = None,
        signal: str | None = None,
    ) -> None:
        """Set what jobs do that start from now on; what is not given stays as it is.

        A rule for a step key wins over one for a command, and that over one for all jobs; else the later one wins.

        Args:
            step_key: The key of the step whose jobs the rule is for.
            command: The command that the rule is for; `*` matches any text.
            exit_status: The exit status, or one for each attempt; the last one repeats.
            seconds: How long a job takes.
            log: Its log.
            artifacts: Path and content (or size) of the files that it uploads.
            signal: The signal that ends a failing attempt.
        """
        fields = {
            "exits": (exit_status,) if isinstance(exit_status, int) else exit_status,
            "duration": seconds,
            "log": log,
            "artifacts": artifacts,
            "signal": signal,
        }
        given = {name: value for name, value in fields.items() if value is not None}
        with self.context.lock:
            self.context.lifecycle.outcomes.add(step_key, command, given)

    def upload_steps(self, job: JobRecord, yaml: str) -> list[JobRecord]:
        """Add steps to the build of a running job, as `buildkite-agent pipeline upload` does; return their jobs.

        What depends on the job's step, and wait steps after it, then wait for the uploaded steps too.

        Raises:
            ValueError: The job is not running, `yaml` is not a valid pipeline, or a step has the key of another one.
        """
        definition = read_pipeline(yaml)
        with self.context.lock:
            self.context.lifecycle.run()
            jobs = self.context.lifecycle.upload(job, definition.plan_with_env())
            add_step_upload(self.store, job, yaml, created_jobs_count=len(jobs))
        definition.warn(job.build.pipeline.slug)
        return jobs

    def set_log(self, job: JobRecord, log: bytes) -> None:
        """Set the log of a job."""
        with self.context.lock:
            job.log = log

    def set_state(self, build: BuildRecord, state: str) -> None:
        """Set the state of a build, and times that fit it."""
        with self.context.lock:
            self.store.set_state(build, state)

    def build(self, pipeline: str, number: int, *, organization: str = "acme") -> BuildRecord:
        """Return the record of a build."""
        return self.store.organizations[organization].pipelines[pipeline].by_number[number]
