"""Tests of a suite and of a build, their labels and states, and flaky tests."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from buildkite_orm.fake.handlers.collection import Collection
from buildkite_orm.fake.handlers.route import route
from buildkite_orm.fake.handlers.test_engine.metrics import (
    ExecutedTest,
    Window,
    group_by_test,
    period,
    select_tests,
    window,
)
from buildkite_orm.fake.handlers.test_engine.records import executions
from buildkite_orm.fake.handlers.test_engine.suites import ANALYTICS, SUITE, SUITES, place, suite_id_of
from buildkite_orm.fake.handlers.validation import Check, one_of, require_valid
from buildkite_orm.fake.http import ApiError, Reply
from buildkite_orm.fake.paging import paged

if TYPE_CHECKING:
    from buildkite_orm.fake.collections import Record
    from buildkite_orm.fake.http import ApiRequest
    from buildkite_orm.fake.records import BuildRecord, Json

_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}").fullmatch
_WITH_METRICS = "2026-08-01"
_DAY = 86400.0


def _test(request: ApiRequest, suite: Record, record: Record) -> Json:
    data = record.data
    return {
        "id": record.id,
        **place(request, suite, f"/tests/{record.id}"),
        "scope": data["scope"],
        "name": data["name"],
        "location": data["location"],
        "file_name": data["file_name"],
    }


def _labeled_test(request: ApiRequest, suite: Record, record: Record) -> Json:
    return {**_test(request, suite, record), "labels": record.data["labels"]}


def _measured_test(request: ApiRequest, ran: ExecutedTest) -> Json:
    return {**_labeled_test(request, ran.suite, ran.test), **ran.metrics()}


def _test_in_path(request: ApiRequest, record: Record) -> Json:
    return _test(request, SUITES.find(request), record)


def _labeled_test_in_path(request: ApiRequest, record: Record) -> Json:
    return _labeled_test(request, SUITES.find(request), record)


TESTS = Collection(
    kind="test",
    path=SUITE + "/tests",
    key="test",
    read="read_suites",
    write="write_suites",
    render=_test_in_path,
    owner=suite_id_of,
    paging="array",
)
LABELED_TESTS = replace(TESTS, render=_labeled_test_in_path, paging="link")


def _includes_metrics(request: ApiRequest) -> bool:
    version = request.http.headers.get("Buildkite-Version", "").strip()
    if version and not _VERSION(version):
        raise ApiError(400, "Buildkite-Version must be in format YYYY-MM-DD")
    return version >= _WITH_METRICS


def list_tests(request: ApiRequest) -> Reply:
    """List the tests; in API versions with metrics, only those with executions."""
    tests, params = list(TESTS.records(request).values()), request.http.args
    if "label" in params:
        tests = [each for each in tests if params["label"] in each.data["labels"]]
    if not _includes_metrics(request):
        return LABELED_TESTS.list_response(request, tests)
    if "label" in params and "labels" in params:
        raise ApiError(400, "`label` cannot be combined with `labels`")
    return paged(request, select_tests(request, _in_window(request, tests)), partial(_measured_test, request))


def _in_window(request: ApiRequest, tests: list[Record]) -> list[ExecutedTest]:
    suite, span = SUITES.find(request), window(request)
    return group_by_test(suite, tests, filter(span.holds, executions(request.context.store, suite)))


def get_test(request: ApiRequest) -> Reply:
    """Get a test; in API versions with metrics, with its metrics."""
    test = TESTS.find(request)
    if not _includes_metrics(request):
        return LABELED_TESTS.get_record(request)
    (ran,) = _in_window(request, [test])
    return Reply(payload=_measured_test(request, ran))


def find_test(request: ApiRequest) -> Reply:
    """Find a test by its scope and name."""
    body = request.body()
    require_valid(body, {"scope": Check(str), "name": Check(str)})
    for each in TESTS.records(request).values():
        if all(each.data[name] == body[name] for name in ("scope", "name") if name in body):
            return TESTS.response(request, each, "get", 200)
    raise ApiError(404, "No test found")


def update_labels(request: ApiRequest) -> Reply:
    """Add labels to a test, or remove them."""
    test, body = TESTS.find(request), request.body()
    require_valid(
        body,
        {
            "operator": one_of("add", "remove", required=True),
            "labels": Check(
                list, required=True, filled=True, accepts=lambda value: all(isinstance(each, str) for each in value)
            ),
        },
    )
    others = [each for each in test.data["labels"] if each not in body["labels"]]
    test.data["labels"] = others + (list(dict.fromkeys(body["labels"])) if body["operator"] == "add" else [])
    return LABELED_TESTS.response(request, test, "update", 200)


def _set_state(state: str, request: ApiRequest) -> Reply:
    test = TESTS.find(request)
    test.data["state"] = state
    return TESTS.response(request, test, "update", 200)


def _list_in_state(state: str, request: ApiRequest) -> Reply:
    return TESTS.list_response(
        request, [each for each in TESTS.records(request).values() if each.data["state"] == state]
    )


def list_build_tests(request: ApiRequest) -> Reply:
    """List the tests of a build, in all suites."""
    build, store = _build(request), request.context.store
    span = Window(build.created_at, min(build.finished_at or request.context.clock.now(), build.created_at + _DAY))
    ran: list[ExecutedTest] = []
    for suite in SUITES.records(request).values():
        runs = {each.id for each in store.collections.of("run", suite.id).values() if each.data["build_id"] == build.id}
        of_build = [each for each in executions(store, suite) if each.data["run_id"] in runs and span.holds(each)]
        ran += group_by_test(suite, store.collections.of("test", suite.id).values(), of_build)
    return paged(request, select_tests(request, ran), partial(_measured_test, request))


def _build(request: ApiRequest) -> BuildRecord:
    found = next((each for each in request.organization.builds if each.id == request.arguments["build"]), None)
    if found is None:
        raise ApiError(404, "No build found")
    return found


def list_flaky_tests(request: ApiRequest) -> Reply:
    """List the tests that both passed and failed for one commit."""
    suite, span = SUITES.find(request), period(request)
    params, tests = request.http.args, TESTS.records(request).values()
    search, branch = params.get("search", ""), params.get("branch")
    found = [each for each in tests if any(search in (each.data[name] or "") for name in ("name", "scope", "location"))]
    candidates = group_by_test(suite, found, filter(span.holds, executions(request.context.store, suite)))
    flaky = [(each, _flakes(each, branch)) for each in candidates]
    return Reply(payload=[_flaky(request, ran, flakes) for ran, flakes in flaky if flakes])


def _flakes(ran: ExecutedTest, branch: str | None) -> list[float]:
    """Return when a test last failed, for each commit for which it also passed."""
    counted = [each for each in ran.executions if branch in {None, each.data["branch"]}]
    passed = {each.data["commit_sha"] for each in counted if each.data["result"] == "passed"}
    failed = {each.data["commit_sha"]: each.created_at for each in counted if each.data["result"] == "failed"}
    return [at for commit, at in failed.items() if commit in passed]


def _flaky(request: ApiRequest, ran: ExecutedTest, flakes: list[float]) -> Json:
    payload = _test(request, ran.suite, ran.test)
    del payload["url"]
    return {
        **payload,
        "instances": len(flakes),
        "latest_occurrence_at": request.view.time(max(flakes)),
        "most_recent_instance_at": request.view.time(max(flakes)),
        "last_resolved_at": None,
        "ownership_team_ids": list(ran.test.data["owners"].values()),
    }


_ITEM = SUITE + "/tests/{test}"

ROUTES = (
    route("GET", SUITE + "/tests", "read_suites", list_tests),
    route("POST", SUITE + "/tests/find", "read_suites", find_test),
    route("GET", SUITE + "/tests/muted", "read_suites", partial(_list_in_state, "muted")),
    route("GET", SUITE + "/tests/skipped", "read_suites", partial(_list_in_state, "skipped")),
    route("GET", _ITEM, "read_suites", get_test),
    route("PATCH", _ITEM + "/labels", "write_suites", update_labels),
    route("PUT", _ITEM + "/skip", "write_suites", partial(_set_state, "skipped")),
    route("PUT", _ITEM + "/mute", "write_suites", partial(_set_state, "muted")),
    route("PUT", _ITEM + "/enable", "write_suites", partial(_set_state, "enabled")),
    route("GET", ANALYTICS + "/builds/{build}/tests", "read_suites", list_build_tests),
    route("GET", SUITE + "/flaky-tests", "read_suites", list_flaky_tests),
)
