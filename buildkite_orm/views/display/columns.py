"""The columns of tables and the lines of cards, by class.

A class without an entry in `COLUMNS` has a column for each of its `_repr_fields`, for its state, and for its creation
time, so that a new class needs no entry.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from buildkite_orm.models.enums import JobFailure
from buildkite_orm.models.paths import path_from_url, short_path
from buildkite_orm.models.resource import repr_fields
from buildkite_orm.resources.builds.status import build_is_blocked, job_failure, job_share, job_title
from buildkite_orm.utils.text import short_size
from buildkite_orm.views.display.cells import Linked, Styled
from buildkite_orm.views.display.status_colors import StatusStyle, style_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildkite_orm.models.resource import Resource
    from buildkite_orm.resources.agent import Agent
    from buildkite_orm.resources.builds.annotation import Annotation
    from buildkite_orm.resources.builds.artifact import Artifact
    from buildkite_orm.resources.builds.build import Build
    from buildkite_orm.resources.builds.job import Job
    from buildkite_orm.resources.clusters.cache_volume import CacheVolume
    from buildkite_orm.resources.test_engine.run import FailedExecution
    from buildkite_orm.resources.test_engine.test import FlakyTest, SuiteTest

_STATES: Final = ("state", "connection_state", "status", "result", "style")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table, or a line of a card.

    Attributes:
        title: Its heading.
        value: Returns its value for a resource.
        fields: The fields that it shows.
        long: Whether it has texts, which are truncated if there is no room.
        minor: Whether it is omitted if there is no room.
    """

    title: str
    value: Callable[[Any], object]
    fields: tuple[str, ...] = ()
    long: bool = False
    minor: bool = False


def columns_of(model: type[Resource]) -> tuple[Column, ...]:
    """Return the columns of a class: those declared below, or else columns of its fields."""
    declared = (COLUMNS[kind.__name__] for kind in model.__mro__ if kind.__name__ in COLUMNS)
    return next(declared, None) or _by_fields(model)


def field(name: str, title: str = "", *, long: bool = False, minor: bool = False) -> Column:
    """Return the column of a field; a state is styled.

    Args:
        name: The name of the field.
        title: The heading; the name of the field unless given.
        long: Whether it has texts, which are truncated if there is no room.
        minor: Whether it is omitted if there is no room.
    """

    def read(resource: Resource) -> object:
        value = resource.__dict__.get(name)
        return value if name not in _STATES or value is None else Styled(value, style_of(value))

    return Column(title or name.removesuffix("_at").replace("_", " "), read, (name,), long=long, minor=minor)


def linked(name: str, title: str = "", *, long: bool = False) -> Column:
    """Return the column of a field that is linked to the page of the resource."""

    def read(resource: Resource) -> object:
        return Linked(resource.__dict__.get(name), resource.__dict__.get("web_url"))

    return Column(title or name.replace("_", " "), read, (name, "web_url"), long=long)


def _by_fields(model: type[Resource]) -> tuple[Column, ...]:
    names = repr_fields(model) or tuple(name for name in (model.identity, "name") if name in model.model_fields)
    more = (name for name in (*_STATES, "created_at") if name in model.model_fields and name not in names)
    first, *others = (*names, *more) or ("url",)
    return (linked(first), *(field(name, long=name in {"description", "name"}) for name in others))


# -- builds and jobs --------------------------------------------------------------------------------------------------


def _build(build: Build) -> object:
    organization, _, rest = short_path(build.api_path).partition("/")
    return Linked(rest or organization, build.web_url)


def _build_state(build: Build) -> object:
    blocked = build_is_blocked(build)
    return Styled("blocked" if blocked else build.state, style_of(build.state, blocked=blocked))


def _creator(build: Build) -> object:
    return build.creator or build.author


def _job(job: Job) -> object:
    return Linked(f"{job_title(job)} {job_share(job)}", job.web_url)


def _job_state(job: Job) -> object:
    soft = job_failure(job) is JobFailure.SOFT_FAILED
    shown = f"{'soft ' if soft else ''}{job.state or ''}{', retried' if job.was_retried else ''}"
    return Styled(shown, StatusStyle.WAITING if soft else StatusStyle.QUIET if job.was_retried else style_of(job.state))


def _annotation(annotation: Annotation) -> object:
    from buildkite_orm.resources.builds.failures import html_to_text  # noqa: PLC0415 - only for annotations

    return html_to_text(annotation.body_html or "")


def _size(artifact: Artifact) -> object:
    return None if artifact.file_size is None else short_size(artifact.file_size)


# -- agents and clusters ----------------------------------------------------------------------------------------------


def _agent_state(agent: Agent) -> object:
    if agent.paused:
        return Styled("paused", StatusStyle.BLOCKED)
    return Styled(agent.connection_state, style_of(agent.connection_state))


def _agent_job(agent: Agent) -> object:
    return agent.embedded_job and Linked(job_title(agent.embedded_job), agent.embedded_job.web_url)


def _megabytes(volume: CacheVolume) -> object:
    return short_size(volume.size_mb * 10**6) if isinstance(volume.size_mb, int) else None


# -- tests, packages, teams -------------------------------------------------------------------------------------------


def _test(test: SuiteTest | FlakyTest) -> object:
    return Linked(f"{test.scope or ''} {test.name}", test.web_url)


def _reliability(test: SuiteTest) -> object:
    return None if test.reliability is None else f"{test.reliability:.1%}"


def _seconds(name: str) -> Callable[[SuiteTest | FailedExecution], object]:
    def read(resource: SuiteTest | FailedExecution) -> object:
        seconds = resource.__dict__.get(name)
        return None if seconds is None else f"{seconds:.3g} s"

    return read


def _short_path(name: str) -> Callable[[Resource], object]:
    """Return a function that reads an API URL as a short path."""

    def read(resource: Resource) -> object:
        path = path_from_url(resource.__dict__.get(name))
        return None if path is None else short_path(path)

    return read


def _nested(name: str, *parts: str) -> Callable[[Resource], object]:
    """Return a function that reads a nested attribute."""

    def read(resource: Resource) -> object:
        found = resource.__dict__.get(name)
        for part in parts:
            found = getattr(found, part, None)
        return found

    return read


COLUMNS: Final[dict[str, tuple[Column, ...]]] = {
    "Build": (
        Column("build", _build, ("number", "web_url")),
        Column("state", _build_state, ("state", "blocked")),
        field("branch", long=True),
        field("message", long=True),
        Column("by", _creator, ("creator", "author"), minor=True),
        field("created_at"),
        Column("waited", lambda build: build.queue_time, minor=True),
        Column("took", lambda build: build.duration),
    ),
    "Job": (
        Column("job", _job, ("name", "label", "web_url", "parallel_group_index", "parallel_group_total"), long=True),
        Column("state", _job_state, ("state", "soft_failed", "retried")),
        field("exit_status", "exit"),
        field("agent", long=True, minor=True),
        field("started_at"),
        Column("waited", lambda job: job.queue_time, minor=True),
        Column("took", lambda job: job.duration),
    ),
    "Artifact": (
        field("path", long=True),
        Column("size", _size, ("file_size",)),
        field("state"),
        field("mime_type", "type", minor=True),
    ),
    "Log": (
        Column("size", lambda log: short_size(log.size), ("size", "content")),
        Column("groups", lambda log: len(log.header_times) or None, ("header_times",)),
    ),
    "Annotation": (
        field("style"),
        field("context"),
        Column("text", _annotation, ("body_html",), long=True),
        field("created_at"),
    ),
    "Pipeline": (
        linked("name", "pipeline"),
        field("slug"),
        field("default_branch", "branch"),
        field("running_builds_count", "running"),
        field("scheduled_builds_count", "scheduled"),
        field("waiting_jobs_count", "jobs waiting", minor=True),
        field("repository", long=True, minor=True),
    ),
    "Agent": (
        linked("name", "agent"),
        Column("state", _agent_state, ("connection_state", "paused")),
        field("queue"),
        Column("job", _agent_job, ("embedded_job",), long=True),
        field("version", minor=True),
        field("hostname", long=True, minor=True),
        field("connected_at", minor=True),
    ),
    "Queue": (
        linked("key", "queue"),
        Column("state", lambda queue: Styled("paused", StatusStyle.BLOCKED) if queue.dispatch_paused else None),
        field("description", long=True),
        field("hosted"),
        field("created_at"),
    ),
    "Cluster": (
        linked("name", "cluster"),
        field("description", long=True),
        field("created_by", "by"),
        field("created_at"),
    ),
    "ClusterMaintainer": (
        Column("maintainer", lambda maintainer: maintainer.actor.name or maintainer.actor.slug, ("actor",)),
        Column("type", _nested("actor", "type")),
    ),
    "CacheVolume": (
        field("tag"),
        Column("size", _megabytes, ("size_mb",)),
        field("detached_at"),
        field("created_at"),
    ),
    "AuditEvent": (
        field("type"),
        Column("by", _nested("actor", "name"), ("actor",)),
        Column("to", _nested("subject", "name"), ("subject",)),
        field("occurred_at"),
    ),
    "NotificationService": (
        Column("provider", _nested("provider", "id"), ("provider",)),
        field("description", long=True),
        field("enabled"),
        field("created_at"),
    ),
    "Emoji": (
        Column("emoji", lambda emoji: Linked(f":{emoji.name}:", emoji.url), ("url",)),
        field("name"),
        field("aliases", long=True),
    ),
    "TeamPipeline": (
        Column("pipeline", _short_path("pipeline_url"), ("pipeline_url",)),
        field("access_level", "access"),
        field("created_at"),
    ),
    "TeamSuite": (
        Column("suite", _short_path("suite_url"), ("suite_url",)),
        field("access_level", "access"),
        field("created_at"),
    ),
    "SuiteRun": (
        linked("id", "run"),
        field("result"),
        field("state"),
        field("branch"),
        field("commit_sha", "commit", minor=True),
        field("created_at"),
    ),
    "SuiteTest": (
        Column("test", _test, ("scope", "name", "web_url"), long=True),
        field("location", long=True),
        Column("reliability", _reliability, ("reliability",)),
        Column("took", _seconds("duration_avg"), ("duration_avg",)),
        field("executions_count", "ran"),
    ),
    "FlakyTest": (
        Column("test", _test, ("scope", "name", "web_url"), long=True),
        field("location", long=True),
        field("instances"),
        field("latest_occurrence_at", "last"),
    ),
    "FailedExecution": (
        field("test_name", "test", long=True),
        field("location", long=True),
        field("failure_reason", "why", long=True),
        Column("took", _seconds("duration"), ("duration",)),
        field("branch"),
        field("created_at"),
    ),
    "Package": (
        linked("name", "package"),
        field("version"),
        field("variant"),
        field("created_at"),
    ),
}
