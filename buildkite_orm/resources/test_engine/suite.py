"""Test suites."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self, TypedDict

from pydantic import Field

from buildkite_orm.http.encoding import encode_body
from buildkite_orm.http.messages import ApiRequest
from buildkite_orm.models.binding import Binding
from buildkite_orm.models.ref import Deletable, load_object
from buildkite_orm.models.resource import Editable
from buildkite_orm.querysets.queryset import QuerySet
from buildkite_orm.resources.parents import InOrganization
from buildkite_orm.resources.test_engine.run import SuiteRunQuerySet, SuiteRunRef
from buildkite_orm.resources.test_engine.test import (
    FlakyTestQuerySet,
    QuarantinedTestQuerySet,
    SuiteTest,
    SuiteTestQuerySet,
    SuiteTestRef,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Unpack

    from buildkite_orm.resources.test_engine.run import SuiteRunFilters
    from buildkite_orm.resources.test_engine.test import FlakyTestFilters, SuiteTestFilters

__all__ = [
    "Suite",
    "SuiteChanges",
    "SuiteFilters",
    "SuiteOptions",
    "SuiteQuerySet",
    "SuiteRef",
]


class SuiteFilters(TypedDict, total=False):
    """The parts of each suite that are returned.

    Attributes:
        show_api_token: Whether each contains its `api_token`, which the access token must be allowed to see.
    """

    show_api_token: bool


class SuiteOptions(TypedDict, total=False):
    """Optional fields of a new suite.

    Attributes:
        show_api_token: Whether the response contains its `api_token`.
        application_name: The application that it tests.
        color: As `#FFF700`.
        emoji: As `🍋` or `:lemon:`.
        oidc_policy: Who may use it through OIDC: as YAML, or as a list of statements.
        team_ids: The ids of the teams that it is added to; required if the organization has teams.
    """

    show_api_token: bool
    application_name: str | None
    color: str | None
    emoji: str | None
    oidc_policy: str | Sequence[Mapping[str, Any]] | None
    team_ids: Sequence[str]


class SuiteChanges(TypedDict, total=False):
    """Fields of a suite that can be changed; `None` clears a field that may be empty.

    Attributes:
        show_api_token: Whether the response contains its `api_token`.
    """

    name: str
    default_branch: str
    application_name: str | None
    color: str | None
    emoji: str | None
    show_api_token: bool
    oidc_policy: str | Sequence[Mapping[str, Any]] | None


class SuiteRef(InOrganization, Deletable):
    """The ref of a test suite."""

    _kind = "suite"
    _paths = ("analytics/organizations/{organization}/suites/{slug}",)
    delete_documentation = "test-engine/suites#delete-a-suite"

    if TYPE_CHECKING:
        slug: str

    def fetch(self, *, show_api_token: bool = False) -> Suite:
        """Fetch the suite.

        Args:
            show_api_token: Whether it contains its `api_token`.

        Raises:
            NotFoundError: Nothing has this slug, or the token cannot access it.
            PermissionDeniedError: The access token may not see that of the suite.

        Documentation: https://buildkite.com/docs/apis/rest-api/test-engine/suites#get-a-suite
        """
        return self._request(Suite, params={"show_api_token": show_api_token or None})

    def update(self, *, extra: Mapping[str, object] | None = None, **changes: Unpack[SuiteChanges]) -> Suite:
        """Change the given fields, and no others; an object is updated with the response.

        Args:
            extra: Fields of the body that this library does not know.
            changes: See `SuiteChanges`.

        Raises:
            UnprocessableEntityError: The server rejects a value.

        Documentation: https://buildkite.com/docs/apis/rest-api/test-engine/suites#update-a-suite
        """
        return self._update(Suite, changes, SuiteChanges, extra)

    def runs(self, **filters: Unpack[SuiteRunFilters]) -> SuiteRunQuerySet:
        """List the runs.

        Args:
            filters: See `SuiteRunFilters`.

        Documentation: https://buildkite.com/docs/apis/rest-api/test-engine/runs#list-all-runs
        """
        return SuiteRunQuerySet(self.session, self._child("runs"), filters)

    def run(self, run_id: str) -> SuiteRunRef:
        """Return the ref of the run with an id; no request."""
        return SuiteRunRef.at(self.session, self._child("runs", run_id))

    def tests(self, **filters: Unpack[SuiteTestFilters]) -> SuiteTestQuerySet:
        """List the tests: all of them, or with their metrics those that ran.

        Args:
            filters: See `SuiteTestFilters`.

        Example:
            >>> suite = bk.organization("acme").suite("rspec")
            >>> suite.tests(sort_by="reliability", order="asc").limit(10)
            <SuiteTestQuerySet acme/suites/rspec/tests sort_by=reliability order=asc limit=10 [not loaded]>

        Documentation: https://buildkite.com/docs/apis/rest-api/test-engine/tests#list-tests
        """
        return SuiteTestQuerySet(self.session, self._child("tests"), filters)

    def test(self, test_id: str) -> SuiteTestRef:
        """Return the ref of the test with an id; no request."""
        return SuiteTestRef.at(self.session, self._child("tests", test_id))

    def find_test(self, *, name: str, scope: str | None = None) -> SuiteTest:
        """Fetch the test with a name and a scope, if its id is unknown.

        Args:
            name: Its name.
            scope: The scope of the name: a class, a file, a group.

        Raises:
            NotFoundError: The suite has no such test.

        Documentation:
            https://buildkite.com/docs/apis/rest-api/test-engine/tests#find-a-test-with-scope-and-name
        """
        body = {"name": name} if scope is None else {"scope": scope, "name": name}
        request = ApiRequest("POST", self._child("tests", "find"), body=encode_body(body), safe=True)
        return load_object(SuiteTest, self.session, request, Binding(self.session, self._child("tests")))

    def muted_tests(self) -> QuarantinedTestQuerySet:
        """List the tests that are muted.

        Documentation: https://buildkite.com/docs/apis/rest-api/test-engine/quarantine#list-quarantined-tests-muted-tests
        """
        return self._quarantined("muted")

    def skipped_tests(self) -> QuarantinedTestQuerySet:
        """List the tests that are skipped.

        Documentation:
            https://buildkite.com/docs/apis/rest-api/test-engine/quarantine#list-quarantined-tests-skipped-tests
        """
        return self._quarantined("skipped")

    def _quarantined(self, state: str) -> QuarantinedTestQuerySet:
        return QuarantinedTestQuerySet(self.session, self._child("tests", state), collection=self._child("tests"))

    def flaky_tests(self, **filters: Unpack[FlakyTestFilters]) -> FlakyTestQuerySet:
        """List the flaky tests as Buildkite once did; it advises `tests(label="flaky")` instead.

        Args:
            filters: See `FlakyTestFilters`.

        Documentation:
            https://buildkite.com/docs/apis/rest-api/test-engine/flaky-tests#legacy-flaky-tests-endpoint-deprecated
        """
        return FlakyTestQuerySet(self.session, self._child("flaky-tests"), filters, collection=self._child("tests"))

    def update_execution_tags(self, executions: Mapping[str, Mapping[str, str]]) -> None:
        """Replace the tags of executions that can be replaced: those whose keys begin with `mut.`.

        The server takes a hundred thousand executions at once, but such a request only once a minute or so.

        Args:
            executions: All such tags of each execution, by its id; an empty mapping removes them.

        Raises:
            UnprocessableEntityError: A key does not begin with `mut.`, or an execution has more than ten of them.

        Documentation: https://buildkite.com/docs/apis/rest-api/test-engine/execution-tags#update-execution-tags
        """
        tagged = [{"id": each, "tags": tags} for each, tags in executions.items()]
        self._execute("PUT", "execution-tags", body=encode_body({"executions": tagged}))


class Suite(SuiteRef, Editable):
    """A test suite.

    Attributes:
        api_token: The token of its test collectors: a secret, returned only with `show_api_token=True` and shown in
            no repr.

    Documentation: https://buildkite.com/docs/apis/rest-api/test-engine/suites
    """

    editable: ClassVar[frozenset[str]] = frozenset(SuiteChanges.__annotations__) - {"show_api_token"}
    _repr_fields: ClassVar[tuple[str, ...]] = ("slug", "name", "default_branch")

    id: str
    graphql_id: str | None = None
    organization_id: str | None = None
    slug: str
    name: str
    url: str
    web_url: str | None = None
    default_branch: str | None = None
    application_name: str | None = None
    color: str | None = None
    emoji: str | None = None
    api_token: str | None = Field(default=None, repr=False)
    oidc_policy: str | list[dict[str, Any]] | None = None


class SuiteQuerySet(QuerySet[Suite]):
    """The test suites of an organization."""

    _model = Suite
    _filters_type = SuiteFilters

    def filter(self, **filters: Unpack[SuiteFilters]) -> Self:
        """Return a queryset with more filters; see `SuiteFilters`."""
        return self._filtered(filters)

    def create(
        self,
        *,
        name: str,
        default_branch: str,
        extra: Mapping[str, object] | None = None,
        **options: Unpack[SuiteOptions],
    ) -> Suite:
        """Create a suite.

        Args:
            name: Its name.
            default_branch: The branch whose trends it shows first.
            extra: Fields of the body that this library does not know.
            options: See `SuiteOptions`.

        Raises:
            UnprocessableEntityError: The server rejects a value.

        Documentation: https://buildkite.com/docs/apis/rest-api/test-engine/suites#create-a-suite
        """
        body = {"name": name, "default_branch": default_branch, **options}
        return self._create(encode_body(body, SuiteOptions, "name", "default_branch", extra=extra))
