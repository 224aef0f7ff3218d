"""Runs of test suites, and executions of tests."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, cast

from buildkite_orm.fake.handlers.collection import Collection
from buildkite_orm.fake.handlers.route import route
from buildkite_orm.fake.handlers.test_engine.records import executions
from buildkite_orm.fake.handlers.test_engine.suites import SUITE, SUITES, place, suite_id_of
from buildkite_orm.fake.handlers.validation import Check, require_valid
from buildkite_orm.fake.http import Reply
from buildkite_orm.fake.paging import paged

if TYPE_CHECKING:
    from buildkite_orm.fake.collections import Record
    from buildkite_orm.fake.http import ApiRequest
    from buildkite_orm.fake.records import Json

_MUTABLE = "mut."
_MOST_EXECUTIONS = 100_000
_MOST_TAGS = 10


def _run(request: ApiRequest, record: Record) -> Json:
    data = record.data
    return {
        "id": record.id,
        "branch": data["branch"],
        "commit_sha": data["commit_sha"],
        "state": data["state"],
        "result": data["result"],
        **place(request, SUITES.find(request), f"/runs/{record.id}"),
        "build_id": data["build_id"],
        "created_at": request.view.time(record.created_at),
    }


RUNS = Collection(
    kind="run",
    path=SUITE + "/runs",
    key="run",
    read="read_suites",
    write="write_suites",
    render=_run,
    owner=suite_id_of,
)


def list_runs(request: ApiRequest) -> Reply:
    """List the runs; with `build_id`, only those of that build."""
    build = request.http.args.get("build_id")
    return RUNS.list_response(
        request, [each for each in RUNS.records(request).values() if build in {None, each.data["build_id"]}]
    )


def list_failed_executions(request: ApiRequest) -> Reply:
    """List the failed executions of a run."""
    run, suite = RUNS.find(request), SUITES.find(request)
    of_run = [each for each in executions(request.context.store, suite) if each.data["run_id"] == run.id]
    failed = [each for each in of_run if each.data["result"] == "failed"]
    render = _expanded_execution if request.flag("include_failure_expanded") else _execution
    return paged(request, failed, partial(render, request, suite))


def _expanded_execution(request: ApiRequest, suite: Record, record: Record) -> Json:
    reason, location = record.data["failure_reason"], _location(request, suite, record)
    expanded = [{"expanded": [reason], "backtrace": [location] if location else []}] if reason else []
    return {**_execution(request, suite, record), "failure_expanded": expanded}


def _location(request: ApiRequest, suite: Record, record: Record) -> str | None:
    tests = request.context.store.collections.of("test", suite.id)
    location: str | None = tests[record.data["test_id"]].data["location"]
    return location


def _execution(request: ApiRequest, suite: Record, record: Record) -> Json:
    data, view = record.data, request.view
    test = request.context.store.collections.of("test", suite.id)[data["test_id"]]
    test_url = place(request, suite, f"/tests/{test.id}")["web_url"]
    return {
        "execution_id": record.id,
        "run_id": data["run_id"],
        "test_id": test.id,
        "run_name": data["run_id"],
        "commit_sha": data["commit_sha"],
        "created_at": view.time(record.created_at),
        "branch": data["branch"],
        "failure_reason": data["failure_reason"],
        "duration": data["duration"],
        "location": test.data["location"],
        "test_name": f"{test.data['scope']} {test.data['name']}".strip(),
        "run_url": place(request, suite, f"/runs/{data['run_id']}")["web_url"],
        "test_url": test_url,
        "test_execution_url": f"{test_url}?execution_id={record.id}",
        "tags": data["tags"],
    }


def update_execution_tags(request: ApiRequest) -> Reply:
    """Replace the mutable tags of executions; unknown executions are ignored."""
    known, body = request.context.store.collections.of("execution", suite_id_of(request)), request.body()
    require_valid(body, {"executions": Check(list, required=True, accepts=_are_executions)})
    replaced: list[Json] = body["executions"] or []
    for each in replaced:
        if (execution := known.get(each["id"])) is not None:
            kept = {key: value for key, value in execution.data["tags"].items() if not key.startswith(_MUTABLE)}
            execution.data["tags"] = kept | each["tags"]
    return Reply()


def _are_executions(value: list[Any]) -> bool:
    return len(value) <= _MOST_EXECUTIONS and all(_is_execution(each) for each in value)


def _is_execution(value: object) -> bool:
    if not isinstance(value, dict):
        return False
    execution = cast("Json", value)
    tags = execution.get("tags")
    return isinstance(execution.get("id"), str) and isinstance(tags, dict) and _are_tags(cast("Json", tags))


def _are_tags(tags: Json) -> bool:
    are_mutable = all(key.startswith(_MUTABLE) and isinstance(value, str) for key, value in tags.items())
    return are_mutable and len(tags) <= _MOST_TAGS


ROUTES = (
    route("GET", SUITE + "/runs", "read_suites", list_runs),
    *RUNS.routes("get"),
    route("GET", SUITE + "/runs/{run}/failed_executions", "read_suites", list_failed_executions),
    route("PUT", SUITE + "/execution-tags", "write_suites", update_execution_tags),
)
