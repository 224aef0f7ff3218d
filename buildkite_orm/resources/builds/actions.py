"""The verbs of a build."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, cast

from buildkite_orm.errors import BuildkiteError
from buildkite_orm.http.encoding import encode_query
from buildkite_orm.resources.builds.job_actions import declared_only
from buildkite_orm.resources.builds.wait_state import before, wait_state
from buildkite_orm.resources.parents import InPipeline
from buildkite_orm.utils.choices import check_choices

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from buildkite_orm.resources.builds.build import Build, BuildRef
    from buildkite_orm.resources.builds.failures import FailureSummary
    from buildkite_orm.resources.builds.job import Job
    from buildkite_orm.resources.builds.waiting import BuildChange
    from buildkite_orm.views.timeline.data import Timeline

RetryableState = Literal["canceled", "expired", "failed", "soft_failed", "timed_out"]
OnBlocked = Literal["return", "raise", "wait"]


class BuildVerbs(InPipeline):
    """The verbs of a build."""

    def cancel(self) -> Build:
        """Cancel the build; in the response it is usually still `canceling`.

        Raises:
            UnprocessableEntityError: It is finished, or is being canceled already.

        Documentation: https://buildkite.com/docs/apis/rest-api/builds#cancel-a-build
        """
        from buildkite_orm.resources.builds.build import Build

        return self._request(Build, "PUT", "cancel", idempotent=False)

    def rebuild(self) -> Build:
        """Rebuild the same commit with the same parameters, and return the new build.

        Raises:
            UnprocessableEntityError: The pipeline does not allow it.

        Documentation: https://buildkite.com/docs/apis/rest-api/builds#rebuild-a-build
        """
        from buildkite_orm.resources.builds.build import Build

        response = self._request(Build, "PUT", "rebuild", idempotent=False)
        wait_state(self.session).add_restart(self.api_path, before(response.created_at), rebuilt_as=response.api_path)
        return response

    def retry_failed_jobs(self, *, states: RetryableState | Sequence[RetryableState] | None = None) -> Build:
        """Retry the failed jobs, a moment later; `retried_jobs_count` of the response says how many.

        In the response, and for a moment after it, the build is still failed; `wait()` waits for its next end.

        Args:
            states: The kinds of failure to retry; all by default.

        Raises:
            BadRequestError: A state cannot be retried.
            ValueError: `states` has another value, or is empty, which the server would take as all.

        Documentation: https://buildkite.com/docs/apis/rest-api/builds#retry-failed-jobs-for-a-build
        """
        from buildkite_orm.resources.builds.build import Build

        if states is not None and not states:
            msg = f"retry_failed_jobs(states={states!r}): an empty list would mean all; leave it out, or name states"
            raise ValueError(msg)
        check_choices({"states": states}, BuildVerbs.retry_failed_jobs)
        named = ",".join(state for _, state in encode_query({"states": states}))
        body = {"states": named} if named else {}
        try:
            response = self._request(Build, "PUT", "retry_failed_jobs", body=body, idempotent=False)
        except BuildkiteError as error:
            if error.outcome_unknown:
                wait_state(self.session).add_restart(self.api_path, None)
            raise
        if response.retried_jobs_count != 0:
            wait_state(self.session).add_restart(self.api_path, response.finished_at)
        return response

    def unblock_all(self, *, fields: Mapping[str, str] | None = None) -> list[Job]:
        """Unblock all block steps at which the build waits now: one request to find them, and one for each.

        Args:
            fields: The values of their fields, by their keys; each step gets all of them.

        Returns:
            The unblocked steps; an empty list if there are none. The build may reach further block steps later.

        Raises:
            UnprocessableEntityError: A field is missing, for example; the steps before that one are unblocked.
            ValueError: A field is missing, if the fields of the step are known.

        Example:
            >>> build = bk.organization("acme").pipeline("deploy").builds(state="blocked")[0]
            >>> build.unblock_all(fields={"release-name": "Flying Dolphin"})
            [ManualJob(:rocket: Deploy? unblocked)]
        """
        blocked = cast("BuildRef", self).jobs(state="blocked").fresh()
        return [job.unblock(fields=declared_only(job, fields)) for job in blocked]

    # -- waiting

    def wait(
        self,
        *,
        timeout: float | None = None,
        on_blocked: OnBlocked = "return",
        cancel_on_timeout: bool = False,
        on_change: Callable[[Build], object] | None = None,
        progress: bool | None = None,
    ) -> Build:
        """Wait until the build is finished, and return it; an object is updated and returns itself.

        This requests the build without its jobs, every 2 to 30 seconds: more often close to its usual end, and within
        half of the request budget. Temporary errors (no connection, timeouts, 5xx, pages of a proxy, an exhausted
        budget) are retried until `timeout`, or for 15 minutes in a row without one. An end before
        `retry_failed_jobs()`, `rebuild()`, or a job's `retry()` or `unblock()` through this client does not count;
        after `rebuild()`, this waits for the new build, and returns it.

        Args:
            timeout: The longest wait in seconds, to within half a second; unlimited by default.
            on_blocked: What to do when the build is blocked: `return` returns it as it is, with
                `is_blocked` True, `raise` raises, `wait` waits on.
            cancel_on_timeout: Whether to cancel the build when the time is up, within half a second more.
            on_change: Called with the build when it is first seen, and whenever its state changes.
            progress: Whether to show a progress line; default: in a terminal or a notebook, with tqdm
                (`pip install 'buildkite_orm[progress]'`).

        Raises:
            WaitTimeoutError: The time is up; its `build` is the build as last seen.
            BuildBlockedError: The build is blocked, with `on_blocked="raise"`.
            NotFoundError: The build does not exist, or the token cannot access it.
            ValueError: `timeout` is below 0, or `on_blocked` is not one of the three.

        Example:
            >>> build = bk.organization("acme").pipeline("hello").builds().create(commit="HEAD", branch="main")
            >>> build.wait(timeout=600, on_change=lambda build: print(build.state))
            creating
            scheduled
            running
            passed
            Build(acme/hello #11 passed on main, 3s)
        """
        from buildkite_orm.resources.builds.waiting import WaitOptions, wait

        options = WaitOptions(timeout, on_blocked, cancel_on_timeout, on_change, progress)
        return wait(cast("BuildRef", self), options, self._apply)

    def watch(self, *, timeout: float | None = None, on_blocked: OnBlocked = "return") -> Iterator[BuildChange]:
        """Yield each change of the build and of its jobs as it happens, once, until the build is finished.

        The first states are changes from None. Each poll is one request, at the intervals of `wait()`; states between
        two polls are not seen.

        Args:
            timeout: How many seconds to watch at most; without end by default.
            on_blocked: As for `wait()`: whether a blocked build ends it, is an error, or is waited for.

        Raises:
            WaitTimeoutError: The time is up.
            BuildBlockedError: The build is blocked, with `on_blocked="raise"`.
            ValueError: `timeout` is below 0, or `on_blocked` is not one of the three.

        Example:
            >>> build = bk.organization("acme").pipeline("hello").builds().create(commit="HEAD", branch="main")
            >>> for change in build.watch():
            ...     print(change)
            acme/hello #11: creating
            :wave: Say hello: waiting
            acme/hello #11: creating -> scheduled
            :wave: Say hello: waiting -> assigned
            acme/hello #11: scheduled -> running
            :wave: Say hello: assigned -> running
            :wave: Say hello: running -> passed
            acme/hello #11: running -> passed
        """
        from buildkite_orm.resources.builds.waiting import WaitOptions, watch

        return watch(cast("BuildRef", self), WaitOptions(timeout, on_blocked))

    # -- timeline and failures

    def timeline(self, *, include_retried_jobs: bool = False) -> Timeline:
        """Return the timeline of its jobs: when each waited, ran or was blocked, and the critical path.

        With embedded jobs this takes no request, and is as old as they are; else one request, for any number of jobs,
        which returns all attempts. What is still running is drawn up to now.

        Args:
            include_retried_jobs: Whether retried attempts are required; they are requested if they are not embedded.
                Embedded ones are shown in any case; if the others cannot be loaded, the timeline has the embedded jobs,
                and its `problem` says why.

        Example:
            >>> timeline = bk.organization("acme").pipeline("web").builds(state="passed")[0].timeline()
            >>> timeline
            <Timeline acme/web #120: 11 jobs in 25m 50s>
            >>> timeline.save_to("timeline.html").name
            'timeline.html'
        """
        from buildkite_orm.views.timeline.builder import build_timeline

        ref = cast("BuildRef", self)
        loaded = self._with_embedded_jobs(include_retried=include_retried_jobs)
        if loaded is not None:
            return build_timeline(loaded)
        try:
            build = ref.fetch(include_retried_jobs=True, with_pipeline=False)
        except BuildkiteError as error:
            embedded = self._with_embedded_jobs(include_retried=False) if include_retried_jobs else None
            if embedded is None:
                raise
            return build_timeline(embedded, problem=error.message)
        return build_timeline(build)

    def _with_embedded_jobs(self, *, include_retried: bool) -> Build | None:
        del include_retried
        return None

    def failed_jobs(self, *, soft_failed: bool = False) -> list[Job]:
        """Return the jobs that made the build fail; the `failure` of each says how.

        The latest attempt of each counts. From the embedded jobs if they are complete, else
        one request per hundred failed jobs.

        Args:
            soft_failed: Whether to include jobs whose failure their step allows.

        Example:
            >>> build = bk.organization("acme").pipeline("web").builds(state="failed")[0]
            >>> [(job, str(job.failure)) for job in build.failed_jobs()]
            [(ScriptJob(:rspec: RSpec 2/3 failed, exit status 1, 26m 21s), 'failed')]
        """
        from buildkite_orm.resources.builds.failures import failed_jobs

        return failed_jobs(cast("BuildRef", self), self._embedded_latest_jobs(), soft_failed=soft_failed)

    def _embedded_latest_jobs(self) -> list[Job] | None:
        return None

    def failure_summary(self, *, lines: int = 20, logs: int = 10) -> FailureSummary:
        """Collect why the build failed: its failed jobs with the lines of their logs that explain it, and annotations.

        This takes at most `logs` requests and three more, and one per further hundred failed jobs: the build, if this
        is a bare ref; its failed jobs, if they are not embedded; the annotations, up to a hundred; the logs.
        Annotations, logs and further pages of jobs that cannot be loaded are reported in their place, with the reason.

        Args:
            lines: How many lines of each log at most, from its last 256 kB: those around the first error of the last
                group that reports one, the results at its end, and the exit status.
            logs: How many logs at most.

        Example:
            >>> build = bk.organization("acme").pipeline("web").builds(state="failed")[0]
            >>> print(build.failure_summary(lines=2))
            acme/web #119 failed on main: 1 failed job
            https://buildkite.com/acme/web/builds/119
            <BLANKLINE>
            :rspec: RSpec: failed, exit status 1, after 26m 21s
            https://buildkite.com/acme/web/builds/119#1deaab80-0382-44e3-a16c-ba817e11a92b
              | Error: expected status 200, got 500
              | 🚨 Error: The command exited with status 1
        """
        from buildkite_orm.resources.builds.failures import failure_summary

        def embedded(build: Build) -> list[Job] | None:
            return build._embedded_latest_jobs()  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]

        return failure_summary(cast("BuildRef", self), embedded, lines=lines, logs=logs)
