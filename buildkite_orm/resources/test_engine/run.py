"""Runs of test suites: the results that one build, or one machine, has uploaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self, TypedDict

from pydantic import Field

from buildkite_orm.models.enums import OpenEnum
from buildkite_orm.models.paths import short_path
from buildkite_orm.models.resource import Fetchable, Resource, Timestamp
from buildkite_orm.querysets.queryset import QuerySet
from buildkite_orm.resources.parents import InSuite
from buildkite_orm.utils.json_types import Number
from buildkite_orm.utils.text import quoted

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Unpack

    from buildkite_orm.resources.test_engine.test import SuiteTestRef

__all__ = [
    "FailedExecution",
    "FailedExecutionQuerySet",
    "SuiteRun",
    "SuiteRunFilters",
    "SuiteRunQuerySet",
    "SuiteRunRef",
    "SuiteRunResult",
    "SuiteRunState",
]


class SuiteRunState(OpenEnum):
    """Whether a run still takes in results; one that has finished may go back to running."""

    RUNNING = "running"
    FINISHED = "finished"


class SuiteRunResult(OpenEnum):
    """The results of a run so far. While it is running, `passed` may still become `failed`; `failed` stays."""

    PENDING = "pending"
    PASSED = "passed"
    FAILED = "failed"
    STALE = "stale"


class SuiteRunFilters(TypedDict, total=False):
    """Filters for runs.

    Attributes:
        build_id: The id of a build (not its number).
    """

    build_id: str


class SuiteRunRef(InSuite):
    """The ref of a run of a test suite."""

    _kind = "suite_run"
    _paths = ("analytics/organizations/{organization}/suites/{suite}/runs/{id}",)

    if TYPE_CHECKING:
        id: str

    def fetch(self) -> SuiteRun:
        """Fetch the run.

        Raises:
            NotFoundError: The suite has none with this id.

        Documentation: https://buildkite.com/docs/apis/rest-api/test-engine/runs#get-a-run
        """
        return self._request(SuiteRun)

    def failed_executions(self) -> FailedExecutionQuerySet:
        """List the executions that failed.

        Documentation: https://buildkite.com/docs/apis/rest-api/test-engine/runs#get-failed-execution-data
        """
        return FailedExecutionQuerySet(self.session, self._child("failed_executions"))


class SuiteRun(SuiteRunRef, Fetchable):
    """A run of a test suite.

    Attributes:
        result: How it went; it is settled once `state` is `finished`, and `failed` at once.
        build_id: The id of its build; `org.build_tests(build_id)` lists the tests that ran in it.

    Documentation: https://buildkite.com/docs/apis/rest-api/test-engine/runs
    """

    id: str
    branch: str | None = None
    commit_sha: str | None = None
    state: SuiteRunState | None = None
    result: SuiteRunResult | None = None
    url: str
    web_url: str | None = None
    build_id: str | None = None
    created_at: Timestamp | None = None

    def _summary(self) -> Iterable[object]:
        on = f" on {self.branch}" if self.branch else ""
        yield f"{short_path(self._find_path())} {self.result or self.state}{on}"


class SuiteRunQuerySet(QuerySet[SuiteRun]):
    """The runs of a test suite."""

    _model = SuiteRun
    _filters_type = SuiteRunFilters

    def filter(self, **filters: Unpack[SuiteRunFilters]) -> Self:
        """Return a queryset with more filters; see `SuiteRunFilters`."""
        return self._filtered(filters)


class FailedExecution(InSuite, Resource):
    """One execution of a test that failed; returned in listings only.

    Attributes:
        duration: Seconds.
        tags: The tags of the execution, by keys such as `language.version`.

    Documentation: https://buildkite.com/docs/apis/rest-api/test-engine/runs#get-failed-execution-data
    """

    _kind: ClassVar[str] = "failed_execution"
    _paths: ClassVar[tuple[str, ...]] = (
        "analytics/organizations/{organization}/suites/{suite}/runs/{suite_run}/failed_executions/{execution_id}",
    )
    has_url: ClassVar[bool] = False

    execution_id: str
    run_id: str | None = None
    test_id: str | None = None
    run_name: str | None = None
    commit_sha: str | None = None
    created_at: Timestamp | None = None
    branch: str | None = None
    failure_reason: str | None = None
    duration: Number | None = None
    location: str | None = None
    test_name: str | None = None
    run_url: str | None = None
    test_url: str | None = None
    test_execution_url: str | None = None
    tags: dict[str, str] = Field(default_factory=dict[str, str])

    @property
    def run(self) -> SuiteRunRef:
        """The run that it belongs to."""
        return self._parent(SuiteRunRef)

    @property
    def test(self) -> SuiteTestRef:
        """The test that was executed."""
        from buildkite_orm.resources.test_engine.test import SuiteTestRef

        return self._sibling(SuiteTestRef, self.test_id)

    def _summary(self) -> Iterable[object]:
        yield f"{self.test_name} at {self.location}"
        yield quoted(self.failure_reason)


class FailedExecutionQuerySet(QuerySet[FailedExecution]):
    """The executions of a run that failed."""

    _model = FailedExecution
