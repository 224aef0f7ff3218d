"""Tests of a test suite, with their metrics and their state."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final, Literal, Self, TypedDict

from buildkite_orm.models.enums import OpenEnum
from buildkite_orm.models.resource import Fetchable, Resource, Timestamp
from buildkite_orm.querysets.queryset import QuerySet
from buildkite_orm.resources.parents import InSuite
from buildkite_orm.utils.json_types import Number, as_several

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from typing import Unpack

__all__ = [
    "BuildTestFilters",
    "BuildTestQuerySet",
    "FlakyTest",
    "FlakyTestFilters",
    "FlakyTestQuerySet",
    "MetricsWindow",
    "QuarantinedTestQuerySet",
    "SuiteTest",
    "SuiteTestFilters",
    "SuiteTestQuerySet",
    "SuiteTestRef",
    "SuiteTestState",
]

METRICS_VERSION: Final = {"Buildkite-Version": "2026-08-01"}
"""The version of the API that returns metrics, and supports the filters for them."""

_COMMA_SEPARATED: Final = frozenset({"labels", "owners", "tags"})
_WITHOUT_VERSION: Final = frozenset({"label", "with_metrics"})


class SuiteTestState(OpenEnum):
    """Whether a test runs, and whether its failures count: `muted` runs without, `skipped` does not run."""

    ENABLED = "enabled"
    MUTED = "muted"
    SKIPPED = "skipped"


class MetricsWindow(TypedDict, total=False):
    """The time over which metrics are aggregated: a period up to now, or from and to a moment.

    Attributes:
        period: As `7days` or `28days`; which ones there are depends on the organization.
        min_timestamp: The beginning; not together with `period`.
        max_timestamp: The end, now by default; not together with `period`.
    """

    period: str
    min_timestamp: datetime
    max_timestamp: datetime


class BuildTestFilters(TypedDict, total=False):
    """Filters of tests by their executions, and their order. `!` before a value excludes it.

    Attributes:
        labels: One label or several: `["flaky", "!slow"]`.
        branch: Aggregate only executions on this branch; `main`, `!main` or `feature*`.
        owners: The slug of a team that owns the test, or several.
        state: The state of the test.
        tags: Tags of executions, as `key:value`, one or several; `framework:!rspec`, `scm.branch:feature*`. For
            `result`, `result:~failed` is a test with a failed execution and `result:^failed` one with no other.
        sort_by: By which metric; `duration_avg` by default.
        order: In which direction; `desc` by default.
    """

    labels: str | Sequence[str]
    branch: str
    owners: str | Sequence[str]
    state: SuiteTestState | Literal["enabled", "muted", "skipped"]
    tags: str | Sequence[str]
    sort_by: Literal["duration_avg", "duration_sum", "duration_min", "duration_max", "reliability"]
    order: Literal["asc", "desc"]


class SuiteTestFilters(BuildTestFilters, MetricsWindow, total=False):
    """Filters for the tests of a suite, and how much of each is returned.

    Attributes:
        label: One label, of all tests; not together with `labels`.
        with_metrics: Whether each test contains its metrics. Then only tests that ran in the time over which these
            are aggregated are listed. Every filter but `label` goes with metrics, and brings them along.
    """

    label: str
    with_metrics: bool


class FlakyTestFilters(TypedDict, total=False):
    """Filters for flaky tests.

    Attributes:
        search: A part of the name or the scope (of the location too, if the collector sends it).
        branch: A branch on which the test was flaky.
        period: How far back to look; `7days` by default.
    """

    search: str
    branch: str
    period: Literal["1hour", "4hours", "1day", "7days", "14days", "28days"]


class SuiteTestRef(InSuite):
    """The ref of a test of a suite."""

    _kind = "suite_test"
    _paths = ("analytics/organizations/{organization}/suites/{suite}/tests/{id}",)

    if TYPE_CHECKING:
        id: str

    def fetch(self, **window: Unpack[MetricsWindow]) -> SuiteTest:
        """Fetch the test with its metrics.

        Args:
            window: See `MetricsWindow`; the organization has a default.

        Raises:
            NotFoundError: The suite has none with this id.

        Documentation: https://buildkite.com/docs/apis/rest-api/test-engine/tests#get-a-test
        """
        return self._request(SuiteTest, params=window, headers=METRICS_VERSION)

    def skip(self) -> SuiteTest:
        """Skip the test: it does not run any more.

        Documentation: https://buildkite.com/docs/apis/rest-api/test-engine/quarantine#update-test-state-skip-test
        """
        return self._request(SuiteTest, "PUT", "skip", idempotent=False)

    def mute(self) -> SuiteTest:
        """Mute the test: it runs, and its failures do not count.

        Documentation: https://buildkite.com/docs/apis/rest-api/test-engine/quarantine#update-test-state-mute-test
        """
        return self._request(SuiteTest, "PUT", "mute", idempotent=False)

    def enable(self) -> SuiteTest:
        """Enable the test: it runs and counts again.

        Documentation: https://buildkite.com/docs/apis/rest-api/test-engine/quarantine#update-test-state-enable-test
        """
        return self._request(SuiteTest, "PUT", "enable", idempotent=False)

    def add_labels(self, *labels: str) -> SuiteTest:
        """Add labels; those that it has already stay.

        Args:
            labels: Which ones.

        Raises:
            UnprocessableEntityError: No labels were given.

        Documentation:
            https://buildkite.com/docs/apis/rest-api/test-engine/tests#add-or-remove-labels-from-a-test
        """
        return self._label("add", labels)

    def remove_labels(self, *labels: str) -> SuiteTest:
        """Remove labels; the others stay.

        Args:
            labels: Which ones.

        Raises:
            UnprocessableEntityError: No labels were given.

        Documentation:
            https://buildkite.com/docs/apis/rest-api/test-engine/tests#add-or-remove-labels-from-a-test
        """
        return self._label("remove", labels)

    def _label(self, operator: str, labels: Sequence[str]) -> SuiteTest:
        return self._request(SuiteTest, "PATCH", "labels", body={"operator": operator, "labels": list(labels)})


class SuiteTest(SuiteTestRef, Fetchable):
    """A test of a suite.

    `fetch()`, listings with metrics and the listings of a build return the metrics; otherwise they are None.
    Durations are in seconds.

    Attributes:
        labels: Its labels; None if they were not returned.
        reliability: The share of its executions, of those that passed or failed, that passed: 0.0 to 1.0. None too
            if there were none.
        executions_count_by_result: `passed` and `failed`, and further results if there were any.

    Documentation: https://buildkite.com/docs/apis/rest-api/test-engine/tests
    """

    id: str
    url: str
    web_url: str | None = None
    scope: str | None = None
    name: str
    location: str | None = None
    file_name: str | None = None
    labels: list[str] | None = None
    reliability: Number | None = None
    duration_avg: Number | None = None
    duration_sum: Number | None = None
    duration_min: Number | None = None
    duration_max: Number | None = None
    executions_count: int | None = None
    executions_count_by_result: dict[str, int] | None = None

    def reload(self, **window: Unpack[MetricsWindow]) -> Self:
        """Load this test again, into itself, with its metrics.

        Args:
            window: See `MetricsWindow`; the organization has a default.

        Raises:
            NotFoundError: It does not exist any more.
        """
        return self._copy_data_from(self.fetch(**window))  # type: ignore[arg-type]

    def _summary(self) -> Iterable[object]:
        yield f"{self.scope or ''} {self.name}"
        yield self.location


class SuiteTestQuerySet(QuerySet[SuiteTest]):
    """The tests of a suite: all of them, or with their metrics those that ran."""

    _model = SuiteTest
    _filters_type = SuiteTestFilters

    def filter(self, **filters: Unpack[SuiteTestFilters]) -> Self:
        """Return a queryset with more filters; see `SuiteTestFilters`."""
        return self._filtered(filters)

    def _params(self) -> Mapping[str, object]:
        return _comma_separated({name: value for name, value in self._filters.items() if name != "with_metrics"})

    def _headers(self) -> Mapping[str, str]:
        used = {name for name, value in self._filters.items() if value is not None}
        return METRICS_VERSION if self._filters.get("with_metrics") or used - _WITHOUT_VERSION else {}


class BuildTestQuerySet(QuerySet[SuiteTest]):
    """The tests that ran in a build, of all suites that the token reaches, with their metrics in that build."""

    _model = SuiteTest
    _filters_type = BuildTestFilters

    def filter(self, **filters: Unpack[BuildTestFilters]) -> Self:
        """Return a queryset with more filters; see `BuildTestFilters`."""
        return self._filtered(filters)

    def _params(self) -> Mapping[str, object]:
        return _comma_separated(self._filters)


class QuarantinedTestQuerySet(QuerySet[SuiteTest]):
    """The tests of a suite that are muted, or those that are skipped."""

    _model = SuiteTest


class FlakyTest(SuiteTestRef, Resource):
    """A test in the listing of flaky tests; `fetch()` returns the `SuiteTest`.

    Attributes:
        instances: How often it was flaky.

    Documentation:
        https://buildkite.com/docs/apis/rest-api/test-engine/flaky-tests#legacy-flaky-tests-endpoint-deprecated
    """

    has_url: ClassVar[bool] = False

    id: str
    web_url: str | None = None
    scope: str | None = None
    name: str
    location: str | None = None
    file_name: str | None = None
    instances: int | None = None
    latest_occurrence_at: Timestamp | None = None
    most_recent_instance_at: Timestamp | None = None
    last_resolved_at: Timestamp | None = None
    ownership_team_ids: list[str] | None = None

    def _summary(self) -> Iterable[object]:
        yield f"{self.scope or ''} {self.name}"
        yield self.location


class FlakyTestQuerySet(QuerySet[FlakyTest]):
    """The tests of a suite that were flaky."""

    _model = FlakyTest
    _filters_type = FlakyTestFilters

    def filter(self, **filters: Unpack[FlakyTestFilters]) -> Self:
        """Return a queryset with more filters; see `FlakyTestFilters`."""
        return self._filtered(filters)


def _comma_separated(filters: Mapping[str, object]) -> dict[str, object]:
    """Write filters of several values as this part of the API reads them."""
    return {name: _joined(name, value) if name in _COMMA_SEPARATED else value for name, value in filters.items()}


def _joined(name: str, value: object) -> object:
    several = as_several(value)
    if several is None:
        return value
    if not several:
        msg = f"{name}={value!r}: an empty list would be no filter at all; leave it out, or name something"
        raise ValueError(msg)
    return ",".join(map(str, several))
