"""The states and kinds that Buildkite names, as enums that stay open.

A value that is not known yet is a member all the same: it equals, prints and dumps as its string.

    >>> BuildState("passed") is BuildState.PASSED
    True
    >>> BuildState("brand-new") == "brand-new"
    True
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

from pydantic_core import core_schema

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler


class OpenEnum(StrEnum):
    """A string enum that takes any string."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        member = str.__new__(cls, value)
        member._name_ = value
        member._value_ = value
        return member

    @property
    def is_known(self) -> bool:
        """Whether the value is one that was documented when the library was made."""
        return self._value_ in type(self)._value2member_map_

    def __repr__(self) -> str:
        return super().__repr__() if self.is_known else f"<{type(self).__name__}: {self._value_!r}>"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Accept strings in strict mode too, since JSON has no enums; known values need no Python call."""
        known = core_schema.enum_schema(cls, list(cls.__members__.values()), sub_type="str", strict=False)
        new = core_schema.no_info_plain_validator_function(cls)
        as_string = core_schema.plain_serializer_function_ser_schema(_write, when_used="json")
        return core_schema.union_schema([known, new], mode="left_to_right", serialization=as_string)


def _write(value: object) -> object:
    """Serialize an enum as its string, and a value that was kept instead of one as received."""
    return value.value if isinstance(value, OpenEnum) else value


class BuildState(OpenEnum):
    """The states of a build. A blocked build may keep its last state: look at `blocked` first."""

    CREATING = "creating"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    PASSED = "passed"
    FAILING = "failing"
    FAILED = "failed"
    BLOCKED = "blocked"
    CANCELING = "canceling"
    CANCELED = "canceled"
    SKIPPED = "skipped"
    NOT_RUN = "not_run"
    WAITING = "waiting"
    WAITING_FAILED = "waiting_failed"


class BuildSource(OpenEnum):
    """The source that started a build."""

    WEBHOOK = "webhook"
    API = "api"
    UI = "ui"
    TRIGGER_JOB = "trigger_job"
    SCHEDULE = "schedule"


class JobType(OpenEnum):
    """The kinds of job. A group step is not a job: see a job's `group_key`."""

    SCRIPT = "script"
    WAITER = "waiter"
    MANUAL = "manual"
    TRIGGER = "trigger"


class JobState(OpenEnum):
    """The states of a job."""

    PENDING = "pending"
    WAITING = "waiting"
    WAITING_FAILED = "waiting_failed"
    BLOCKED = "blocked"
    BLOCKED_FAILED = "blocked_failed"
    UNBLOCKED = "unblocked"
    UNBLOCKED_FAILED = "unblocked_failed"
    LIMITING = "limiting"
    LIMITED = "limited"
    SCHEDULED = "scheduled"
    ASSIGNED = "assigned"
    ACCEPTED = "accepted"
    RUNNING = "running"
    PASSED = "passed"
    FAILED = "failed"
    TIMING_OUT = "timing_out"
    TIMED_OUT = "timed_out"
    CANCELING = "canceling"
    CANCELED = "canceled"
    SKIPPED = "skipped"
    BROKEN = "broken"
    EXPIRED = "expired"


class JobFailure(StrEnum):
    """The way a job failed.

    `PROMISED` runs still, and has declared that it will fail; `SOFT_FAILED` failed, which its step allows.
    """

    FAILED = "failed"
    TIMED_OUT = "timed_out"
    EXPIRED = "expired"
    CANCELED = "canceled"
    PROMISED = "promised"
    SOFT_FAILED = "soft_failed"


class SignalReason(OpenEnum):
    """The reason for a signal to a job, or why its process could not start."""

    AGENT_STOP = "agent_stop"
    CANCEL = "cancel"
    PROCESS_RUN_ERROR = "process_run_error"
    AGENT_REFUSED = "agent_refused"
    SIGNATURE_REJECTED = "signature_rejected"
    STACK_ERROR = "stack_error"
    AGENT_INCOMPATIBLE = "agent_incompatible"


class RetryType(OpenEnum):
    """The kind of a retry."""

    MANUAL = "manual"
    AUTOMATIC = "automatic"


class ArtifactState(OpenEnum):
    """The states of an artifact. One that is `new` may be downloadable all the same."""

    NEW = "new"
    ERROR = "error"
    FINISHED = "finished"
    DELETED = "deleted"
    EXPIRED = "expired"


class AnnotationStyle(OpenEnum):
    """The styles of annotations."""

    SUCCESS = "success"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class AnnotationScope(OpenEnum):
    """The object that an annotation belongs to."""

    BUILD = "build"
    JOB = "job"


class AgentConnectionState(OpenEnum):
    """Whether an agent is there."""

    NEVER_CONNECTED = "never_connected"
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    STOPPING = "stopping"
    STOPPED = "stopped"
    LOST = "lost"


class Visibility(OpenEnum):
    """The users who can see a pipeline."""

    PRIVATE = "private"
    PUBLIC = "public"
