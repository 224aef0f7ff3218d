"""Whether a pipeline processes webhooks of GitHub."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkite_orm.models.paths import short_path
from buildkite_orm.models.resource import Fetchable, Timestamp
from buildkite_orm.resources.parents import InPipeline

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "GitHubWebhooks",
    "GitHubWebhooksRef",
]


class GitHubWebhooksRef(InPipeline):
    """The ref of the setting that enables the webhooks of GitHub for a pipeline."""

    _kind = "github_webhooks"
    _paths = ("organizations/{organization}/pipelines/{pipeline}/github-webhooks",)

    def fetch(self) -> GitHubWebhooks:
        """Fetch whether they are processed.

        Raises:
            NotFoundError: The pipeline is of another provider, or the organization lacks the feature.

        Documentation:
            https://buildkite.com/docs/apis/rest-api/pipelines#github-webhook-processing-get-github-webhook-processing-state
        """
        return self._request(GitHubWebhooks)

    def enable(self) -> GitHubWebhooks:
        """Enable them; no change if they are enabled.

        Raises:
            NotFoundError: The pipeline is of another provider, or the organization lacks the feature.

        Documentation:
            https://buildkite.com/docs/apis/rest-api/pipelines#github-webhook-processing-enable-github-webhook-processing
        """
        return self._request(GitHubWebhooks, "PUT")

    def disable(self) -> GitHubWebhooks:
        """Disable them; no change if they are disabled.

        Raises:
            NotFoundError: The pipeline is of another provider, or the organization lacks the feature.

        Documentation:
            https://buildkite.com/docs/apis/rest-api/pipelines#github-webhook-processing-disable-github-webhook-processing
        """
        return self._request(GitHubWebhooks, "DELETE")


class GitHubWebhooks(GitHubWebhooksRef, Fetchable):
    """Whether a pipeline takes the webhooks of GitHub.

    Attributes:
        disabled_at: Since when it does not.
        disabled_by: The name of the user who disabled them.

    Documentation: https://buildkite.com/docs/apis/rest-api/pipelines#github-webhook-processing-data-model
    """

    url: str
    enabled: bool
    disabled_at: Timestamp | None = None
    disabled_by: str | None = None

    def _summary(self) -> Iterable[object]:
        yield short_path(self._find_path())
        yield "enabled" if self.enabled else f"disabled by {self.disabled_by}"
