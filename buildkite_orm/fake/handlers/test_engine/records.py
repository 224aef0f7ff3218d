"""The records of test suites, and functions that add to them."""

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
    """Return the slug for a suite's name, with a number appended if it is taken."""
    slug, number = slug_of(name) or "suite", 1
    while (numbered := slug if number == 1 else f"{slug}-{number}") in taken:
        number += 1
    return numbered


def add_suite(store: Store, organization: OrganizationRecord, name: str, **fields: Any) -> Record:
    """Add a test suite; `fields` are those of the API."""
    records = store.collections.of("suite", organization.id)
    slug = free_slug(name, records)
    records[slug] = _new_record(store, {**SUITE, "slug": slug, "name": name, **fields})
    return records[slug]


def add_run(store: Store, suite: Record, *, build: BuildRecord | None = None, **fields: Any) -> Record:
    """Add a run; with `build`, the build's payload names it. It has no results yet."""
    values: Json = {**_RUN, "commit_sha": fields.get("commit_sha") or store.ids.commit()}
    if build is not None:
        values |= {"build_id": build.id, "branch": build.branch, "commit_sha": build.commit}
    run = _put(store, "run", suite, {**values, **fields})
    if build is not None:
        runs: list[Json] = (build.test_engine or {}).get("runs", [])
        reference = {"id": run.id, "suite": {"id": suite.id, "slug": suite.data["slug"]}}
        build.test_engine = {"runs": [*runs, reference]}
    return run


def add_test(store: Store, suite: Record, name: str, **fields: Any) -> Record:
    """Add a test; `owners` has the ids of teams by their slugs."""
    return _put(store, "test", suite, {**_TEST, "labels": [], "owners": {}, "name": name, **fields})


def add_execution(store: Store, suite: Record, run: Record, test: Record, **fields: Any) -> Record:
    """Add an execution of a test, and update the run's result."""
    of = {"run_id": run.id, "test_id": test.id, "branch": run.data["branch"], "commit_sha": run.data["commit_sha"]}
    execution = _put(store, "execution", suite, {**_EXECUTION, "tags": {}, **of, **fields})
    if execution.data["result"] == "failed" or run.data["result"] == "pending":
        run.data["result"] = "failed" if execution.data["result"] == "failed" else "passed"
    return execution


def executions(store: Store, suite: Record) -> list[Record]:
    """Return all executions of a suite's tests, in the order in which they were added."""
    return list(store.collections.of("execution", suite.id).values())


def _put(store: Store, kind: str, suite: Record, data: Json) -> Record:
    record = _new_record(store, data)
    return store.collections.put(kind, suite.id, record.id, record)


def _new_record(store: Store, data: Json) -> Record:
    created_at = seconds(data.pop("created_at", store.clock.now()))
    return Record(id=data.pop("id", None) or store.ids.uuid(), data=data, created_at=created_at)
