"""Calls of the operations on test suites, their runs and tests."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from tests.operations.clusters import first_id

if TYPE_CHECKING:
    from tests.operations.stage import Call, Stage

TIMES: Final[Any] = {
    "min_timestamp": datetime(2026, 7, 1, tzinfo=UTC),
    "max_timestamp": datetime(2026, 7, 31, tzinfo=UTC),
}
TEST_FILTERS: Final[Any] = {
    "labels": ["slow"],
    "branch": "main",
    "owners": ["o"],
    "state": "enabled",
    "tags": "language.name:ruby",
    "sort_by": "reliability",
    "order": "asc",
}
SUITE: Final[Any] = {
    "name": "New",
    "default_branch": "main",
    "show_api_token": True,
    "application_name": "a",
    "color": "#14CC80",
    "emoji": ":rocket:",
    "oidc_policy": [{"iss": "https://agent.buildkite.com"}],
}


def suite_test(stage: Stage) -> Any:
    return stage.suite.test(first_id(stage.admin.suite("rspec").tests()))


def suite_run(stage: Stage) -> Any:
    return stage.suite.run(first_id(stage.admin.suite("rspec").runs()))


def list_build_tests(stage: Stage) -> object:
    (latest, *_) = stage.admin.suite("rspec").runs()
    return stage.org.build_tests(str(latest.build_id), **TEST_FILTERS)


def update_execution_tags(stage: Stage) -> None:
    failed = next(execution for each in stage.admin.suite("rspec").runs() for execution in each.failed_executions())
    stage.suite.update_execution_tags({failed.execution_id: {"mut.label": "flaky"}})


CALLS: Final[dict[str, Call]] = {
    "test_engine/build_tests.list-tests-for-a-build": list_build_tests,
    "test_engine/execution_tags.update-execution-tags": update_execution_tags,
    "test_engine/flaky_tests.legacy-flaky-tests-endpoint-deprecated": lambda s: s.suite.flaky_tests(
        search="s", branch="main", period="7days"
    ),
    "test_engine/quarantine.enable-test": lambda s: suite_test(s).enable(),
    "test_engine/quarantine.mute-test": lambda s: suite_test(s).mute(),
    "test_engine/quarantine.muted-tests": lambda s: s.suite.muted_tests(),
    "test_engine/quarantine.skip-test": lambda s: suite_test(s).skip(),
    "test_engine/quarantine.skipped-tests": lambda s: s.suite.skipped_tests(),
    "test_engine/runs.get-a-run": lambda s: suite_run(s).fetch(),
    "test_engine/runs.get-failed-execution-data": lambda s: suite_run(s).failed_executions(),
    "test_engine/runs.list-all-runs": lambda s: s.suite.runs(build_id="0190"),
    "test_engine/suites.create-a-suite": lambda s: s.org.suites().create(**SUITE, team_ids=[s.team_id]),
    "test_engine/suites.delete-a-suite": lambda s: s.suite.delete(),
    "test_engine/suites.get-a-suite": lambda s: s.suite.fetch(show_api_token=True),
    "test_engine/suites.list-all-suites": lambda s: s.org.suites(show_api_token=True),
    "test_engine/suites.update-a-suite": lambda s: s.suite.update(**SUITE),
    "test_engine/tests.add-or-remove-labels-from-a-test": lambda s: suite_test(s).add_labels("slow"),
    "test_engine/tests.find-a-test-with-scope-and-name": lambda s: s.suite.find_test(
        scope="User#name", name="is not blank"
    ),
    "test_engine/tests.get-a-test": lambda s: (suite_test(s).fetch(period="7days"), suite_test(s).fetch(**TIMES)),
    "test_engine/tests.list-tests": lambda s: (
        s.suite.tests(**TEST_FILTERS, period="7days"),
        s.suite.tests(label="slow", **TIMES),
    ),
}
