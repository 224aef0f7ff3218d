"""What is shown of each kind of thing, side by side. A kind that is not named here is shown by its fields.

Such a kind has a column for each field that its class declares as `_repr_fields`, for its state, and for when it was
created, so that a new class needs nothing here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from buildkite_orm.models.enums import JobFailure
from buildkite_orm.models.paths import path_from_url, short_path
from buildkite_orm.models.resource import repr_fields
from buildkite_orm.resources.builds.status import build_is_blocked, job_failure, job_share, job_title
from buildkite_orm.utils.text import short_size
from buildkite_orm.views.display.cells import Linked, Toned
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
        title: What it is called.
        value: Gives what stands in it.
        fields: The fields that it tells of.
        long: Whether it has texts, which are cut where there is no room.
        minor: Whether it is left out where there is no room.
    """

    title: str
    value: Callable[[Any], object]
    fields: tuple[str, ...] = ()
    long: bool = False
    minor: bool = False


def columns_of(model: type[Resource]) -> tuple[Column, ...]:
    """Give the columns of a kind of thing: those declared below, or else those that its fields make."""
    css_declarations = (COLUMNS[kind.__name__] for kind in model.__mro__ if kind.__name__ in COLUMNS)
    return next(css_declarations, None) or _by_fields(model)


def field(name: str, title: str = "", *, long: bool = False, minor: bool = False) -> Column:
    """Make the column of a field; of one that tells a state, in its tone.

    Args:
        name: The name of the field.
        title: What the column is called; unless told, as the field is.
        long: Whether it has texts, which are cut where there is no room.
        minor: Whether it is left out where there is no room.
    """

    def value(thing: Resource) -> object:
        told = thing.__dict__.get(name)
        return told if name not in _STATES or told is None else Toned(told, style_of(told))

    return Column(title or name.removesuffix("_at").replace("_", " "), value, (name,), long=long, minor=minor)


def linked(name: str, title: str = "", *, long: bool = False) -> Column:
    """Make the column of a field that leads to the thing's page."""

    def value(thing: Resource) -> object:
        return Linked(thing.__dict__.get(name), thing.__dict__.get("web_url"))

    return Column(title or name.replace("_", " "), value, (name, "web_url"), long=long)


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
    return Toned("blocked" if blocked else build.state, style_of(build.state, blocked=blocked))


def _who(build: Build) -> object:
    return build.creator or build.author


def _job(job: Job) -> object:
    return Linked(f"{job_title(job)} {job_share(job)}", job.web_url)


def _job_state(job: Job) -> object:
    soft = job_failure(job) is JobFailure.SOFT_FAILED
    shown = f"{'soft ' if soft else ''}{job.state or ''}{', retried' if job.was_retried else ''}"
    return Toned(shown, StatusStyle.WAITING if soft else StatusStyle.QUIET if job.was_retried else style_of(job.state))


def _annotation(annotation: Annotation) -> object:
    from buildkite_orm.resources.builds.failures import text_of  # noqa: PLC0415 - only where there are some

    return text_of(annotation.body_html or "")


def _size(artifact: Artifact) -> object:
    return None if artifact.file_size is None else short_size(artifact.file_size)


# -- agents and what they have ----------------------------------------------------------------------------------------


def _agent_state(agent: Agent) -> object:
    if agent.paused:
        return Toned("paused", StatusStyle.BLOCKED)
    return Toned(agent.connection_state, style_of(agent.connection_state))


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
    def value(thing: SuiteTest | FailedExecution) -> object:
        seconds = thing.__dict__.get(name)
        return None if seconds is None else f"{seconds:.3g} s"

    return value


def _place(name: str) -> Callable[[Resource], object]:
    """Make what tells where a URL of the API leads to, as people write it."""

    def value(thing: Resource) -> object:
        path = path_from_url(thing.__dict__.get(name))
        return None if path is None else short_path(path)

    return value


def _part(name: str, *parts: str) -> Callable[[Resource], object]:
    """Make what reads a part of a part of a thing."""

    def value(thing: Resource) -> object:
        found = thing.__dict__.get(name)
        for part in parts:
            found = getattr(found, part, None)
        return found

    return value


COLUMNS: Final[dict[str, tuple[Column, ...]]] = {
    "Build": (
        Column("build", _build, ("number", "web_url")),
        Column("state", _build_state, ("state", "blocked")),
        field("branch", long=True),
        field("message", long=True),
        Column("by", _who, ("creator", "author"), minor=True),
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
        Column("state", lambda queue: Toned("paused", StatusStyle.BLOCKED) if queue.dispatch_paused else None),
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
        Column("type", _part("actor", "type")),
    ),
    "CacheVolume": (
        field("tag"),
        Column("size", _megabytes, ("size_mb",)),
        field("detached_at"),
        field("created_at"),
    ),
    "AuditEvent": (
        field("type"),
        Column("by", _part("actor", "name"), ("actor",)),
        Column("to", _part("subject", "name"), ("subject",)),
        field("occurred_at"),
    ),
    "NotificationService": (
        Column("provider", _part("provider", "id"), ("provider",)),
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
        Column("pipeline", _place("pipeline_url"), ("pipeline_url",)),
        field("access_level", "access"),
        field("created_at"),
    ),
    "TeamSuite": (
        Column("suite", _place("suite_url"), ("suite_url",)),
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
