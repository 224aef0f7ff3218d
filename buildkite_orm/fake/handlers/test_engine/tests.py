"""Tests: of a suite and of a build, their labels and states, and the flaky ones."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from buildkite_orm.fake.handlers.collection import Collection
from buildkite_orm.fake.handlers.route import route
from buildkite_orm.fake.handlers.test_engine.metrics import Ran, Window, by_test, period, selected, window
from buildkite_orm.fake.handlers.test_engine.suites import ANALYTICS, SUITE, SUITES, of_suite, place
from buildkite_orm.fake.handlers.test_engine.things import executions
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


def _test(request: ApiRequest, suite: Record, thing: Record) -> Json:
    data = thing.data
    return {
        "id": thing.id,
        **place(request, suite, f"/tests/{thing.id}"),
        "scope": data["scope"],
        "name": data["name"],
        "location": data["location"],
        "file_name": data["file_name"],
    }


def _labelled(request: ApiRequest, suite: Record, thing: Record) -> Json:
    return {**_test(request, suite, thing), "labels": thing.data["labels"]}


def _measured(request: ApiRequest, ran: Ran) -> Json:
    return {**_labelled(request, ran.suite, ran.test), **ran.metrics()}


def _of_path(request: ApiRequest, thing: Record) -> Json:
    return _test(request, SUITES.find(request), thing)


def _labelled_of_path(request: ApiRequest, thing: Record) -> Json:
    return _labelled(request, SUITES.find(request), thing)


TESTS = Collection(
    kind="test",
    path=SUITE + "/tests",
    key="test",
    read="read_suites",
    write="write_suites",
    tell=_of_path,
    owner=of_suite,
    paging="array",
)
LABELLED = replace(TESTS, tell=_labelled_of_path, paging="link")


def _asks_for_metrics(request: ApiRequest) -> bool:
    version = request.http.headers.get("Buildkite-Version", "").strip()
    if version and not _VERSION(version):
        raise ApiError(400, "Buildkite-Version must be in format YYYY-MM-DD")
    return version >= _WITH_METRICS


def list_tests(request: ApiRequest) -> Reply:
    """List them all; in a version with metrics, those that ran."""
    tests, asked = list(TESTS.shelf(request).values()), request.http.args
    if "label" in asked:
        tests = [each for each in tests if asked["label"] in each.data["labels"]]
    if not _asks_for_metrics(request):
        return LABELLED.listed(request, tests)
    if "label" in asked and "labels" in asked:
        raise ApiError(400, "`label` cannot be combined with `labels`")
    return paged(request, selected(request, _in_window(request, tests)), partial(_measured, request))


def _in_window(request: ApiRequest, tests: list[Record]) -> list[Ran]:
    suite, span = SUITES.find(request), window(request)
    return by_test(suite, tests, filter(span.holds, executions(request.context.store, suite)))


def get_test(request: ApiRequest) -> Reply:
    """Get one, in a version with metrics with its metrics."""
    test = TESTS.find(request)
    if not _asks_for_metrics(request):
        return LABELLED.get_one(request)
    (ran,) = _in_window(request, [test])
    return Reply(payload=_measured(request, ran))


def find_test(request: ApiRequest) -> Reply:
    """Find one by its scope and name."""
    body = request.body()
    require_valid(body, {"scope": Check(str), "name": Check(str)})
    for each in TESTS.shelf(request).values():
        if all(each.data[name] == body[name] for name in ("scope", "name") if name in body):
            return TESTS.answer(request, each, "get", 200)
    raise ApiError(404, "No test found")


def update_labels(request: ApiRequest) -> Reply:
    """Add labels to one, or remove them."""
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
    return LABELLED.answer(request, test, "update", 200)


def _put_into(state: str, request: ApiRequest) -> Reply:
    test = TESTS.find(request)
    test.data["state"] = state
    return TESTS.answer(request, test, "update", 200)


def _list_in(state: str, request: ApiRequest) -> Reply:
    return TESTS.listed(request, [each for each in TESTS.shelf(request).values() if each.data["state"] == state])


def list_build_tests(request: ApiRequest) -> Reply:
    """List those that ran in a build, of all suites."""
    build, store = _build(request), request.context.store
    span = Window(build.created_at, min(build.finished_at or request.context.clock.now(), build.created_at + _DAY))
    ran: list[Ran] = []
    for suite in SUITES.shelf(request).values():
        runs = {each.id for each in store.shelves.of("run", suite.id).values() if each.data["build_id"] == build.id}
        of_build = [each for each in executions(store, suite) if each.data["run_id"] in runs and span.holds(each)]
        ran += by_test(suite, store.shelves.of("test", suite.id).values(), of_build)
    return paged(request, selected(request, ran), partial(_measured, request))


def _build(request: ApiRequest) -> BuildRecord:
    found = next((each for each in request.organization.builds if each.id == request.arguments["build"]), None)
    if found is None:
        raise ApiError(404, "No build found")
    return found


def list_flaky_tests(request: ApiRequest) -> Reply:
    """List those that both passed and failed for one commit."""
    suite, span = SUITES.find(request), period(request)
    asked, tests = request.http.args, TESTS.shelf(request).values()
    search, branch = asked.get("search", ""), asked.get("branch")
    found = [each for each in tests if any(search in (each.data[name] or "") for name in ("name", "scope", "location"))]
    candidates = by_test(suite, found, filter(span.holds, executions(request.context.store, suite)))
    told = [(each, _flakes(each, branch)) for each in candidates]
    return Reply(payload=[_flaky(request, ran, flakes) for ran, flakes in told if flakes])


def _flakes(ran: Ran, branch: str | None) -> list[float]:
    """Give when a test failed last for each commit for which it passed too."""
    counted = [each for each in ran.executions if branch in {None, each.data["branch"]}]
    passed = {each.data["commit_sha"] for each in counted if each.data["result"] == "passed"}
    failed = {each.data["commit_sha"]: each.created_at for each in counted if each.data["result"] == "failed"}
    return [at for commit, at in failed.items() if commit in passed]


def _flaky(request: ApiRequest, ran: Ran, flakes: list[float]) -> Json:
    told = _test(request, ran.suite, ran.test)
    del told["url"]
    return {
        **told,
        "instances": len(flakes),
        "latest_occurrence_at": request.view.time(max(flakes)),
        "most_recent_instance_at": request.view.time(max(flakes)),
        "last_resolved_at": None,
        "ownership_team_ids": list(ran.test.data["owners"].values()),
    }


_ONE = SUITE + "/tests/{test}"

ROUTES = (
    route("GET", SUITE + "/tests", "read_suites", list_tests),
    route("POST", SUITE + "/tests/find", "read_suites", find_test),
    route("GET", SUITE + "/tests/muted", "read_suites", partial(_list_in, "muted")),
    route("GET", SUITE + "/tests/skipped", "read_suites", partial(_list_in, "skipped")),
    route("GET", _ONE, "read_suites", get_test),
    route("PATCH", _ONE + "/labels", "write_suites", update_labels),
    route("PUT", _ONE + "/skip", "write_suites", partial(_put_into, "skipped")),
    route("PUT", _ONE + "/mute", "write_suites", partial(_put_into, "muted")),
    route("PUT", _ONE + "/enable", "write_suites", partial(_put_into, "enabled")),
    route("GET", ANALYTICS + "/builds/{build}/tests", "read_suites", list_build_tests),
    route("GET", SUITE + "/flaky-tests", "read_suites", list_flaky_tests),
)
