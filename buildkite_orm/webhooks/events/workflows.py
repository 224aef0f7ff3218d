"""The events of Test Engine: a workflow's monitor has raised an alarm, or recovered from it.

Three payloads are documented, one for each kind of monitor: one with the test and its workflow around it, and two
without. A monitor's part is read in both places.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self, cast

from pydantic import Discriminator, Tag

from buildkite_orm.models.resource import Model, Timestamp
from buildkite_orm.utils.json_types import Number, as_object
from buildkite_orm.webhooks.events.base import WebhookEvent

if TYPE_CHECKING:
    import builtins
    from collections.abc import Mapping


class WorkflowSubject(Model):
    """The test that a workflow is about.

    Attributes:
        type: The kind of subject: `test`.
        test_id: The id of the test.
        test_full_name: Its name, with the groups around it.
        test_location: The file and line that it is in.
        test_url: The URL of its page; `bk.from_url(…)` returns its ref.
    """

    type: str | None = None
    test_id: str | None = None
    test_full_name: str | None = None
    test_location: str | None = None
    test_url: str | None = None


class MonitorEvent(WebhookEvent):
    """The measurement of a monitor of a kind that has no class of its own.

    Attributes:
        type: The kind of monitor.

    Documentation: https://buildkite.com/docs/pipelines/configure/tests/workflows/monitors
    """

    type: str | None = None

    @classmethod
    def class_for(cls, data: Mapping[str, Any]) -> builtins.type[Self]:
        """Choose the class of a kind of monitor."""
        kind = _MONITORS.get(str(data.get("type")), cls) if cls is MonitorEvent else cls
        return cast("builtins.type[Self]", kind)


class TransitionCount(MonitorEvent):
    """The number of changes between passed and failed crossed a threshold."""


class PassedOnRetry(MonitorEvent):
    """A test failed and passed on the same commit.

    Attributes:
        timestamp: The time of the measurement.
        execution_id: The id of the execution of the test.
        execution_run_id: The id of its run.
        execution_commit_sha: Its commit.
        execution_branch: Its branch.
        window_days: The days that the monitor looks back.
        window_executions: The executions that it looks at.
        commit_count_threshold_high: The commits that raise an alarm.
        commit_count_threshold_low: The commits at which it recovers.
        executions_in_window: The executions that were looked at.
        days_in_window: The days that they are from.
        commit_count: The commits on which that happened.
    """

    timestamp: Timestamp | None = None
    execution_id: str | None = None
    execution_run_id: str | None = None
    execution_commit_sha: str | None = None
    execution_branch: str | None = None
    window_days: int | None = None
    window_executions: int | None = None
    commit_count_threshold_high: int | None = None
    commit_count_threshold_low: int | None = None
    executions_in_window: int | None = None
    days_in_window: int | None = None
    commit_count: int | None = None


class ProbabilisticFlakiness(MonitorEvent):
    """The probability that a test is flaky crossed a threshold.

    Attributes:
        timestamp: The time of the measurement.
        branch_filter: The branches that the monitor looks at.
        score: The score, from 0 to 1.
        score_threshold_high: The score that raises an alarm.
        score_threshold_low: The score at which it recovers.
    """

    timestamp: Timestamp | None = None
    branch_filter: str | None = None
    score: Number | None = None
    score_threshold_high: Number | None = None
    score_threshold_low: Number | None = None


_MONITORS: dict[str, type[MonitorEvent]] = {
    "transition_count": TransitionCount,
    "passed_on_retry": PassedOnRetry,
    "probabilistic_flakiness": ProbabilisticFlakiness,
}


def _name_of_kind(data: Any) -> str:
    if isinstance(data, MonitorEvent):
        return type(data).__name__
    return MonitorEvent.class_for(as_object(data) or {}).__name__


AnyMonitorEvent = Annotated[
    Annotated[MonitorEvent, Tag("MonitorEvent")]
    | Annotated[TransitionCount, Tag("TransitionCount")]
    | Annotated[PassedOnRetry, Tag("PassedOnRetry")]
    | Annotated[ProbabilisticFlakiness, Tag("ProbabilisticFlakiness")],
    Discriminator(_name_of_kind),
]
"""The measurement of a monitor, as the class that its type says."""


class WorkflowEvent(WebhookEvent):
    """An event of a workflow.

    Attributes:
        subject: The test that it is about.
        workflow_id: The id of the workflow.
        workflow_url: The URL of its page.
        workflow_event: The measurement of the monitor.

    Documentation: https://buildkite.com/docs/pipelines/configure/tests/workflows/actions#send-webhook-notification
    """

    subject: WorkflowSubject | None = None
    workflow_id: str | None = None
    workflow_url: str | None = None
    workflow_event: AnyMonitorEvent | None = None


class WorkflowAlarm(WorkflowEvent):
    """A monitor has raised an alarm."""

    kinds: ClassVar[frozenset[str]] = frozenset({"workflow.alarm"})


class WorkflowRecover(WorkflowEvent):
    """A monitor has recovered from its alarm."""

    kinds: ClassVar[frozenset[str]] = frozenset({"workflow.recover"})
