"""The steps of a pipeline, from which the jobs of its builds are created."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandStep:
    """A step whose jobs run a command.

    Attributes:
        label: Name of the job; None for an unnamed one.
        command: The command.
        key: Its key in the pipeline.
        group: Key of the group that it belongs to.
        duration: Seconds that the command takes.
        exits: Exit status of the first attempt, the second and so on; the last one repeats.
        signal: The signal that ends a failing attempt.
        times_out: Whether a failing attempt ends as `timed_out`.
        parallelism: The number of parallel jobs.
        matrix: The matrix values, one job for each.
        soft_fail: Whether a failure does not fail the build.
        automatic_retries: How many times a failed job is retried automatically.
        permit_retry_on_passed: Whether a passed job may be retried.
        artifacts: Path and content (or its size) of the files that each job uploads.
        artifact_paths: The artifact globs of the step.
        agents: Agent query rules, `key=value`.
        env: Environment of the command.
        concurrency_wait_ms: How long each job waits for its concurrency group, if it has one.
        promised_exit_status: An exit status that the job declares halfway through.
        condition: Whether the step's `if` is true; otherwise its jobs are broken.
        signed: Whether the step has a signature.
    """

    label: str | None = None
    command: str = "make"
    key: str | None = None
    group: str | None = None
    duration: float = 20.0
    exits: Sequence[int] = (0,)
    signal: str | None = None
    times_out: bool = False
    parallelism: int | None = None
    matrix: Sequence[Mapping[str, str]] | None = None
    soft_fail: bool = False
    automatic_retries: int = 0
    permit_retry_on_passed: bool = False
    artifacts: Sequence[tuple[str, bytes | int]] = ()
    artifact_paths: str | None = ""
    agents: Sequence[str] = ("queue=default",)
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    concurrency_wait_ms: int | None = None
    promised_exit_status: int | None = None
    condition: bool = True
    signed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitStep:
    """A step that waits for all steps before it."""

    continue_on_failure: bool = False
    key: str | None = None
    group: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockStep:
    """A step that waits until a user unblocks it, with values for `fields` if it has any."""

    label: str = "Continue?"
    key: str | None = None
    group: str | None = None
    fields: Sequence[Mapping[str, Any]] = ()
    blocked_state: str = "passed"


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerStep:
    """A step that starts a build of another pipeline, and waits for it unless `async_` is true."""

    pipeline: str
    label: str | None = None
    key: str | None = None
    group: str | None = None
    async_: bool = False
    branch: str | None = None


Step = CommandStep | WaitStep | BlockStep | TriggerStep
