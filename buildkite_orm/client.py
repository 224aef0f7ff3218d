"""`Buildkite`, the client: it holds the token and the session, and has the top-level relations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar, overload
from urllib.parse import urlsplit

from buildkite_orm.cache.options import make_cache
from buildkite_orm.errors import ConfigurationError
from buildkite_orm.http.auth import authentication
from buildkite_orm.http.client_transport import ClientTransport
from buildkite_orm.http.encoding import encode_path
from buildkite_orm.http.environment import setting_of_job, slug_in_environment
from buildkite_orm.http.events import Hooks
from buildkite_orm.http.limits import SizeLimits
from buildkite_orm.http.messages import ApiRequest
from buildkite_orm.http.network import NetworkOptions
from buildkite_orm.http.retry import RetryPolicy
from buildkite_orm.http.session import DEFAULT_BASE_URL, DEFAULT_TIMEOUT, Session
from buildkite_orm.models.binding import Bindable, Binding
from buildkite_orm.models.hints import unknown_of_client
from buildkite_orm.models.ref import Ref, load_object
from buildkite_orm.models.resource import Resource
from buildkite_orm.models.urls import api_path_in
from buildkite_orm.utils.environment import setting, stripped
from buildkite_orm.utils.numbers import parse_decimal
from buildkite_orm.utils.plain_values import as_plain
from buildkite_orm.utils.redaction import redact_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from types import TracebackType
    from typing import Self, Unpack

    from requests.adapters import BaseAdapter

    from buildkite_orm.cache.options import Cache, CacheMode
    from buildkite_orm.http.certificates import Certificate, Verify
    from buildkite_orm.http.events import RequestEvent, ResponseEvent
    from buildkite_orm.http.rate_limit import Budget
    from buildkite_orm.http.transport import Timeout
    from buildkite_orm.resources.account import AccessToken, Meta, User
    from buildkite_orm.resources.any_ref import AnyRef
    from buildkite_orm.resources.builds.actions import OnBlocked
    from buildkite_orm.resources.builds.build import Build, BuildRef
    from buildkite_orm.resources.builds.build_filters import BuildFilters
    from buildkite_orm.resources.builds.build_queryset import BuildQuerySet
    from buildkite_orm.resources.builds.job import Job, JobRef
    from buildkite_orm.resources.organizations.organization import OrganizationQuerySet, OrganizationRef
    from buildkite_orm.resources.pipelines.ref import PipelineRef
    from buildkite_orm.utils.clock import Clock

T = TypeVar("T", bound=Ref)
B = TypeVar("B", bound=Bindable)
R = TypeVar("R", bound=Resource)

ORGANIZATION_VARIABLE: Final = "BUILDKITE_ORGANIZATION_SLUG"
ENDPOINT_VARIABLE: Final = "BUILDKITE_REST_API_ENDPOINT"


class Buildkite:
    """A client of Buildkite's REST API, safe for threads; close it, or use it in a `with`.

    Args:
        token: An API access token; default: `BUILDKITE_API_TOKEN`.
        organization: The slug of the organization that `organization()` returns; default:
            `BUILDKITE_ORGANIZATION_SLUG`.
        base_url: The URL before `/v2`; default: `BUILDKITE_REST_API_ENDPOINT`, else `https://api.buildkite.com`.
        auth: A function that returns the bearer token, called for each request; replaces `token`.
        timeout: Seconds to connect and to wait for bytes: one number for both, or two.
        retry: How persistent to be, and how long to wait for the request budget.
        reserve: The share (0 to 1) of an organization's request budget that is left to others.
        processes: How many processes share the token, each with a client of its own: this one uses that part of the
            request budgets, and more if the others are idle.
        strict: Whether a response that differs from the documentation raises, instead of being kept with a warning.
        clock: The clock to read and wait by; for tests.
        transport: A requests adapter to send through instead of the network; for tests. See also
            `buildkite_orm.testing.Recorder`.
        limits: How large responses and files may be, see `SizeLimits`.
        verify: The certificates to trust: a file or folder of them, an `ssl.SSLContext`, or `"system"` for those of the
            operating system (`pip install 'buildkite_orm[truststore]'`). Default: `REQUESTS_CA_BUNDLE`,
            `CURL_CA_BUNDLE`, `SSL_CERT_FILE` or `SSL_CERT_DIR`, else those that requests ships.
        cert: A client certificate: the path of a file with its key, or `(certificate, key)`.
        proxies: Proxies by the scheme of the server, as `{"https": "http://proxy.example:3128"}`; `{}` for none.
            Default: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`.
        insecure_http: Whether `base_url` may be plain HTTP to another machine, such as a fake in another container.
            Others in the network can read the token; there is one warning.
        app: The name of your program, as `my-bot/1.0`: it is appended to the `User-Agent`.
        pause_gc: Whether Python's garbage collector pauses while a page is validated, for some milliseconds each. It
            finds nothing then, and takes a third of the time of a listing of builds with their jobs. It pauses for all
            threads of the process; False leaves it alone.
        cache: A `Cache` on disk for finished builds, logs and artifact files; or `"refresh"`, `"only"` or `"off"`, for
            the one that `BUILDKITE_ORM_CACHE` names (a folder). Default: that one, if the variable is set.
        on_request: Called with a `RequestEvent` before each attempt to send a request.
        on_response: Called with a `ResponseEvent` after each, once the headers of the response were received, or when
            the attempt has failed.

    Raises:
        ConfigurationError: The token is missing, or an option is invalid.

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
        processes: int = 1,
        strict: bool = False,
        clock: Clock | None = None,
        transport: BaseAdapter | None = None,
        limits: SizeLimits | None = None,
        verify: Verify = True,
        cert: Certificate | None = None,
        proxies: Mapping[str, str] | None = None,
        insecure_http: bool = False,
        app: str | None = None,
        pause_gc: bool = True,
        cache: Cache | CacheMode | None = None,
        on_request: Callable[[RequestEvent], object] | None = None,
        on_response: Callable[[ResponseEvent], object] | None = None,
    ) -> None:
        own = transport if isinstance(transport, ClientTransport) else ClientTransport()
        try:
            token_source = authentication(token, auth, default=own.token)
        finally:
            token = None  # a traceback with locals would show it
        _check_kind("retry", retry, RetryPolicy, "RetryPolicy(attempts=3)")
        _check_kind("limits", limits, SizeLimits, "SizeLimits(file=10**9)")
        endpoint = setting(ENDPOINT_VARIABLE)
        self.session = Session(
            token_source,
            base_url=stripped(base_url) if base_url else endpoint or DEFAULT_BASE_URL,
            timeout=timeout,
            retry=retry,
            reserve=reserve,
            processes=processes,
            strict=strict,
            clock=clock or own.clock,
            transport=transport,
            limits=limits,
            network=NetworkOptions(
                url_name="base_url" if base_url else f"{ENDPOINT_VARIABLE}, read as base_url,",
                verify=verify,
                cert=cert,
                proxies=proxies,
                insecure_http=insecure_http,
            ),
            hooks=Hooks(on_request=on_request, on_response=on_response),
            app=app,
            pause_gc=pause_gc,
        )
        self.session.cache = make_cache(own.cache if cache is None else cache, self.session)
        self._organization = organization or own.organization or slug_in_environment(ORGANIZATION_VARIABLE)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        session = self.__dict__.get("session")  # missing if a traceback shows an `__init__` that failed
        if session is None:
            return "<Buildkite>"
        return f"<Buildkite {session.base_url}{', closed' if session.is_closed else ''}>"

    if not TYPE_CHECKING:  # type checkers know the attributes

        def __getattr__(self, name: str) -> Any:
            if name.startswith("_"):
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            from buildkite_orm.resources.organizations.organization import OrganizationRef

            raise AttributeError(unknown_of_client(type(self), OrganizationRef, name))

    def close(self) -> None:
        """Close the pooled connections; requests raise UnboundError from now on."""
        self.session.close()

    def budgets(self, organization: str | None = None) -> list[Budget]:
        """Return the user's request budget, and an organization's, as the last responses state them; no request.

        Args:
            organization: The slug of the organization; that of the client by default. Without one, only the user's
                budget is returned.

        Example:
            >>> _ = bk.organization("acme").fetch()
            >>> [budget.name for budget in bk.budgets("acme")]
            ["the user's", "the organization acme's"]
        """
        return self.session.budgets(organization or self._organization)

    def organization(self, slug: str | None = None) -> OrganizationRef:
        """Return the ref of an organization; no request.

        Args:
            slug: Its slug; that of the client by default.

        Raises:
            ConfigurationError: Neither names one.
        """
        slug = self._organization if slug is None else slug
        if slug is None:
            raise ConfigurationError(
                f"no organization: name one, organization('acme'), or set {ORGANIZATION_VARIABLE}; "
                "organizations() lists those that the token reaches"
            )
        from buildkite_orm.resources.organizations.organization import OrganizationRef

        return OrganizationRef.at(self.session, encode_path("organizations", slug))

    def organizations(self) -> OrganizationQuerySet:
        """List the organizations that the token reaches.

        Documentation: https://buildkite.com/docs/apis/rest-api/organizations#list-organizations
        """
        from buildkite_orm.resources.organizations.organization import OrganizationQuerySet

        return OrganizationQuerySet(self.session, "organizations")

    def builds(self, **filters: Unpack[BuildFilters]) -> BuildQuerySet:
        """List the builds of all organizations that the token reaches, newest first.

        Args:
            filters: See `BuildFilters`.

        Documentation: https://buildkite.com/docs/apis/rest-api/builds#list-all-builds
        """
        from buildkite_orm.resources.builds.build_queryset import BuildQuerySet

        return BuildQuerySet(self.session, "builds", filters)

    def current_build(self) -> BuildRef:
        """Return the ref of the build that this process runs in, from the environment of its job; no request.

        Raises:
            ConfigurationError: The process does not run in a job: `BUILDKITE_BUILD_NUMBER` is not set, for example.
        """
        organization, pipeline = map(setting_of_job, ("BUILDKITE_ORGANIZATION_SLUG", "BUILDKITE_PIPELINE_SLUG"))
        text = setting_of_job("BUILDKITE_BUILD_NUMBER", setting)
        number = parse_decimal(text)
        if number is None:
            raise ConfigurationError(f"BUILDKITE_BUILD_NUMBER={text[:80]!r}: not a build number")
        return self.organization(organization).pipeline(pipeline).build(number)

    def current_job(self) -> JobRef:
        """Return the ref of the job that this process runs in, from its environment; no request.

        Raises:
            ConfigurationError: The process does not run in a job: `BUILDKITE_JOB_ID` is not set, for example.
        """
        return self.current_build().job(setting_of_job("BUILDKITE_JOB_ID"))

    def user(self) -> User:
        """Fetch the user that the token belongs to.

        Documentation: https://buildkite.com/docs/apis/rest-api/user#get-the-current-user
        """
        from buildkite_orm.resources.account import User

        return self._single(User, "user")

    def access_token(self) -> AccessToken:
        """Fetch the token's scopes and expiry.

        Documentation: https://buildkite.com/docs/apis/rest-api/access-token#get-the-current-token
        """
        from buildkite_orm.resources.account import AccessToken

        return self._single(AccessToken, "access-token")

    def meta(self) -> Meta:
        """Fetch information about Buildkite itself.

        Documentation: https://buildkite.com/docs/apis/rest-api/meta#get-meta-information
        """
        from buildkite_orm.resources.account import Meta

        return self._single(Meta, "meta")

    @overload
    def from_url(self, url: str) -> AnyRef: ...
    @overload
    def from_url(self, url: str, kind: type[T]) -> T: ...
    def from_url(self, url: str, kind: type[Ref] | None = None) -> Ref:
        """Return the ref of what a URL leads to: one copied from a browser, or one of the API; no request.

        Args:
            url: As `https://buildkite.com/acme/web/builds/42#0190…`, also without its scheme, in `<…>`, or with a dot
                after it. It leads to a resource, or to one of its pages and listings; never to the parent of an
                unknown resource.
            kind: The class of the ref, as `BuildRef`. Type checkers then know the class.

        Raises:
            ValueError: It does not lead to a resource that this library has a ref for, or not to one of that class.

        Example:
            >>> bk.from_url("https://buildkite.com/acme/web/builds/42")
            BuildRef(acme/web #42)
            >>> bk.from_url("buildkite.com/acme/web/builds/42", BuildRef).number
            42
        """
        from buildkite_orm.resources.any_ref import ref_at

        if kind is not None and issubclass(kind, Resource):
            msg = f"from_url(url, kind): the kind is the class of a ref, as BuildRef, not {kind.__name__}"
            raise TypeError(msg)
        path = api_path_in(url, own_host=urlsplit(self.session.base_url).hostname)
        ref = ref_at(self.session, path, kind)
        if ref is None:
            msg = f"from_url({redact_url(url)!r}): it does not lead to a resource that this library has a ref for"
            raise ValueError(msg)
        if kind is not None and not isinstance(ref, kind):
            msg = f"from_url({redact_url(url)!r}): it leads to {ref!r}, which is not a {kind.__name__}"
            raise ValueError(msg)
        return ref

    def pipeline(self, slug: str) -> PipelineRef:
        """Return the ref of a pipeline by the slugs of its organization and its own; no request.

        Args:
            slug: As `acme/web`, or `web` in the organization of the client.

        Raises:
            ValueError: It has more than two parts.
            ConfigurationError: It names no organization, and the client has none.

        Example:
            >>> bk.pipeline("acme/web").build(42)
            BuildRef(acme/web #42)
        """
        organization, slash, own = str(as_plain(slug)).rpartition("/")
        if "/" in organization:
            msg = f"pipeline({redact_url(slug)!r}): pass 'organization/pipeline'; from_url() reads URLs"
            raise ValueError(msg)
        return self.organization(organization if slash else None).pipeline(own)

    def request(
        self, method: str, path: str, *, params: Mapping[str, object] | None = None, json: object = None
    ) -> Any:
        """Send a request to any path of the API, and return the JSON of the response; None if it has no content.

        This is for what the library does not model yet. The token, the request budget and the errors are those of any
        other request. Retries too, except that a PUT is not sent again if its response is lost: it may start something.

        Args:
            method: `GET`, `POST`, `PUT`, `PATCH` or `DELETE`.
            path: The path after `/v2/`, as `organizations/acme/pipelines`, or a URL of the API.
            params: Query parameters; lists and mappings as filters have them, None is left out.
            json: The body of the request.

        Raises:
            ValueError: The path is not one of the API, or a URL of another host.

        Example:
            >>> bk.request("GET", "organizations/acme/pipelines/web/builds/42")["state"]
            'passed'
        """
        from buildkite_orm.querysets.raw import send_raw

        return send_raw(self.session, method, path, params, json)

    def paginate(self, path: str, *, params: Mapping[str, object] | None = None) -> Iterator[dict[str, Any]]:
        """Iterate over the items of any listing of the API, as dictionaries; one request per page.

        Args:
            path: The path after `/v2/`, as `organizations/acme/pipelines`, or a URL of the API.
            params: Query parameters, as for `request`; `per_page` is 100 by default.

        Raises:
            ValueError: The path is not one of the API, or a URL of another host.
            ResponseError: The response is not a listing.

        Example:
            >>> [pipeline["slug"] for pipeline in bk.paginate("organizations/acme/pipelines", params={"name": "web"})]
            ['web']
        """
        from buildkite_orm.querysets.raw import paginate_raw

        return paginate_raw(self.session, path, params)

    @overload
    def wait_all(  # pyright: ignore[reportOverlappingOverload] # the lists differ, since lists are invariant
        self,
        items: Iterable[BuildRef],
        *,
        timeout: float | None = None,
        on_blocked: OnBlocked = "return",
        cancel_on_timeout: bool = False,
        on_change: Callable[[Build], object] | None = None,
        progress: bool | None = None,
    ) -> list[Build]: ...
    @overload
    def wait_all(
        self,
        items: Iterable[JobRef],
        *,
        timeout: float | None = None,
        on_blocked: OnBlocked = "return",
        cancel_on_timeout: bool = False,
        on_change: Callable[[Job], object] | None = None,
        progress: bool | None = None,
    ) -> list[Job]: ...
    @overload
    def wait_all(
        self,
        items: Iterable[BuildRef | JobRef],
        *,
        timeout: float | None = None,
        on_blocked: OnBlocked = "return",
        cancel_on_timeout: bool = False,
        on_change: Callable[[Build | Job], object] | None = None,
        progress: bool | None = None,
    ) -> list[Build | Job]: ...
    def wait_all(
        self,
        items: Iterable[BuildRef | JobRef],
        *,
        timeout: float | None = None,
        on_blocked: OnBlocked = "return",
        cancel_on_timeout: bool = False,
        on_change: Callable[[Any], object] | None = None,
        progress: bool | None = None,
    ) -> Any:
        """Wait until several builds and jobs are finished, and return them in the same order; objects are updated.

        All of them share each poll. For each organization it lists the builds of the time in which the unfinished ones
        were created, if that takes fewer requests than one for each unfinished build.

        Args:
            items: Builds and jobs, as refs or objects.
            timeout: The longest wait for all of them in seconds; unlimited by default.
            on_blocked: As for `build.wait()`, for the builds; a blocked job is waited for.
            cancel_on_timeout: Whether to cancel the unfinished builds when the time is up; jobs cannot be canceled.
            on_change: Called with each build or job when it is first loaded, and when its state has changed.
            progress: Whether to show a progress line; default: in a terminal or a notebook, with tqdm.

        Raises:
            WaitTimeoutError: The time is up; what was finished by then is updated.
            BuildBlockedError: A build is blocked, with `on_blocked="raise"`.
            NotFoundError: A build or job does not exist, or the token cannot access it.

        Example:
            >>> builds = bk.organization("acme").pipeline("hello").builds()
            >>> new = [builds.create(commit="HEAD", branch=branch) for branch in ("main", "release")]
            >>> [str(build.state) for build in bk.wait_all(new, timeout=600)]
            ['passed', 'passed']
        """
        from buildkite_orm.resources.builds.wait_all import wait_all
        from buildkite_orm.resources.builds.waiting import WaitOptions

        options = WaitOptions(timeout, on_blocked, cancel_on_timeout, on_change, progress)
        return wait_all(self.session, items, options)

    def bind(self, item: B) -> B:
        """Bind an object, a ref, a queryset or the event of a webhook to this client.

        Objects that were unpickled or validated by hand belong to no client, and those in webhooks do not, either.

        A pickle contains all data of its object, also secrets that the API returned, and never a client or its token.
        That of a queryset is only the query. So both can be sent to other processes.

        Args:
            item: An object, ref or event, which is changed in place, or a queryset, of which a new one is returned.

        Example:
            >>> from pickle import dumps, loads
            >>> pickle = dumps(bk.organization("acme").pipelines(name="web"))
            >>> [pipeline.slug for pipeline in bk.bind(loads(pickle))]
            ['web']
        """
        return item.rebind(self.session)

    def _single(self, model: type[R], path: str) -> R:
        return load_object(model, self.session, ApiRequest("GET", path), Binding(self.session, path))


def _check_kind(name: str, value: object, kind: type, example: str) -> None:
    if value is not None and not isinstance(value, kind):
        raise ConfigurationError(f"{name}= is a {kind.__name__}, as {example}, not {type(value).__name__}")
