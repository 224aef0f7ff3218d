"""What can be done with a build, and what makes its old end not count any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, cast

from buildkite_orm.errors import BuildkiteError
from buildkite_orm.http.encoding import encode_query
from buildkite_orm.resources.builds.job_actions import declared_only
from buildkite_orm.resources.builds.wait_state import before, wait_state
from buildkite_orm.resources.parents import InPipeline

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
    """A build, as far as it is acted on, waited for and asked why it failed."""

    def cancel(self) -> Build:
        """Cancel the build; the answer is usually still `canceling`.

        Raises:
            UnprocessableEntityError: It has ended, or is being canceled already.

        Documentation: https://buildkite.com/docs/apis/rest-api/builds#cancel-a-build
        """
        from buildkite_orm.resources.builds.build import Build

        return self._request(Build, "PUT", "cancel", idempotent=False)

    def rebuild(self) -> Build:
        """Build the same commit again, with all that was captured then; the answer is the new build.

        Raises:
            UnprocessableEntityError: The pipeline does not allow it.

        Documentation: https://buildkite.com/docs/apis/rest-api/builds#rebuild-a-build
        """
        from buildkite_orm.resources.builds.build import Build

        answer = self._request(Build, "PUT", "rebuild", idempotent=False)
        wait_state(self.session).add_restart(self.api_path, before(answer.created_at), rebuilt_as=answer.api_path)
        return answer

    def retry_failed_jobs(self, *, states: RetryableState | Sequence[RetryableState] | None = None) -> Build:
        """Have the failed jobs retried, a moment later; see `retried_jobs_count` of the answer for how many.

        The answer, and the build for a moment, still say that it has failed; `wait()` waits for its next end.

        Args:
            states: Which kind of failure is retried, or which kinds; all unless told otherwise.

        Raises:
            BadRequestError: A state is none that can be retried.
            ValueError: `states` names none, which the server would take for all.

        Documentation: https://buildkite.com/docs/apis/rest-api/builds#retry-failed-jobs-for-a-build
        """
        from buildkite_orm.resources.builds.build import Build

        if states is not None and not states:
            msg = f"retry_failed_jobs(states={states!r}): none would mean all; leave it out, or name some"
            raise ValueError(msg)
        named = ",".join(state for _, state in encode_query({"states": states}))
        body = {"states": named} if named else {}
        try:
            answer = self._request(Build, "PUT", "retry_failed_jobs", body=body, idempotent=False)
        except BuildkiteError as error:
            if error.outcome_unknown:
                wait_state(self.session).add_restart(self.api_path, None)
            raise
        if answer.retried_jobs_count != 0:
            wait_state(self.session).add_restart(self.api_path, answer.finished_at)
        return answer

    def unblock_all(self, *, fields: Mapping[str, str] | None = None) -> list[Job]:
        """Open all block steps at which the build waits now: one request to find them, and one for each.

        Args:
            fields: The values of their fields, by their keys; each step gets all of them.

        Returns:
            The opened steps; none where it waits at none. Block steps behind them may come up later.

        Raises:
            UnprocessableEntityError: A field is missing, say; the steps before that one are open.
            ValueError: A field is missing, where it is known which ones a step has.

        Example:
            >>> build = bk.organization("acme").pipeline("deploy").builds(state="blocked")[0]
            >>> build.unblock_all(fields={"release-name": "Flying Dolphin"})
            [ManualJob(:rocket: Deploy? unblocked)]
        """
        blocked = cast("BuildRef", self).jobs(state="blocked")
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
        """Wait until the build has ended, and give it as it is then; an object takes that over and gives itself.

        It asks for the build without its jobs, every 2 to 30 seconds: the closer the usual end, the more often, and
        never more often than half of the request budget allows. Errors that pass (no connection, timeouts, 5xx, pages
        of a proxy, a used up budget) are outlived: until `timeout`, or 15 minutes in a row where there is none. An end
        from before `retry_failed_jobs()`, `rebuild()`, or a job's `retry()` or `unblock()` through this client does
        not count; after `rebuild()` it is the new build that is waited for, and given.

        Args:
            timeout: How many seconds to wait at most, to within half a second; without end unless given.
            on_blocked: What to do when the build waits for somebody to unblock it: `return` gives it as it is, with
                `is_blocked` True, `raise` raises, `wait` waits on.
            cancel_on_timeout: Whether to cancel the build when the time is up, within half a second more.
            on_change: Called with the build, as it is then, when it is first seen and whenever its state is another.
            progress: Whether to show a line of it; unless told, where there is a terminal or a notebook, and tqdm
                (`pip install 'buildkite_orm[progress]'`).

        Raises:
            WaitTimeoutError: The time is up; its `build` is the build as last seen.
            BuildBlockedError: The build is blocked, with `on_blocked="raise"`.
            NotFoundError: There is no such build that the token reaches.
            ValueError: `timeout` is below 0, or `on_blocked` none of the three.

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
        """Give each change of the build and of its jobs as it happens, once, until the build has ended.

        What is there at first comes as changes from nothing. One request for each look, as often as `wait()` looks;
        what a job goes through between two looks is not seen.

        Args:
            timeout: How many seconds to watch at most; without end unless given.
            on_blocked: As for `wait()`: whether a blocked build ends it, is an error, or is waited for.

        Raises:
            WaitTimeoutError: The time is up.
            BuildBlockedError: The build is blocked, with `on_blocked="raise"`.
            ValueError: `timeout` is below 0, or `on_blocked` none of the three.

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

    # -- why it took so long, and why it failed

    def timeline(self, *, include_retried_jobs: bool = False) -> Timeline:
        """Give its jobs over time: what waited for an agent, what ran, what was blocked, and the critical path.

        It costs nothing where the jobs came with the build, and is as old as they are; else one request, however many
        jobs there are, which has all attempts. What goes on is drawn up to now.

        Args:
            include_retried_jobs: Whether attempts that were retried must be there; asked for where the build came
                without them. Those that came are there in any case; if the others cannot be loaded, the timeline is of
                the jobs that came, and its `problem` says why.

        Example:
            >>> timeline = bk.organization("acme").pipeline("web").builds(state="passed")[0].timeline()
            >>> timeline
            <Timeline acme/web #120: 11 jobs in 1m 02s>
            >>> timeline.save_to("timeline.html").name
            'timeline.html'
        """
        from buildkite_orm.views.timeline.builder import build_timeline

        ref = cast("BuildRef", self)
        at_hand = self._came_with_jobs(include_retried=include_retried_jobs)
        if at_hand is not None:
            return build_timeline(at_hand)
        try:
            build = ref.fetch(include_retried_jobs=True, with_pipeline=False)
        except BuildkiteError as error:
            came = self._came_with_jobs(include_retried=False) if include_retried_jobs else None
            if came is None:
                raise
            return build_timeline(came, problem=error.message)
        return build_timeline(build)

    def _came_with_jobs(self, *, include_retried: bool) -> Build | None:
        del include_retried
        return None

    def failed_jobs(self, *, soft_failed: bool = False) -> list[Job]:
        """Give the jobs that made the build fail; the `failure` of each says in what way.

        The latest attempt of each counts. From the jobs that came with the build where they are all there are, else
        one request per hundred failed jobs.

        Args:
            soft_failed: Whether jobs come too whose failure their step allows.

        Example:
            >>> build = bk.organization("acme").pipeline("web").builds(state="failed")[0]
            >>> [(job, str(job.failure)) for job in build.failed_jobs()]
            [(ScriptJob(:pipeline: Upload failed, exit status 1, 5.8s), 'failed')]
        """
        from buildkite_orm.resources.builds.failures import failed_jobs

        return failed_jobs(cast("BuildRef", self), self._jobs_at_hand(), soft_failed=soft_failed)

    def _jobs_at_hand(self) -> list[Job] | None:
        return None

    def failure_summary(self, *, lines: int = 20, logs: int = 10) -> FailureSummary:
        """Collect why the build failed: its failed jobs with the ends of their logs, annotations and links.

        It takes at most `logs` requests and three more, and one per further hundred failed jobs: the build, where this
        is a bare ref; its failed jobs, where they did not come with it; the annotations, up to a hundred; the logs.
        What cannot be loaded of annotations, logs and further pages of jobs is told in its place, with the reason.

        Args:
            lines: How many lines of each log.
            logs: How many logs at most.

        Example:
            >>> build = bk.organization("acme").pipeline("web").builds(state="failed")[0]
            >>> print(build.failure_summary(lines=2))
            acme/web #119 failed on main: 1 failed job
            https://buildkite.com/acme/web/builds/119
            <BLANKLINE>
            :pipeline: Upload: failed, exit status 1, after 5.75 s
            https://buildkite.com/acme/web/builds/119#...
              | ...
              | 🚨 Error: The command exited with status 1
        """
        from buildkite_orm.resources.builds.failures import failure_summary

        def at_hand(build: Build) -> list[Job] | None:
            return build._jobs_at_hand()  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]

        return failure_summary(cast("BuildRef", self), at_hand, lines=lines, logs=logs)
