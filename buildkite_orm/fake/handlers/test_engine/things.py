"""What test suites consist of, as the shelves keep it, and how seeds and tests add to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from buildkite_orm.fake.collections import Record
from buildkite_orm.fake.ids import slug_of
from buildkite_orm.fake.times import seconds

if TYPE_CHECKING:
    from collections.abc import Container

    from buildkite_orm.fake.records import BuildRecord, Json, OrganizationRecord
    from buildkite_orm.fake.store import Store

SUITE: Json = {
    "default_branch": "main",
    "application_name": None,
    "color": None,
    "emoji": None,
    "oidc_policy": None,
}
_RUN: Json = {"branch": "main", "state": "finished", "result": "pending", "build_id": None}
_TEST: Json = {"scope": "", "location": None, "file_name": None, "state": "enabled"}
_EXECUTION: Json = {"result": "passed", "duration": 0.1, "failure_reason": None}


def free_slug(name: str, taken: Container[str]) -> str:
    """Give the slug that follows from a suite's name, with a number behind it where that is taken."""
    slug, number = slug_of(name) or "suite", 1
    while (numbered := slug if number == 1 else f"{slug}-{number}") in taken:
        number += 1
    return numbered


def add_suite(store: Store, organization: OrganizationRecord, name: str, **fields: Any) -> Record:
    """Add a test suite; `fields` are those of the API."""
    shelf = store.shelves.of("suite", organization.id)
    slug = free_slug(name, shelf)
    shelf[slug] = _thing(store, {**SUITE, "slug": slug, "name": name, **fields})
    return shelf[slug]


def add_run(store: Store, suite: Record, *, build: BuildRecord | None = None, **fields: Any) -> Record:
    """Add a run, of a build where one is given, which then tells of it; it has no results yet."""
    values: Json = {**_RUN, "commit_sha": fields.get("commit_sha") or store.ids.commit()}
    if build is not None:
        values |= {"build_id": build.id, "branch": build.branch, "commit_sha": build.commit}
    run = _put(store, "run", suite, {**values, **fields})
    if build is not None:
        runs: list[Json] = (build.test_engine or {}).get("runs", [])
        told = {"id": run.id, "suite": {"id": suite.id, "slug": suite.data["slug"]}}
        build.test_engine = {"runs": [*runs, told]}
    return run


def add_test(store: Store, suite: Record, name: str, **fields: Any) -> Record:
    """Add a test; `owners` are the ids of teams by their slugs."""
    return _put(store, "test", suite, {**_TEST, "labels": [], "owners": {}, "name": name, **fields})


def add_execution(store: Store, suite: Record, run: Record, test: Record, **fields: Any) -> Record:
    """Add what one execution of a test came to, and let the run's result follow."""
    of = {"run_id": run.id, "test_id": test.id, "branch": run.data["branch"], "commit_sha": run.data["commit_sha"]}
    execution = _put(store, "execution", suite, {**_EXECUTION, "tags": {}, **of, **fields})
    if execution.data["result"] == "failed" or run.data["result"] == "pending":
        run.data["result"] = "failed" if execution.data["result"] == "failed" else "passed"
    return execution


def executions(store: Store, suite: Record) -> list[Record]:
    """Give all executions of a suite's tests, in the order in which they came."""
    return list(store.shelves.of("execution", suite.id).values())


def _put(store: Store, kind: str, suite: Record, data: Json) -> Record:
    thing = _thing(store, data)
    return store.shelves.put(kind, suite.id, thing.id, thing)


def _thing(store: Store, data: Json) -> Record:
    created_at = seconds(data.pop("created_at", store.clock.now()))
    return Record(id=data.pop("id", None) or store.ids.uuid(), data=data, created_at=created_at)
