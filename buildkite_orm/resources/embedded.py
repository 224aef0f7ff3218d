"""Parts of other resources that payloads contain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field
from pydantic_core import core_schema

from buildkite_orm.models.enums import AgentConnectionState, RetryType
from buildkite_orm.models.resource import Model, Timestamp

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler
from buildkite_orm.utils.text import escape_control, format_value


class EmbeddedUser(Model):
    """A user in another payload."""

    id: str | None = None
    graphql_id: str | None = None
    name: str | None = None
    email: str | None = None
    avatar_url: str | None = None
    created_at: Timestamp | None = None

    def __str__(self) -> str:
        return self.name or self.email or self.id or "?"


class EmbeddedProvider(Model):
    """The source code provider of a pipeline that is embedded in a build.

    Attributes:
        id: `github`, `gitlab`, `bitbucket`, `private`, …
        webhook_url: The URL for the provider's webhooks; empty for a token that may not edit the pipeline.
        settings: The settings of the provider; their names differ by provider.
    """

    id: str
    webhook_url: str | None = None
    settings: dict[str, Any] = Field(default_factory=dict[str, Any])


class EmbeddedPipeline(Model):
    """A pipeline that is embedded in a build."""

    id: str
    graphql_id: str | None = None
    url: str
    web_url: str | None = None
    name: str
    description: str | None = None
    slug: str
    repository: str | None = None
    branch_configuration: str | None = None
    default_branch: str | None = None
    provider: EmbeddedProvider | None = None
    skip_queued_branch_builds: bool | None = None
    skip_queued_branch_builds_filter: str | None = None
    cancel_running_branch_builds: bool | None = None
    cancel_running_branch_builds_filter: str | None = None
    builds_url: str | None = None
    badge_url: str | None = None
    created_at: Timestamp | None = None
    scheduled_builds_count: int | None = None
    running_builds_count: int | None = None
    scheduled_jobs_count: int | None = None
    running_jobs_count: int | None = None
    waiting_jobs_count: int | None = None


class EmbeddedBuild(Model):
    """A build in another payload."""

    id: str
    number: int
    url: str
    web_url: str | None = None


class EmbeddedAgent(Model):
    """The agent that a job ran on, or runs on."""

    id: str
    graphql_id: str | None = None
    url: str | None = None
    web_url: str | None = None
    name: str
    connection_state: AgentConnectionState | None = None
    hostname: str | None = None
    ip_address: str | None = None
    user_agent: str | None = None
    version: str | None = None
    os_id: str | None = None
    arch: str | None = None
    queue: str | None = None
    creator: EmbeddedUser | None = None
    created_at: Timestamp | None = None
    connected_at: Timestamp | None = None
    disconnected_at: Timestamp | None = None
    lost_at: Timestamp | None = None
    stopped_at: Timestamp | None = None
    last_job_finished_at: Timestamp | None = None
    priority: int | None = None
    meta_data: list[str] | None = None

    def __repr__(self) -> str:
        shown = (self.__dict__.get(name) for name in ("name", "connection_state", "queue", "hostname"))
        return f"EmbeddedAgent({', '.join(filter(None, map(format_value, shown)))})"

    def __str__(self) -> str:
        return escape_control(str(self.__dict__.get("name") or self.__dict__.get("id") or "?"))

    def __rich_repr__(self) -> Any:
        """Make rich show its repr."""


class RetrySource(Model):
    """The job that a job is a retry of.

    Attributes:
        job_id: Its id.
        retry_type: What initiated the retry.
        retried_by: The user who did, by name and email; in webhooks only.
    """

    job_id: str
    retry_type: RetryType | None = None
    retried_by: EmbeddedUser | None = None


class Author(Model):
    """The author of the commit; not always the creator of the build."""

    name: str | None = None
    email: str | None = None
    username: str | None = None

    def _payload(self) -> Any:
        extra = self.model_extra or {}
        return extra[""] if "" in extra else super()._payload()


class _AuthorOrText:
    """Reads an author that is a string, which becomes its name; `dump()` returns the string."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        text = core_schema.no_info_after_validator_function(_author_of, core_schema.str_schema(strict=True))
        return core_schema.union_schema([handler(source), text], mode="left_to_right")


def _author_of(text: str) -> Author:
    author = Author.model_construct(set(), name=text)
    object.__setattr__(author, "__pydantic_extra__", {"": text})
    return author


if TYPE_CHECKING:
    BuildAuthor = Author
else:
    BuildAuthor = Annotated[Author, _AuthorOrText()]


class PullRequest(Model):
    """The pull request that a build is for; `id` is its number."""

    id: str | None = None
    base: str | None = None
    repository: str | None = None
    labels: list[str] | None = None


class MergeQueue(Model):
    """The merge queue that a build belongs to."""

    base_branch: str | None = None


class RebuiltFrom(Model):
    """The build that a build repeats."""

    id: str
    number: int
    url: str


class BuildStep(Model):
    """A step in the configuration of a build.

    Attributes:
        type: Its kind, as `trigger`.
        async_: Whether a trigger step does not wait for the build that it starts.
    """

    type: str | None = None
    async_: bool | None = Field(default=None, alias="async")


class TriggeredFrom(Model):
    """The build that triggered a build."""

    build_id: str | None = None
    build_number: int | None = None
    build_pipeline_slug: str | None = None


class JobStateCounts(Model):
    """The numbers of jobs of a build, in total and by state."""

    total: int
    states: dict[str, int] = Field(default_factory=dict[str, int])
