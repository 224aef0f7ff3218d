"""The filters of builds, and the fields of requests for one build."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal, TypedDict

from buildkite_orm.cache.options import CacheMode  # noqa: TC001 - the error lists its values
from buildkite_orm.models.enums import BuildState, JobState  # noqa: TC001 - the error for a value names its enum
from buildkite_orm.resources.builds.job_queryset import JobStateName  # noqa: TC001 - the error lists its values
from buildkite_orm.utils.json_types import as_several

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta

BuildStateName = Literal[
    "creating",
    "scheduled",
    "running",
    "passed",
    "failing",
    "failed",
    "blocked",
    "canceling",
    "canceled",
    "skipped",
    "not_run",
    "finished",
]


_SHORTENED_SHA: Final = re.compile(r"(?=.*[a-fA-F])[0-9a-fA-F]{7,39}")  # digits alone may be a revision of Subversion


class BuildFilters(TypedDict, total=False):
    """Filters for builds, and how much of each is returned.

    Attributes:
        state: One state or several; `finished` stands for passed, failed, blocked and canceled.
        branch: One branch or several; `*` stands for anything.
        commit: One full SHA or several; a shortened one is a ValueError, since the API finds nothing for it.
        creator: The id of the user who created the build.
        created_from: Created at this time or later. All times are aware; any zone will do.
        created_to: Created before this time.
        finished_from: Finished at this time or later.
        meta_data: Values by their keys, all of which the build has.
        include_paused: False leaves out builds all of whose jobs are on paused queues, and such jobs of others.
        with_jobs: Whether each build contains its jobs, in the same request; about 50 kB each instead of 1 kB.
        with_pipeline: Whether each build contains its pipeline; default: True if builds of several pipelines are
            listed.
        include_retried_jobs: With `with_jobs`: whether retried attempts are included.
        cache: How this listing uses the cache of the client; by default, as the client does.
    """

    state: BuildState | BuildStateName | Sequence[BuildState | BuildStateName]
    branch: str | Sequence[str]
    commit: str | Sequence[str]
    creator: str
    created_from: datetime
    created_to: datetime
    finished_from: datetime
    meta_data: Mapping[str, str]
    include_paused: bool
    with_jobs: bool
    with_pipeline: bool
    include_retried_jobs: bool
    cache: CacheMode


class BuildFetch(TypedDict, total=False):
    """The parts of one build that are returned.

    Attributes:
        with_jobs: Whether it contains its jobs; True by default.
        with_pipeline: Whether it contains its pipeline; True by default.
        include_retried_jobs: Whether retried attempts are included.
        include_test_engine: Whether its runs of Test Engine are included.
        job_states: The states of the jobs that it contains; all by default.
        cache: How this call uses the cache of the client; by default, as the client does.
        max_age: Return the build from the cache if it was stored there no longer ago than this.
    """

    with_jobs: bool
    with_pipeline: bool
    include_retried_jobs: bool
    include_test_engine: bool
    job_states: JobState | JobStateName | Sequence[JobState | JobStateName]
    cache: CacheMode
    max_age: timedelta


class BuildOptions(TypedDict, total=False):
    """Optional fields of a new build.

    Attributes:
        author: The author that is shown: `{"name": …, "email": …}`.
        clean_checkout: Whether the agent deletes an earlier checkout first.
        env: Environment variables.
        ignore_pipeline_branch_filters: Whether to build a branch that the pipeline does not.
        message: Its message.
        meta_data: Values by their keys.
        pull_request_base_branch: For a pull request: the branch to merge into.
        pull_request_id: For a pull request: its number.
        pull_request_labels: For a pull request: its labels.
        pull_request_repository: For a pull request: its source repository.
    """

    author: Mapping[str, str] | str
    clean_checkout: bool
    env: Mapping[str, str]
    ignore_pipeline_branch_filters: bool
    message: str
    meta_data: Mapping[str, str]
    pull_request_base_branch: str
    pull_request_id: int
    pull_request_labels: Sequence[str]
    pull_request_repository: str


def check_commits(commits: object) -> None:
    """Check the filter `commit`.

    Raises:
        ValueError: A commit is a shortened SHA, for which the API returns no builds.
    """
    several = as_several(commits)
    for commit in [commits] if several is None else several:
        if isinstance(commit, str) and _SHORTENED_SHA.fullmatch(commit):
            msg = (
                f"commit={commit!r}: the API finds builds by the full SHA only, 40 digits; "
                f"`git rev-parse {commit}` prints it"
            )
            raise ValueError(msg)
