"""The refs of pipelines. They have their own module, since most programs need only the builds, not the data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkite_orm.models.ref import Deletable
from buildkite_orm.resources.parents import InOrganization

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from typing import Unpack

    from buildkite_orm.resources.builds.actions import OnBlocked
    from buildkite_orm.resources.builds.build import Build, BuildRef
    from buildkite_orm.resources.builds.build_filters import BuildFilters
    from buildkite_orm.resources.builds.build_queryset import PipelineBuildQuerySet
    from buildkite_orm.resources.pipelines.github_webhooks import GitHubWebhooksRef
    from buildkite_orm.resources.pipelines.pipeline import Pipeline, PipelineChanges
    from buildkite_orm.resources.pipelines.schedule import PipelineScheduleQuerySet, PipelineScheduleRef
    from buildkite_orm.views.history.data import History, HistoryFilters


class PipelineRef(InOrganization, Deletable):
    """The ref of a pipeline.

    Example:
        >>> pipeline = bk.organization("acme").pipeline("web")
        >>> pipeline.builds(branch="main")
        <BuildQuerySet acme/web/builds branch=main [not loaded]>
    """

    _kind = "pipeline"
    _paths = ("organizations/{organization}/pipelines/{slug}",)
    delete_documentation = "pipelines#delete-a-pipeline"

    if TYPE_CHECKING:
        slug: str

    def fetch(self) -> Pipeline:
        """Fetch the pipeline.

        Raises:
            NotFoundError: Nothing has this slug, or the token cannot access it.

        Documentation: https://buildkite.com/docs/apis/rest-api/pipelines#get-a-pipeline
        """
        from buildkite_orm.resources.pipelines.pipeline import Pipeline

        return self._request(Pipeline)

    def builds(self, **filters: Unpack[BuildFilters]) -> PipelineBuildQuerySet:
        """List the builds, newest first; without their jobs unless `with_jobs=True`.

        Args:
            filters: See `BuildFilters`.

        Documentation: https://buildkite.com/docs/apis/rest-api/builds#list-builds-for-a-pipeline
        """
        from buildkite_orm.resources.builds.build_queryset import PipelineBuildQuerySet

        return PipelineBuildQuerySet(self.session, self._child("builds"), filters)

    def build(self, number: int) -> BuildRef:
        """Return the ref of the build with a number (not its id); no request."""
        from buildkite_orm.resources.builds.build import BuildRef

        return BuildRef.at(self.session, self._child("builds", number))

    def wait_for(
        self,
        *,
        commit: str | None = None,
        branch: str | None = None,
        created_from: datetime | None = None,
        timeout: float | None = None,
        on_blocked: OnBlocked = "return",
        cancel_on_timeout: bool = False,
        on_change: Callable[[Build], object] | None = None,
        progress: bool | None = None,
    ) -> Build:
        """Wait for a build to appear, then until it is finished, and return it.

        Of several it takes the newest; one that is there already counts.

        Args:
            commit: Its full SHA.
            branch: Its branch.
            created_from: Created at this time or later; older builds are ignored.
            timeout: The longest wait in seconds for both, to within half a second; unlimited by default.
            on_blocked: As for `Build.wait`, like the others: whether a blocked build is returned (`return`), an error
                (`raise`), or waited for (`wait`).
            cancel_on_timeout: Whether to cancel the build when the time is up, if there is one.
            on_change: Called with the build when it is first seen and whenever its state is another.
            progress: Whether to show a line of it, as for `Build.wait`.

        Raises:
            WaitTimeoutError: The time is up; its `build` is None if none appeared.
            BuildBlockedError: The build is blocked, with `on_blocked="raise"`.
            ValueError: `timeout` is below 0, `on_blocked` is not one of the three, or `commit` is a shortened SHA.

        Example:
            >>> pipeline = bk.organization("acme").pipeline("hello")
            >>> sha = "0123456789abcdef0123456789abcdef01234567"
            >>> build = pipeline.builds().create(commit=sha, branch="main")
            >>> pipeline.wait_for(commit=sha, timeout=600)
            Build(acme/hello #11 passed on main, 3s)
        """
        from buildkite_orm.resources.builds.waiting import WaitOptions, wait_for

        options = WaitOptions(timeout, on_blocked, cancel_on_timeout, on_change, progress)
        return wait_for(self, options, commit=commit, branch=branch, created_from=created_from)

    def history(self, *, days: int = 30, progress: bool | None = None, **filters: Unpack[HistoryFilters]) -> History:
        """Return its builds of the last days over time: how long they took and waited, and how many failed.

        It lists them without their jobs: one request per hundred builds. If a page other than the first cannot be
        loaded, the history ends with the builds before it, and its `problem` says why.

        Args:
            days: How many days, in UTC, today included.
            progress: Whether to show a progress line; default: in a terminal or a notebook, with tqdm
                (`pip install 'buildkite_orm[progress]'`).
            filters: See `HistoryFilters`.

        Raises:
            ValueError: `days` is below 1.

        Example:
            >>> history = bk.organization("acme").pipeline("web").history(days=7, branch="main")
            >>> worst = max(history.days, key=lambda day: day.figures.failure_rate or 0)
            >>> print(worst.date, f"{worst.figures.failure_rate:.0%}")
            2026-07-28 50%
        """
        from buildkite_orm.views.history.builder import build_history

        return build_history(self, days, filters, progress=progress)

    def update(self, *, extra: Mapping[str, object] | None = None, **changes: Unpack[PipelineChanges]) -> Pipeline:
        """Change the given fields, and no others; an object is updated with the response.

        A pipeline whose steps are YAML ignores `env`, and `steps` next to `configuration`, with an
        `IgnoredChangeWarning`.

        Args:
            extra: Fields of the body that this library does not know.
            changes: See `PipelineChanges`.

        Raises:
            UnprocessableEntityError: The server rejects a value: `steps` for a pipeline whose steps are YAML,
                say; or the pipeline is archived.

        Documentation: https://buildkite.com/docs/apis/rest-api/pipelines#update-a-pipeline
        """
        from buildkite_orm.resources.pipelines.pipeline import Pipeline, PipelineChanges, warn_of_ignored_fields

        response = self._update(Pipeline, changes, PipelineChanges, extra)
        warn_of_ignored_fields(changes, response)
        return response

    def archive(self) -> Pipeline:
        """Archive the pipeline: it keeps its builds and gets no others, nor can it be changed.

        Raises:
            UnprocessableEntityError: It is archived already.

        Documentation: https://buildkite.com/docs/apis/rest-api/pipelines#archive-a-pipeline
        """
        from buildkite_orm.resources.pipelines.pipeline import Pipeline

        return self._request(Pipeline, "POST", "archive", idempotent=False)

    def unarchive(self) -> Pipeline:
        """Unarchive the pipeline.

        Raises:
            UnprocessableEntityError: It is not archived.

        Documentation: https://buildkite.com/docs/apis/rest-api/pipelines#unarchive-a-pipeline
        """
        from buildkite_orm.resources.pipelines.pipeline import Pipeline

        return self._request(Pipeline, "POST", "unarchive", idempotent=False)

    def add_webhook(self) -> None:
        """Create the webhook on GitHub, for a repository that is connected through Buildkite's GitHub App.

        Raises:
            UnprocessableEntityError: The repository is elsewhere, or has a webhook already.

        Documentation: https://buildkite.com/docs/apis/rest-api/pipelines#add-a-webhook
        """
        self._execute("POST", "webhook", idempotent=False)

    def github_webhooks(self) -> GitHubWebhooksRef:
        """Return the ref of whether it takes the webhooks of GitHub; no request."""
        from buildkite_orm.resources.pipelines.github_webhooks import GitHubWebhooksRef

        return GitHubWebhooksRef.at(self.session, self._child("github-webhooks"))

    def schedules(self) -> PipelineScheduleQuerySet:
        """List the schedules, the newest first.

        Documentation: https://buildkite.com/docs/apis/rest-api/pipeline-schedules#list-pipeline-schedules
        """
        from buildkite_orm.resources.pipelines.schedule import PipelineScheduleQuerySet

        return PipelineScheduleQuerySet(self.session, self._child("schedules"))

    def schedule(self, schedule_id: str) -> PipelineScheduleRef:
        """Return the ref of the schedule with an id; no request."""
        from buildkite_orm.resources.pipelines.schedule import PipelineScheduleRef

        return PipelineScheduleRef.at(self.session, self._child("schedules", schedule_id))
