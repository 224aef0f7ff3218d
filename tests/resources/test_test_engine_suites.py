"""Test Engine: suites, their runs, and executions of tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm import NotFoundError, PermissionDeniedError, UnprocessableEntityError
from buildkite_orm.fake.collections import Record
from buildkite_orm.fake.handlers.test_engine.records import add_execution, add_run, add_suite, add_test
from buildkite_orm.fake.seeds.test_engine import populate
from buildkite_orm.resources.test_engine.run import SuiteRun, SuiteRunResult, SuiteRunState
from buildkite_orm.resources.test_engine.suite import Suite, SuiteChanges

if TYPE_CHECKING:
    from buildkite_orm import Buildkite
    from buildkite_orm.fake import FakeBuildkite
    from tests.conftest import Costs, Sent

SUITES = "/v2/analytics/organizations/acme/suites"
RSPEC = f"{SUITES}/rspec"


@pytest.fixture
def rspec(server: FakeBuildkite) -> None:
    """A suite with a test that fails in a run, and passes in another."""
    store, acme = server.store, server.store.organizations["acme"]
    suite = add_suite(store, acme, "RSpec", application_name="Web", color="#FFF700")
    build = server.add_build(branch="main")
    build.id = "build-1"
    failing = add_run(store, suite, id="run-1", build=build)
    passing = add_run(store, suite, id="run-2", branch="feature", state="running")
    add_run(store, suite, id="run-3")
    test = add_test(store, suite, "is valid", id="test-1", scope="User", location="./spec/user_spec.rb:4")
    reason, tags = "expected true", {"language.name": "ruby", "mut.reason": "unknown"}
    add_execution(store, suite, failing, test, id="bad", result="failed", failure_reason=reason, tags=tags)
    add_execution(store, suite, failing, test)
    add_execution(store, suite, passing, test)


# -- suites


def test_a_suite_is_created_with_the_given_fields_only(bk: Buildkite, sent: Sent, costs: Costs) -> None:
    with costs(1):
        suite = bk.organization("acme").suites().create(name="Jasmine", default_branch="main", emoji="🍋")
    assert sent() == (f"POST {SUITES}", {"name": "Jasmine", "default_branch": "main", "emoji": "🍋"})
    assert isinstance(suite, Suite)
    assert (suite.slug, suite.emoji, suite.color, suite.oidc_policy) == ("jasmine", "🍋", None, None)
    assert suite.api_token is None


def test_a_new_one_accepts_every_field(bk: Buildkite, sent: Sent) -> None:
    options = {
        "show_api_token": True,
        "application_name": "Buildkite",
        "color": "#FFF700",
        "emoji": ":lemon:",
        "oidc_policy": [{"iss": "https://agent.buildkite.com"}],
        "team_ids": ["3f4aa5ee-671b-41b0-9b44-b94831db6cc8"],
    }
    suite = bk.organization("acme").suites().create(name="Jasmine", default_branch="main", **options)  # type: ignore[arg-type]
    assert sent()[1] == {"name": "Jasmine", "default_branch": "main", **options}
    assert suite.oidc_policy == [{"iss": "https://agent.buildkite.com"}]
    assert suite.api_token is not None


def test_two_of_one_name_have_two_slugs(bk: Buildkite) -> None:
    suites = bk.organization("acme").suites()
    assert [suites.create(name="My Suite", default_branch="main").slug for _ in range(2)] == ["my-suite", "my-suite-2"]


def test_with_teams_a_suite_is_added_to_some(bk: Buildkite, server: FakeBuildkite) -> None:
    store, acme = server.store, server.store.organizations["acme"]
    acme.teams_enabled = True
    store.collections.put("team", acme.id, "team-1", Record(id="team-1", data={"name": "Web"}, created_at=0.0))
    suites = bk.organization("acme").suites()
    for team_ids in ([], ["unknown"]):
        with pytest.raises(UnprocessableEntityError):
            suites.create(name="Jasmine", default_branch="main", team_ids=team_ids)
    suite = suites.create(name="Jasmine", default_branch="main", team_ids=["team-1"])
    assert list(store.collections.of("team_suite", "team-1")) == [suite.id]
    assert list(suites) == [suite]


def test_suites_are_listed_and_got(bk: Buildkite, sent: Sent, costs: Costs) -> None:
    org = bk.organization("acme")
    made = org.suites().create(name="Jasmine", default_branch="main")
    with costs(2):
        assert list(org.suites()) == [made]
        assert org.suite("jasmine").fetch() == made
    assert sent() == (f"GET {SUITES}/jasmine", None)
    assert made.organization == org
    assert repr(made) == "Suite(jasmine, Jasmine, main)"


def test_its_token_is_returned_if_requested_and_shown_nowhere(
    bk: Buildkite, sent: Sent, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    org = bk.organization("acme")
    org.suites().create(name="Jasmine", default_branch="main")
    (listed,) = org.suites().filter(show_api_token=True)
    assert sent()[0] == f"GET {SUITES}?show_api_token=true&per_page=100"
    got = org.suite("jasmine").fetch(show_api_token=True)
    assert sent()[0] == f"GET {SUITES}/jasmine?show_api_token=true"
    changed = org.suite("jasmine").update(show_api_token=True)
    assert sent() == (f"PATCH {SUITES}/jasmine", {"show_api_token": True})
    token = got.api_token
    assert token
    assert token == listed.api_token == changed.api_token
    parts = list(got.__repr_args__())  # what pydantic, rich and others show
    shown = f"{got!r} {got} {[got]} {parts} {caplog.text}"
    assert token not in shown
    assert got.reload().api_token is None


def test_a_token_that_may_not_see_a_suites_token(server: FakeBuildkite) -> None:
    with server.client() as client:
        client.organization("acme").suites().create(name="Jasmine", default_branch="main")
    with server.client(token=server.make_token("read_suites")) as reader:
        suite = reader.organization("acme").suite("jasmine")
        assert suite.fetch().name == "Jasmine"
        with pytest.raises(PermissionDeniedError, match="permission to view"):
            suite.fetch(show_api_token=True)


@pytest.mark.parametrize("name", ["application_name", "color", "emoji", "oidc_policy"])
@pytest.mark.parametrize("value", [None, "", "something"])
def test_unset_null_and_empty_are_distinguished(bk: Buildkite, sent: Sent, name: str, value: str | None) -> None:
    suite = bk.organization("acme").suites().create(name="Jasmine", default_branch="main")
    suite.update(application_name="A", color="#FFF700", emoji=":lemon:", oidc_policy="- iss: x")
    setattr(suite, name, value)
    suite.save()
    assert sent() == (f"PATCH {SUITES}/jasmine", {name: value})
    assert getattr(suite, name) == value


@pytest.mark.parametrize("value", [None, "", []])
def test_null_empty_and_false_are_sent_for_a_new_one(bk: Buildkite, sent: Sent, value: Any) -> None:
    fields: Any = {"name": "Jasmine", "default_branch": "main", "oidc_policy": value, "show_api_token": False}
    suite = bk.organization("acme").suites().create(**fields)
    assert sent() == (f"POST {SUITES}", fields)
    assert (suite.oidc_policy, suite.api_token) == (value, None)
    suite.update(oidc_policy="- iss: x")
    suite.update(oidc_policy=value)
    assert sent() == (f"PATCH {SUITES}/jasmine", {"oidc_policy": value})


def test_false_is_sent_as_false(bk: Buildkite, sent: Sent) -> None:
    suite = bk.organization("acme").suites().create(name="Jasmine", default_branch="main", show_api_token=True)
    suite.update(show_api_token=False)
    assert sent() == (f"PATCH {SUITES}/jasmine", {"show_api_token": False})
    assert suite.api_token is None


def test_everything_can_be_changed(bk: Buildkite, sent: Sent) -> None:
    changes: SuiteChanges = {
        "name": "Karma",
        "default_branch": "trunk",
        "application_name": "Web",
        "color": "#ffb7c5",
        "emoji": ":cherry_blossom:",
        "show_api_token": False,
        "oidc_policy": None,
    }
    suite = bk.organization("acme").suites().create(name="Jasmine", default_branch="main")
    assert suite.update(**changes) is suite
    assert sent() == (f"PATCH {SUITES}/jasmine", changes)
    assert (suite.name, suite.default_branch, suite.slug) == ("Karma", "trunk", "jasmine")


def test_a_suite_without_a_name_or_branch_is_refused(bk: Buildkite) -> None:
    suites = bk.organization("acme").suites()
    with pytest.raises(UnprocessableEntityError) as refused:
        suites.create(name="", default_branch="")
    assert [error["field"] for error in refused.value.errors] == ["name", "default_branch"]
    assert list(suites.fresh()) == []


def test_a_suite_is_deleted(bk: Buildkite, sent: Sent) -> None:
    suite = bk.organization("acme").suites().create(name="Jasmine", default_branch="main")
    suite.delete()
    assert sent() == (f"DELETE {SUITES}/jasmine", None)
    with pytest.raises(NotFoundError, match="No suite found"):
        suite.fetch()


# -- runs


@pytest.mark.usefixtures("rspec")
def test_runs_are_listed_and_got(bk: Buildkite, sent: Sent, costs: Costs) -> None:
    suite = bk.organization("acme").suite("rspec")
    with costs(2):
        runs = list(suite.runs())
        assert sent() == (f"GET {RSPEC}/runs?per_page=100", None)
        run = suite.run("run-1").fetch()
        assert sent() == (f"GET {RSPEC}/runs/run-1", None)
    assert [(each.id, each.result) for each in runs] == [("run-1", "failed"), ("run-2", "passed"), ("run-3", "pending")]
    assert isinstance(run, SuiteRun)
    assert (run.state, run.result, run.build_id) == (SuiteRunState.FINISHED, SuiteRunResult.FAILED, "build-1")
    assert runs[0] == run == suite.run("run-1")
    assert run.suite == suite
    assert run.organization == bk.organization("acme")
    assert repr(run) == "SuiteRun(acme/suites/rspec/runs/run-1 failed on main)"


@pytest.mark.usefixtures("rspec")
def test_runs_are_filtered_by_build(bk: Buildkite, sent: Sent) -> None:
    runs = bk.organization("acme").suite("rspec").runs(build_id="build-1")
    assert [run.id for run in runs] == ["run-1"]
    assert sent()[0] == f"GET {RSPEC}/runs?build_id=build-1&per_page=100"
    assert list(runs.filter(build_id="other")) == []


@pytest.mark.usefixtures("rspec")
def test_a_build_lists_its_runs(bk: Buildkite) -> None:
    build = bk.organization("acme").pipeline("web").build(1).fetch(include_test_engine=True)
    assert build.test_engine is not None
    assert [run["id"] for run in build.test_engine["runs"]] == ["run-1"]


@pytest.mark.usefixtures("rspec")
def test_failed_executions(bk: Buildkite, sent: Sent, costs: Costs) -> None:
    run = bk.organization("acme").suite("rspec").run("run-1")
    with costs(1):
        (execution,) = run.failed_executions()
    assert sent() == (f"GET {RSPEC}/runs/run-1/failed_executions?per_page=100", None)
    assert (execution.test_name, execution.failure_reason, execution.duration) == (
        "User is valid",
        "expected true",
        0.1,
    )
    assert execution.run == run
    assert execution.suite == run.suite
    assert execution.test == run.suite.test("test-1")
    assert repr(execution) == 'FailedExecution(User is valid at ./spec/user_spec.rb:4, "expected true")'


@pytest.mark.usefixtures("rspec")
def test_a_missing_object_is_not_found(bk: Buildkite) -> None:
    org = bk.organization("acme")
    for ref in (org.suite("none").run("run-1"), org.suite("rspec").run("none")):
        with pytest.raises(NotFoundError):
            ref.fetch()
        with pytest.raises(NotFoundError):
            list(ref.failed_executions())


# -- the tags of executions


@pytest.mark.usefixtures("rspec")
@pytest.mark.parametrize("tags", [{"mut.classification": "infrastructure"}, {}])
def test_mutable_tags_are_replaced(bk: Buildkite, sent: Sent, costs: Costs, tags: dict[str, str]) -> None:
    suite = bk.organization("acme").suite("rspec")
    with costs(1):
        suite.update_execution_tags({"bad": tags, "unknown": {"mut.label": "flaky"}})
    executions = [{"id": "bad", "tags": tags}, {"id": "unknown", "tags": {"mut.label": "flaky"}}]
    assert sent() == (f"PUT {RSPEC}/execution-tags", {"executions": executions})
    (execution,) = suite.run("run-1").failed_executions()
    assert execution.tags == {"language.name": "ruby", **tags}


@pytest.mark.usefixtures("rspec")
@pytest.mark.parametrize("tags", [{"language.name": "go"}, {f"mut.{number}": "x" for number in range(11)}])
def test_tags_that_are_not_accepted(bk: Buildkite, tags: dict[str, str]) -> None:
    with pytest.raises(UnprocessableEntityError):
        bk.organization("acme").suite("rspec").update_execution_tags({"bad": tags})


# -- seeded suites


def test_acme_has_suites_of_its_own(acme: FakeBuildkite) -> None:
    organization = acme.store.organizations["acme"]
    if not acme.store.collections.of("suite", organization.id):
        populate(acme.context, organization)
    with acme.client() as client:
        org = client.organization("acme")
        assert [suite.slug for suite in org.suites()] == ["rspec", "jest"]
        rspec = org.suite("rspec")
        assert {run.result for run in rspec.runs()} >= {"failed"}
        assert [test.name for test in rspec.tests(label="flaky")] == [test.name for test in rspec.muted_tests()]
        assert len(list(org.suite("jest").skipped_tests())) == 1
        run = next(run for run in rspec.runs() if run.build_id and run.result == "failed")
        assert list(org.build_tests(str(run.build_id), tags="result:~failed"))
