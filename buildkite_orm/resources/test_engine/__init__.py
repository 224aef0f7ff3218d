"""Test Engine: suites, their runs, and their tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkite_orm.utils.lazy import lazy_names

if TYPE_CHECKING:
    from buildkite_orm.resources.test_engine.run import (
        FailedExecution,
        FailedExecutionQuerySet,
        SuiteRun,
        SuiteRunFilters,
        SuiteRunQuerySet,
        SuiteRunRef,
        SuiteRunResult,
        SuiteRunState,
    )
    from buildkite_orm.resources.test_engine.suite import (
        Suite,
        SuiteChanges,
        SuiteFilters,
        SuiteOptions,
        SuiteQuerySet,
        SuiteRef,
    )
    from buildkite_orm.resources.test_engine.test import (
        BuildTestFilters,
        BuildTestQuerySet,
        FlakyTest,
        FlakyTestFilters,
        FlakyTestQuerySet,
        MetricsWindow,
        QuarantinedTestQuerySet,
        SuiteTest,
        SuiteTestFilters,
        SuiteTestQuerySet,
        SuiteTestRef,
        SuiteTestState,
    )

__all__ = [
    "BuildTestFilters",
    "BuildTestQuerySet",
    "FailedExecution",
    "FailedExecutionQuerySet",
    "FlakyTest",
    "FlakyTestFilters",
    "FlakyTestQuerySet",
    "MetricsWindow",
    "QuarantinedTestQuerySet",
    "Suite",
    "SuiteChanges",
    "SuiteFilters",
    "SuiteOptions",
    "SuiteQuerySet",
    "SuiteRef",
    "SuiteRun",
    "SuiteRunFilters",
    "SuiteRunQuerySet",
    "SuiteRunRef",
    "SuiteRunResult",
    "SuiteRunState",
    "SuiteTest",
    "SuiteTestFilters",
    "SuiteTestQuerySet",
    "SuiteTestRef",
    "SuiteTestState",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "run": (
            "FailedExecution",
            "FailedExecutionQuerySet",
            "SuiteRun",
            "SuiteRunFilters",
            "SuiteRunQuerySet",
            "SuiteRunRef",
            "SuiteRunResult",
            "SuiteRunState",
        ),
        "suite": ("Suite", "SuiteChanges", "SuiteFilters", "SuiteOptions", "SuiteQuerySet", "SuiteRef"),
        "test": (
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
        ),
    },
)
