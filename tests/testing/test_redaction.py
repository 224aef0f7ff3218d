"""A cassette contains no token, whatever the server returns, and placeholders in place of private data."""

from __future__ import annotations

import base64
import codecs
import gzip
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildkite_orm import Buildkite, BuildkiteError, RetryPolicy, StatusError
from buildkite_orm.testing import Recorder
from buildkite_orm.testing.placeholders import matches
from buildkite_orm.testing.redaction import Redactor
from tests.helpers import web_pipeline
from tests.testing.conftest import first_failed
from tests.testing.stub_adapter import StubAdapter, json_headers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from requests import PreparedRequest

    from buildkite_orm.fake import FakeBuildkite
    from tests.testing.conftest import Record
    from tests.testing.stub_adapter import Answer

TOKEN: Final = "bkua_" + "5f3a" * 10
PLAIN_TOKEN: Final = "f00dfeed" * 5  # an old one, without a prefix: only its value shows what it is


def secret(text: str) -> Any:
    """Return the JSON of a response after redaction; twice, as a cassette is written."""
    redactor = Redactor()
    value = json.loads(text)
    redactor.json(value)
    return redactor.json(value)


# -- the token


def echo(request: PreparedRequest) -> dict[str, str]:
    return dict(request.headers)


def in_all_headers(request: PreparedRequest) -> Answer:
    token = request.headers["Authorization"]
    names = [
        "Set-Cookie",
        "Link",
        "Location",
        "X-Request-Id",
        "ETag",
        "X-OAuth-Scopes",
        "Date",
        f"RateLimit-{token[7:]}",
    ]
    return 200, {**json_headers(), **dict.fromkeys(names, f"<https://x.example/?t={token}>; {token}")}, b"{}"


def in_json(request: PreparedRequest) -> Answer:
    seen = echo(request)
    token = seen["Authorization"].removeprefix("Bearer ")
    keys = {token: {"list": [token, {token: token}]}, "url": f"https://x.example/{token}?access_token={token}#{token}"}
    return 200, json_headers(), json.dumps({"headers": seen, "number": 1, **keys}).encode()


def in_text(request: PreparedRequest) -> Answer:
    return 502, {"Content-Type": "text/html"}, f"<p>{echo(request)}</p>".encode()


def in_bytes(request: PreparedRequest) -> Answer:
    return 400, json_headers(), b"\xff\x00" + request.headers["Authorization"].encode() + b"\xfe"


def in_base64(request: PreparedRequest) -> Answer:
    bodies = [base64.b64encode(b"x" * lead + request.headers["Authorization"].encode()).decode() for lead in range(3)]
    return 200, json_headers(), json.dumps(bodies).encode()


def packed(request: PreparedRequest) -> Answer:
    return 200, json_headers(Content_Encoding="gzip"), gzip.compress(in_json(request)[2])


def packed_and_cut(request: PreparedRequest) -> Answer:
    status, headers, body = packed(request)
    return status, headers, body[:-6]


def packed_twice(request: PreparedRequest) -> Answer:
    return 200, json_headers(Content_Encoding="gzip, gzip"), gzip.compress(packed(request)[2])


def escaped(request: PreparedRequest) -> Answer:
    token = request.headers["Authorization"].removeprefix("Bearer ")
    forms = ["".join(f"\\u{ord(char):04x}" for char in token), quote(token), token.upper(), token.swapcase()]
    forms += ["".join(f"%{ord(char):02X}" for char in token), "".join(f"&#{ord(char)};" for char in token)]
    return 200, json_headers(), ('["' + '", "'.join(forms) + '"]').encode()


def as_a_file(request: PreparedRequest) -> Answer:
    return 200, {"Content-Type": "application/zip"}, b"PK\x03\xff" + request.headers["Authorization"].encode()


def in_utf_16(request: PreparedRequest) -> Answer:
    return 200, {"Content-Type": "text/plain"}, request.headers["Authorization"].encode("utf-16")


def in_a_long_header(request: PreparedRequest) -> Answer:
    return 302, json_headers(Location=f"https://x.example/{request.headers['Authorization']}"), b""


def deep(request: PreparedRequest) -> Answer:
    return 200, json_headers(), b"[" * 400 + json.dumps(request.headers["Authorization"]).encode() + b"]" * 400


ECHOES = [
    in_all_headers,
    in_json,
    in_text,
    in_bytes,
    in_base64,
    packed,
    packed_and_cut,
    packed_twice,
    escaped,
    as_a_file,
    in_utf_16,
    in_a_long_header,
    deep,
]


def forms_of(token: str) -> list[str]:
    """Return forms of a token in which a reader of the file would know it."""
    return [
        token,
        token.upper(),
        token.swapcase(),
        token[5:],
        *(quote(token, safe=""), base64.b64encode(token.encode()).decode()),
    ]


@pytest.mark.parametrize("token", [TOKEN, PLAIN_TOKEN], ids=["with a prefix", "without a prefix"])
@pytest.mark.parametrize("answer", ECHOES)
def test_the_token_never_reaches_the_file(
    cassette: Path, answer: Callable[[PreparedRequest], Answer], token: str
) -> None:
    recorder = Recorder(cassette, record=True, files=True, through=StubAdapter(answer))
    with Buildkite(token, transport=recorder, retry=RetryPolicy(attempts=2, backoff=0)) as bk:
        with suppress(BuildkiteError):
            bk.request("GET", "user")
        with suppress(BuildkiteError):
            bk.request("POST", "organizations/acme/pipelines", json={"t": token})
    text = cassette.read_text()
    plain = json.dumps(json.loads(text), ensure_ascii=False)
    assert [form for form in forms_of(token) if form in text or form in plain] == []
    for exchange in json.loads(text)["exchanges"]:
        content = base64.b64decode(exchange["response"].get("base64", ""))
        assert token.encode() not in content.replace(b"\0", b"")
    assert codecs.encode(token, "rot13") not in text


def test_every_token_of_a_client_that_changes_it_is_unknown_to_the_file(cassette: Path) -> None:
    tokens = [f"{number:08d}" * 5 for number in range(40, 90)]
    left = list(tokens)
    recorder = Recorder(cassette, record=True, through=StubAdapter(in_json))
    with Buildkite(auth=left.pop, transport=recorder) as bk:
        for _ in tokens:
            bk.request("GET", "user")
    assert [token for token in tokens if token in cassette.read_text()] == []


def test_the_token_of_a_file_does_not_reach_the_file_of_the_cassette(cassette: Path) -> None:
    """A log with a secret in it is left out, since it is stored as it is or not at all."""
    log = f"$ echo {TOKEN}\n".encode()
    stub = StubAdapter(lambda _request: (200, {"Content-Type": "text/plain"}, log))
    path = "organizations/acme/pipelines/web/builds/1/jobs/0190abcd-0000-4000-8000-000000000001/log"
    with Buildkite(TOKEN, transport=Recorder(cassette, record=True, files=True, through=stub)) as bk:
        job = bk.organization("acme").pipeline("web").build(1).job(path.split("/")[-2])
        assert job.log().tail_bytes(100) == log.decode()
    (exchange,) = json.loads(cassette.read_text())["exchanges"]
    assert exchange["response"]["left_out"] == "it contains a secret"
    assert TOKEN not in cassette.read_text()


@given(st.binary(max_size=200), st.integers(0, 200))
def test_no_bytes_around_a_token_bring_it_into_the_file(around: bytes, at: int) -> None:
    body = around[:at] + PLAIN_TOKEN.encode() + around[at:]
    redactor = Redactor()
    redactor.secrets.remember(PLAIN_TOKEN)
    assert PLAIN_TOKEN not in redactor.text(body.decode("latin-1"))


def test_request_headers_are_not_stored(record: Record, cassette: Path) -> None:
    record(lambda bk: bk.user())
    (exchange,) = json.loads(cassette.read_text())["exchanges"]
    assert set(exchange["request"]) == {"method", "path"}
    assert "buildkite-orm/0" not in json.dumps(exchange)


# -- what else is private


def test_people_keep_neither_name_nor_address_nor_picture() -> None:
    ada = {"id": "1", "name": "Ada Lovelace", "email": "ada@acme.example", "avatar_url": "https://gravatar.com/x"}
    found = secret(json.dumps({"creator": ada, "message": "Fix\n\nReviewed-by: Ada Lovelace <Ada@acme.example>"}))
    assert found == {
        "creator": {
            "id": "1",
            "name": "redacted-name-1",
            "email": "redacted-person-1@redacted.invalid",
            "avatar_url": "https://redacted.invalid/avatar-1",
        },
        "message": "Fix\n\nReviewed-by: redacted-name-1 <redacted-person-1@redacted.invalid>",
    }


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"author": "Ada Lovelace <ada@acme.example>"}, {"author": "redacted-name-1"}),
        ({"author": {"name": "Ada", "id": 1}}, {"author": {"name": "redacted-name-1", "id": 1}}),
        ({"author": {"username": "ada"}}, {"author": {"username": "redacted-name-1"}}),
        ({"unblocked_by": {"name": "Ada", "id": 1}}, {"unblocked_by": {"name": "redacted-name-1", "id": 1}}),
        ({"actor": {"type": "User", "name": "Ada"}}, {"actor": {"type": "User", "name": "redacted-name-1"}}),
        ({"subject": {"type": "User", "name": "Ada"}}, {"subject": {"type": "User", "name": "redacted-name-1"}}),
        ({"subject": {"type": "Pipeline", "name": "Web"}}, {"subject": {"type": "Pipeline", "name": "Web"}}),
        ({"user_id": "1", "user_name": "Ada"}, {"user_id": "1", "user_name": "redacted-name-1"}),
        ({"creator": None, "author": ""}, {"creator": None, "author": ""}),
        ({"name": "Web", "created_by": None}, {"name": "Web", "created_by": None}),
        ({"env": {"A": "b", "N": 1, "E": ""}}, {"env": {"A": "redacted-env-1", "N": "redacted-env-2", "E": ""}}),
        ({"env": ["A=b", "B=b", "c"]}, {"env": ["A=redacted-env-1", "B=redacted-env-1", "redacted-env-2"]}),
        ({"env": "A=b\nB"}, {"env": "A=redacted-env-1\nredacted-env-2"}),
        ({"steps": [{"env": {"A": {"B": ["x=y"]}}}]}, {"steps": [{"env": {"A": {"B": ["x=redacted-env-1"]}}}]}),
        ({"configuration": "env:\n  A: b"}, {"configuration": "redacted-yaml-1"}),
        ({"webhook_url": "https://x.example/y"}, {"webhook_url": "https://redacted.invalid/webhook-1"}),
        ({"x": "to https://webhook.buildkite.com/deliver/abc."}, {"x": "to https://redacted.invalid/webhook-1"}),
        ({"badge_url": "https://badge.buildkite.com/abc.svg"}, {"badge_url": "https://redacted.invalid/badge-1"}),
        ({"token": "abc", "api_key": "abc"}, {"token": "redacted-secret-1", "api_key": "redacted-secret-1"}),
        ({"ip_address": "10.0.0.1", "hostname": "x"}, {"ip_address": "redacted-ip-1", "hostname": "redacted-host-1"}),
        ({"repository": "https://me:pw@git.example/a.git"}, {"repository": "https://redacted-secret-1@git.example/a.git"}),
        ({"repository": "git@github.com:acme/web.git"}, {"repository": "git@github.com:acme/web.git"}),
        ({"repository": "ssh://git@github.com/acme/web"}, {"repository": "ssh://git@github.com/acme/web"}),
        ({"x": "?creator=ada%40acme.example&page=2"}, {"x": "?creator=redacted-person-1%40redacted.invalid&page=2"}),
        ({"x": "a@b, me@x.io: hi"}, {"x": "a@b, redacted-person-1@redacted.invalid: hi"}),
        ({"x": "see eyJhbGciOiJI.eyJzdWIiOiIx.abcdefgh"}, {"x": "see redacted-secret-1"}),
        ({"x": "bkct_abcdefghijkl"}, {"x": "[hidden]"}),
        ({"web_url": "https://buildkite.com/acme/web?page=2"}, {"web_url": "https://buildkite.com/acme/web?page=2"}),
    ],
)  # fmt: skip
def test_a_private_value_has_a_placeholder(value: Any, expected: Any) -> None:
    assert secret(json.dumps(value)) == expected


@pytest.mark.parametrize(
    "query",
    ["X-Amz-Signature=abc", "a=1&Signature=abc", "sig=abc", "token=abc", "a=1&amp;X-Goog-Signature=abc", "jwt=abc"],
)
def test_a_signed_link_has_a_placeholder(query: str) -> None:
    link = f"https://bucket.example/a/b.txt?{query}"
    assert secret(json.dumps([link, f"see <{link}>"])) == [
        "https://redacted.invalid/link-1",
        "see <https://redacted.invalid/link-1>",
    ]


def test_the_value_of_a_secret_variable_is_masked_wherever_it_is() -> None:
    value = {"message": "with hunter2hunter2", "env": {"DB_PASSWORD": "hunter2hunter2", "LEVEL": "message"}}
    assert secret(json.dumps(value)) == {
        "message": "with [hidden]",
        "env": {"DB_PASSWORD": "redacted-env-1", "LEVEL": "redacted-env-2"},
    }


def test_the_same_value_has_the_same_placeholder_in_all_responses(record: Record, cassette: Path) -> None:
    def work(bk: Buildkite) -> list[str | None]:
        creators = {build.creator.email for build in web_pipeline(bk).builds() if build.creator}
        return [bk.user().email, *sorted(filter(None, creators))]

    emails = record(work)
    with Buildkite(transport=Recorder(cassette)) as bk:
        replayed = work(bk)
    assert replayed[0] in replayed[1:]
    assert len(set(replayed)) == len(set(emails))
    assert [email for email in emails if email in cassette.read_text()] == []


def test_the_seeded_organization_leaves_no_private_data(
    acme: FakeBuildkite, record: Record, replay: Record, cassette: Path
) -> None:
    def work(bk: Buildkite) -> list[int]:
        org = bk.organization()
        listings: list[Any] = [org.builds(with_jobs=True).limit(30), org.pipelines(), org.agents(), org.members()]
        listings += [org.teams(), org.clusters(), org.invitations(), org.audit_events(), org.notification_services()]
        return [len(list(listing)) for listing in listings]

    counts = record(work)
    assert replay(work) == counts
    assert all(counts[:6])
    text = cassette.read_text()
    users = [user for each in acme.store.organizations.values() for user in each.users]
    private = [acme.token, "webhook.buildkite.com", "gravatar.com", "@acme.example"]
    private += [each for user in users for each in (user.name, user.email)]
    assert [each for each in private if each in text] == []


def test_the_link_to_a_file_leads_to_its_recorded_content(record: Record, replay: Record, cassette: Path) -> None:
    def work(bk: Buildkite) -> list[bytes]:
        return [each.download() for each in web_pipeline(bk).builds(state="passed")[0].artifacts().limit(2)]

    recorded = record(work, files=True)
    assert replay(work) == recorded
    paths = [each["request"]["path"] for each in json.loads(cassette.read_text())["exchanges"]]
    assert [path for path in paths if path.startswith("http")] == [f"https://redacted.invalid/link-{n}" for n in (1, 2)]
    assert "artifacts.buildkite.fake" not in cassette.read_text()


def test_what_a_write_sends_is_private_too(record: Record, replay: Record, cassette: Path) -> None:
    def work(bk: Buildkite) -> Any:
        build = web_pipeline(bk).builds().create(
            commit="HEAD", branch="main", message="For Ada", env={"KEY": "a-value-of-mine"},
            author={"name": "Grace Hopper", "email": "grace@acme.example"},
        )  # fmt: skip
        cluster = bk.organization().clusters()[0]
        cluster.secrets().create(key="DEPLOY", value="the-value-of-a-secret")
        return build.number

    assert record(work) == replay(work)
    text = cassette.read_text()
    private = ["a-value-of-mine", "the-value-of-a-secret", "grace@", "Grace Hopper"]
    assert [each for each in private if each in text] == []
    assert '"message": "For Ada"' in text


# -- placeholders in requests


@pytest.mark.parametrize(
    ("recorded", "actual", "expected"),
    [
        ("main", "main", True),
        ("main", "next", False),
        ("redacted-env-1", "anything at all\nindeed", True),
        ("redacted-env-1", "", False),
        ("redacted-person-1@redacted.invalid", "ada@acme.example", True),
        ("by redacted-name-1, twice redacted-name-1!", "by Ada, twice Ada!", True),
        ("by redacted-name-1, twice redacted-name-1!", "by Ada, twice !", False),
        ("by redacted-name-1, twice redacted-name-1!", "by Ada, once Ada!", False),
        ("https://redacted.invalid/link-1", "https://redacted.invalid/link-2", True),
        ("x[hidden]y", "xy", False),
        ("x[hidden]y", "xzy", True),
    ],
)
def test_a_placeholder_of_a_recorded_request_stands_for_any_text(recorded: str, actual: str, expected: bool) -> None:  # noqa: FBT001
    assert matches(recorded, actual) is expected


def test_a_filter_by_a_private_value_is_replayed(record: Record, replay: Record) -> None:
    def numbers(bk: Buildkite) -> list[int]:
        return [build.number for build in web_pipeline(bk).builds(creator="ada@acme.example")]

    assert record(numbers) == replay(numbers)


# -- errors


def test_an_error_is_replayed_with_its_details(acme: FakeBuildkite, record: Record, replay: Record) -> None:
    acme.settings.user_limit = 50

    def fail(bk: Buildkite) -> tuple[str, list[dict[str, Any]], str | None]:
        with pytest.raises(StatusError) as caught:
            bk.request("POST", "organizations/acme/pipelines", json={"name": ""})
        return caught.value.message, caught.value.errors, caught.value.request_id

    assert record(fail) == replay(fail)


def test_a_failed_build_is_explained_the_same_way(record: Record, replay: Record) -> None:
    def explain(bk: Buildkite) -> str:
        return str(first_failed(bk).failure_summary())

    assert record(explain, files=True) == replay(explain)
