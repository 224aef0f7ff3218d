"""The steps of a pipeline, from which the jobs of its builds are created."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from buildkite_orm.fake.records import JobRecord


@dataclass(frozen=True, slots=True)
class Dependency:
    """A step or group that a step depends on, by its key.

    Attributes:
        key: The key.
        allow_failure: Whether the step runs even if the other one fails.
    """

    key: str
    allow_failure: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryRule:
    """When a failed job is retried automatically: all conditions must match; None matches any failure.

    Attributes:
        statuses: Exit statuses.
        signals: Names of signals in capitals without `SIG`; `NONE` for no signal.
        signal_reasons: Reasons of signals; `none` for no reason.
        limit: How many times the rule applies to a job.
    """

    statuses: frozenset[int] | None = None
    signals: frozenset[str] | None = None
    signal_reasons: frozenset[str] | None = None
    limit: int = 2

    def matches(self, status: int | None, signal: str | None, reason: str | None) -> bool:
        """Return whether the rule applies to a job that ended in this way."""
        return (
            (bool(status) if self.statuses is None else status in self.statuses)
            and (self.signals is None or (signal or "none").upper().removeprefix("SIG") in self.signals)
            and (self.signal_reasons is None or (reason or "none") in self.signal_reasons)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """The fields of every kind of step.

    Attributes:
        key: Its key in the pipeline.
        group: Key of the group that it belongs to.
        depends_on: The steps that it depends on; None for the wait and block steps before it.
        if_: The expression of its `if`; its jobs are broken unless it is true.
        branches: The branch filter; its jobs are broken on other branches.
        skip: Whether its jobs are skipped, or the reason.
        scope: The number of the group that wait and block steps inside it hold back; 0 for none.
        group_label: Label of the group that it belongs to.
        group_depends_on: The steps that its group depends on; None for the wait and block steps before the group.
    """

    key: str | None = None
    group: str | None = None
    depends_on: Sequence[Dependency] | None = None
    if_: str | None = None
    branches: str | None = None
    skip: bool | str = False
    scope: int = 0
    group_label: str | None = None
    group_depends_on: Sequence[Dependency] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandStep(_Step):
    """A step whose jobs run a command.

    Attributes:
        label: Name of the job; None for an unnamed one.
        command: The command.
        duration: Seconds that the command takes.
        exits: Exit status of the first attempt, the second and so on; the last one repeats.
        signal: The signal that ends a failing attempt.
        times_out: Whether a failing attempt ends as `timed_out`.
        parallelism: The number of parallel jobs.
        matrix: The matrix values, one job for each.
        soft_fail: Whether a failure does not fail the build, or the exit statuses that do not.
        automatic_retries: How many times a failed job is retried automatically, whatever its exit status.
        permit_retry_on_passed: Whether a passed job may be retried.
        artifacts: Path and content (or its size, or a function that makes it) of the files that each job uploads.
        artifact_paths: The artifact globs of the step.
        agents: Agent query rules, `key=value`.
        env: Environment of the command.
        concurrency_wait_ms: How long each job waits for its concurrency group, if it has one.
        promised_exit_status: An exit status that the job declares halfway through.
        condition: Whether the step's `if` is true; otherwise its jobs are broken.
        signed: Whether the step has a signature.
        matrix_soft_fail: Combinations of the matrix that have a `soft_fail` of their own.
        retry_rules: When a failed job is retried automatically, instead of `automatic_retries`.
        permit_manual_retry: Whether a job may be retried by a user.
        manual_retry_reason: Why it may not.
        timeout: Seconds after which a running job times out.
        priority: The priority of its jobs.
        cancel_on_build_failing: Whether its jobs are canceled when the build starts to fail.
        log: The log of its jobs; a generated one unless given.
        concurrency: How many jobs of its concurrency group may run at the same time.
        concurrency_group: The concurrency group of its jobs, which all pipelines of the organization share.
        concurrency_method: `ordered`, or `eager` for jobs that do not wait for older ones of their group.
        real: Whether its command runs in a subprocess if the server has `run_commands`.
    """

    label: str | None = None
    command: str = "make"
    duration: float = 20.0
    exits: Sequence[int] = (0,)
    signal: str | None = None
    times_out: bool = False
    parallelism: int | None = None
    matrix: Sequence[Mapping[str, str]] | None = None
    soft_fail: bool | frozenset[int] = False
    automatic_retries: int = 0
    permit_retry_on_passed: bool = False
    artifacts: Sequence[tuple[str, bytes | int | Callable[[JobRecord], bytes]]] = ()
    artifact_paths: str | None = ""
    agents: Sequence[str] = ("queue=default",)
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    concurrency_wait_ms: int | None = None
    promised_exit_status: int | None = None
    condition: bool = True
    signed: bool = False
    matrix_soft_fail: Sequence[tuple[Mapping[str, str], bool | frozenset[int]]] = ()
    retry_rules: Sequence[RetryRule] = ()
    permit_manual_retry: bool = True
    manual_retry_reason: str | None = None
    timeout: float | None = None
    priority: int = 0
    cancel_on_build_failing: bool = False
    log: bytes | None = None
    concurrency: int | None = None
    concurrency_group: str | None = None
    concurrency_method: str = "ordered"
    real: bool = False

    @property
    def rules(self) -> Sequence[RetryRule]:
        """The rules of automatic retries."""
        return self.retry_rules or ((RetryRule(limit=self.automatic_retries),) if self.automatic_retries else ())


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitStep(_Step):
    """A step that waits for all steps before it."""

    continue_on_failure: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockStep(_Step):
    """A step that waits until a user unblocks it, with values for `fields` if it has any.

    An input step (`is_input`) does not hold back the steps after it. With `allowed_teams` (slugs or ids), only the
    members of these teams can unblock it.
    """

    label: str = "Continue?"
    fields: Sequence[Mapping[str, Any]] = ()
    blocked_state: str = "passed"
    is_input: bool = False
    allowed_teams: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerStep(_Step):
    """A step that starts a build of another pipeline, and waits for it unless `async_` is true.

    The build is of the other pipeline's default branch and of `HEAD`, with the label as its message, unless given.
    """

    pipeline: str
    label: str | None = None
    async_: bool = False
    branch: str | None = None
    commit: str | None = None
    message: str | None = None
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    meta_data: Mapping[str, str] = field(default_factory=dict[str, str])
    parallelism: int | None = None
    soft_fail: bool | frozenset[int] = False


Step = CommandStep | WaitStep | BlockStep | TriggerStep


def is_gate(step: object) -> bool:
    """Return whether a step holds back the steps after it."""
    return isinstance(step, WaitStep) or (isinstance(step, BlockStep) and not step.is_input)


def absorbs(soft_fail: bool | frozenset[int], status: int | None) -> bool:  # noqa: FBT001 - a value of YAML
    """Return whether a `soft_fail` keeps an exit status from failing the build."""
    return soft_fail if isinstance(soft_fail, bool) else status in soft_fail
