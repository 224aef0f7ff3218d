"""Two test suites, with runs for the latest builds of a pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkite_orm.fake.handlers.test_engine.records import add_execution, add_run, add_suite, add_test

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildkite_orm.fake.collections import Record
    from buildkite_orm.fake.context import Context
    from buildkite_orm.fake.records import BuildRecord, Json, OrganizationRecord
    from buildkite_orm.fake.store import Store

_PIPELINE = "web"
_LATEST = 12
_ENDED = frozenset({"passed", "failed"})
_SUITES: tuple[tuple[str, Json, dict[str, str], tuple[Json, ...]], ...] = (
    (
        "RSpec",
        {"application_name": "Web", "color": "#FFF700", "emoji": ":rspec:"},
        {"language.name": "ruby", "language.version": "3.3.6"},
        (
            {"scope": "User#email", "name": "is correctly formatted", "location": "./spec/models/user_spec.rb:42"},
            {"scope": "User#name", "name": "is not blank", "location": "./spec/models/user_spec.rb:57"},
            {"scope": "Login", "name": "greets “Søren”", "location": "./spec/features/login_spec.rb:9"},
            {
                "scope": "Checkout",
                "name": "passes only on the second try",
                "location": "./spec/features/checkout_spec.rb:6",
                "labels": ["flaky", "slow"],
                "state": "muted",
            },
        ),
    ),
    (
        "Jest",
        {"application_name": "Web", "color": "#14CC80", "emoji": ":jest:"},
        {"language.name": "javascript", "language.version": "22"},
        (
            {"scope": "Button", "name": "renders", "location": "src/button.test.js:3"},
            {"scope": "Menu", "name": "opens", "location": "src/menu.test.js:12", "state": "skipped"},
        ),
    ),
)
_FLAKY = "flaky"


def populate(context: Context, acme: OrganizationRecord) -> None:
    """Add the suites, each with a run for every build."""
    store = context.store
    ended = [each for each in acme.pipelines[_PIPELINE].builds if each.state in _ENDED]
    for name, fields, tags, tests in _SUITES:
        suite = add_suite(store, acme, name, **fields)
        known = [add_test(store, suite, file_name=each["location"].partition(":")[0], **each) for each in tests]
        for build in ended[-_LATEST:]:
            _run(store, suite, build, known, tags)


def _run(store: Store, suite: Record, build: BuildRecord, tests: list[Record], tags: dict[str, str]) -> None:
    run = add_run(store, suite, build=build, created_at=build.created_at + 10)
    for place, test in enumerate(tests):
        for result in _results(build, place, test):
            add_execution(
                store,
                suite,
                run,
                test,
                result=result,
                duration=round(0.1 + place * 0.75, 3),
                created_at=build.created_at + 12 + place,
                failure_reason="expected true, got false" if result == "failed" else None,
                tags=dict(tags),
            )


def _results(build: BuildRecord, place: int, test: Record) -> Iterator[str]:
    """Yield the results of a test in a build, one per execution."""
    if test.data["state"] == "skipped":
        yield "skipped"
        return
    if _FLAKY in test.data["labels"] or (build.state == "failed" and place == 0):
        yield "failed"
    if build.state == "passed" or place > 0:
        yield "passed"
