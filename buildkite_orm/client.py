"""`Buildkite`, where everything begins: the token, the session, and what is at the top."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import urlsplit

from buildkite_orm.encoding import encode_path
from buildkite_orm.errors import ConfigurationError, redact_url
from buildkite_orm.resource import Binding, Ref, Resource, load_object
from buildkite_orm.resources.account import AccessToken, Meta, User
from buildkite_orm.resources.agent import AgentRef
from buildkite_orm.resources.builds.artifact import ArtifactRef
from buildkite_orm.resources.builds.build import BuildQuerySet, BuildRef
from buildkite_orm.resources.builds.job import JobRef
from buildkite_orm.resources.organization import OrganizationQuerySet, OrganizationRef
from buildkite_orm.resources.pipeline import PipelineRef
from buildkite_orm.session import DEFAULT_BASE_URL, DEFAULT_TIMEOUT, Call, Session, StaticToken
from buildkite_orm.urls import api_path_in

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self, Unpack

    from requests.adapters import BaseAdapter

    from buildkite_orm.clock import Clock
    from buildkite_orm.resources.builds.build import BuildFilters
    from buildkite_orm.retry import RetryPolicy
    from buildkite_orm.session import Timeout

AnyRef = OrganizationRef | PipelineRef | BuildRef | JobRef | ArtifactRef | AgentRef

T = TypeVar("T", bound=Ref)
R = TypeVar("R", bound=Resource)

TOKEN_VARIABLE: Final = "BUILDKITE_API_TOKEN"  # noqa: S105 - a name
ORGANIZATION_VARIABLE: Final = "BUILDKITE_ORGANIZATION_SLUG"
ENDPOINT_VARIABLE: Final = "BUILDKITE_REST_API_ENDPOINT"

# What stands where in a path of the API, from the most to the least.
_KINDS: Final[tuple[tuple[str, type[AnyRef]], ...]] = (
    ("organizations/*/pipelines/*/builds/*/jobs/*/artifacts/*", ArtifactRef),
    ("organizations/*/jobs/*/artifacts/*", ArtifactRef),
    ("organizations/*/pipelines/*/builds/*/jobs/*", JobRef),
    ("organizations/*/jobs/*", JobRef),
    ("organizations/*/pipelines/*/builds/*", BuildRef),
    ("organizations/*/pipelines/*", PipelineRef),
    ("organizations/*/agents/*", AgentRef),
    ("organizations/*", OrganizationRef),
)


class Buildkite:
    """A client of Buildkite's REST API, safe for threads; close it, or use it in a `with`.

    Args:
        token: An API access token; `BUILDKITE_API_TOKEN` unless given.
        organization: The slug of the organization that `organization()` means; `BUILDKITE_ORGANIZATION_SLUG` unless
            given.
        base_url: What stands before `/v2`; `BUILDKITE_REST_API_ENDPOINT`, else `https://api.buildkite.com`.
        auth: Called for each request, gives the bearer token, in place of `token`.
        timeout: Seconds to connect and to wait for bytes: one number for both, or two.
        retry: How persistent to be, and how long to wait for the request budget.
        reserve: The share (0 to 1) of an organization's request budget that is left to others.
        strict: Whether an answer that is not as documented raises, in place of being kept as it came and warned of.
        clock: Tells the time and waits; for tests.
        transport: A requests adapter to send through in place of the network; for tests.

    Raises:
        ConfigurationError: There is no token, or an option cannot be.

    Example:
        >>> bk = Buildkite(organization="acme")
        >>> for pipeline in bk.organization().pipelines(name="web"):
        ...     print(pipeline.slug, pipeline.repository)
        web git@github.com:acme/web.git
    """

    def __init__(
        self,
        token: str | None = None,
        *,
        organization: str | None = None,
        base_url: str | None = None,
        auth: Callable[[], str] | None = None,
        timeout: Timeout = DEFAULT_TIMEOUT,
        retry: RetryPolicy | None = None,
        reserve: float = 0.0,
        strict: bool = False,
        clock: Clock | None = None,
        transport: BaseAdapter | None = None,
    ) -> None:
        authentication = _authentication(token, auth)
        token = None  # a traceback with locals would show it
        self.session = Session(
            authentication,
            base_url=base_url or os.environ.get(ENDPOINT_VARIABLE) or DEFAULT_BASE_URL,
            timeout=timeout,
            retry=retry,
            reserve=reserve,
            strict=strict,
            clock=clock,
            transport=transport,
        )
        self._organization = organization or os.environ.get(ORGANIZATION_VARIABLE) or None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Buildkite {self.session.base_url}>"

    def close(self) -> None:
        """Close the pooled connections."""
        self.session.close()

    def organization(self, slug: str | None = None) -> OrganizationRef:
        """Give the ref of an organization; no request.

        Args:
            slug: Its slug; that of the client unless given.

        Raises:
            ConfigurationError: Neither names one.
        """
        slug = self._organization if slug is None else slug
        if slug is None:
            raise ConfigurationError(
                f"no organization: name one, organization('acme'), or set {ORGANIZATION_VARIABLE}; "
                "organizations() lists those that the token reaches"
            )
        return OrganizationRef.at(self.session, encode_path("organizations", slug))

    def organizations(self) -> OrganizationQuerySet:
        """List the organizations that the token reaches.

        Documentation: https://buildkite.com/docs/apis/rest-api/organizations#list-organizations
        """
        return OrganizationQuerySet(self.session, "organizations")

    def builds(self, **filters: Unpack[BuildFilters]) -> BuildQuerySet:
        """List the builds of all organizations that the token reaches, newest first.

        Args:
            filters: See `BuildFilters`.

        Documentation: https://buildkite.com/docs/apis/rest-api/builds#list-all-builds
        """
        return BuildQuerySet(self.session, "builds", filters)

    def current_build(self) -> BuildRef:
        """Give the ref of the build that this process is a part of, by the environment of its job; no request.

        Raises:
            ConfigurationError: This is no job of Buildkite's: `BUILDKITE_BUILD_NUMBER`, say, is not set.
        """
        names = ("BUILDKITE_ORGANIZATION_SLUG", "BUILDKITE_PIPELINE_SLUG", "BUILDKITE_BUILD_NUMBER")
        organization, pipeline, number = map(_of_the_job, names)
        if not (number.isascii() and number.isdecimal()):
            raise ConfigurationError(f"BUILDKITE_BUILD_NUMBER={number!r}: no number of a build")
        return self.organization(organization).pipeline(pipeline).build(int(number))

    def current_job(self) -> JobRef:
        """Give the ref of the job that this process is a part of, by its environment; no request.

        Raises:
            ConfigurationError: This is no job of Buildkite's: `BUILDKITE_JOB_ID`, say, is not set.
        """
        return self.current_build().job(_of_the_job("BUILDKITE_JOB_ID"))

    def user(self) -> User:
        """Ask whom the token belongs to.

        Documentation: https://buildkite.com/docs/apis/rest-api/user#get-the-current-user
        """
        return self._single(User, "user")

    def access_token(self) -> AccessToken:
        """Ask what the token may, and until when.

        Documentation: https://buildkite.com/docs/apis/rest-api/access-token#get-the-current-token
        """
        return self._single(AccessToken, "access-token")

    def meta(self) -> Meta:
        """Ask what Buildkite tells about itself.

        Documentation: https://buildkite.com/docs/apis/rest-api/meta#get-meta-information
        """
        return self._single(Meta, "meta")

    def from_url(self, url: str) -> AnyRef:
        """Give the ref of what a URL leads to, one that was copied from a browser or one of the API; no request.

        Args:
            url: As `https://buildkite.com/acme/web/builds/42#0190…`.

        Raises:
            ValueError: It leads to nothing of Buildkite's that this library knows.

        Example:
            >>> bk.from_url("https://buildkite.com/acme/web/builds/42")
            BuildRef(acme/web #42)
        """
        path = api_path_in(url, own_host=urlsplit(self.session.base_url).hostname)
        segments = path.split("/")
        for pattern, kind in _KINDS:
            shape = pattern.split("/")
            if len(shape) <= len(segments) and all(
                want in {"*", got} for want, got in zip(shape, segments, strict=False)
            ):
                return kind.at(self.session, "/".join(segments[: len(shape)]))
        msg = f"from_url({redact_url(url)!r}): it leads to nothing that this library knows"
        raise ValueError(msg)

    def bind(self, thing: T) -> T:
        """Bind an object or ref to this client: one that was unpickled, say, or validated by hand.

        A pickle has all data of its object, secrets that the API told included, and never a client or its token: so
        objects travel to other processes.

        Args:
            thing: The object or ref; what it is bound to is changed in place.
        """
        return thing.rebind(self.session)

    def _single(self, model: type[R], path: str) -> R:
        return load_object(model, self.session, Call("GET", path), Binding(self.session, path))


def _of_the_job(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise ConfigurationError(f"this is no job of Buildkite's: {name} is not set")
    return value


def _authentication(token: str | None, auth: Callable[[], str] | None) -> Callable[[], str]:
    if auth is not None:
        if token is not None:
            raise ConfigurationError("token= and auth= exclude each other")
        return auth
    if not (token or os.environ.get(TOKEN_VARIABLE) or "").strip():
        raise ConfigurationError(
            f"no token: pass Buildkite(token=…) or set {TOKEN_VARIABLE}; "
            "make one at https://buildkite.com/user/api-access-tokens"
        )
    return StaticToken((token or os.environ[TOKEN_VARIABLE]).strip())
