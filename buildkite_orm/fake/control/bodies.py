"""The JSON bodies that the control API takes; the seed file is made of the same objects."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Annotated, Any, Literal, cast

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from buildkite_orm.fake.control.validation import Body, choice_error, one_of, read_time
from buildkite_orm.fake.faults import Kind, Origin  # noqa: TC001 - pydantic reads them
from buildkite_orm.fake.records import BUILD_STATES, JOB_STATES
from buildkite_orm.fake.settings import Ending, Precision  # noqa: TC001 - pydantic reads them
from buildkite_orm.fake.store import SCOPES
from buildkite_orm.fake.webhooks.payloads import EVENTS
from buildkite_orm.fake.webhooks.sender import MOST_COPIES
from buildkite_orm.fake.webhooks.signing import TokenMode  # noqa: TC001 - pydantic reads it

LONGEST_ADVANCE = 7 * 86400.0  # all builds of that time are processed before the response
_LONGEST_SPAN = 31 * 86400.0
FASTEST = 10_000.0
_LARGEST_FILE = 1 << 40
_NO_LINE_BREAKS = re.compile(r"[^\x00-\x1f\x7f]*").fullmatch

BuildState = Annotated[str, AfterValidator(one_of(BUILD_STATES)), WithJsonSchema({"enum": sorted(BUILD_STATES)})]
JobState = Annotated[str, AfterValidator(one_of(JOB_STATES)), WithJsonSchema({"enum": sorted(JOB_STATES)})]
JobType = Literal["script", "waiter", "manual", "trigger"]
Text = Annotated[str, Field(max_length=10_000)]
Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,99}$")]
Time = Annotated[float, BeforeValidator(read_time), WithJsonSchema({"type": "string", "format": "time"})]
Scope = Annotated[str, AfterValidator(one_of(SCOPES))]
ExitStatus = Annotated[int, Field(ge=-1, le=255)]
Texts = Annotated[dict[str, Text], Field(max_length=1000)]
Count = Annotated[int, Field(ge=0, le=2**31)]


class EmptyBody(Body):
    """An empty body."""


# -- the clock


class ClockChange(Body):
    """A change of the clock; at least one of the fields."""

    advance: Annotated[float, Field(ge=0, le=LONGEST_ADVANCE)] | None = Field(None, description="seconds")
    speed: Annotated[float, Field(ge=0, le=FASTEST)] | None = Field(
        None, description="times as fast as the machine's clock; 0 stops it"
    )

    @model_validator(mode="after")
    def _at_least_one(self) -> ClockChange:
        if self.advance is None and self.speed is None:
            raise PydanticCustomError("missing", "send `advance`, `speed`, or both")
        return self


# -- contents


class NewUser(Body):
    """A member of an organization."""

    name: Text
    email: Text


class NewOrganization(Body):
    """An organization."""

    slug: Slug
    name: Text | None = None


class NewAgent(Body):
    """An agent; its queue is created if it does not exist."""

    name: Text | None = None
    queue: Annotated[str, Field(pattern=r"^[\w-]{1,100}$")] = "default"
    hostname: Text | None = None
    version: Text | None = None
    arch: Text | None = None
    os_id: Text | None = None
    connection_state: Literal["connected", "disconnected", "lost", "stopping", "stopped"] = "connected"
    priority: int | None = None
    meta_data: Annotated[list[Text], Field(max_length=100)] | None = Field(None, description="such as `queue=default`")


class Content(Body):
    """Bytes, as text or in base64."""

    text: str | None = None
    base64: str | None = None

    @property
    def content(self) -> bytes:
        """The bytes."""
        return (self.text or "").encode() if self.base64 is None else base64.b64decode(self.base64)

    @model_validator(mode="after")
    def _exactly_one(self) -> Content:
        names = [name for name in ("text", "base64", "size") if name in type(self).model_fields]
        if sum(getattr(self, name) is not None for name in names) != 1:
            raise PydanticCustomError("missing", "send exactly one of {names}", {"names": ", ".join(names)})
        if self.base64 is not None:
            try:
                base64.b64decode(self.base64, validate=True)
            except (ValueError, binascii.Error):
                raise PydanticCustomError("base64", "must be base64", {"at": "base64"}) from None
        return self


class NewArtifact(Content):
    """A file of a job. With `size`, its bytes are generated when it is read."""

    path: Annotated[str, Field(min_length=1, max_length=1000)]
    size: Annotated[int, Field(ge=0, le=_LARGEST_FILE)] | None = None
    state: Literal["new", "error", "finished", "deleted", "expired"] = "finished"
    mime_type: Text | None = None

    @property
    def source(self) -> bytes | int:
        """The bytes, or their number."""
        return self.content if self.size is None else self.size


class NewAnnotation(Body):
    """An annotation of a build."""

    body: Annotated[str, Field(max_length=1 << 20)]
    context: Text = "default"
    style: Literal["success", "info", "warning", "error"] = "info"
    priority: Annotated[int, Field(ge=1, le=10)] = 3


class NewJob(Body):
    """A job. By default, its state and times follow from its build's."""

    type: JobType = "script"
    state: JobState | None = None
    label: Text | None = Field(None, description="its `name` in the API's script jobs")
    step_key: Text | None = None
    command: Text | None = None
    exit_status: ExitStatus | None = None
    signal: Text | None = None
    soft_failed: bool = False
    priority: int = 0
    agent_query_rules: Annotated[list[Text], Field(max_length=100)] | None = None
    env: Texts | None = None
    created_at: Time | None = None
    scheduled_at: Time | None = None
    runnable_at: Time | None = None
    started_at: Time | None = None
    finished_at: Time | None = None
    log: str | None = None
    artifacts: Annotated[list[NewArtifact], Field(max_length=10_000)] | None = None


def _kind_of_jobs(value: object) -> str:
    return "<list>" if isinstance(value, list) else "<count>"


Jobs = Annotated[
    Annotated[int, Field(ge=0, le=10_000), Tag("<count>")]
    | Annotated[Annotated[list[NewJob], Field(max_length=10_000)], Tag("<list>")],
    Discriminator(_kind_of_jobs),
]


class _BuildFields(Body):
    state: BuildState = "passed"
    branch: Text = "main"
    message: Text | None = None
    tag: Text | None = None
    source: Literal["api", "schedule", "trigger_job", "ui", "webhook"] = "webhook"
    creator: Text | None = Field(None, description="the email of a user of the organization")
    env: Texts | None = None
    meta_data: Texts | None = None


class NewBuild(_BuildFields):
    """A build that stays in `state`. To run the steps of its pipeline, create a build with the API instead."""

    number: Annotated[int, Field(ge=1, le=2**31)] | None = None
    commit: Text | None = None
    created_at: Time | None = None
    scheduled_at: Time | None = None
    started_at: Time | None = None
    finished_at: Time | None = None
    jobs: Jobs = Field(0, description="how many, or the jobs")
    annotations: Annotated[list[NewAnnotation], Field(max_length=1000)] | None = None


class NewBuilds(_BuildFields):
    """Many builds, `spacing` seconds apart."""

    count: Annotated[int, Field(ge=1, le=100_000)]
    spacing: Annotated[float, Field(gt=0, le=_LONGEST_SPAN)] = Field(1.0, description="seconds")
    newest: Time | None = Field(None, description="when the last one was created; by default, now")
    jobs: Annotated[int, Field(ge=0, le=1000)] = Field(0, description="how many each build has")


class NewUpload(Body):
    """Steps that a job adds to its build, as `buildkite-agent pipeline upload` does."""

    yaml: Annotated[str, Field(max_length=1 << 21)]
    replace: bool = Field(default=False, description="whether the steps that have not started are removed first")
    substitute: bool = Field(default=True, description="whether `$NAME` is replaced by the variables of the job")


class NewOutcome(Body):
    """The outcome of jobs that start from now on: those of a step, of a command, or all. Null keeps what there is."""

    step_key: Text | None = None
    command: Text | None = Field(None, description="`*` matches any text")
    exit_status: ExitStatus | None = None
    exit_statuses: Annotated[list[ExitStatus], Field(min_length=1, max_length=100)] | None = Field(
        None, description="of each attempt; the last one repeats"
    )
    seconds: Annotated[float, Field(ge=0, le=_LONGEST_SPAN)] | None = Field(None, description="how long they take")
    log: str | None = None
    artifacts: Annotated[list[NewArtifact], Field(max_length=1000)] | None = None
    signal: Text | None = Field(None, description="of a failing attempt")

    @model_validator(mode="after")
    def _at_most_one_status(self) -> NewOutcome:
        if self.exit_status is not None and self.exit_statuses is not None:
            raise PydanticCustomError("missing", "send either `exit_status` or `exit_statuses`")
        return self


class BuildChange(Body):
    """The new state of a build, whose times follow from it."""

    state: BuildState


class JobEnd(Body):
    """The result of a job's command."""

    exit_status: ExitStatus = 0
    signal: Text | None = None


# -- pipelines and their steps


class NewCommandStep(Body):
    """A step that runs a command."""

    type: Literal["command"] = "command"
    label: Text | None = None
    command: Text = "make"
    key: Text | None = None
    group: Text | None = None
    duration: Annotated[float, Field(ge=0, le=_LONGEST_SPAN)] = Field(20.0, description="seconds")
    exits: Annotated[list[ExitStatus], Field(min_length=1, max_length=100)] | None = Field(
        None, description="exit status of each attempt; the last one repeats"
    )
    signal: Text | None = None
    times_out: bool = False
    parallelism: Annotated[int, Field(ge=1, le=1000)] | None = None
    matrix: Annotated[list[Texts], Field(min_length=1, max_length=100)] | None = None
    soft_fail: bool = False
    automatic_retries: Annotated[int, Field(ge=0, le=10)] = 0
    agents: Annotated[list[Text], Field(max_length=100)] | None = Field(None, description="such as `queue=default`")
    env: Texts | None = None
    artifacts: Annotated[list[NewArtifact], Field(max_length=1000)] | None = None
    artifact_paths: Text | None = None


class NewWaitStep(Body):
    """A step that waits for all steps before it."""

    type: Literal["wait"]
    continue_on_failure: bool = False
    key: Text | None = None
    group: Text | None = None


class NewBlockStep(Body):
    """A step that waits until it is unblocked."""

    type: Literal["block"]
    label: Text = "Continue?"
    key: Text | None = None
    group: Text | None = None
    fields_: Annotated[list[dict[str, Any]], Field(max_length=100)] | None = Field(None, alias="fields")
    blocked_state: Literal["passed", "failed", "running"] = "passed"


class NewTriggerStep(Body):
    """A step that creates a build of another pipeline."""

    type: Literal["trigger"]
    pipeline: Slug
    label: Text | None = None
    key: Text | None = None
    group: Text | None = None
    async_: bool = Field(default=False, alias="async")
    branch: Text | None = None


_STEP_TYPES = ("command", "wait", "block", "trigger")


def _tag_of_step(value: object) -> str:
    return f"<{_type_of_step(value)}>"


def _check_step_type(value: Any) -> Any:
    kind = _type_of_step(value)
    if kind not in _STEP_TYPES:
        raise choice_error(kind, _STEP_TYPES, at="type")
    return value


def _type_of_step(value: object) -> object:
    return cast("dict[str, object]", value).get("type", "command") if isinstance(value, dict) else "command"


NewStep = Annotated[
    Annotated[NewCommandStep, Tag("<command>")]
    | Annotated[NewWaitStep, Tag("<wait>")]
    | Annotated[NewBlockStep, Tag("<block>")]
    | Annotated[NewTriggerStep, Tag("<trigger>")],
    Discriminator(_tag_of_step),
    BeforeValidator(_check_step_type),
]


class NewPipeline(Body):
    """A pipeline. Its builds run `steps`, else the YAML in `configuration`, else one command."""

    slug: Slug
    name: Text | None = None
    repository: Text | None = None
    description: Text | None = None
    default_branch: Text | None = None
    branch_configuration: Text | None = None
    configuration: Annotated[str, Field(max_length=1 << 20)] | None = None
    env: Texts | None = None
    tags: Annotated[list[Text], Field(max_length=100)] | None = None
    emoji: Text | None = None
    visibility: Literal["private", "public"] | None = None
    steps: Annotated[list[NewStep], Field(max_length=1000)] | None = None


# -- faults, tokens, settings, requests


def _line(value: str) -> str:
    if _NO_LINE_BREAKS(value) is None:
        raise PydanticCustomError("line", "must have no control characters")
    return value


def _pattern(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise PydanticCustomError("pattern", "must be a regular expression: {why}", {"why": str(error)}) from None
    return value


Line = Annotated[str, Field(max_length=10_000), AfterValidator(_line)]


class NewFault(Body):
    """An error to produce, for which requests, and how often. `Faults.add` describes which fields a kind has."""

    kind: Kind
    match: Annotated[str, Field(max_length=1000), AfterValidator(_pattern)] | None = Field(
        None, description='regular expression, searched in "METHOD /path?query"; by default, all requests'
    )
    times: Count | None = Field(1, description="null for always")
    after: Count = Field(0, description="how many matching requests succeed first")
    origin: Origin | None = Field("api", description="null for both")
    at: Count | None = Field(None, description="bytes")
    status: Annotated[int, Field(ge=200, le=599)] | None = None
    message: Text | None = None
    payload: Any = None
    headers: Annotated[dict[Line, Line], Field(max_length=100)] | None = None
    rate_limit_headers: bool | None = Field(None, description="of `rate_limit`: whether it has the headers")
    processed: bool | None = None
    scope: Literal["rest", "rest_user", "both"] | None = None
    reset: Count | None = Field(None, description="seconds")
    remaining: int | None = None
    location: Line | None = None
    pause: Annotated[float, Field(ge=0, le=3600)] | None = Field(None, description="seconds")
    seconds: Annotated[float, Field(ge=0, le=3600)] | None = None


Event = Annotated[str, AfterValidator(one_of(EVENTS)), WithJsonSchema({"enum": sorted(EVENTS)})]
Wait = Annotated[float, Field(ge=0, le=LONGEST_ADVANCE)]
Times = Annotated[int, Field(ge=1, le=MOST_COPIES)]


class NewWebhook(Body):
    """A webhook that sends the events of an organization, as the documentation describes them, to a URL."""

    url: Annotated[str, Field(max_length=2000)]
    secret: Annotated[str, Field(min_length=1, max_length=1000)] = Field(description="the token of the webhook")
    events: Annotated[list[Event], Field(max_length=len(EVENTS))] | None = Field(None, description="null for all")
    token_mode: TokenMode | None = Field(None, description="`token` sends the secret instead of a signature")
    delay: Wait | None = Field(None, description="seconds from the event to its delivery")
    copies: Times | None = Field(None, description="how many times each request is sent")
    shuffle: bool | None = Field(None, description="whether events that are due together are sent in another order")
    attempts: Times | None = Field(None, description="how many times a request is sent that fails, at most")
    retry_after: Wait | None = Field(None, description="seconds to the next attempt")
    current_state: bool | None = Field(None, description="whether late events show the state at their delivery")


class NewDelivery(Body):
    """An event to send by all webhooks, with the fields of its payload."""

    event: Text | None = Field(None, description="null for one of Test Engine that has no name")
    payload: Annotated[dict[str, Any], Field(max_length=1000)] = Field(default_factory=dict[str, Any])


class NewToken(Body):
    """An access token with some scopes."""

    scopes: Annotated[list[Scope], Field(max_length=len(SCOPES))] = Field(description="such as `read_builds`")
    organizations: Annotated[list[Slug], Field(max_length=1000)] | None = Field(None, description="null for all")


Limit = Annotated[int, Field(ge=0, le=10**9)]
Seconds = Annotated[float, Field(ge=0, le=86400)]


class PaceChange(Body):
    """Seconds that a build and its jobs take between states."""

    creating: Seconds | None = None
    assigning: Seconds | None = None
    accepting: Seconds | None = None
    starting: Seconds | None = None
    retrying: Seconds | None = None
    canceling: Seconds | None = None
    triggering: Seconds | None = None


class SettingsChange(Body):
    """Limits, formats and quirks; fields that are not sent keep their values. `Settings` describes them."""

    organization_limit: Limit | None = Field(200, description="requests per window; null for no limit")
    user_limit: Limit | None = Field(50, description="requests per window; null for no limit")
    enforce_limits: bool = Field(
        default=True, description="false: no request is rejected, the headers show unused limits"
    )
    rate_window: Annotated[float, Field(gt=0, le=86400)] = Field(60.0, description="seconds")
    rate_limit_headers: bool = True
    depth_limit: Limit | None = None
    link_last: bool = True
    empty_link_header: bool = False
    time_precision: Precision = "milliseconds"
    filter_precision: Precision = "milliseconds"
    blocked_state: bool = False
    without_finished_at: Annotated[list[Ending], Field(max_length=4)] = Field(
        [], description="of builds that are skipped, not run, canceled before they started, or blocked"
    )
    keeps_finished_at: bool = Field(default=False, description="after a retry or a block step, until the next end")
    legacy_times: bool = True
    latency: Annotated[float, Field(ge=0, le=3600)] = Field(0.0, description="seconds")
    artifact_url_lifetime: Seconds = Field(60.0, description="seconds")
    elastic_agents: bool = Field(default=True, description="false: jobs wait for an agent that is idle")
    unblock_needs_body: bool = False
    hosted_agents_fail: bool = False
    sha256sums: bool = False
    pace: PaceChange | None = None


class RequestsQuery(Body):
    """A page of the recorded requests."""

    after: Annotated[int, Field(ge=0, le=10**15)] = Field(0, description="the number of the last request that you have")
    limit: Annotated[int, Field(ge=1, le=1000)] = 100
