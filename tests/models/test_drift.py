"""Answers that are not as documented: nothing is lost, nothing breaks a page, and it is told."""

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

    Ask = Callable[[Buildkite], list[Resource]]

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


LISTS: dict[str, tuple[dict[str, Any], Ask]] = {
    "builds": (BUILD, lambda bk: list(bk.organization("acme").builds())),
    "pipelines": (PIPELINE, lambda bk: list(bk.organization("acme").pipelines())),
    "agents": (AGENT, lambda bk: list(bk.organization("acme").agents())),
    "artifacts": (ARTIFACT, lambda bk: list(build_of(bk).artifacts())),
    "annotations": (ANNOTATION, lambda bk: list(build_of(bk).annotations())),
    "organizations": (ORGANIZATION, lambda bk: list(bk.organizations())),
    **{f"jobs: {job['type']}": (job, lambda bk: list(build_of(bk).jobs())) for job in JOBS},
}
SINGLES: dict[str, tuple[dict[str, Any], Ask]] = {
    "user": (USER, lambda bk: [bk.user()]),
    "access token": (TOKEN, lambda bk: [bk.access_token()]),
    "meta": (META, lambda bk: [bk.meta()]),
    "log": (LOG, lambda bk: [bk.organization("acme").job("0190-job").log().fetch()]),
    "build": (BUILD, lambda bk: [build_of(bk).fetch()]),
    "pipeline": (PIPELINE, lambda bk: [bk.organization("acme").pipeline("web").fetch()]),
}
each_list = pytest.mark.parametrize(("payload", "ask"), LISTS.values(), ids=LISTS)
each_single = pytest.mark.parametrize(("payload", "ask"), SINGLES.values(), ids=SINGLES)


class Canned(BaseAdapter):
    """Answers everything with one payload; unlike the fake, with any that JSON can write."""

    def __init__(self) -> None:
        super().__init__()
        self.payload: Any = None
        self.items: list[Any] | None = None
        self.body: bytes | None = None
        self.asked: list[str] = []

    def send(self, request: requests.PreparedRequest, *_: object, **__: object) -> requests.Response:
        self.asked.append(f"{request.method} {request.path_url}")
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


class Answering:
    """A client whose server answers everything with what it was told to."""

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
def answering() -> Iterator[Answering]:
    answering = Answering()
    with answering.bk:
        yield answering


@pytest.fixture
def strictly() -> Iterator[Answering]:
    answering = Answering(strict=True)
    with answering.bk:
        yield answering


def other(payload: dict[str, Any], number: int) -> dict[str, Any]:
    """Make another thing of the same kind."""
    text = json.dumps(payload)
    for key in ("0190-artifact", "0190-annotation", "0190-agent", "0190-job", "0190-build"):
        text = text.replace(key, f"{key}-{number}")
    twin: dict[str, Any] = json.loads(text.replace("/builds/42", f"/builds/{100 + number}"))
    if "number" in twin:
        twin["number"] = 100 + number
    return twin


# -- what is told


def test_an_odd_field_is_kept_in_its_place_and_told(answering: Answering) -> None:
    bk = answering.with_list([BUILD, {**other(BUILD, 1), "message": {"text": SECRET}, "number": "42"}, other(BUILD, 2)])
    with pytest.warns(DriftWarning):
        first, odd, last = bk.organization("acme").builds()
    assert set(odd.drift) == {Drift("number", "received as string"), Drift("message", "received as object")}
    assert (vars(odd)["message"], vars(odd)["number"], odd.branch) == ({"text": SECRET}, "42", "main")
    assert (first.drift, last.drift) == ((), ())


def test_one_warning_names_class_field_and_type_and_no_value(answering: Answering) -> None:
    items = [{**other(BUILD, number), "message": {"text": SECRET}, "tag": [SECRET]} for number in range(5)]
    with pytest.warns(DriftWarning) as caught:
        list(answering.with_list(items).organization("acme").builds())
    assert len(caught) == 1
    text = str(caught[0].message)
    assert text == "Build.message received as object; Build.tag received as array (kept as received; see .drift)"


def registered(category: type[Warning]) -> int:
    """Return how many texts Python keeps of the warnings of a category that this module's lines have caused."""
    registry: dict[Any, Any] = globals().get("__warningregistry__", {})
    return sum(isinstance(key, tuple) and key[1] is category for key in registry)


def test_a_thousand_odd_builds_leave_one_entry_in_pythons_registry_of_warnings(answering: Answering) -> None:
    bk = answering.with_one(None)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for number in range(1000):
            answering.with_one(
                {**other(BUILD, number), "tag": [number], "meta_data": {f"key ] \\' \" {number}": number, "a": "b"}}
            )
            build = bk.organization("acme").pipeline(f"p{number}").build(100 + number).fetch()
            assert len(build.drift) == 2
    assert (registered(DriftWarning), len(caught)) == (1, 1)


def test_odd_pages_leave_one_entry_for_each_kind_of_oddity(answering: Answering) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for number in range(100):
            odd = [{**other(BUILD, each), "tag": [each]} for each in range(number % 7 + 1)]
            odd.insert(number % 3, {**other(BUILD, 50), "message": {"text": number}})
            list(answering.with_list(odd).organization("acme").builds(branch=f"b{number}"))
    assert (registered(DriftWarning), len(caught)) == (1, 1)


def test_the_warning_points_to_the_line_that_asked(answering: Answering) -> None:
    with pytest.warns(DriftWarning) as caught:
        answering.with_one({**USER, "name": 5}).user()
    assert caught[0].filename == __file__


def test_many_odd_fields_make_no_endless_warning(answering: Answering) -> None:
    odd = {key: {"x": SECRET} for key in BUILD} | {"id": "a"}
    with pytest.warns(DriftWarning) as caught:
        answering.with_list([odd]).organization("acme").builds().first()
    assert len(str(caught[0].message)) < 400


def test_an_odd_field_deep_inside_is_told_by_its_place(answering: Answering) -> None:
    jobs: list[dict[str, Any]] = [
        *JOBS,
        {**SCRIPT, "id": "0190-odd", "exit_status": "one", "agent": {"id": 5, "name": "x", "os_id": []}},
    ]
    with pytest.warns(DriftWarning, match=r"jobs\[\]\.exit_status received as string"):
        (build,) = answering.with_list([{**BUILD, "jobs": jobs}]).organization("acme").builds()
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


def test_an_odd_value_in_a_map_is_told_by_its_key(answering: Answering) -> None:
    with pytest.warns(DriftWarning, match="meta_data"):
        (build,) = answering.with_list([{**BUILD, "meta_data": {"a": "b", "n": 1}}]).organization("acme").builds()
    assert build.drift == (Drift("meta_data['n']", "received as number"),)
    assert build.dump()["meta_data"] == {"a": "b", "n": 1}


def test_a_field_that_is_missing_is_told(answering: Answering) -> None:
    with pytest.warns(DriftWarning, match="commit is missing"):
        (build,) = builds(answering.with_list([{k: v for k, v in BUILD.items() if k != "commit"}]))
    assert build.drift == (Drift("commit", "is missing"),)
    with pytest.raises(AttributeError, match="sent no 'commit'"):
        _ = build.commit


@each_list
def test_unknown_fields_and_enum_values_are_not_odd(answering: Answering, payload: dict[str, Any], ask: Ask) -> None:
    item = {**payload, "brand_new": {"x": [1]}} | ({"state": "brand-new"} if "state" in payload else {})
    (thing,) = ask(answering.with_list([item]))
    assert thing.drift == ()
    assert thing.dump() == item


def test_a_new_job_type_is_a_plain_job_with_everything_in_it(answering: Answering) -> None:
    new = {"id": "0190-q", "type": "quantum", "label": "?", "state": "entangled", "qubits": [{"spin": 0.5}]}
    one, two = build_of(answering.with_list([new, JOBS[1]])).jobs()
    assert (type(one), type(two)) == (Job, WaiterJob)
    assert (one.type, one.type.is_known, one.state) == ("quantum", False, "entangled")
    assert one.dump() == new


def test_a_known_kind_that_is_odd_stays_of_its_kind(answering: Answering) -> None:
    with pytest.warns(DriftWarning):
        (job,) = build_of(answering.with_list([{**SCRIPT, "soft_failed": "no"}])).jobs()
    assert type(job) is ScriptJob
    assert job.drift == (Drift("soft_failed", "received as string"),)


@pytest.mark.parametrize("kind", [None, 5, {}, ["script"]])
def test_a_job_whose_type_is_odd_is_a_plain_job(answering: Answering, kind: object) -> None:
    item = {**SCRIPT, "type": kind}
    with pytest.warns(DriftWarning, match="type"):
        (job,) = build_of(answering.with_list([item])).jobs()
    assert type(job) is Job
    assert job.dump() == item


def test_an_item_that_is_no_object_keeps_its_place(answering: Answering) -> None:
    with pytest.warns(DriftWarning, match="Build received as number"):
        things = builds(answering.with_list([other(BUILD, 1), 5, other(BUILD, 2)]))
    assert [thing.drift for thing in things] == [(), (Drift("", "received as number"),), ()]
    assert things[1].model_extra == {"": 5}


# -- strict


@each_list
def test_strict_raises_for_a_list_and_asks_once(strictly: Answering, payload: dict[str, Any], ask: Ask) -> None:
    bk = strictly.with_list([payload, {**payload, "id": {"x": SECRET}}])
    with pytest.raises(ResponseError, match="id received as object") as caught:
        ask(bk)
    assert SECRET not in str(caught.value)
    assert len(strictly.canned.asked) == 1


@each_single
def test_strict_raises_for_one_and_asks_once(strictly: Answering, payload: dict[str, Any], ask: Ask) -> None:
    field = next(key for key in ("uuid", "webhook_ips", "size", "id") if key in payload)
    with pytest.raises(ResponseError, match=f"{field} received as object"):
        ask(strictly.with_one({**payload, field: {"x": SECRET}}))
    assert len(strictly.canned.asked) == 1


@each_list
def test_strict_takes_what_is_only_new(strictly: Answering, payload: dict[str, Any], ask: Ask) -> None:
    (thing,) = ask(strictly.with_list([{**payload, "brand_new": 1}]))
    assert thing.dump()["brand_new"] == 1


def test_strict_does_not_say_that_a_write_may_not_have_happened(strictly: Answering) -> None:
    bk = strictly.with_one({**BUILD, "number": "42"})
    with pytest.raises(ResponseError) as caught:
        bk.organization("acme").pipeline("web").builds().create(commit="HEAD", branch="main")
    assert not caught.value.outcome_unknown
    assert [line.partition(" ")[0] for line in strictly.canned.asked] == ["POST"]


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
def test_an_item_without_identity_stays_and_equals_only_itself(answering: Answering, name: str) -> None:
    payload, ask = LISTS[name]
    bare = {key: value for key, value in payload.items() if key not in IDENTITY[name]}
    one, two = ask(answering.with_list([bare, bare]))
    assert one.dump() == two.dump() == bare
    assert one == one  # noqa: PLR0124 - the point
    assert one != two
    assert len({one, two, one}) == 2
    assert one in {one: 1}
    assert repr(one).startswith(type(one).__name__)


@each_identity
@pytest.mark.filterwarnings("ignore::buildkite_orm.DriftWarning")
@pytest.mark.parametrize("key", [None, "", "..", ".", {}, [], "a\nb"], ids=repr)
def test_asking_for_something_without_identity_says_so(answering: Answering, name: str, key: object) -> None:
    payload, ask = LISTS[name]
    (thing,) = ask(answering.with_list([{**payload, **dict.fromkeys(IDENTITY[name], key)}]))
    asked = len(answering.canned.asked)
    with pytest.raises(UnboundError, match="in the API is unknown"):
        _ = thing.api_path
    assert hash(thing) == hash(thing)
    assert repr(thing)
    assert len(answering.canned.asked) == asked


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
def test_a_url_that_leads_nowhere_is_not_followed(answering: Answering, url: object) -> None:
    (build,) = answering.with_list([{**BUILD, "url": url, "number": 1}]).organization("acme").pipeline("web").builds()
    assert build.api_path == "organizations/acme/pipelines/web/builds/1"
    assert build == answering.bk.organization("acme").pipeline("web").build(1)


# -- answers of another kind


def test_an_object_in_place_of_a_list_is_an_error_that_tells_its_message(answering: Answering) -> None:
    for ask in (ask for _, ask in LISTS.values()):
        with pytest.raises(ResponseError, match="Something else"):
            ask(answering.with_one({"message": "Something else"}))


@pytest.mark.parametrize("answer", [None, 5, "builds", True])
def test_a_scalar_in_place_of_a_list_is_an_error(answering: Answering, answer: object) -> None:
    for ask in (ask for _, ask in LISTS.values()):
        with pytest.raises(ResponseError):
            ask(answering.with_one(answer))


@each_single
@pytest.mark.parametrize("answer", [None, 5, "x", True, [], [{}]])
def test_what_is_no_object_is_an_error_where_one_was_asked_for(
    answering: Answering, payload: dict[str, Any], ask: Ask, answer: object
) -> None:
    del payload
    with pytest.raises(ResponseError, match="JSON object was expected"):
        ask(answering.with_one(answer))


@pytest.mark.parametrize("body", [b"[" * 50_000, b'{"a":' * 50_000, b"[" * 50_000 + b"]" * 50_000])
def test_what_nests_without_end_is_an_error_of_ours(answering: Answering, body: bytes) -> None:
    answering.canned.body = body
    for ask in (ask for _, ask in (*LISTS.values(), *SINGLES.values())):
        with pytest.raises(ResponseError):
            ask(answering.bk)


# -- anything at all


quick = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@each_list
def test_whatever_is_in_an_item_the_page_gives_all_of_them_whole(payload: dict[str, Any], ask: Ask) -> None:
    answering = Answering()

    @quick
    @given(mutations(payload))
    @example({**payload, "new": nested(300)})
    @example({**payload, "half \ud800": "half \ud800"})
    @example({})
    def check(odd: dict[str, Any]) -> None:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            things = ask(answering.with_list([other(payload, 1), odd, other(payload, 2)]))
        assert {warning.category for warning in caught} <= {DriftWarning}
        assert len(caught) == (1 if any(thing.drift for thing in things) else 0)
        assert len(things) == 3
        for thing, sent in zip(things, [other(payload, 1), odd, other(payload, 2)], strict=True):
            check_object(thing, sent)
        assert (things[0].drift, things[2].drift) == ((), ())

    check()


@each_single
def test_whatever_is_in_an_object_it_is_loaded(payload: dict[str, Any], ask: Ask) -> None:
    answering = Answering()

    @quick
    @given(mutations(payload))
    @example({})
    def check(odd: dict[str, Any]) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DriftWarning)
            (thing,) = ask(answering.with_one(odd))
        check_object(thing, odd)

    check()


@each_list
def test_strict_loads_it_whole_or_raises_an_error_of_ours(payload: dict[str, Any], ask: Ask) -> None:
    answering = Answering(strict=True)

    @settings(quick, max_examples=20)
    @given(mutations(payload))
    def check(odd: dict[str, Any]) -> None:
        try:
            (thing,) = ask(answering.with_list([odd]))
        except BuildkiteError as error:
            assert isinstance(error, ResponseError)  # noqa: PT017 - both outcomes are right
            assert len(answering.canned.asked) > 0
        else:
            assert thing.drift == ()
            check_object(thing, odd)

    check()


@pytest.mark.filterwarnings("ignore::buildkite_orm.DriftWarning")
def test_what_is_odd_survives_pickle_and_copy(answering: Answering) -> None:
    (build,) = builds(answering.with_list([{**BUILD, "number": "42", "message": [1]}]))
    for twin in (copy.copy(build), copy.deepcopy(build), pickle.loads(pickle.dumps(build))):  # noqa: S301 - our own
        assert twin.drift == build.drift
        assert twin.dump() == build.dump()
