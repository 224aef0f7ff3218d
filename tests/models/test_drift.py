"""Responses that are not as documented: nothing is lost, nothing breaks a page, and a warning says so."""

from __future__ import annotations

import copy
import json
import pickle
import warnings
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
import requests
from hypothesis import HealthCheck, example, given, settings
from requests.adapters import BaseAdapter
from urllib3 import HTTPResponse

from buildkite_orm import (
    Build,
    Buildkite,
    BuildkiteError,
    Drift,
    DriftWarning,
    Job,
    ResponseError,
    ScriptJob,
    UnboundError,
    WaiterJob,
)
from buildkite_orm.fake import ManualClock
from tests.oddities import check_object, mutations, nested

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from buildkite_orm import Resource

    Load = Callable[[Buildkite], list[Resource]]

API = "https://api.buildkite.com/v2/organizations/acme"
SECRET = "hunter2-value"
TIME = "2026-07-01T10:00:00.123Z"
PERSON = {"id": "0190-user", "name": "Ada", "email": "ada@acme.example", "created_at": TIME}
SCRIPT: dict[str, Any] = {
    "id": "0190-job",
    "type": "script",
    "name": "Test",
    "state": "passed",
    "step": {"id": "0190-step", "signature": {"value": "x", "algorithm": "EdDSA", "signed_fields": ["command"]}},
    "priority": {"number": 0},
    "agent_query_rules": ["queue=default"],
    "build_url": f"{API}/pipelines/web/builds/42",
    "exit_status": 0,
    "soft_failed": False,
    "agent": {"id": "0190-agent", "name": "linux-1", "meta_data": ["a=b"], "creator": PERSON},
    "created_at": TIME,
    "retry_source": {"job_id": "0190-earlier", "retry_type": "manual"},
    "matrix": {"os": "linux"},
}
JOBS: list[dict[str, Any]] = [
    SCRIPT,
    {"id": "0190-wait", "type": "waiter"},
    {"id": "0190-block", "type": "manual", "label": "Deploy?", "unblocked_by": PERSON, "unblocked_at": TIME},
    {
        "id": "0190-trigger",
        "type": "trigger",
        "async": False,
        "triggered_build": {"id": "0190-other", "number": 7, "url": f"{API}/pipelines/api/builds/7"},
    },
    {"id": "0190-new", "type": "quantum", "name": "?", "qubits": 2},
]
BUILD: dict[str, Any] = {
    "id": "0190-build",
    "url": f"{API}/pipelines/web/builds/42",
    "number": 42,
    "state": "passed",
    "blocked": False,
    "message": "Fix it",
    "commit": "abcd0b72",
    "branch": "main",
    "env": {"A": "b"},
    "author": {"name": "Ada"},
    "creator": PERSON,
    "created_at": TIME,
    "finished_at": None,
    "meta_data": {"release": "1.0"},
    "pull_request": {"id": "17", "labels": ["bug"]},
    "job_state_counts": {"total": 1, "states": {"passed": 1}},
    "pipeline": {
        "id": "0190-pipeline",
        "url": f"{API}/pipelines/web",
        "name": "Web",
        "slug": "web",
        "provider": {"id": "github", "settings": {"x": 1}},
    },
    "jobs": JOBS,
}
PIPELINE: dict[str, Any] = {
    "id": "0190-pipeline",
    "url": f"{API}/pipelines/web",
    "name": "Web",
    "slug": "web",
    "description": None,
    "provider": {"id": "github", "webhook_url": "", "settings": {"trigger_mode": "code"}},
    "created_by": PERSON,
    "created_at": TIME,
    "env": {"A": "b"},
    "tags": ["a", "b"],
    "running_builds_count": 0,
    "visibility": "private",
    "steps": [{"type": "script", "name": "Test", "env": {}, "plugins": [{"docker#v1": None}], "concurrency": 1}],
}
AGENT: dict[str, Any] = {
    "id": "0190-agent",
    "url": f"{API}/agents/0190-agent",
    "name": "linux-1",
    "connection_state": "connected",
    "creator": PERSON,
    "created_at": TIME,
    "job": {"id": "0190-job", "type": "script", "exit_status": 0, "agent_query_rules": ["*"]},
    "priority": 1,
    "meta_data": ["queue=default"],
}
ARTIFACT: dict[str, Any] = {
    "id": "0190-artifact",
    "job_id": "0190-job",
    "url": f"{API}/pipelines/web/builds/42/jobs/0190-job/artifacts/0190-artifact",
    "download_url": f"{API}/pipelines/web/builds/42/jobs/0190-job/artifacts/0190-artifact/download",
    "state": "finished",
    "path": "dist/app.js",
    "file_size": 3,
    "sha1sum": "aa",
}
ANNOTATION: dict[str, Any] = {
    "id": "0190-annotation",
    "context": "default",
    "style": "info",
    "scope": "job",
    "job_id": "0190-job",
    "priority": 3,
    "body_html": "<p>Hello</p>",
    "created_at": TIME,
}
ORGANIZATION: dict[str, Any] = {"id": "0190-acme", "url": API, "name": "Acme", "slug": "acme", "created_at": TIME}
USER: dict[str, Any] = {**PERSON, "graphql_id": "x"}
TOKEN: dict[str, Any] = {
    "uuid": "0190-token",
    "scopes": ["read_builds"],
    "description": "CI",
    "created_at": TIME,
    "user": {"name": "Ada", "email": "ada@acme.example"},
}
META: dict[str, Any] = {"webhook_ips": ["192.0.2.0/24"]}
LOG: dict[str, Any] = {"url": f"{API}/jobs/0190-job/log", "content": "hello", "size": 5, "header_times": [1]}


def build_of(bk: Buildkite) -> Any:
    return bk.organization("acme").pipeline("web").build(42)


def builds(bk: Buildkite) -> list[Build]:
    return list(bk.organization("acme").builds())


LISTS: dict[str, tuple[dict[str, Any], Load]] = {
    "builds": (BUILD, lambda bk: list(bk.organization("acme").builds())),
    "pipelines": (PIPELINE, lambda bk: list(bk.organization("acme").pipelines())),
    "agents": (AGENT, lambda bk: list(bk.organization("acme").agents())),
    "artifacts": (ARTIFACT, lambda bk: list(build_of(bk).artifacts())),
    "annotations": (ANNOTATION, lambda bk: list(build_of(bk).annotations())),
    "organizations": (ORGANIZATION, lambda bk: list(bk.organizations())),
    **{f"jobs: {job['type']}": (job, lambda bk: list(build_of(bk).jobs())) for job in JOBS},
}
SINGLES: dict[str, tuple[dict[str, Any], Load]] = {
    "user": (USER, lambda bk: [bk.user()]),
    "access token": (TOKEN, lambda bk: [bk.access_token()]),
    "meta": (META, lambda bk: [bk.meta()]),
    "log": (LOG, lambda bk: [bk.organization("acme").job("0190-job").log().fetch()]),
    "build": (BUILD, lambda bk: [build_of(bk).fetch()]),
    "pipeline": (PIPELINE, lambda bk: [bk.organization("acme").pipeline("web").fetch()]),
}
each_list = pytest.mark.parametrize(("payload", "load"), LISTS.values(), ids=LISTS)
each_single = pytest.mark.parametrize(("payload", "load"), SINGLES.values(), ids=SINGLES)


class Canned(BaseAdapter):
    """Responds to every request with one payload: any JSON value, which the fake cannot send."""

    def __init__(self) -> None:
        super().__init__()
        self.payload: Any = None
        self.items: list[Any] | None = None
        self.body: bytes | None = None
        self.requests_sent: list[str] = []

    def send(self, request: requests.PreparedRequest, *_: object, **__: object) -> requests.Response:
        self.requests_sent.append(f"{request.method} {request.path_url}")
        by_cursor = request.path_url.partition("?")[0].endswith("/jobs")
        listed: Any = {"items": self.items, "links": {}} if by_cursor else self.items
        response = requests.Response()
        response.status_code = 200
        response.headers["Content-Type"] = "application/json"
        payload: Any = self.payload if self.items is None else listed
        body = json.dumps(payload).encode() if self.body is None else self.body
        response.raw = HTTPResponse(BytesIO(body), preload_content=False)
        response.request = request
        response.url = request.url or ""
        return response

    def close(self) -> None:
        pass


class CannedClient:
    """A client whose server responds to every request with a given payload."""

    def __init__(self, *, strict: bool = False) -> None:
        self.canned = Canned()
        self.bk = Buildkite("bkua_none", transport=self.canned, clock=ManualClock(), strict=strict)

    def with_list(self, items: list[Any]) -> Buildkite:
        self.canned.items = items
        return self.bk

    def with_one(self, payload: Any) -> Buildkite:
        self.canned.items, self.canned.payload = None, payload
        return self.bk


@pytest.fixture
def canned_client() -> Iterator[CannedClient]:
    canned_client = CannedClient()
    with canned_client.bk:
        yield canned_client


@pytest.fixture
def strict_client() -> Iterator[CannedClient]:
    canned_client = CannedClient(strict=True)
    with canned_client.bk:
        yield canned_client


def other(payload: dict[str, Any], number: int) -> dict[str, Any]:
    """Return a payload of the same kind with another identity."""
    text = json.dumps(payload)
    for key in ("0190-artifact", "0190-annotation", "0190-agent", "0190-job", "0190-build"):
        text = text.replace(key, f"{key}-{number}")
    twin: dict[str, Any] = json.loads(text.replace("/builds/42", f"/builds/{100 + number}"))
    if "number" in twin:
        twin["number"] = 100 + number
    return twin


# -- reports of drift


def test_an_odd_field_is_kept_in_its_place_and_reported(canned_client: CannedClient) -> None:
    bk = canned_client.with_list(
        [BUILD, {**other(BUILD, 1), "message": {"text": SECRET}, "number": "42"}, other(BUILD, 2)]
    )
    with pytest.warns(DriftWarning):
        first, odd, last = bk.organization("acme").builds()
    assert set(odd.drift) == {Drift("number", "received as string"), Drift("message", "received as object")}
    assert (vars(odd)["message"], vars(odd)["number"], odd.branch) == ({"text": SECRET}, "42", "main")
    assert (first.drift, last.drift) == ((), ())


def test_one_warning_names_class_field_and_type_and_no_value(canned_client: CannedClient) -> None:
    items = [{**other(BUILD, number), "message": {"text": SECRET}, "tag": [SECRET]} for number in range(5)]
    with pytest.warns(DriftWarning) as caught:
        list(canned_client.with_list(items).organization("acme").builds())
    assert len(caught) == 1
    text = str(caught[0].message)
    assert text == "Build.message received as object; Build.tag received as array (kept as received; see .drift)"


def registered(category: type[Warning]) -> int:
    """Return how many texts Python keeps of the warnings of a category that this module's lines have caused."""
    registry: dict[Any, Any] = globals().get("__warningregistry__", {})
    return sum(isinstance(key, tuple) and key[1] is category for key in registry)


def test_a_thousand_odd_builds_leave_one_entry_in_pythons_registry_of_warnings(canned_client: CannedClient) -> None:
    bk = canned_client.with_one(None)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for number in range(1000):
            canned_client.with_one(
                {**other(BUILD, number), "tag": [number], "meta_data": {f"key ] \\' \" {number}": number, "a": "b"}}
            )
            build = bk.organization("acme").pipeline(f"p{number}").build(100 + number).fetch()
            assert len(build.drift) == 2
    assert (registered(DriftWarning), len(caught)) == (1, 1)


def test_odd_pages_leave_one_entry_for_each_kind_of_oddity(canned_client: CannedClient) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for number in range(100):
            odd = [{**other(BUILD, each), "tag": [each]} for each in range(number % 7 + 1)]
            odd.insert(number % 3, {**other(BUILD, 50), "message": {"text": number}})
            list(canned_client.with_list(odd).organization("acme").builds(branch=f"b{number}"))
    assert (registered(DriftWarning), len(caught)) == (1, 1)


def test_the_warning_points_to_the_line_that_sent_the_request(canned_client: CannedClient) -> None:
    with pytest.warns(DriftWarning) as caught:
        canned_client.with_one({**USER, "name": 5}).user()
    assert caught[0].filename == __file__


def test_the_warning_about_many_odd_fields_is_short(canned_client: CannedClient) -> None:
    odd = {key: {"x": SECRET} for key in BUILD} | {"id": "a"}
    with pytest.warns(DriftWarning) as caught:
        canned_client.with_list([odd]).organization("acme").builds().first()
    assert len(str(caught[0].message)) < 400


def test_an_odd_field_deep_inside_is_reported_with_its_path(canned_client: CannedClient) -> None:
    jobs: list[dict[str, Any]] = [
        *JOBS,
        {**SCRIPT, "id": "0190-odd", "exit_status": "one", "agent": {"id": 5, "name": "x", "os_id": []}},
    ]
    with pytest.warns(DriftWarning, match=r"jobs\[\]\.exit_status received as string"):
        (build,) = canned_client.with_list([{**BUILD, "jobs": jobs}]).organization("acme").builds()
    assert set(build.drift) == {
        Drift("jobs[5].exit_status", "received as string"),
        Drift("jobs[5].agent.id", "received as number"),
        Drift("jobs[5].agent.os_id", "received as array"),
    }
    found = build.jobs()[:]
    assert [job.id for job in found] == [job["id"] for job in jobs]
    odd = found[5]
    assert isinstance(odd, ScriptJob)
    assert (vars(odd)["exit_status"], odd.name) == ("one", "Test")
    assert Drift("exit_status", "received as string") in odd.drift
    assert found[0].drift == ()


def test_an_odd_value_in_a_map_is_reported_with_its_key(canned_client: CannedClient) -> None:
    with pytest.warns(DriftWarning, match="meta_data"):
        (build,) = canned_client.with_list([{**BUILD, "meta_data": {"a": "b", "n": 1}}]).organization("acme").builds()
    assert build.drift == (Drift("meta_data['n']", "received as number"),)
    assert build.dump()["meta_data"] == {"a": "b", "n": 1}


def test_a_missing_field_is_reported(canned_client: CannedClient) -> None:
    with pytest.warns(DriftWarning, match="commit is missing"):
        (build,) = builds(canned_client.with_list([{k: v for k, v in BUILD.items() if k != "commit"}]))
    assert build.drift == (Drift("commit", "is missing"),)
    with pytest.raises(AttributeError, match="sent no 'commit'"):
        _ = build.commit


@each_list
def test_unknown_fields_and_enum_values_are_not_odd(
    canned_client: CannedClient, payload: dict[str, Any], load: Load
) -> None:
    item = {**payload, "brand_new": {"x": [1]}} | ({"state": "brand-new"} if "state" in payload else {})
    (resource,) = load(canned_client.with_list([item]))
    assert resource.drift == ()
    assert resource.dump() == item


def test_a_new_job_type_is_a_plain_job_with_everything_in_it(canned_client: CannedClient) -> None:
    new = {"id": "0190-q", "type": "quantum", "label": "?", "state": "entangled", "qubits": [{"spin": 0.5}]}
    one, two = build_of(canned_client.with_list([new, JOBS[1]])).jobs()
    assert (type(one), type(two)) == (Job, WaiterJob)
    assert (one.type, one.type.is_known, one.state) == ("quantum", False, "entangled")
    assert one.dump() == new


def test_a_known_kind_that_is_odd_stays_of_its_kind(canned_client: CannedClient) -> None:
    with pytest.warns(DriftWarning):
        (job,) = build_of(canned_client.with_list([{**SCRIPT, "soft_failed": "no"}])).jobs()
    assert type(job) is ScriptJob
    assert job.drift == (Drift("soft_failed", "received as string"),)


@pytest.mark.parametrize("kind", [None, 5, {}, ["script"]])
def test_a_job_whose_type_is_odd_is_a_plain_job(canned_client: CannedClient, kind: object) -> None:
    item = {**SCRIPT, "type": kind}
    with pytest.warns(DriftWarning, match="type"):
        (job,) = build_of(canned_client.with_list([item])).jobs()
    assert type(job) is Job
    assert job.dump() == item


def test_an_item_that_is_not_an_object_keeps_its_place(canned_client: CannedClient) -> None:
    with pytest.warns(DriftWarning, match="Build received as number"):
        resources = builds(canned_client.with_list([other(BUILD, 1), 5, other(BUILD, 2)]))
    assert [resource.drift for resource in resources] == [(), (Drift("", "received as number"),), ()]
    assert resources[1].model_extra == {"": 5}


# -- strict


@each_list
def test_strict_raises_for_a_list_after_one_request(
    strict_client: CannedClient, payload: dict[str, Any], load: Load
) -> None:
    bk = strict_client.with_list([payload, {**payload, "id": {"x": SECRET}}])
    with pytest.raises(ResponseError, match="id received as object") as caught:
        load(bk)
    assert SECRET not in str(caught.value)
    assert len(strict_client.canned.requests_sent) == 1


@each_single
def test_strict_raises_for_one_object_after_one_request(
    strict_client: CannedClient, payload: dict[str, Any], load: Load
) -> None:
    field = next(key for key in ("uuid", "webhook_ips", "size", "id") if key in payload)
    with pytest.raises(ResponseError, match=f"{field} received as object"):
        load(strict_client.with_one({**payload, field: {"x": SECRET}}))
    assert len(strict_client.canned.requests_sent) == 1


@each_list
def test_strict_accepts_unknown_fields(strict_client: CannedClient, payload: dict[str, Any], load: Load) -> None:
    (resource,) = load(strict_client.with_list([{**payload, "brand_new": 1}]))
    assert resource.dump()["brand_new"] == 1


def test_strict_does_not_say_that_a_write_may_not_have_happened(strict_client: CannedClient) -> None:
    bk = strict_client.with_one({**BUILD, "number": "42"})
    with pytest.raises(ResponseError) as caught:
        bk.organization("acme").pipeline("web").builds().create(commit="HEAD", branch="main")
    assert not caught.value.outcome_unknown
    assert [line.partition(" ")[0] for line in strict_client.canned.requests_sent] == ["POST"]


# -- without identity

IDENTITY = {
    "builds": ("url", "number"),
    "pipelines": ("url", "slug"),
    "agents": ("url", "id"),
    "artifacts": ("url", "id"),
    "annotations": ("id",),
    "organizations": ("url", "slug"),
    "jobs: script": ("id",),
}
each_identity = pytest.mark.parametrize("name", IDENTITY)


@each_identity
@pytest.mark.filterwarnings("ignore::buildkite_orm.DriftWarning")
def test_an_item_without_identity_stays_and_equals_only_itself(canned_client: CannedClient, name: str) -> None:
    payload, load = LISTS[name]
    bare = {key: value for key, value in payload.items() if key not in IDENTITY[name]}
    one, two = load(canned_client.with_list([bare, bare]))
    assert one.dump() == two.dump() == bare
    assert one == one  # noqa: PLR0124 - the point
    assert one != two
    assert len({one, two, one}) == 2
    assert one in {one: 1}
    assert repr(one).startswith(type(one).__name__)


@each_identity
@pytest.mark.filterwarnings("ignore::buildkite_orm.DriftWarning")
@pytest.mark.parametrize("key", [None, "", "..", ".", {}, [], "a\nb"], ids=repr)
def test_a_request_for_an_object_without_identity_says_so(canned_client: CannedClient, name: str, key: object) -> None:
    payload, load = LISTS[name]
    (resource,) = load(canned_client.with_list([{**payload, **dict.fromkeys(IDENTITY[name], key)}]))
    requests_sent = len(canned_client.canned.requests_sent)
    with pytest.raises(UnboundError, match="in the API is unknown"):
        _ = resource.api_path
    assert hash(resource) == hash(resource)
    assert repr(resource)
    assert len(canned_client.canned.requests_sent) == requests_sent


@pytest.mark.parametrize(
    "url",
    [
        "https://[",
        f"{API}/pipelines/web/builds/../../../../access-token",
        f"{API}/pipelines/web/builds/%2e%2e/%2E%2E/x",
        f"{API}//pipelines/web/builds/42",
        "https://buildkite.com/acme/web/builds/42",
        "",
        5,
    ],
)
@pytest.mark.filterwarnings("ignore::buildkite_orm.DriftWarning")
def test_a_url_that_leads_nowhere_is_not_followed(canned_client: CannedClient, url: object) -> None:
    (build,) = (
        canned_client.with_list([{**BUILD, "url": url, "number": 1}]).organization("acme").pipeline("web").builds()
    )
    assert build.api_path == "organizations/acme/pipelines/web/builds/1"
    assert build == canned_client.bk.organization("acme").pipeline("web").build(1)


# -- responses of another kind


def test_an_object_in_place_of_a_list_is_an_error_that_contains_its_message(canned_client: CannedClient) -> None:
    for load in (load for _, load in LISTS.values()):
        with pytest.raises(ResponseError, match="Something else"):
            load(canned_client.with_one({"message": "Something else"}))


@pytest.mark.parametrize("value", [None, 5, "builds", True])
def test_a_scalar_in_place_of_a_list_is_an_error(canned_client: CannedClient, value: object) -> None:
    for load in (load for _, load in LISTS.values()):
        with pytest.raises(ResponseError):
            load(canned_client.with_one(value))


@each_single
@pytest.mark.parametrize("value", [None, 5, "x", True, [], [{}]])
def test_a_value_that_is_not_an_object_is_an_error_if_one_was_requested(
    canned_client: CannedClient, payload: dict[str, Any], load: Load, value: object
) -> None:
    del payload
    with pytest.raises(ResponseError, match="JSON object was expected"):
        load(canned_client.with_one(value))


@pytest.mark.parametrize("body", [b"[" * 50_000, b'{"a":' * 50_000, b"[" * 50_000 + b"]" * 50_000])
def test_endless_nesting_raises_an_error_of_the_library(canned_client: CannedClient, body: bytes) -> None:
    canned_client.canned.body = body
    for load in (load for _, load in (*LISTS.values(), *SINGLES.values())):
        with pytest.raises(ResponseError):
            load(canned_client.bk)


# -- anything at all


quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@each_list
def test_any_item_leaves_the_page_complete(payload: dict[str, Any], load: Load) -> None:
    canned_client = CannedClient()

    @quick
    @given(mutations(payload))
    @example({**payload, "new": nested(300)})
    @example({**payload, "half \ud800": "half \ud800"})
    @example({})
    def check(odd: dict[str, Any]) -> None:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            resources = load(canned_client.with_list([other(payload, 1), odd, other(payload, 2)]))
        assert {warning.category for warning in caught} <= {DriftWarning}
        assert len(caught) == (1 if any(resource.drift for resource in resources) else 0)
        assert len(resources) == 3
        for resource, sent in zip(resources, [other(payload, 1), odd, other(payload, 2)], strict=True):
            check_object(resource, sent)
        assert (resources[0].drift, resources[2].drift) == ((), ())

    check()


@each_single
def test_an_object_loads_from_any_payload(payload: dict[str, Any], load: Load) -> None:
    canned_client = CannedClient()

    @quick
    @given(mutations(payload))
    @example({})
    def check(odd: dict[str, Any]) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DriftWarning)
            (resource,) = load(canned_client.with_one(odd))
        check_object(resource, odd)

    check()


@each_list
def test_strict_loads_it_whole_or_raises_an_error_of_ours(payload: dict[str, Any], load: Load) -> None:
    canned_client = CannedClient(strict=True)

    @settings(quick, max_examples=20)
    @given(mutations(payload))
    def check(odd: dict[str, Any]) -> None:
        try:
            (resource,) = load(canned_client.with_list([odd]))
        except BuildkiteError as error:
            assert isinstance(error, ResponseError)  # noqa: PT017 - both outcomes are right
            assert len(canned_client.canned.requests_sent) > 0
        else:
            assert resource.drift == ()
            check_object(resource, odd)

    check()


@pytest.mark.filterwarnings("ignore::buildkite_orm.DriftWarning")
def test_drift_survives_pickle_and_copy(canned_client: CannedClient) -> None:
    (build,) = builds(canned_client.with_list([{**BUILD, "number": "42", "message": [1]}]))
    for twin in (copy.copy(build), copy.deepcopy(build), pickle.loads(pickle.dumps(build))):  # noqa: S301 - our own
        assert twin.drift == build.drift
        assert twin.dump() == build.dump()
