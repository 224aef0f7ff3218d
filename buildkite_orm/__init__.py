"""An ORM for Buildkite: validated objects that navigate, lazy querysets, and care with requests.

    from buildkite_orm import Buildkite, BuildState

    bk = Buildkite()                                     # token from BUILDKITE_API_TOKEN
    org = bk.organization("acme")
    for build in org.pipelines()[0].builds(state=BuildState.RUNNING):
        print(build.number, build.branch, build.message)

What is named here is loaded when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from buildkite_orm._version import __version__
from buildkite_orm.utils.lazy import lazy_names

if TYPE_CHECKING:
    from buildkite_orm.cache.options import Cache, CacheWarning
    from buildkite_orm.client import Buildkite
    from buildkite_orm.data.changes import Change, Changes, Gone
    from buildkite_orm.data.checkpoint import Checkpoint
    from buildkite_orm.errors import (
        AuthenticationError,
        BadRequestError,
        BuildBlockedError,
        BuildkiteError,
        BuildkiteWarning,
        ChecksumMismatchError,
        ConfigurationError,
        ConnectionFailedError,
        DownloadError,
        GoneError,
        ManyRequestsWarning,
        MultipleResultsError,
        NotCachedError,
        NotFoundError,
        PartialDownloadError,
        PermissionDeniedError,
        RateLimitError,
        RequestTimeoutError,
        ResponseError,
        ServerError,
        StatusError,
        TransportError,
        UnboundError,
        UnprocessableEntityError,
        UnsafePathError,
        UploadError,
        WaitTimeoutError,
    )
    from buildkite_orm.files.bulk import DownloadReport, FailedArtifact, SavedArtifact
    from buildkite_orm.files.download import ArtifactStream
    from buildkite_orm.http.events import RequestEvent, ResponseEvent
    from buildkite_orm.http.limits import SizeLimits
    from buildkite_orm.http.network import InsecureConnectionWarning
    from buildkite_orm.http.public_key import PublicKeyAuth
    from buildkite_orm.http.rate_limit import Budget
    from buildkite_orm.http.retry import RetryPolicy
    from buildkite_orm.logs.text import LogGroup, LogLine, LogMatch, LogText
    from buildkite_orm.models.enums import (
        AgentConnectionState,
        AnnotationScope,
        AnnotationStyle,
        ArtifactState,
        BuildSource,
        BuildState,
        JobFailure,
        JobState,
        JobType,
        OpenEnum,
        RetryType,
        SignalReason,
        Visibility,
    )
    from buildkite_orm.models.parsing import Drift, DriftWarning
    from buildkite_orm.models.ref import Ref
    from buildkite_orm.models.resource import Model, Resource
    from buildkite_orm.querysets.page import LoadedPage, Page
    from buildkite_orm.querysets.queryset import QuerySet
    from buildkite_orm.resources.account import AccessToken, Meta, User
    from buildkite_orm.resources.agent import Agent, AgentFilters, AgentQuerySet, AgentRef
    from buildkite_orm.resources.any_ref import AnyRef
    from buildkite_orm.resources.builds.annotation import (
        Annotation,
        AnnotationFilters,
        AnnotationOptions,
        AnnotationQuerySet,
        AnnotationRef,
    )
    from buildkite_orm.resources.builds.artifact import Artifact, ArtifactFilters, ArtifactQuerySet, ArtifactRef
    from buildkite_orm.resources.builds.build import Build, BuildRef
    from buildkite_orm.resources.builds.build_filters import BuildFetch, BuildFilters, BuildOptions
    from buildkite_orm.resources.builds.build_queryset import BuildQuerySet, PipelineBuildQuerySet
    from buildkite_orm.resources.builds.failures import AnnotationText, FailedJob, FailureSummary
    from buildkite_orm.resources.builds.job import (
        Job,
        JobRef,
        ManualJob,
        ScriptJob,
        TriggerJob,
        WaiterJob,
    )
    from buildkite_orm.resources.builds.job_queryset import JobFilters, JobQuerySet
    from buildkite_orm.resources.builds.log import Log, LogRef
    from buildkite_orm.resources.builds.waiting import BuildChange
    from buildkite_orm.resources.organizations.organization import Organization, OrganizationQuerySet, OrganizationRef
    from buildkite_orm.resources.pipelines.pipeline import (
        IgnoredChangeWarning,
        Pipeline,
        PipelineChanges,
        PipelineFilters,
        PipelineQuerySet,
    )
    from buildkite_orm.resources.pipelines.ref import PipelineRef
    from buildkite_orm.utils.clock import Clock, SystemClock
    from buildkite_orm.views.history.data import (
        History,
        HistoryBuild,
        HistoryDay,
        HistoryFigures,
        HistoryFilters,
    )
    from buildkite_orm.views.timeline.data import Timeline, TimelineRow, TimeSpent

__all__ = [
    "AccessToken",
    "Agent",
    "AgentConnectionState",
    "AgentFilters",
    "AgentQuerySet",
    "AgentRef",
    "Annotation",
    "AnnotationFilters",
    "AnnotationOptions",
    "AnnotationQuerySet",
    "AnnotationRef",
    "AnnotationScope",
    "AnnotationStyle",
    "AnnotationText",
    "AnyRef",
    "Artifact",
    "ArtifactFilters",
    "ArtifactQuerySet",
    "ArtifactRef",
    "ArtifactState",
    "ArtifactStream",
    "AuthenticationError",
    "BadRequestError",
    "Budget",
    "Build",
    "BuildBlockedError",
    "BuildChange",
    "BuildFetch",
    "BuildFilters",
    "BuildOptions",
    "BuildQuerySet",
    "BuildRef",
    "BuildSource",
    "BuildState",
    "Buildkite",
    "BuildkiteError",
    "BuildkiteWarning",
    "Cache",
    "CacheWarning",
    "Change",
    "Changes",
    "Checkpoint",
    "ChecksumMismatchError",
    "Clock",
    "ConfigurationError",
    "ConnectionFailedError",
    "DownloadError",
    "DownloadReport",
    "Drift",
    "DriftWarning",
    "FailedArtifact",
    "FailedJob",
    "FailureSummary",
    "Gone",
    "GoneError",
    "History",
    "HistoryBuild",
    "HistoryDay",
    "HistoryFigures",
    "HistoryFilters",
    "IgnoredChangeWarning",
    "InsecureConnectionWarning",
    "Job",
    "JobFailure",
    "JobFilters",
    "JobQuerySet",
    "JobRef",
    "JobState",
    "JobType",
    "LoadedPage",
    "Log",
    "LogGroup",
    "LogLine",
    "LogMatch",
    "LogRef",
    "LogText",
    "ManualJob",
    "ManyRequestsWarning",
    "Meta",
    "Model",
    "MultipleResultsError",
    "NotCachedError",
    "NotFoundError",
    "OpenEnum",
    "Organization",
    "OrganizationQuerySet",
    "OrganizationRef",
    "Page",
    "PartialDownloadError",
    "PermissionDeniedError",
    "Pipeline",
    "PipelineBuildQuerySet",
    "PipelineChanges",
    "PipelineFilters",
    "PipelineQuerySet",
    "PipelineRef",
    "PublicKeyAuth",
    "QuerySet",
    "RateLimitError",
    "Ref",
    "RequestEvent",
    "RequestTimeoutError",
    "Resource",
    "ResponseError",
    "ResponseEvent",
    "RetryPolicy",
    "RetryType",
    "SavedArtifact",
    "ScriptJob",
    "ServerError",
    "SignalReason",
    "SizeLimits",
    "StatusError",
    "SystemClock",
    "TimeSpent",
    "Timeline",
    "TimelineRow",
    "TransportError",
    "TriggerJob",
    "UnboundError",
    "UnprocessableEntityError",
    "UnsafePathError",
    "UploadError",
    "User",
    "Visibility",
    "WaitTimeoutError",
    "WaiterJob",
    "__version__",
]

_HOMES: Final = {
    "resources.any_ref": ("AnyRef",),
    "cache.options": (
        "Cache",
        "CacheWarning",
    ),
    "client": ("Buildkite",),
    "data.changes": (
        "Change",
        "Changes",
        "Gone",
    ),
    "data.checkpoint": ("Checkpoint",),
    "files.bulk": (
        "DownloadReport",
        "FailedArtifact",
        "SavedArtifact",
    ),
    "utils.clock": (
        "Clock",
        "SystemClock",
    ),
    "files.download": ("ArtifactStream",),
    "errors": (
        "AuthenticationError",
        "BadRequestError",
        "BuildBlockedError",
        "BuildkiteError",
        "BuildkiteWarning",
        "ChecksumMismatchError",
        "ConfigurationError",
        "ConnectionFailedError",
        "DownloadError",
        "GoneError",
        "ManyRequestsWarning",
        "MultipleResultsError",
        "NotCachedError",
        "NotFoundError",
        "PartialDownloadError",
        "PermissionDeniedError",
        "RateLimitError",
        "RequestTimeoutError",
        "ResponseError",
        "ServerError",
        "StatusError",
        "TransportError",
        "UnboundError",
        "UnprocessableEntityError",
        "UnsafePathError",
        "UploadError",
        "WaitTimeoutError",
    ),
    "resources.builds.failures": (
        "AnnotationText",
        "FailedJob",
        "FailureSummary",
    ),
    "http.events": (
        "RequestEvent",
        "ResponseEvent",
    ),
    "http.limits": ("SizeLimits",),
    "http.network": ("InsecureConnectionWarning",),
    "views.history.data": (
        "History",
        "HistoryBuild",
        "HistoryDay",
        "HistoryFigures",
        "HistoryFilters",
    ),
    "models.parsing": (
        "Drift",
        "DriftWarning",
    ),
    "logs.text": (
        "LogGroup",
        "LogLine",
        "LogMatch",
        "LogText",
    ),
    "querysets.page": (
        "LoadedPage",
        "Page",
    ),
    "querysets.queryset": ("QuerySet",),
    "models.ref": ("Ref",),
    "models.resource": (
        "Model",
        "Resource",
    ),
    "resources.account": (
        "AccessToken",
        "Meta",
        "User",
    ),
    "resources.agent": (
        "Agent",
        "AgentFilters",
        "AgentQuerySet",
        "AgentRef",
    ),
    "resources.builds.annotation": (
        "Annotation",
        "AnnotationFilters",
        "AnnotationOptions",
        "AnnotationQuerySet",
        "AnnotationRef",
    ),
    "resources.builds.artifact": (
        "Artifact",
        "ArtifactFilters",
        "ArtifactQuerySet",
        "ArtifactRef",
    ),
    "resources.builds.build": (
        "Build",
        "BuildRef",
    ),
    "resources.builds.build_filters": (
        "BuildFetch",
        "BuildFilters",
        "BuildOptions",
    ),
    "resources.builds.build_queryset": (
        "BuildQuerySet",
        "PipelineBuildQuerySet",
    ),
    "resources.builds.job": (
        "Job",
        "JobRef",
        "ManualJob",
        "ScriptJob",
        "TriggerJob",
        "WaiterJob",
    ),
    "resources.builds.job_queryset": (
        "JobFilters",
        "JobQuerySet",
    ),
    "resources.builds.log": (
        "Log",
        "LogRef",
    ),
    "resources.organizations.organization": (
        "Organization",
        "OrganizationQuerySet",
        "OrganizationRef",
    ),
    "resources.pipelines.pipeline": (
        "IgnoredChangeWarning",
        "Pipeline",
        "PipelineChanges",
        "PipelineFilters",
        "PipelineQuerySet",
    ),
    "resources.pipelines.ref": ("PipelineRef",),
    "http.public_key": ("PublicKeyAuth",),
    "http.rate_limit": ("Budget",),
    "http.retry": ("RetryPolicy",),
    "models.enums": (
        "AgentConnectionState",
        "AnnotationScope",
        "AnnotationStyle",
        "ArtifactState",
        "BuildSource",
        "BuildState",
        "JobFailure",
        "JobState",
        "JobType",
        "OpenEnum",
        "RetryType",
        "SignalReason",
        "Visibility",
    ),
    "views.timeline.data": (
        "TimeSpent",
        "Timeline",
        "TimelineRow",
    ),
    "resources.builds.waiting": ("BuildChange",),
}

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
