"""Builds: listings, one build, and what can be done with it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from buildkite_orm.fake import times
from buildkite_orm.fake.handlers.route import BUILD, ORGANIZATION, PIPELINE, route
from buildkite_orm.fake.handlers.validation import Check, are_strings, require_valid, texts_of
from buildkite_orm.fake.http import ApiError, InvalidError, Reply
from buildkite_orm.fake.lifecycle import CANCELABLE
from buildkite_orm.fake.paging import link_header, page_number, page_size
from buildkite_orm.fake.payloads.builds import Shown, build, shown_state
from buildkite_orm.fake.store import window
from buildkite_orm.fake.wildcards import allows, compiled

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildkite_orm.fake.http import Call
    from buildkite_orm.fake.records import BuildRecord, JobRecord, Json, QueueRecord, UserRecord

    Test = Callable[[BuildRecord], bool]

STATES = frozenset(
    {
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
    }
)
FINISHED = frozenset({"passed", "failed", "blocked", "canceled"})
RETRYABLE = ("canceled", "expired", "failed", "soft_failed", "timed_out")
TOO_DEEP = (
    "Listing builds this deep is not supported. Please narrow your query using filters such as branch or created_from."
)


# -- listings


def list_all_builds(call: Call) -> Reply:
    """List the builds of all organizations that the token reaches."""
    store = call.world.store
    if all(call.token.reaches(each) for each in store.organizations.values()):
        return _list(call, store.builds)
    return _list(call, [each for each in store.builds if call.token.reaches(each.organization)])


def list_organization_builds(call: Call) -> Reply:
    """List an organization's builds."""
    return _list(call, call.organization.builds)


def list_pipeline_builds(call: Call) -> Reply:
    """List a pipeline's builds."""
    return _list(call, call.pipeline.builds)


def _list(call: Call, builds: list[BuildRecord]) -> Reply:
    size = page_size(call)
    start = (page_number(call) - 1) * size
    limit = call.world.settings.depth_limit
    tests = _tests(call)
    low, high = window(builds, _time(call, "created_from"), _time(call, "created_to"))
    if limit is not None and start >= limit:
        raise ApiError(400, TOO_DEEP)
    if tests:
        found = [each for each in reversed(builds[low:high]) if all(test(each) for test in tests)]
        total, page = len(found), found[start : start + size]
    else:
        total, page = high - low, builds[max(low, high - start - size) : max(low, high - start)][::-1]
    view, shown = call.view, _shown_in_list(call)
    return Reply(payload=[build(view, each, shown) for each in page], headers=link_header(call, total))


def _shown_in_list(call: Call) -> Shown:
    return Shown(
        jobs=not call.flag("exclude_jobs"),
        pipeline=not call.flag("exclude_pipeline"),
        retried_jobs=call.flag("include_retried_jobs"),
        paused_jobs=call.flag("include_paused", default=True),
    )


def _time(call: Call, name: str) -> float | None:
    text = call.request.args.get(name)
    if not text:
        return None
    moment = times.parse(text)
    if moment is None:
        raise ApiError(422, f"{name} must be a valid ISO 8601 time")
    return float(int(moment)) if call.world.settings.filter_precision == "seconds" else moment


def _tests(call: Call) -> list[Test]:
    """Give what a build must pass to be listed, apart from its time."""
    every = (_states, _branches, _commits, _creator, _meta_data, _finished_from, _paused)
    return [test for make in every if (test := make(call)) is not None]


def _states(call: Call) -> Test | None:
    asked = set(call.values("state"))
    if not asked:
        return None
    if unknown := asked - STATES:
        raise ApiError(422, f"Invalid state: {', '.join(sorted(unknown))}")
    if "finished" in asked:
        asked |= FINISHED
    view = call.view
    return lambda each: shown_state(view, each) in asked or (each.blocked and "blocked" in asked)


def _branches(call: Call) -> Test | None:
    patterns = call.values("branch")
    if not patterns:
        return None
    match = compiled(patterns).fullmatch
    return lambda each: match(each.branch) is not None


def _commits(call: Call) -> Test | None:
    asked = set(call.values("commit"))
    return (lambda each: each.commit in asked) if asked else None


def _creator(call: Call) -> Test | None:
    asked = call.request.args.get("creator")
    return (lambda each: each.creator is not None and each.creator.id == asked) if asked else None


def _meta_data(call: Call) -> Test | None:
    pairs = [
        (found[1], value)
        for name, value in call.request.args.items(multi=True)
        if (found := re.fullmatch(r"meta_data\[(.+)\]", name, re.DOTALL))
    ]
    return (lambda each: all(each.meta_data.get(key) == value for key, value in pairs)) if pairs else None


def _finished_from(call: Call) -> Test | None:
    moment = _time(call, "finished_from")
    return None if moment is None else lambda each: each.finished_at is not None and each.finished_at >= moment


def _paused(call: Call) -> Test | None:
    if call.flag("include_paused", default=True) or not any(queue.paused for queue in call.world.store.queues()):
        return None
    return lambda each: not _all_paused([job.queue for job in each.jobs if job.type == "script"])


def _all_paused(queues: list[QueueRecord | None]) -> bool:
    return bool(queues) and all(queue is not None and queue.paused for queue in queues)


# -- one build


def get_build(call: Call) -> Reply:
    """Get one, with its jobs unless told otherwise."""
    shown = Shown(
        jobs=not call.flag("exclude_jobs"),
        pipeline=not call.flag("exclude_pipeline"),
        retried_jobs=call.flag("include_retried_jobs"),
        job_states=frozenset(call.values("job_states")),
        job_state_counts=True,
        test_engine=call.flag("include_test_engine"),
    )
    return Reply(payload=build(call.view, call.build, shown))


def _answer(call: Call, record: BuildRecord, status: int = 200, **more: Any) -> Reply:
    """Answer a write with the build, moved by what is due at once."""
    call.world.lifecycle.run()
    return Reply(status, payload=build(call.view, record, Shown()) | more)


def _is_author(value: Any) -> bool:
    named = () if isinstance(value, str) else (value.get("name"), value.get("email"))
    return all(each is None or isinstance(each, str) for each in named)


_CREATE = {
    "commit": Check(str, required=True, filled=True),
    "branch": Check(str, required=True, filled=True),
    "message": Check(str),
    "author": Check((dict, str), accepts=_is_author),
    "env": Check(dict),
    "meta_data": Check(dict),
    "clean_checkout": Check(bool),
    "ignore_pipeline_branch_filters": Check(bool),
    "pull_request_base_branch": Check(str),
    "pull_request_id": Check((int, str), accepts=lambda value: str(value).isdecimal()),
    "pull_request_labels": Check(list, accepts=are_strings),
    "pull_request_repository": Check(str),
}


def create_build(call: Call) -> Reply:
    """Create one."""
    pipeline, body = call.pipeline, call.body()
    require_valid(body, _CREATE)
    if pipeline.archived_at is not None:
        raise ApiError(422, "Pipeline is archived")
    if not (body.get("ignore_pipeline_branch_filters") or allows(pipeline.branch_configuration, body["branch"])):
        raise ApiError(422, f"Branch {body['branch']} is not configured to be built by this pipeline")
    record = call.world.lifecycle.create(
        pipeline,
        branch=body["branch"],
        commit=body["commit"],
        message=body.get("message"),
        author=_author(body.get("author"), call.token.user),
        env=texts_of(body.get("env")),
        meta_data=texts_of(body.get("meta_data")),
        clean_checkout=bool(body.get("clean_checkout")),
        pull_request=_pull_request(body),
        source="api",
        creator=call.token.user,
    )
    return _answer(call, record, 201)


def _author(author: Any, asks: UserRecord) -> Json:
    if not author:
        return {"name": asks.name, "email": asks.email}
    if isinstance(author, str):
        name, opening, email = author.removesuffix(">").partition("<")
        is_both = bool(opening) and author.endswith(">")
        return {"name": name.rstrip(), "email": email} if is_both else {"name": author, "email": None}
    return {"name": author.get("name"), "email": author.get("email")}


def _pull_request(body: Json) -> Json | None:
    number = body.get("pull_request_id")
    if number is None:
        return None
    return {
        "id": str(number),
        "base": body.get("pull_request_base_branch"),
        "repository": body.get("pull_request_repository"),
        "labels": body.get("pull_request_labels") or [],
    }


def cancel_build(call: Call) -> Reply:
    """Cancel one that is on its way."""
    record = call.build
    if record.state not in CANCELABLE:
        why = "already being canceled" if record.state == "canceling" else "already finished"
        raise ApiError(422, f"Build can't be canceled because it's {why}.")
    call.world.lifecycle.cancel(record)
    return _answer(call, record)


def rebuild_build(call: Call) -> Reply:
    """Build the same again, as a new build."""
    record = call.build
    if not record.pipeline.allow_rebuilds:
        raise ApiError(422, "Rebuilds are not allowed on this pipeline")
    if record.pipeline.archived_at is not None:
        raise ApiError(422, "Pipeline is archived")
    return _answer(call, call.world.lifecycle.rebuild(record, call.token.user))


def retry_failed_jobs(call: Call) -> Reply:
    """Retry the failed jobs, a moment later; until then the build stays as it is."""
    record, body = call.build, call.body()
    asked = body.get("states") or ""
    if not isinstance(asked, str):
        raise InvalidError([("states", "invalid")])
    states = {each.strip() for each in asked.split(",") if each.strip()}
    if unknown := sorted(states - set(RETRYABLE)):
        raise ApiError(400, f"Invalid states: {', '.join(unknown)}. Valid states are {', '.join(RETRYABLE)}.")
    over = record.state in {"canceled", "canceling"}
    jobs = [] if over else [job for job in record.jobs if _retryable(job, states or set(RETRYABLE))]
    call.world.lifecycle.retry_soon(jobs, call.token.user)
    return _answer(call, record, 202, retried_jobs_count=len(jobs))


def _retryable(job: JobRecord, states: set[str]) -> bool:
    if job.type != "script" or job.retried or job.retry_pending:
        return False
    return ("soft_failed" if job.soft_failed else job.state) in states


ROUTES = (
    route("GET", "/v2/builds", "read_builds", list_all_builds),
    route("GET", ORGANIZATION + "/builds", "read_builds", list_organization_builds),
    route("GET", PIPELINE + "/builds", "read_builds", list_pipeline_builds),
    route("GET", BUILD, "read_builds", get_build),
    route("POST", PIPELINE + "/builds", "write_builds", create_build),
    route("PUT", BUILD + "/cancel", "write_builds", cancel_build),
    route("PUT", BUILD + "/rebuild", "write_builds", rebuild_build),
    route("PUT", BUILD + "/retry_failed_jobs", "write_builds", retry_failed_jobs),
)
