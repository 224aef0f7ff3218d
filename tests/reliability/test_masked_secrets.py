"""Secrets that a server repeats or redirects to: masked in errors, logs, pickles and tracebacks."""

from __future__ import annotations

import base64
import json
import logging
import pickle
import socket
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from buildkite_orm import Buildkite, BuildkiteError, PermissionDeniedError, RetryPolicy
from buildkite_orm.errors import error_for
from buildkite_orm.utils.redaction import MASK, Secrets, SignedUrl
from tests.helpers import check_takes_linear_time
from tests.http.test_secrets import check_traceback
from tests.reliability.leaks import full_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildkite_orm.fake import FakeBuildkite

HEX = "0123456789abcdef0123456789abcdef01234567"
COMMIT = "89abcdef0123456789abcdef0123456789abcdef"
JWT = f"eyJhbGciOiJSUzI1NiJ9.{'eyJpc3MiOiIwMTkx' * 8}.c2lnbmF0dXJl-_{'QUJD' * 20}"
BKUA = "bkua_0123456789abcdef0123456789abcdef01234567"
TOKENS = {"hexadecimal": HEX, "JWT": JWT, "bkua": BKUA}


def in_json(token: str) -> str:
    return "".join(f"\\u{ord(char):04x}" for char in token)


FORMS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "upper case": str.upper,
    "JSON": in_json,
    "JSON, one character": lambda token: token[:4] + in_json(token[4]) + token[5:],
    "JSON in JSON": lambda token: in_json(token).replace("\\", "\\\\"),
    "percent": lambda token: "".join(f"%{ord(char):02X}" for char in token),
    "percent twice": lambda token: "".join(f"%25{ord(char):02x}" for char in token),
    "HTML": lambda token: "".join(f"&#x{ord(char):x};" for char in token),
    "HTML, decimal": lambda token: "".join(f"&#{ord(char)};" for char in token),
    "Base64": lambda token: base64.b64encode(f"user:{token}".encode()).decode(),
    "Base64 for URLs": lambda token: base64.urlsafe_b64encode(f"ab{token}".encode()).decode(),
    "Bearer": lambda token: f"Bearer {token}",
}
tokens = pytest.mark.parametrize("token", TOKENS.values(), ids=TOKENS)
forms = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)


def ways_to_write(token: str) -> list[str]:
    """Return what must not appear of a token: the token in each form, and its long parts."""
    return [way for form in FORMS.values() for way in (form(token), json.dumps(form(token))[1:-1])] + [token[8:32]]


def check_frames(error: BaseException, secret: str) -> None:
    """Search the locals of the library's frames; those of this file contain the secret."""
    entry = error.__traceback__
    while entry is not None and entry.tb_frame.f_code.co_filename == __file__:
        entry = entry.tb_next
    check_traceback(error.with_traceback(entry), secret)


def assert_nowhere(error: BaseException, token: str) -> None:
    shown = full_text(error) + pickle.dumps(error).decode("latin-1")
    assert [way for way in ways_to_write(token) if way in shown] == []
    check_frames(error, token)


def client_of(server: FakeBuildkite, token: str, *, http: bool = False) -> Buildkite:
    return server.client(token=token, http=http, retry=RetryPolicy(attempts=1))


# -- tokens that a server repeats


@tokens
@forms
def test_an_echoed_token_is_in_no_error_and_no_pickle(
    server: FakeBuildkite, token: str, form: Callable[[str], str]
) -> None:
    text = form(token)
    payload = {"message": f"no: {text}!", "errors": [{"field": text, text: [text]}, text], "scope": text}
    for status in (400, 401, 403, 404, 422, 429, 500):
        server.faults.add("error", status=status, payload=payload)
        with client_of(server, token) as bk, pytest.raises(BuildkiteError) as caught:
            bk.user()
        assert_nowhere(caught.value, token)


@tokens
@pytest.mark.parametrize("status", [200, 301, 400, 401, 403, 404, 422, 429, 500])
@pytest.mark.parametrize("name", ["X-OAuth-Scopes", "X-Accepted-OAuth-Scopes", "X-Request-Id", "Location", "X-Odd"])
@pytest.mark.parametrize("http", [False, True])
def test_an_echoed_token_of_a_header_is_in_no_error_and_no_pickle(
    server: FakeBuildkite, token: str, status: int, name: str, *, http: bool
) -> None:
    payload = "<html>" if status == 200 else {"message": "no"}
    server.faults.add(
        "error", status=status, payload=payload, headers={name: f"read_builds, {token}", "X-Other": "fine"}
    )
    with client_of(server, token, http=http) as bk, pytest.raises(BuildkiteError) as caught:
        bk.user()
    assert_nowhere(caught.value, token)


@tokens
def test_an_escaped_token_is_masked_however_json_writes_it(token: str) -> None:
    secrets = Secrets()
    secrets.remember(token)
    body = f'{{"message": "no: {in_json(token)}", "errors": ["{in_json(token)}"]}}'.encode()
    for encoded in (body, body.decode().encode("utf-16")):
        error = error_for(method="GET", url="https://h/", status=400, headers={}, body=encoded, secrets=secrets)
        assert_nowhere(error, token)
        assert error.server_message == f"no: {MASK}"


def test_a_token_at_the_end_of_a_message_that_is_cut_is_masked_first(server: FakeBuildkite) -> None:
    server.faults.add("error", status=400, payload={"message": "x" * 480 + HEX})
    with client_of(server, HEX) as bk, pytest.raises(BuildkiteError) as caught:
        bk.user()
    assert HEX[:8] not in str(caught.value)


def test_forty_hexadecimal_digits_that_are_not_the_token_are_shown(server: FakeBuildkite) -> None:
    server.faults.add("error", status=422, payload={"message": f"no commit {COMMIT}"}, headers={"X-Request-Id": COMMIT})
    with client_of(server, HEX) as bk, pytest.raises(BuildkiteError) as caught:
        bk.user()
    assert caught.value.server_message == f"no commit {COMMIT}"
    assert caught.value.request_id == COMMIT


def test_a_token_in_a_requested_url_is_not_shown(server: FakeBuildkite, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "buildkite_orm"), client_of(server, server.token) as bk:
        bk.user()
    with client_of(server, HEX) as bk, pytest.raises(BuildkiteError) as caught:
        bk.organization(HEX).pipeline("web").update(name="x")
    assert HEX not in f"{caught.value}{vars(caught.value)}"
    assert "/v2/organizations/[hidden]/pipelines/web" in str(caught.value)


def test_each_of_the_last_tokens_of_an_auth_that_signs_anew_is_masked(server: FakeBuildkite) -> None:
    signed = [f"{JWT}{number:02}" for number in range(5)]
    again = iter(signed)
    server.faults.add("error", status=403, payload={"message": " ".join(signed)}, times=None)
    policy = RetryPolicy(attempts=1)
    messages: list[str | None] = []
    with server.client(token=None, auth=lambda: next(again), retry=policy) as bk:
        for _ in signed:
            with pytest.raises(PermissionDeniedError) as caught:
                bk.user()
            messages.append(caught.value.server_message)
    assert messages[-1] == " ".join([MASK] * 5)


def test_data_that_is_the_token_by_chance_is_not_changed(server: FakeBuildkite) -> None:
    server.add_build("web", env={"TOKEN": server.token}, number=1)
    with server.client() as bk:
        build = bk.organization("acme").pipeline("web").build(1).fetch()
    assert build.dump()["env"]["TOKEN"] == server.token


# -- the mask itself


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(before=st.text(), after=st.text(), token=st.text("abcdef0123456789_.-", min_size=20))
def test_a_token_is_masked_in_any_surrounding_text(before: str, after: str, token: str) -> None:
    secrets = Secrets()
    secrets.remember(token)
    for form in FORMS.values():
        masked = secrets.mask(f"{before} {form(token)} {after}")
        assert form(token) not in masked
    assert secrets.mask(before) == before or token in before.lower() or "bk" in before.lower()


def test_few_secrets_are_kept_and_the_last_ones() -> None:
    secrets = Secrets(2)
    for secret in ("first-secret", "second-secret", "first-secret", "third-secret"):
        secrets.remember(secret)
    assert secrets.mask("first-secret second-secret third-secret") == f"{MASK} second-secret {MASK}"


def test_secrets_do_not_show_themselves() -> None:
    secrets, url = Secrets(), SignedUrl("https://u:p@h/f?sig=s3cret#s3cret")
    secrets.remember("s3cret")
    assert "s3cret" not in f"{secrets!r}{url!r}{url}"
    assert (str(url), url.reveal()) == ("https://h/f", "https://u:p@h/f?sig=s3cret#s3cret")
    for each in (secrets, url):
        with pytest.raises(TypeError, match="not copied or pickled"):
            pickle.dumps(each)


def test_a_short_word_is_not_a_secret() -> None:
    secrets = Secrets()
    secrets.remember("web")
    assert secrets.mask("organizations/acme/pipelines/web") == "organizations/acme/pipelines/web"


@pytest.mark.parametrize("piece", ["\\", "%25", "&#0", "%", "\\u00", HEX[:39], "bk", "&#x0"])
def test_masking_takes_linear_time(piece: str) -> None:
    secrets = Secrets()
    secrets.remember(HEX)
    check_takes_linear_time(lambda size: secrets.mask(piece * (size // len(piece))), 400_000)


# -- signed URLs


@pytest.mark.parametrize("odd", [")", "'", "%22", "a)b'c", "(", "]", "|", "?", "&"])
def test_a_signed_query_with_any_character_is_not_in_the_debug_log(odd: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), socket.create_server(("127.0.0.1", 0)) as listening:

        def respond() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

        serving = threading.Thread(target=respond)
        serving.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        with (
            Buildkite(BKUA, base_url=url) as bk,
            bk.session.stream_without_token(f"{url}/f?a=1{odd}&sig={odd}s3cret", {}),
        ):
            serving.join()
    shown = caplog.text + "".join(f"{record.msg} {record.args}" for record in caplog.records)
    assert '"GET /f?[hidden] HTTP/1.1" 200' in shown
    assert "s3cret" not in shown


@pytest.mark.parametrize(
    "log",
    [
        ("Retrying (%r) after connection broken by '%r': %s", 1, OSError("/f?a='b\" s3cret"), "/f?sig=')s3cret"),
        ("Redirecting %s -> %s", "https://h/a", 'https://h/f?x=(1)"&sig=s3cret'),
        ("https://h/f?x=(1)\"'&sig=s3cret failed",),
    ],
)
def test_the_log_of_urllib3_contains_no_query_of_the_library(
    log: tuple[Any, ...], server: FakeBuildkite, caplog: pytest.LogCaptureFixture
) -> None:
    def noisy(_: object) -> bool:
        logging.getLogger("urllib3.connectionpool").debug(*log)
        return False

    server.faults.add("html", match=noisy)
    with caplog.at_level(logging.DEBUG), server.client() as bk:
        bk.user()
    assert "?[hidden]" in caplog.text
    assert "s3cret" not in caplog.text


SIGNATURE = "s3cret-signature-0123456789"
ONWARD = f"https://artifacts.buildkite.fake/next?X-Amz-Signature={SIGNATURE}"
STORAGE_TROUBLE: dict[str, dict[str, Any]] = {
    "403": {"kind": "error", "status": 403, "payload": {"message": f"no {SIGNATURE}"}},
    "404": {"kind": "error", "status": 404, "payload": {"message": f"no {SIGNATURE}"}},
    "429": {"kind": "error", "status": 429},
    "500": {"kind": "error", "status": 500, "payload": {"message": f"{quote(ONWARD)} {SIGNATURE}"}},
    "refused": {"kind": "refuse"},
    "reset": {"kind": "reset_before"},
    "reset in the body": {"kind": "reset_mid_body"},
    "truncated": {"kind": "truncate"},
    "timeout": {"kind": "read_timeout"},
    "redirects without end": {"kind": "redirect", "location": ONWARD},
    "a redirect to nowhere": {"kind": "redirect", "location": f"http://evil.example/?sig={SIGNATURE}"},
}


@pytest.mark.parametrize("options", STORAGE_TROUBLE.values(), ids=STORAGE_TROUBLE)
@pytest.mark.parametrize("hops", [0, 1])
@pytest.mark.parametrize("http", [False, True])
def test_a_signed_url_is_in_no_local_of_a_traceback_also_after_a_redirect_of_the_storage(
    server: FakeBuildkite, options: dict[str, Any], hops: int, *, http: bool
) -> None:
    server.add_artifact(server.add_build("web", jobs=1).jobs[0], "a.txt", b"hello")
    if hops:
        onward = f"{server.url}/next?X-Amz-Signature={SIGNATURE}" if http else ONWARD
        server.faults.add("redirect", location=onward, origin="artifacts", times=hops)
    elif "payload" in options:
        options = {**options, "payload": {"message": "no"}}  # the storage repeats the requested URL
    server.faults.add(**options, origin="artifacts", times=None)
    patience = 0.2 if options["kind"] == "read_timeout" else 5
    with server.client(http=http, timeout=(5, patience), retry=RetryPolicy(attempts=1)) as bk:
        (artifact,) = bk.organization("acme").pipeline("web").build(1).artifacts()
        with pytest.raises(BuildkiteError) as caught:
            artifact.download()
    signed = [request.path for request in server.requests if request.origin == "artifacts"]
    assert signed or options["kind"] == "refuse"
    shown = full_text(caught.value) + pickle.dumps(caught.value).decode("latin-1")
    for secret in (SIGNATURE, "Signature="):
        assert secret not in shown
        check_frames(caught.value, secret)
