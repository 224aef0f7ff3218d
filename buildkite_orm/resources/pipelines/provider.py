"""The source code providers of pipelines and their settings: a model for each provider.

Unknown settings are kept, and so are unknown providers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self, cast

from pydantic import Discriminator, Field, Tag

from buildkite_orm.models.enums import OpenEnum
from buildkite_orm.models.resource import Model
from buildkite_orm.utils.json_types import as_object

if TYPE_CHECKING:
    import builtins
    from collections.abc import Mapping


class TriggerMode(OpenEnum):
    """The events on GitHub that create builds."""

    CODE = "code"
    DEPLOYMENT = "deployment"
    FORK = "fork"
    NONE = "none"


class CommentMatchMode(OpenEnum):
    """The way in which a comment must match the command word: entirely, or by containing it."""

    EXACT = "exact"
    CONTAINS = "contains"


# -- settings


class ProviderSettings(Model):
    """Settings of any provider; assigned values are saved with the pipeline.

    Attributes:
        filter_enabled: Whether `filter_condition` is looked at.
        filter_condition: The condition under which something creates a build.
        repository: The repository, as the provider calls it; follows from the pipeline's.
    """

    editable: ClassVar[frozenset[str]] = frozenset({"filter_enabled", "filter_condition"})

    filter_enabled: bool | None = None
    filter_condition: str | None = None
    repository: str | None = None

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Make all settings of a provider editable."""
        super().__pydantic_init_subclass__(**kwargs)
        cls.editable = frozenset(cls.model_fields) - {"repository"}


class BitbucketServerSettings(ProviderSettings):
    """Settings of Bitbucket Server.

    Attributes:
        build_branches: Whether pushes of branches create builds.
        build_pull_requests: Whether pull requests (of GitLab: merge requests) create builds.
        build_tags: Whether pushes of tags create builds.
    """

    build_branches: bool | None = None
    build_pull_requests: bool | None = None
    build_tags: bool | None = None


class OriginSettings(BitbucketServerSettings):
    """Settings of Origin.

    Attributes:
        publish_commit_status: Whether the results of builds are sent to the provider.
    """

    publish_commit_status: bool | None = None


class GitLabSettings(OriginSettings):
    """Settings of GitLab, also a self-managed one.

    Attributes:
        build_pull_request_merge: Whether the merged result is built, and not the end of the source branch.
        build_pull_request_base_branch_changed: Whether a change of the target branch builds merge requests again;
            takes `build_pull_request_merge`.
    """

    build_pull_request_merge: bool | None = None
    build_pull_request_base_branch_changed: bool | None = None


class BitbucketSettings(OriginSettings):
    """Settings of Bitbucket Cloud.

    Attributes:
        ignore_default_branch_pull_requests: Whether pull requests from the default branch create no builds.
        publish_commit_status_per_step: Whether each job has a status of its own.
        pull_request_branch_filter_enabled: Whether `pull_request_branch_filter_configuration` is looked at.
        pull_request_branch_filter_configuration: Patterns of the branches whose pull requests create builds.
        skip_pull_request_builds_for_existing_commits: Whether a pull request creates no build if its commit has one
            on its branch.
    """

    ignore_default_branch_pull_requests: bool | None = None
    publish_commit_status_per_step: bool | None = None
    pull_request_branch_filter_enabled: bool | None = None
    pull_request_branch_filter_configuration: str | None = None
    skip_pull_request_builds_for_existing_commits: bool | None = None


class GitHubEnterpriseSettings(BitbucketSettings):
    """Settings of GitHub Enterprise. `build_…`: whether that event creates builds.

    Attributes:
        trigger_mode: The kinds of events that can create builds.
        issue_comment_command_word: The comment on a pull request that creates a build; default: `/bk`.
        issue_comment_match_mode: How that is looked for.
        review_comment_command_word: The comment in a review that creates a build; default: `/bk`.
        review_comment_match_mode: How that is looked for.
        build_pull_request_merge_commits: Whether the test merge commit is built, and not the end of the branch.
        cancel_deleted_branch_builds: Whether builds of a branch that is deleted are canceled.
        cancel_when_merge_group_destroyed: Whether builds of a merge group that is removed are canceled.
        use_merge_group_base_commit_for_git_diff_base: Whether `if_changed` compares with the merge group before.
        prefix_pull_request_fork_branch_names: Whether branches of forks are called `user:branch`.
        publish_blocked_as_pending: Whether blocked builds are reported as pending.
        separate_pull_request_statuses: Whether builds of pull requests have a status of their own.
        skip_builds_for_existing_commits: Whether a commit that has a build on any branch gets no other.
        skip_builds_for_closed_pull_requests: Whether closed pull requests create no builds.
        use_step_key_as_commit_status: Whether statuses are named by the keys of steps, and not by their labels.
        prevent_custom_statuses_from_using_buildkite_prefix: Whether `notify` may name no status `buildkite/…`.
    """

    trigger_mode: TriggerMode | None = None
    build_pull_request_base_branch_changed: bool | None = None
    build_pull_request_forks: bool | None = None
    build_pull_request_labels_changed: bool | None = None
    build_pull_request_ready_for_review: bool | None = None
    build_pull_request_stacks: bool | None = None
    build_pull_request_reopened: bool | None = None
    build_pull_request_edited: bool | None = None
    build_pull_request_converted_to_draft: bool | None = None
    build_pull_request_review_requested: bool | None = None
    build_pull_request_review_submitted: bool | None = None
    build_pull_request_review_dismissed: bool | None = None
    build_pull_request_review_comment_created: bool | None = None
    build_pull_request_dequeued: bool | None = None
    build_pull_request_merge_commits: bool | None = None
    build_check_run_completed: bool | None = None
    build_release_published: bool | None = None
    build_release_created: bool | None = None
    build_release_released: bool | None = None
    build_issue_comment_created: bool | None = None
    issue_comment_command_word: str | None = None
    issue_comment_match_mode: CommentMatchMode | None = None
    review_comment_command_word: str | None = None
    review_comment_match_mode: CommentMatchMode | None = None
    build_deployment_status_created: bool | None = None
    build_create_event: bool | None = None
    build_merge_group_checks_requested: bool | None = None
    cancel_deleted_branch_builds: bool | None = None
    cancel_when_merge_group_destroyed: bool | None = None
    use_merge_group_base_commit_for_git_diff_base: bool | None = None
    prefix_pull_request_fork_branch_names: bool | None = None
    publish_blocked_as_pending: bool | None = None
    separate_pull_request_statuses: bool | None = None
    skip_builds_for_existing_commits: bool | None = None
    skip_builds_for_closed_pull_requests: bool | None = None
    use_step_key_as_commit_status: bool | None = None
    prevent_custom_statuses_from_using_buildkite_prefix: bool | None = None


class GitHubSettings(GitHubEnterpriseSettings):
    """Settings of GitHub; see `GitHubEnterpriseSettings` too.

    Attributes:
        github_workflow_access_tokens_enabled: Whether jobs can request tokens limited by a workflow's permissions.
    """

    github_workflow_access_tokens_enabled: bool | None = None


# -- providers


class _AnyProvider(Model):
    id: str
    webhook_url: str | None = None

    @classmethod
    def class_for(cls, data: Mapping[str, Any]) -> builtins.type[Self]:
        """Choose the class of a provider."""
        return cast("builtins.type[Self]", _KINDS.get(str(data.get("id")), Provider))


class Provider(_AnyProvider):
    """A source code provider that has no class of its own.

    Attributes:
        id: Which one: `github`, `gitlab`, `bitbucket`, `private`, …
        webhook_url: The URL for its webhooks; empty for a token that may not edit the pipeline.
        settings: Its settings.
    """

    settings: ProviderSettings = Field(default_factory=ProviderSettings)


class GitHubProvider(_AnyProvider):
    """GitHub."""

    settings: GitHubSettings = Field(default_factory=GitHubSettings)


class GitHubEnterpriseProvider(_AnyProvider):
    """GitHub Enterprise."""

    settings: GitHubEnterpriseSettings = Field(default_factory=GitHubEnterpriseSettings)


class BitbucketProvider(_AnyProvider):
    """Bitbucket Cloud."""

    settings: BitbucketSettings = Field(default_factory=BitbucketSettings)


class BitbucketServerProvider(_AnyProvider):
    """Bitbucket Server."""

    settings: BitbucketServerSettings = Field(default_factory=BitbucketServerSettings)


class GitLabProvider(_AnyProvider):
    """GitLab, or one of one's own."""

    settings: GitLabSettings = Field(default_factory=GitLabSettings)


class OriginProvider(_AnyProvider):
    """Origin."""

    settings: OriginSettings = Field(default_factory=OriginSettings)


# the ids of self-managed servers are not documented: these follow the names on other pages
_KINDS: dict[str, type[_AnyProvider]] = {
    "github": GitHubProvider,
    "github_enterprise": GitHubEnterpriseProvider,
    "bitbucket": BitbucketProvider,
    "bitbucket_server": BitbucketServerProvider,
    "gitlab": GitLabProvider,
    "gitlab_community": GitLabProvider,
    "gitlab_enterprise": GitLabProvider,
    "gitlab_self_managed": GitLabProvider,
    "origin": OriginProvider,
}


def _name_of_kind(provider: Any) -> str:
    """Name the class of a provider, of one as data too."""
    if isinstance(provider, _AnyProvider):
        return type(provider).__name__
    return Provider.class_for(as_object(provider) or {}).__name__


AnyProvider = Annotated[
    Annotated[Provider, Tag("Provider")]
    | Annotated[GitHubProvider, Tag("GitHubProvider")]
    | Annotated[GitHubEnterpriseProvider, Tag("GitHubEnterpriseProvider")]
    | Annotated[BitbucketProvider, Tag("BitbucketProvider")]
    | Annotated[BitbucketServerProvider, Tag("BitbucketServerProvider")]
    | Annotated[GitLabProvider, Tag("GitLabProvider")]
    | Annotated[OriginProvider, Tag("OriginProvider")],
    Discriminator(_name_of_kind),
]
"""A provider, as the class that its id says."""
