"""Invalid requests: the fake refuses them as the API would, and continues to work."""

from __future__ import annotations

import json
import math
import warnings
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from requests import Request

from buildkite_orm import ManyRequestsWarning
from buildkite_orm.fake import FakeBuildkite, Settings
from buildkite_orm.fake.serialization import Shared, to_bytes, to_json
from buildkite_orm.fake.store import SCOPES
from buildkite_orm.fake.validation import DEEPEST, LARGEST_BODY
from tests.helpers import check_takes_linear_time

from .conftest import PathSession
from .odd_bodies import BUILD, FIELDS, JOB, ORGANIZATION, READS, WRITES, Acme, load_everything

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from requests import Response, Session

API = "https://api.buildkite.com/v2"
CLUSTERS = "/organizations/acme/clusters"
LARGE = 10**400
QUICK = settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def new_acme() -> Acme:
    server = FakeBuildkite(populate=False, settings=Settings(organization_limit=None, user_limit=None))
    session = PathSession(server, "https://api.buildkite.com")
    session.mount("https://", server.adapter())
    return Acme(server, session)


@pytest.fixture
def acme() -> Iterator[Acme]:
    """An organization with one of everything."""
    acme = new_acme()
    with acme.session:
        yield acme


def check_is_refused_or_done(response: Response) -> None:
    """Check that a response is not a server error, and is JSON."""
    assert response.status_code < 500, response.text
    if response.content and "json" in response.headers["Content-Type"]:
        assert response.json() is not None


def check_all_can_be_loaded(acme: Acme) -> None:
    """Check that every listing can be loaded by the client without a warning, now and when builds have moved on."""
    with warnings.catch_warnings(), acme.server.client() as bk:
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ManyRequestsWarning)
        acme.server.run(100)
        assert load_everything(bk)


# -- values of fields

ODD_VALUES: list[Any] = [
    None,
    True,
    2**63 - 1,
    "",
    " \u202e😀",
    "9999-12-31T23:59:59-12:00",
    "http://[::1",
    "0 0 1 1 * ../../etc/passwd",
    "steps:\n- trigger: other\n  label: x",
    [],
    [None],
    [{}],
    {},
    {"a": {"b": [1]}},
    {"name": [], "email": 5, "instanceShape": [], "source_pipeline": {}, "trigger_mode": 5},
    [{"type": "script", "command": 1, "env": "x", "agent_query_rules": [1]}],
    [{"type": "trigger", "trigger_project_slug": "other", "trigger_branch": 5, "label": []}],
    [{"id": [], "user": {}, "role": 1, "iss": None, "tags": []}],
]


@pytest.mark.parametrize("template", FIELDS)
def test_the_fake_stores_nothing_that_it_cannot_list(acme: Acme, template: str) -> None:
    method = next(method for method, path in WRITES if path == template)
    for name in FIELDS[template]:
        for value in ODD_VALUES:
            check_is_refused_or_done(acme.send(method, template, json={**acme.body(template), name: value}))
    check_all_can_be_loaded(acme)


TEXTS = st.text(max_size=8) | st.sampled_from(["\ud800", "a\0b", "\udfff\ud800", "x" * 5000, "%zz", "../..", "<b>"])
NUMBERS = (
    st.integers()
    | st.floats(allow_nan=True, allow_infinity=True)
    | st.sampled_from([LARGE, -LARGE, 2**31, 2**63, -(2**63) - 1, 1e308, -0.0])
)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)
RAW = st.binary(max_size=30) | st.sampled_from(
    [
        b"",
        b" ",
        b"null",
        b'"text"',
        b"[1]",
        b"7",
        b"{",
        b"\xff",
        b'{"name": "\xff"}',
        b"\xef\xbb\xbf{}",
        '{"name": "x"}'.encode("utf-16"),
        b'{"name": 1e999, "priority": -1e999}',
        b'{"name": NaN, "priority": Infinity}',
        b'{"name": "a", "name": "b", "name": {}}',
        b"[" * 100_000,
        b'{"name":' * 100_000,
        b'{"name": ' + b"[" * 101 + b"]" * 101 + b"}",
        str(LARGE).encode(),
        b"9" * 5000,
        b'{"timeout_in_minutes": %s}' % (b"9" * 5000),
    ]
)
CONTENT_TYPES = st.sampled_from(
    [
        "application/json",
        "application/json; charset=latin-1",
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "multipart/form-data; boundary=x",
        "multipart/form-data; boundary=\xff",
        'a/b; c="',
    ]
)


@st.composite
def writes(draw: st.DrawFn) -> Callable[[Acme], Response]:
    """Draw a request of any operation that writes, with a body that is somehow odd."""
    method, template = draw(st.sampled_from(WRITES))
    if draw(st.integers(0, 3)) == 0:
        raw, kind = draw(RAW), draw(CONTENT_TYPES)
        return lambda acme: acme.send(method, template, data=raw, headers={"Content-Type": kind.encode("latin-1")})
    names = FIELDS.get(template) or ("name", "")
    changes = draw(st.dictionaries(st.sampled_from(names) | TEXTS, VALUES, max_size=2))
    return lambda acme: acme.send(method, template, data=json.dumps({**acme.body(template), **changes}))


@QUICK
@given(st.lists(writes(), min_size=5, max_size=20))
def test_no_body_breaks_the_fake_or_its_listings(requests: list[Callable[[Acme], Response]]) -> None:
    acme = new_acme()
    with acme.session:
        for send in requests:
            check_is_refused_or_done(send(acme))
        acme.server.token = acme.server.make_token(*SCOPES)  # one of the operations revokes the one of the session
        check_all_can_be_loaded(acme)


# -- queries, paths and headers

QUERIES = st.sampled_from(
    [
        "page=99999999999999999999",
        "page=" + "9" * 5000,
        "page=-1",
        "page=%C2%B2",
        "page=1e3",
        "per_page=-1",
        "per_page=0",
        "per_page=" + "9" * 30,
        "per_page[]=1",
        "after=x",
        "before=%ff",
        "after=Y3Vyc29yOjE&before=Y3Vyc29yOjE",
        "after=" + "A" * 8000,
        "created_from=0000-01-01",
        "created_to=99999-01-01T00:00:00Z",
        "created_from=9999-12-31T23:59:59-23:59",
        "created_to=0001-01-01T00:00:00%2B23:59",
        "finished_from=9999-12-31T23:59:59.9999999Z",
        "finished_from[a]=b",
        "min_timestamp=0001-01-01T00:00:00%2B01:00",
        "max_timestamp=9999-12-31",
        "period=",
        "sort_by=x",
        "order=%E2%80%AE",
        "tags=:",
        "tags=result:~,result:^",
        "labels=!,!!",
        "owners=,",
        "state=%ED%A0%80",
        "state[]=x&state=passed",
        "branch=**(&branch[]=[",
        "creator=%00",
        "meta_data[%00]=1",
        "meta_data[[]]=1",
        "meta_data[]=",
        "filter[source_job_id]=x",
        "filter[=1",
        "repository[a]=b",
        "scope=%F0%9F%98",
        "name=%zz",
        "%",
        "=",
        "&" * 5000,
        "a" * 70_000,
        "a[" * 500 + "=1",
        "queue=%c3%28",
        "to=%F5",
        "%00",
    ]
)
SEGMENTS = st.sampled_from(
    [
        "%zz",
        "%ff",
        "%00",
        "%ED%A0%80",
        "9" * 5000,
        "%C2%B2",
        "-1",
        "1e3",
        "0",
        "%2e%2e",
        "a%2Fb",
        "%E2%80%AE",
        "💥",
        "*",
    ]
)
HEADERS: st.SearchStrategy[dict[str, str]] = st.sampled_from(
    [
        {},
        {"Range": "bytes=-" + "9" * 5000},
        {"Range": "bytes=-0", "Accept": "text/plain"},
        {"Range": "bytes=-99999999999999999999", "Accept": "text/plain"},
        {"Range": "pages=1-2"},
        {"Accept": "*/*;q=x, ;;;, text/\xff"},
        {"Accept-Encoding": "gzip;q=nan, ;q="},
        {"Authorization": "Bearer \xff"},
        {"Authorization": "Bearer a.b.c"},
        {"Authorization": "Basic"},
        {"Buildkite-Version": "99999-99-99"},
        {"Buildkite-Version": "\xb2000-01-01"},
        {"Content-Type": "multipart/form-data; boundary="},
        {"Content-Length": "-1"},
        {"Host": "a b"},
        {"Host": "[::1"},
        {"Host": "x:99999999"},
        {"Host": "\xff"},
        {"User-Agent": "\xff\x01"},
        {"Cookie": 'a="; b'},
    ]
)


def send_raw(acme: Acme, method: str, target: str, headers: dict[str, str]) -> Response:
    """Send a request without normalizing its URL."""
    prepared = acme.session.prepare_request(Request(method, "/"))
    prepared.url = API + target
    prepared.headers.update({name: value.encode("latin-1").decode("latin-1") for name, value in headers.items()})
    return acme.session.send(prepared, allow_redirects=False)


@st.composite
def odd_requests(draw: st.DrawFn) -> Callable[[Acme], Response]:
    """Draw a request with an odd query, path or header."""
    method, template = draw(st.sampled_from([*WRITES, *(("GET", path) for path in READS), ("HEAD", JOB + "/log")]))
    query = "&".join(draw(st.lists(QUERIES, max_size=3)))
    headers = draw(HEADERS)
    names = [part for part in template.split("/") if part.startswith("{")]
    changes = draw(st.dictionaries(st.sampled_from(names), SEGMENTS, max_size=1)) if names else {}

    def send(acme: Acme) -> Response:
        changed = "/".join(changes.get(part, part) for part in template.split("/"))
        return send_raw(acme, method, f"{acme.path(changed)}?{query}", headers)

    return send


@QUICK
@given(st.lists(odd_requests(), min_size=10, max_size=20))
def test_no_query_path_or_header_breaks_the_fake(requests: list[Callable[[Acme], Response]]) -> None:
    acme = new_acme()
    with acme.session:
        for send in requests:
            check_is_refused_or_done(send(acme))
        acme.server.token = acme.server.make_token(*SCOPES)
        check_all_can_be_loaded(acme)


@pytest.mark.parametrize("target", READS)
def test_every_listing_takes_odd_queries(acme: Acme, target: str) -> None:
    for query in ("page=99999999999999999999&per_page=-1", "created_from=99999-01-01", "after=x", "state=%00", "a=%zz"):
        check_is_refused_or_done(send_raw(acme, "GET", f"{acme.path(target)}?{query}", {}))


# -- requests and their responses


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"{", 400, "Your JSON body could not be parsed"),
        (b'{"name": NaN}', 400, "Your JSON body could not be parsed"),
        (b'{"name": "\xff"}', 400, "Your JSON body is not valid UTF-8"),
        (b'{"name": "\\ud800"}', 400, "Invalid encoding for parameter: half a surrogate pair"),
        (b'{"\\ud800": "x"}', 400, "Invalid encoding for parameter: half a surrogate pair"),
        (b'{"name": 1e999}', 422, "Validation Failed"),
        (b'{"name": %d}' % LARGE, 422, "Validation Failed"),
        (b'{"name": %d}' % 2**63, 422, "Validation Failed"),
        (b'{"name": 1.5}', 422, "Validation Failed"),
        (b'"text"', 400, "The body must be a JSON object"),
        (b"[]", 400, "The body must be a JSON object"),
        (b"", 422, "Validation Failed"),
        (b"[" * 100_000, 400, f"Your JSON body is nested deeper than {DEEPEST} levels"),
        (b'{"name": ' + b"[" * 101 + b"]" * 101 + b"}", 400, f"Your JSON body is nested deeper than {DEEPEST} levels"),
        (b'{"name": "' + b"x" * LARGEST_BODY + b'"}', 413, f"The body is larger than {LARGEST_BODY} bytes"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_body_that_cannot_be_accepted_is_refused_with_its_reason(
    server: FakeBuildkite, api: Session, body: bytes, status: int, message: str
) -> None:
    response = api.post(CLUSTERS, data=body)
    assert (response.status_code, response.json()["message"]) == (status, message)
    assert [each["name"] for each in api.get(CLUSTERS).json()] == ["Default cluster"]
    assert server.requests[0].status == status


def test_a_field_that_no_model_accepts_is_named(api: Session) -> None:
    errors = api.post(CLUSTERS, data=b'{"name": 1e999, "color": {"b": [1e999]}, "description": "c"}').json()["errors"]
    assert {each["field"]: each["code"] for each in errors} == {"name": "invalid", "color": "invalid"}


def test_the_last_of_duplicate_keys_counts(api: Session) -> None:
    assert api.post(CLUSTERS, data=b'{"name": {}, "name": "a"}').json()["name"] == "a"


def test_a_body_nested_a_hundred_levels_deep_is_read(api: Session) -> None:
    body = b'{"name": "a", "unknown": ' + b"[" * (DEEPEST - 1) + b"]" * (DEEPEST - 1) + b"}"
    assert api.post(CLUSTERS, data=body).status_code == 201


def test_an_unexpected_body_is_ignored_if_it_is_json(api: Session) -> None:
    assert api.get("/user", json={"a": 1}).status_code == 200
    assert api.get("/user", json=[1]).status_code == 200
    assert api.get("/user", data=b"{", headers={"Content-Type": "application/json"}).status_code == 400
    assert api.get("/user", data=b"{").status_code == 200


@pytest.mark.parametrize(
    "moment", ["9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+12:00", "0000-01-01", "99999-01-01"]
)
def test_a_time_without_a_utc_form_is_rejected(acme: Acme, moment: str) -> None:
    body = {"description": "x", "expires_at": moment}
    assert acme.send("POST", ORGANIZATION + "/clusters/{cluster}/tokens", json=body).status_code == 422
    response = acme.send("GET", ORGANIZATION + "/builds", params={"created_from": moment})
    assert response.status_code == 422


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("/organizations/acme/builds?branch=%zz", "Invalid query parameters: invalid %-encoding"),
        ("/organizations/acme/builds?branch=%ff", "Invalid query parameters: invalid UTF-8"),
        ("/organizations/acme/builds?branch=%ED%A0%80", "Invalid query parameters: invalid UTF-8"),
        ("/organizations/%zz", "Invalid path: invalid %-encoding"),
        ("/organizations/%ff", "Invalid path: invalid UTF-8"),
    ],
)
def test_a_url_that_cannot_be_decoded_is_400(acme: Acme, target: str, message: str) -> None:
    response = send_raw(acme, "GET", target, {})
    assert (response.status_code, response.json()) == (400, {"message": message})


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"a=%zz", "application/x-www-form-urlencoded"),
        (b"a=%ff", "application/x-www-form-urlencoded"),
        (b"--x\r\n", "multipart/form-data; boundary=x"),
        (b"hello", "multipart/form-data"),
        (b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n\0\r\n--x--\r\n', "multipart/form-data; boundary=x"),
    ],
)
def test_a_form_that_cannot_be_read_is_400(acme: Acme, body: bytes, kind: str) -> None:
    path = "/packages/organizations/{org}/registries/{registry}/packages"
    response = acme.send("POST", path, data=body, headers={"Content-Type": kind})
    assert response.status_code == 400
    assert response.json()["message"].startswith("Invalid form parameters: ")


def test_a_form_with_a_field_that_is_too_large_is_413(acme: Acme) -> None:
    path = "/packages/organizations/{org}/registries/{registry}/packages"
    assert acme.send("POST", path, files={"a": (None, b"x" * 600_000)}).status_code == 413


def test_a_build_number_with_thousands_of_digits_is_404(acme: Acme) -> None:
    assert acme.send("GET", BUILD.replace("{number}", "9" * 5000)).status_code == 404


def test_a_failed_request_to_build_an_agent_image_leaves_nothing_to_happen(acme: Acme) -> None:
    path = ORGANIZATION + "/clusters/{cluster}/agent-images"
    assert acme.send("POST", path, json={"name": "x", "dockerfile": None}).status_code == 422
    acme.server.run(1000)
    assert acme.send("GET", path).status_code == 200


# -- serialization


@example("half \ud800 a pair")
@example({"\ud800": math.nan, "b": [LARGE, 10**5000, math.inf, object(), {1: (2, {3})}]})
@given(VALUES)
def test_every_response_can_be_serialized_as_json(value: Any) -> None:
    json.loads(to_json(value).decode(), parse_constant=pytest.fail)


def test_a_value_that_contains_itself_can_be_written_as_json() -> None:
    value: list[Any] = []
    value.append(value)
    assert to_json(value).startswith(b"[[[")


def test_half_a_surrogate_pair_is_written_as_an_escape_or_a_question_mark() -> None:
    assert (to_json("\ud800"), to_bytes("\ud800"), to_json("😀")) == (b'"\\ud800"', b"?", '"😀"'.encode())


def test_a_record_with_half_a_surrogate_pair_is_listed(server: FakeBuildkite, api: Session) -> None:
    build = server.add_build("web", message="a \ud800", jobs=[{"command": "b \ud800", "name": "\udfff"}])
    job = build.jobs[0]
    artifact = server.add_artifact(job, "c \ud800.txt", b"c")
    assert api.get("/organizations/acme/builds").json()[0]["message"] == "a \ud800"
    for path in (
        "",
        "/log",
        "/log.txt",
        "/log.html",
        "/env",
        "/env.txt",
        "/artifacts",
        f"/artifacts/{artifact.id}/download",
    ):
        assert api.get(f"/organizations/acme/jobs/{job.id}{path}").status_code == 200


# -- long texts


@pytest.mark.parametrize("piece", [" ", "\n", "a", "*a", "'", '"\\', "a: b\n", "-\n", "[", "x@", "<", "#", "!x ", "1."])
@pytest.mark.parametrize(
    ("template", "name", "form"),
    [
        (ORGANIZATION + "/pipelines", "configuration", "steps: [{}"),
        (ORGANIZATION + "/pipelines", "branch_configuration", "{}"),
        (ORGANIZATION + "/clusters/{cluster}/agent-images", "dockerfile", "RUN{}"),
        (BUILD.removesuffix("/{number}"), "author", "{}"),
        (ORGANIZATION + "/invitations", "emails", "{}"),
        (ORGANIZATION + "/portals", "allowed_ip_addresses", "{}"),
    ],
)
def test_a_long_text_is_read_in_linear_time(acme: Acme, template: str, name: str, form: str, piece: str) -> None:
    def send(length: int) -> None:
        text = form.format(piece * length)
        body = {**acme.body(template), name: [text] if name == "emails" else text}
        check_is_refused_or_done(acme.send("POST", template, json=body))

    check_takes_linear_time(send, 20_000)


def test_stars_of_a_filter_take_linear_time(acme: Acme) -> None:
    acme.server.add_build("web", branch="a" * 3000)

    def send(stars: int) -> None:
        response = acme.send("GET", ORGANIZATION + "/builds", params={"branch": "*a" * stars + "b"})
        assert (response.status_code, response.json()) == (200, [])

    check_takes_linear_time(send, 40)


def test_a_shared_value_is_serialized_where_it_occurs() -> None:
    shared = Shared({"a": ["ü", None]})
    assert json.loads(to_json([shared, {"b": shared}, Shared(1)])) == [shared.value, {"b": shared.value}, 1]
    assert to_json({"a": Shared({"n": math.nan})}) == b'{"a":{"n":null}}'
