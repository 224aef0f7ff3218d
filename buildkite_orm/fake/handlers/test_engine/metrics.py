"""Metrics of tests from their executions: filters, order, and numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from buildkite_orm.fake import times
from buildkite_orm.fake.http import ApiError
from buildkite_orm.fake.wildcards import compiled

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from buildkite_orm.fake.collections import Record
    from buildkite_orm.fake.http import ApiRequest
    from buildkite_orm.fake.records import Json

_HOUR = 3600.0
_DAY = 24 * _HOUR
_PERIODS = {
    "1hour": _HOUR,
    "4hours": 4 * _HOUR,
    "1day": _DAY,
    "7days": 7 * _DAY,
    "14days": 14 * _DAY,
    "28days": 28 * _DAY,
}
_DEFAULT = "7days"
_STATES = ("enabled", "muted", "skipped")
_SORTS = ("duration_avg", "duration_sum", "duration_min", "duration_max", "reliability")
_ORDERS = ("desc", "asc")
_GROUPS = "~^"


@dataclass(frozen=True, slots=True)
class Window:
    """A span of time, including its ends."""

    start: float
    end: float

    def holds(self, execution: Record) -> bool:
        """Return whether an execution was in it."""
        return self.start <= execution.created_at <= self.end


@dataclass(frozen=True, slots=True)
class ExecutedTest:
    """A test with the executions to aggregate."""

    suite: Record
    test: Record
    executions: list[Record]

    def metrics(self) -> Json:
        """Return the metrics."""
        results = [each.data["result"] for each in self.executions]
        durations: list[float] = [each.data["duration"] for each in self.executions]
        passed, failed = results.count("passed"), results.count("failed")
        rare = {name: results.count(name) for name in ("skipped", "pending", "unknown")}
        return {
            "reliability": round(passed / (passed + failed), 4) if passed + failed else None,
            "duration_avg": round(sum(durations) / len(durations), 6) if durations else None,
            "duration_sum": round(sum(durations), 6) if durations else None,
            "duration_min": min(durations, default=None),
            "duration_max": max(durations, default=None),
            "executions_count": len(results),
            "executions_count_by_result": {"passed": passed, "failed": failed}
            | {name: count for name, count in rare.items() if count},
        }


def window(request: ApiRequest) -> Window:
    """Return the time window to aggregate, from the query."""
    params, now = request.http.args, request.context.clock.now()
    if "min_timestamp" not in params and "max_timestamp" not in params:
        return period(request)
    if "period" in params:
        raise ApiError(400, "`period` cannot be combined with `min_timestamp` or `max_timestamp`")
    return Window(_moment(request, "min_timestamp", now - _PERIODS[_DEFAULT]), _moment(request, "max_timestamp", now))


def period(request: ApiRequest) -> Window:
    """Return the window that ends now, from `period` in the query."""
    now = request.context.clock.now()
    return Window(now - _PERIODS[_one_of(request, "period", _PERIODS, _DEFAULT)], now)


def _moment(request: ApiRequest, name: str, otherwise: float) -> float:
    text = request.http.args.get(name)
    if text is None:
        return otherwise
    moment = times.parse(text)
    if moment is None:
        raise ApiError(400, f"`{name}` must be an ISO 8601 timestamp")
    return moment


def _one_of(request: ApiRequest, name: str, known: Iterable[str], otherwise: str) -> str:
    """Return a query parameter; raise a 400 if it is not one of the known values."""
    value = request.http.args.get(name, otherwise)
    if value not in known:
        raise ApiError(400, f"`{name}` must be one of {', '.join(known)}")
    return value


def group_by_test(suite: Record, tests: Iterable[Record], executions: Iterable[Record]) -> list[ExecutedTest]:
    """Return the tests with their executions."""
    sorted_out: dict[str, list[Record]] = {}
    for each in executions:
        sorted_out.setdefault(each.data["test_id"], []).append(each)
    return [ExecutedTest(suite, each, sorted_out.get(each.id, [])) for each in tests]


def select_tests(request: ApiRequest, candidates: Sequence[ExecutedTest]) -> list[ExecutedTest]:
    """Return the tests that match the query, in its order, each with the executions to aggregate."""
    found = [_filter_executions(request, each) for each in candidates if _matches_filters(request, each.test)]
    ran = [each for each in found if each.executions and _matches_group_tags(request, each)]
    name, order = _one_of(request, "sort_by", _SORTS, _SORTS[0]), _one_of(request, "order", _ORDERS, _ORDERS[0])
    values = [(each.metrics()[name], each) for each in ran]
    known = sorted((pair for pair in values if pair[0] is not None), key=lambda pair: pair[0], reverse=order == "desc")
    return [each for _, each in known] + [each for value, each in values if value is None]


def _matches_filters(request: ApiRequest, test: Record) -> bool:
    params, data = request.http.args, test.data
    if "state" in params and data["state"] != _one_of(request, "state", _STATES, ""):
        return False
    return _matches_values(_listed(request, "labels"), data["labels"]) and _matches_values(
        _listed(request, "owners"), data["owners"]
    )


def _listed(request: ApiRequest, name: str) -> list[str]:
    return [each for each in request.http.args.get(name, "").split(",") if each]


def _matches_values(requested: list[str], has: Iterable[str]) -> bool:
    """Return whether any of the requested values is present, and none of the excluded ones (`!`)."""
    wanted = {each for each in requested if not each.startswith("!")}
    unwanted = {each[1:] for each in requested if each.startswith("!")}
    return not unwanted.intersection(has) and (not wanted or bool(wanted.intersection(has)))


def _tags(request: ApiRequest) -> list[tuple[str, str]]:
    pairs = [each.partition(":") for each in _listed(request, "tags")]
    if any(not colon for _, colon, _ in pairs):
        raise ApiError(400, "`tags` must be given as `key:value`")
    return [(key, value) for key, _, value in pairs]


def _is_group_tag(key: str, value: str) -> bool:
    return key == "result" and value[:1] in _GROUPS and value != ""


def _filter_executions(request: ApiRequest, ran: ExecutedTest) -> ExecutedTest:
    """Drop the executions that the query excludes."""
    tags = [pair for pair in _tags(request) if not _is_group_tag(*pair)]
    if "branch" in request.http.args:
        tags.append(("scm.branch", request.http.args["branch"]))
    kept = [each for each in ran.executions if all(_matches(value, _tag(each, key)) for key, value in tags)]
    return ExecutedTest(ran.suite, ran.test, kept)


def _matches_group_tags(request: ApiRequest, ran: ExecutedTest) -> bool:
    results = [each.data["result"] for each in ran.executions]
    for key, value in _tags(request):
        if _is_group_tag(key, value):
            fitting = [_matches(value[1:], each) for each in results]
            if not (any(fitting) if value[0] == "~" else all(fitting)):
                return False
    return True


def _tag(execution: Record, key: str) -> Any:
    data = execution.data
    own = {"result": data["result"], "scm.branch": data["branch"], "scm.commit_sha": data["commit_sha"]}
    return own[key] if key in own else data["tags"].get(key)


def _matches(pattern: str, value: str | None) -> bool:
    if pattern.startswith("!"):
        return not _matches(pattern[1:], value)
    return value is not None and compiled([pattern]).fullmatch(value) is not None
