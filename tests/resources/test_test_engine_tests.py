"""Test Engine: the tests of a suite and of a build, their metrics, labels and states."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm import BadRequestError, NotFoundError, Resource, TransportError, UnprocessableEntityError
from buildkite_orm.fake.handlers.test_engine.records import add_execution, add_run, add_suite, add_test
from buildkite_orm.http.messages import ApiRequest
from buildkite_orm.resources.test_engine.run import FailedExecution, SuiteRun
from buildkite_orm.resources.test_engine.suite import Suite
from buildkite_orm.resources.test_engine.test import FlakyTest, SuiteTest, SuiteTestState
from buildkite_orm.utils.json_types import as_array
from tests.documented import PAYLOADS

if TYPE_CHECKING:
    from buildkite_orm import Buildkite
    from buildkite_orm.fake import FakeBuildkite
    from buildkite_orm.resources.test_engine.suite import SuiteRef
    from tests.conftest import Costs, Sent

ANALYTICS = "/v2/analytics/organizations/acme"
TESTS = f"{ANALYTICS}/suites/rspec/tests"
DAY = 86400.0


@pytest.fixture(autouse=True)
def _suites(server: FakeBuildkite) -> None:
    """Two suites whose tests ran in a build, and one test that has not run for long."""
    store, acme, now = server.store, server.store.organizations["acme"], server.clock.now()
    rspec = add_suite(store, acme, "RSpec")
    build = server.add_build(branch="feature/x", created_at=now - 3600, state="running")
    build.id = "build-1"
    run, nightly = add_run(store, rspec, build=build), add_run(store, rspec, branch="main")
    slow = add_test(store, rspec, "is slow", id="slow", scope="User", location="./spec/user_spec.rb:4")
    slow.data |= {"labels": ["slow"], "owners": {"payments": "team-1"}}
    flaky = add_test(store, rspec, "is flaky", id="flaky", scope="User", location="./spec/user_spec.rb:9")
    flaky.data |= {"labels": ["flaky"], "owners": {"platform": "team-2"}}
    add_test(store, rspec, "is forgotten", id="forgotten", scope="Old")
    ruby = {"framework": "rspec"}
    for at in (now - 60, now - 10 * DAY):
        add_execution(store, rspec, run, slow, duration=2.0, created_at=at, tags=ruby)
    add_execution(store, rspec, run, slow, duration=4.0, result="skipped", created_at=now - 60)
    add_execution(store, rspec, run, flaky, result="failed", created_at=now - 50, tags=ruby)
    add_execution(store, rspec, run, flaky, result="passed", created_at=now - 40)
    add_execution(store, rspec, nightly, flaky, result="failed", created_at=now - 30)
    jest = add_suite(store, acme, "Jest")
    add_execution(store, jest, add_run(store, jest, build=build), add_test(store, jest, "renders", id="renders"))


@pytest.fixture
def rspec(bk: Buildkite) -> SuiteRef:
    """The suite."""
    return bk.organization("acme").suite("rspec")


def version(server: FakeBuildkite) -> str | None:
    """Return the version of the API that the last request named."""
    return server.requests[-1].headers.get("Buildkite-Version")


# -- the tests of a suite


def test_all_tests_are_listed_without_metrics(rspec: SuiteRef, server: FakeBuildkite, sent: Sent, costs: Costs) -> None:
    with costs(1):
        tests = list(rspec.tests())
    assert sent() == (f"GET {TESTS}?per_page=100", None)
    assert version(server) is None
    assert [test.id for test in tests] == ["slow", "flaky", "forgotten"]
    assert tests[0].labels == ["slow"]
    assert tests[0].executions_count is None
    assert not tests[0].dump().keys() & {"reliability", "executions_count"}
    assert tests[0].suite == rspec
    assert repr(tests[0]) == "SuiteTest(User is slow, ./spec/user_spec.rb:4)"


def test_a_label_filters_all_tests(rspec: SuiteRef, server: FakeBuildkite, sent: Sent) -> None:
    assert [test.id for test in rspec.tests(label="flaky")] == ["flaky"]
    assert sent()[0] == f"GET {TESTS}?label=flaky&per_page=100"
    assert version(server) is None


def test_with_metrics_those_that_ran_are_listed(rspec: SuiteRef, server: FakeBuildkite, sent: Sent) -> None:
    slow, flaky = rspec.tests(with_metrics=True)
    assert sent() == (f"GET {TESTS}?per_page=100", None)
    assert version(server) == "2026-08-01"
    assert (slow.id, slow.reliability, slow.executions_count) == ("slow", 1.0, 2)
    assert (slow.duration_avg, slow.duration_sum, slow.duration_min, slow.duration_max) == (3.0, 6.0, 2.0, 4.0)
    assert slow.executions_count_by_result == {"passed": 1, "failed": 0, "skipped": 1}
    assert (flaky.id, flaky.reliability) == ("flaky", 0.3333)


def test_every_page_is_requested_with_metrics(rspec: SuiteRef, server: FakeBuildkite) -> None:
    tests = rspec.tests(with_metrics=True).per_page(1)
    assert [test.reliability for test in tests] == [1.0, 0.3333]
    assert {request.headers["Buildkite-Version"] for request in server.requests} == {"2026-08-01"}
    assert tests.fresh().count() == 2
    assert version(server) == "2026-08-01"


NARROWED: list[tuple[dict[str, Any], str, list[str]]] = [  # filters, their query, and what they find
    ({"labels": "flaky"}, "labels=flaky", ["flaky"]),
    ({"labels": ["flaky", "!slow"]}, "labels=flaky%2C%21slow", ["flaky"]),
    ({"label": "slow", "with_metrics": True}, "label=slow", ["slow"]),
    ({"branch": "main"}, "branch=main", ["flaky"]),
    ({"branch": "feature/*"}, "branch=feature%2F%2A", ["slow", "flaky"]),
    ({"branch": "!main"}, "branch=%21main", ["slow", "flaky"]),
    ({"owners": ["payments", "others"]}, "owners=payments%2Cothers", ["slow"]),
    ({"owners": "!payments"}, "owners=%21payments", ["flaky"]),
    ({"state": SuiteTestState.ENABLED}, "state=enabled", ["slow", "flaky"]),
    ({"state": "muted"}, "state=muted", []),
    ({"tags": ["framework:rspec", "result:failed"]}, "tags=framework%3Arspec%2Cresult%3Afailed", ["flaky"]),
    ({"tags": "framework:!rspec"}, "tags=framework%3A%21rspec", ["slow", "flaky"]),
    ({"tags": "result:~failed"}, "tags=result%3A~failed", ["flaky"]),
    ({"tags": "result:^failed"}, "tags=result%3A%5Efailed", []),
    ({"sort_by": "reliability", "order": "asc"}, "sort_by=reliability&order=asc", ["flaky", "slow"]),
    ({"period": "28days"}, "period=28days", ["slow", "flaky"]),
]


@pytest.mark.parametrize("case", NARROWED)
def test_filters_bring_metrics_along(
    rspec: SuiteRef, server: FakeBuildkite, sent: Sent, case: tuple[dict[str, Any], str, list[str]]
) -> None:
    filters, query, found = case
    assert [test.id for test in rspec.tests().filter(**filters)] == found
    assert sent()[0] == f"GET {TESTS}?{query}&per_page=100"
    assert version(server) == "2026-08-01"


def test_metrics_are_of_a_window(rspec: SuiteRef, sent: Sent) -> None:
    since, until = datetime(2026, 7, 20, tzinfo=UTC), datetime(2026, 7, 25, tzinfo=UTC)
    (slow,) = rspec.tests(min_timestamp=since, max_timestamp=until)
    assert sent()[0] == (
        f"GET {TESTS}?min_timestamp=2026-07-20T00%3A00%3A00Z&max_timestamp=2026-07-25T00%3A00%3A00Z&per_page=100"
    )
    assert (slow.id, slow.executions_count) == ("slow", 1)


@pytest.mark.parametrize(
    "filters",
    [
        {"label": "flaky", "labels": "flaky"},
        {"period": "7days", "min_timestamp": datetime(2026, 7, 20, tzinfo=UTC)},
        {"state": SuiteTestState("unheard-of")},
        {"tags": "no-colon"},
    ],
)
def test_filters_that_the_server_refuses(rspec: SuiteRef, filters: dict[str, Any]) -> None:
    with pytest.raises(BadRequestError):
        list(rspec.tests(**filters))


@pytest.mark.parametrize("name", ["labels", "owners", "tags"])
def test_an_empty_list_is_refused(rspec: SuiteRef, costs: Costs, name: str) -> None:
    with costs(0), pytest.raises(ValueError, match="no filter at all"):
        rspec.tests().filter(**{name: []})  # type: ignore[arg-type]


# -- one test


def test_one_is_got_with_its_metrics(rspec: SuiteRef, server: FakeBuildkite, sent: Sent, costs: Costs) -> None:
    with costs(1):
        test = rspec.test("slow").fetch()
    assert sent() == (f"GET {TESTS}/slow", None)
    assert version(server) == "2026-08-01"
    assert isinstance(test, SuiteTest)
    assert (test.executions_count, test.duration_max) == (2, 4.0)
    assert test == rspec.test("slow")
    assert test.organization == server.client().organization("acme")


def test_one_is_got_over_a_window(rspec: SuiteRef, sent: Sent) -> None:
    assert rspec.test("slow").fetch(period="28days").executions_count == 3
    assert sent()[0] == f"GET {TESTS}/slow?period=28days"
    since, until = datetime(2026, 7, 20, tzinfo=UTC), datetime(2026, 7, 25, tzinfo=UTC)
    test = rspec.test("slow").fetch(min_timestamp=since, max_timestamp=until)
    assert sent()[0].endswith("?min_timestamp=2026-07-20T00%3A00%3A00Z&max_timestamp=2026-07-25T00%3A00%3A00Z")
    assert test.executions_count == 1
    assert test.reload(period="28days") is test
    assert test.executions_count == 3


def test_one_that_has_not_run_has_no_numbers(rspec: SuiteRef) -> None:
    test = rspec.test("forgotten").fetch()
    assert (test.reliability, test.duration_avg, test.executions_count) == (None, None, 0)
    assert test.executions_count_by_result == {"passed": 0, "failed": 0}


@pytest.mark.parametrize(
    ("version", "has_count"), [("2026-08-01", True), ("2026-07-31", False), ("", False), (None, False)]
)
def test_the_version_decides_which_fields_are_returned(rspec: SuiteRef, version: str | None, has_count: bool) -> None:  # noqa: FBT001
    path = f"{rspec.api_path}/tests/slow"
    call = ApiRequest("GET", path, headers={} if version is None else {"Buildkite-Version": version})
    assert ("executions_count" in rspec.session.send(call, lambda response: json.loads(response.body))) is has_count


def test_a_version_must_be_a_date(rspec: SuiteRef) -> None:
    call = ApiRequest("GET", f"{rspec.api_path}/tests", headers={"Buildkite-Version": "latest"})
    with pytest.raises(BadRequestError, match="must be in format YYYY-MM-DD"):
        rspec.session.send(call, lambda response: response)


def test_one_is_found_by_its_name(rspec: SuiteRef, sent: Sent, costs: Costs) -> None:
    with costs(1):
        test = rspec.find_test(scope="User", name="is slow")
    assert sent() == (f"POST {TESTS}/find", {"scope": "User", "name": "is slow"})
    assert test == rspec.test("slow")
    assert test.labels is None
    assert rspec.find_test(name="is flaky").id == "flaky"
    assert sent()[1] == {"name": "is flaky"}
    with pytest.raises(NotFoundError, match="No test found"):
        rspec.find_test(scope="", name="is slow")
    assert sent()[1] == {"scope": "", "name": "is slow"}


def test_a_missing_object_is_not_found(rspec: SuiteRef) -> None:
    test = rspec.test("none")
    for operation in (test.fetch, test.mute, test.skip, test.enable, lambda: test.add_labels("x")):
        with pytest.raises(NotFoundError, match="No test found"):
            operation()


# -- labels and states


def test_labels_are_added_and_removed(rspec: SuiteRef, sent: Sent, costs: Costs) -> None:
    test = rspec.test("slow")
    with costs(2):
        assert test.add_labels("flaky", "slow").labels == ["flaky", "slow"]
        assert sent() == (f"PATCH {TESTS}/slow/labels", {"operator": "add", "labels": ["flaky", "slow"]})
        removed = test.remove_labels("slow")
    assert sent() == (f"PATCH {TESTS}/slow/labels", {"operator": "remove", "labels": ["slow"]})
    assert removed == test
    assert removed.labels == ["flaky"]
    assert [each.id for each in rspec.tests(label="flaky")] == ["slow", "flaky"]


def test_no_labels_are_refused(rspec: SuiteRef) -> None:
    with pytest.raises(UnprocessableEntityError):
        rspec.test("slow").add_labels()


def test_a_test_is_muted_skipped_and_enabled(rspec: SuiteRef, sent: Sent, costs: Costs) -> None:
    test = rspec.test("flaky").fetch()
    with costs(1):
        assert test.mute() == test
    assert sent() == (f"PUT {TESTS}/flaky/mute", None)
    with costs(1):
        assert list(rspec.muted_tests()) == [test]
    assert sent() == (f"GET {TESTS}/muted?per_page=100", None)
    with costs(1):
        assert test.skip().name == "is flaky"
    assert sent() == (f"PUT {TESTS}/flaky/skip", None)
    assert list(rspec.muted_tests()) == []
    with costs(1):
        assert list(rspec.skipped_tests()) == [test]
    assert sent() == (f"GET {TESTS}/skipped?per_page=100", None)
    with costs(1):
        test.enable()
    assert sent() == (f"PUT {TESTS}/flaky/enable", None)
    assert list(rspec.skipped_tests()) == []


@pytest.mark.parametrize("verb", ["mute", "skip", "enable"])
def test_a_request_with_side_effects_is_never_sent_twice(
    rspec: SuiteRef, server: FakeBuildkite, costs: Costs, verb: str
) -> None:
    server.faults.add("read_timeout", match=f"PUT {TESTS}")
    with costs(1), pytest.raises(TransportError) as lost:
        getattr(rspec.test("slow"), verb)()
    assert lost.value.outcome_unknown


# -- the tests of a build


def test_the_tests_of_a_build(bk: Buildkite, rspec: SuiteRef, sent: Sent, costs: Costs) -> None:
    with costs(1):
        slow, flaky, renders = bk.organization("acme").build_tests("build-1")
    assert sent() == (f"GET {ANALYTICS}/builds/build-1/tests?per_page=100", None)
    assert (slow, flaky) == (rspec.test("slow"), rspec.test("flaky"))
    assert renders.suite == bk.organization("acme").suite("jest")
    assert (flaky.executions_count, flaky.executions_count_by_result) == (2, {"passed": 1, "failed": 1})


def test_a_build_knows_its_tests(bk: Buildkite, sent: Sent) -> None:
    build = bk.organization("acme").pipeline("web").build(1).fetch(with_jobs=False)
    tests = build.tests(
        labels=["slow", "flaky"], branch="feature/*", owners="platform", state="enabled", tags="result:~failed"
    )
    assert [test.id for test in tests.filter(sort_by="duration_sum", order="asc")] == ["flaky"]
    assert sent()[0] == (
        f"GET {ANALYTICS}/builds/build-1/tests?labels=slow%2Cflaky&branch=feature%2F%2A&owners=platform&state=enabled"
        "&tags=result%3A~failed&sort_by=duration_sum&order=asc&per_page=100"
    )


def test_a_build_is_named_by_its_id(bk: Buildkite) -> None:
    with pytest.raises(NotFoundError, match="No build found"):
        list(bk.organization("acme").build_tests("1"))


# -- the flaky ones, as they once were listed


def test_flaky_tests(rspec: SuiteRef, sent: Sent, costs: Costs) -> None:
    with costs(1):
        (flaky,) = rspec.flaky_tests()
    assert sent() == (f"GET {ANALYTICS}/suites/rspec/flaky-tests?per_page=100", None)
    assert isinstance(flaky, FlakyTest)
    assert flaky == rspec.test("flaky")
    assert (flaky.instances, flaky.last_resolved_at, flaky.ownership_team_ids) == (1, None, ["team-2"])
    assert repr(flaky) == "FlakyTest(User is flaky, ./spec/user_spec.rb:9)"
    assert flaky.fetch().executions_count == 3


def test_flaky_tests_are_filtered(rspec: SuiteRef, sent: Sent) -> None:
    tests = rspec.flaky_tests(search="User", branch="feature/x")
    assert [test.id for test in tests.filter(period="28days")] == ["flaky"]
    assert sent()[0].endswith("/flaky-tests?search=User&branch=feature%2Fx&period=28days&per_page=100")
    assert list(rspec.flaky_tests(branch="main")) == []
    assert list(rspec.flaky_tests(search="billing")) == []


# -- the documented examples


EXAMPLES: dict[str, type[Resource]] = {
    "suites": Suite,
    "runs": SuiteRun,
    "runs/get-failed-execution-data.json": FailedExecution,
    "tests": SuiteTest,
    "quarantine": SuiteTest,
    "build_tests": SuiteTest,
    "flaky_tests": FlakyTest,
}


def test_the_documented_examples_load_and_dump_back() -> None:
    for file in sorted((PAYLOADS / "test_engine").rglob("*.json")):
        name = file.relative_to(PAYLOADS / "test_engine").as_posix()
        model = EXAMPLES.get(name) or EXAMPLES[name.partition("/")[0]]
        payload: object = json.loads(file.read_text(encoding="utf-8"))
        for each in as_array(payload) or [payload]:
            assert model.model_validate_json(json.dumps(each)).dump() == each, name
