"""Requests that claim to be webhooks: which are accepted, and the error of each that is not."""

from __future__ import annotations

import email.message
import json
import pickle
import traceback
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest
from requests.structures import CaseInsensitiveDict
from werkzeug.datastructures import Headers

from buildkite_orm import BuildkiteError, ConfigurationError, webhooks
from buildkite_orm.fake import ManualClock
from buildkite_orm.webhooks import (
    Ping,
    RepeatedWebhookError,
    SeenInMemory,
    StaleWebhookError,
    UnsignedWebhookError,
    WebhookCharsetError,
    WebhookError,
    WebhookEvent,
    WebhookFormatError,
    WebhookSignatureError,
    WebhookTooLargeError,
)
from buildkite_orm.webhooks.verification import Keys
from tests.webhooks.signing import NOW, SECRET, signature, signed, written

if TYPE_CHECKING:
    from collections.abc import Callable

PING: Final = written(event="ping", service={"id": "1"}, organization={"slug": "acme"}, sender={"name": "Ada"})


def receive(body: Any = PING, headers: Any = None, **options: Any) -> WebhookEvent:
    """Receive a request now, with a memory of its own."""
    sent = signed(body) if headers is None else headers
    defaults: dict[str, Any] = {"secret": SECRET, "seen": SeenInMemory(), "clock": ManualClock()}
    return webhooks.receive(body, sent, **(defaults | options))


# -- who sent it -------------------------------------------------------------------------------------------------------


def test_a_signed_request_is_an_event() -> None:
    event = receive()
    assert isinstance(event, Ping)
    assert event.dump() == json.loads(PING)


def test_a_request_with_the_token_is_an_event() -> None:
    assert isinstance(receive(PING, {"X-Buildkite-Token": SECRET}), Ping)


@pytest.mark.parametrize("header", ["X-Buildkite-Token", "X-Buildkite-Signature"])
@pytest.mark.parametrize("secret", [["new", SECRET], (SECRET, "old"), [SECRET.encode()], f" {SECRET}\n", SECRET])
def test_any_of_several_secrets_will_do(header: str, secret: Any) -> None:
    headers = {header: SECRET} if header.endswith("Token") else signed(PING)
    assert isinstance(receive(PING, headers, secret=secret), Ping)


@pytest.mark.parametrize("headers", [{}, [], {"Content-Type": "application/json"}, {"X-Buildkite-Event": "ping"}])
def test_an_unsigned_request_is_a_401(headers: Any) -> None:
    with pytest.raises(UnsignedWebhookError) as caught:
        receive(PING, headers)
    assert caught.value.status == 401


DIGITS: Final = signature(PING).partition("signature=")[2]


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Buildkite-Token": SECRET[:-1]},
        {"X-Buildkite-Token": ""},
        {"X-Buildkite-Token": "été"},
        {"X-Buildkite-Token": "\ud800 half of a character"},
        {"X-Buildkite-Token": b"\xff\xfe"},
        {"X-Buildkite-Token": ["wrong", SECRET]},
        {"X-Buildkite-Signature": ""},
        {"X-Buildkite-Signature": "timestamp=,signature="},
        {"X-Buildkite-Signature": DIGITS},
        {"X-Buildkite-Signature": f"signature={DIGITS}"},
        {"X-Buildkite-Signature": f"timestamp={NOW}"},
        {"X-Buildkite-Signature": f"timestamp={NOW},signature={DIGITS[:-1]}"},
        {"X-Buildkite-Signature": f"timestamp={NOW},signature={DIGITS[:-1]}g"},
        {"X-Buildkite-Signature": f"timestamp={NOW},signature={'0' * 64}"},
        {"X-Buildkite-Signature": f"timestamp={NOW},signature={'٣' * 64}"},
        {"X-Buildkite-Signature": f"timestamp={NOW},signature={'0' * 64},signature={DIGITS}"},
        {"X-Buildkite-Signature": signature(PING, timestamp=f"+{NOW}")},
        {"X-Buildkite-Signature": signature(PING, timestamp=f"{NOW}.0")},
        {"X-Buildkite-Signature": signature(PING, timestamp="9" * 5000)},
        {"X-Buildkite-Signature": signature(PING, timestamp="١٧٨٥٥٨٥٦٠٠")},
        {"X-Buildkite-Signature": signature(PING, secret="another")},
        {"X-Buildkite-Signature": signature(PING + b" ")},
        {"X-Buildkite-Signature": signature(PING, timestamp=NOW).replace(str(NOW), str(NOW + 1))},
        [("X-Buildkite-Signature", signature(PING)), ("X-Buildkite-Signature", signature(PING, secret="x"))],
        {"X-Buildkite-Signature": signature(PING), "X-Buildkite-Token": "wrong"},
        {"X-Buildkite-Signature": signature(PING, secret="x"), "X-Buildkite-Token": SECRET},
    ],
)
def test_a_wrong_signature_or_token_is_a_401(headers: Any) -> None:
    with pytest.raises(WebhookSignatureError) as caught:
        receive(PING, headers)
    assert caught.value.status == 401


def test_the_body_is_signed_byte_by_byte() -> None:
    same = json.dumps(json.loads(PING), indent=1).encode()
    with pytest.raises(WebhookSignatureError, match="raw body"):
        receive(same, signed(PING))


@pytest.mark.parametrize("secret", ["", " \n", '""', b"", None, [], (), [SECRET, ""], [None], 7, {"a": 1}])
@pytest.mark.parametrize("headers", [{}, {"X-Buildkite-Token": ""}, signed(PING)])
def test_an_empty_secret_is_a_configuration_error(secret: Any, headers: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        receive(PING, headers, secret=secret)
    assert not isinstance(caught.value, WebhookError)
    assert SECRET not in str(caught.value)


def test_the_secrets_are_not_pickled_or_shown() -> None:
    keys = Keys([SECRET])
    assert SECRET not in repr(keys)
    with pytest.raises(TypeError, match="not copied or pickled"):
        pickle.dumps(keys)


@pytest.mark.parametrize("secret", ["été", "\ud800", "🔑"])
def test_a_secret_of_any_characters_is_not_in_an_error(secret: str) -> None:
    with pytest.raises(WebhookSignatureError) as caught:
        receive(PING, {"X-Buildkite-Token": "x"}, secret=secret)
    assert secret not in str(caught.value)
    assert isinstance(receive(PING, {"X-Buildkite-Token": secret}, secret=secret), Ping)


# -- headers of any framework ------------------------------------------------------------------------------------------


def as_message(headers: dict[str, str]) -> object:
    message = email.message.Message()
    for name, value in headers.items():
        message[name] = value
    return message


FORMS: Final[list[Callable[[dict[str, str]], Any]]] = [
    dict,
    lambda headers: list(headers.items()),
    lambda headers: iter(headers.items()),
    lambda headers: {name.upper(): value for name, value in headers.items()},
    lambda headers: {name.lower(): value for name, value in headers.items()},
    lambda headers: [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    lambda headers: {name: [value] for name, value in headers.items()},
    lambda headers: {"HTTP_" + name.upper().replace("-", "_"): value for name, value in headers.items()},
    lambda headers: {name: f"  {value} " for name, value in headers.items()},
    lambda headers: [*headers.items(), *headers.items()],
    lambda headers: [*headers.items(), (None, None), (7, 7), ("wsgi.input", object())],
    CaseInsensitiveDict,
    Headers,
    as_message,
]


@pytest.mark.parametrize("form", FORMS)
def test_headers_are_read_in_the_form_of_any_framework(form: Callable[[dict[str, str]], Any]) -> None:
    assert isinstance(receive(PING, form(signed(PING))), Ping)
    assert isinstance(receive(PING, form({"X-Buildkite-Token": SECRET})), Ping)


@pytest.mark.parametrize("form", [bytes, bytearray, memoryview, bytes.decode])
def test_a_body_is_bytes_or_the_text_that_they_spell(form: Callable[[bytes], Any]) -> None:
    body = written(event="ping", organization={"name": "Größe"})
    assert receive(form(body), signed(body)).event == "ping"


def test_a_parsed_body_is_a_type_error_that_says_what_to_pass() -> None:
    with pytest.raises(TypeError, match="raw body of the request, as bytes, not a dict"):
        receive(json.loads(PING), signed(PING))


# -- when --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [-300, -1, 0, 1, 300])
def test_a_request_may_be_as_old_as_the_tolerance(seconds: int) -> None:
    assert isinstance(receive(PING, signed(PING, timestamp=NOW + seconds)), Ping)


@pytest.mark.parametrize("seconds", [-301, 301, -86_400 * 365, 10**15])
def test_a_stale_request_is_a_401(seconds: int) -> None:
    headers = signed(PING, timestamp=NOW + seconds if seconds != 10**15 else seconds)
    with pytest.raises(StaleWebhookError) as caught:
        receive(PING, headers)
    assert caught.value.status == 401


def test_the_tolerance_is_a_choice() -> None:
    late = signed(PING, timestamp=NOW - 3600)
    assert isinstance(receive(PING, late, tolerance=timedelta(hours=1)), Ping)
    assert isinstance(receive(PING, late, tolerance=None), Ping)
    with pytest.raises(StaleWebhookError, match=r"3600 s ago, and tolerance is 3599 s"):
        receive(PING, late, tolerance=timedelta(seconds=3599))


def test_a_wrong_signature_is_reported_before_its_time() -> None:
    with pytest.raises(WebhookSignatureError):
        receive(PING, signed(PING, secret="x", timestamp=1))


def test_by_default_the_time_is_that_of_the_machine() -> None:
    with pytest.raises(StaleWebhookError):
        webhooks.receive(PING, signed(PING, timestamp=1), secret=SECRET)


# -- once --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("headers", [signed(PING), {"X-Buildkite-Token": SECRET}], ids=["signature", "token"])
def test_a_request_that_was_seen_before_is_a_409(headers: dict[str, str]) -> None:
    seen = SeenInMemory()
    receive(PING, headers, seen=seen)
    with pytest.raises(RepeatedWebhookError) as caught:
        receive(PING, headers, seen=seen)
    assert caught.value.status == 409


def test_the_same_body_at_another_time_is_another_request() -> None:
    seen = SeenInMemory()
    receive(PING, signed(PING), seen=seen)
    assert isinstance(receive(PING, signed(PING, timestamp=NOW + 1), seen=seen), Ping)


def test_seen_is_called_with_the_digest_of_time_and_body_once_all_else_is_right() -> None:
    digests: list[str] = []
    for body, headers in (
        (PING, signed(PING, secret="x")),
        (PING, signed(PING, timestamp=1)),
        (b"{", signed(b"{")),
        (PING, signed(PING)),
        (PING, signed(PING, timestamp=NOW + 1)),
        (PING + b" ", signed(PING + b" ")),
    ):
        try:
            receive(body, headers, seen=digests.append)
        except WebhookError:
            assert digests == []
    assert [len(each) for each in digests] == [64, 64, 64]
    assert len(set(digests)) == 3


def test_by_default_a_process_remembers_what_it_has_received() -> None:
    body = written(event="ping", nonce="by default")
    options: dict[str, Any] = {"secret": SECRET, "clock": ManualClock()}
    webhooks.receive(body, signed(body), **options)
    with pytest.raises(RepeatedWebhookError):
        webhooks.receive(body, signed(body), **options)
    assert webhooks.receive(body, signed(body), seen=None, **options).event == "ping"


def test_an_error_of_seen_reaches_the_caller() -> None:
    def fail(_digest: str) -> bool:
        raise ConnectionError("no Redis")

    with pytest.raises(ConnectionError, match="no Redis"):
        receive(seen=fail)


def test_a_memory_forgets_the_oldest() -> None:
    seen = SeenInMemory(size=2)
    assert [seen(each) for each in "abcab"] == [False] * 5
    assert [seen(each) for each in "ab"] == [True, True]
    assert repr(seen) == "<SeenInMemory: 2 of 2>"


@pytest.mark.parametrize("size", [0, -1])
def test_a_memory_has_room_for_one(size: int) -> None:
    with pytest.raises(ConfigurationError, match="1 or more"):
        SeenInMemory(size)


# -- what --------------------------------------------------------------------------------------------------------------


def test_a_body_that_is_too_large_is_a_413_whoever_sent_it() -> None:
    with pytest.raises(WebhookTooLargeError, match=f"{len(PING)} bytes, more than max_size={len(PING) - 1}") as caught:
        receive(PING, {}, max_size=len(PING) - 1)
    assert caught.value.status == 413
    assert isinstance(receive(max_size=len(PING)), Ping)


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"event=ping", b"[]", b"null", b'"ping"', b"1", b'{"a": NaN}', b'{"a": Infinity}', b"{} {}"),
        *(b'{"a":' * 20_000, b"9" * 5000, b"\xef\xbb\xbf"),
    ],
)
def test_a_body_that_is_not_a_json_object_is_a_400(body: bytes) -> None:
    with pytest.raises(WebhookFormatError) as caught:
        receive(body)
    assert caught.value.status == 400


@pytest.mark.parametrize("charset", ["latin-1", "cp1252", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le"])
def test_a_body_in_another_charset_is_a_400(charset: str) -> None:
    body = '{"event": "ping", "name": "Größe"}'.encode(charset)
    with pytest.raises(WebhookCharsetError) as caught:
        receive(body)
    assert caught.value.status == 400


@pytest.mark.parametrize("charset", ["iso-8859-1", '"ISO-8859-1"', "utf-16", "nonsense", "\ud800", "utf-8-sig"])
def test_a_declared_charset_other_than_utf8_is_a_400(charset: str) -> None:
    with pytest.raises(WebhookCharsetError):
        receive(PING, signed(PING) | {"Content-Type": f"application/json; charset={charset}"})


@pytest.mark.parametrize("kind", ["application/json;charset=UTF-8", 'text/json; Charset = "utf8"', "", "charset="])
def test_other_content_types_are_accepted(kind: str) -> None:
    assert isinstance(receive(PING, signed(PING) | {"Content-Type": kind}), Ping)


def test_a_byte_order_mark_of_utf8_is_ignored() -> None:
    assert isinstance(receive(b"\xef\xbb\xbf" + PING), Ping)


def test_text_with_half_of_a_character_is_a_charset_error() -> None:
    with pytest.raises(WebhookCharsetError):
        receive('{"a": "\ud800"}', signed(PING))


def test_half_of_a_character_in_json_is_kept() -> None:
    assert receive(rb'{"event": "x", "name": "\ud83d"}').dump()["name"] == "\ud83d"


# -- options and errors ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options", [{"tolerance": 300}, {"tolerance": timedelta(-1)}, {"max_size": 0}, {"max_size": "5 MB"}]
)
def test_an_impossible_option_is_a_configuration_error(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        receive(**options)


def test_errors_are_of_one_tree_and_have_one_of_four_statuses() -> None:
    kinds = WebhookError.__subclasses__()
    assert issubclass(WebhookError, BuildkiteError)
    assert {kind("it is bad").status for kind in kinds} == {400, 401, 409, 413}
    assert all(kind.__name__ in webhooks.__all__ for kind in kinds)
    assert all(pickle.loads(pickle.dumps(kind("bad"))).status == kind("bad").status for kind in kinds)  # noqa: S301


FAILING: Final[list[tuple[bytes, Any, Any]]] = [
    (PING, {}, SECRET),
    (PING, {"X-Buildkite-Token": f"{SECRET}x"}, SECRET),
    (PING, {"X-Buildkite-Token": SECRET, "X-Buildkite-Signature": "?"}, SECRET),
    (PING, signed(PING, timestamp=1), SECRET),
    (PING, signed(PING) | {"Content-Type": "text/plain; charset=latin-1"}, [SECRET, "other"]),
    (b"{", {"X-Buildkite-Token": SECRET}, (SECRET,)),
    (b"\xff", {"x-buildkite-token": SECRET.encode()}, SECRET.encode()),
    (PING * 50, {"X-Buildkite-Token": SECRET}, SECRET),
    (PING, {"X-Buildkite-Token": SECRET}, [SECRET, ""]),
    (PING, {"X-Buildkite-Token": SECRET}, [SECRET, None]),
]


@pytest.mark.parametrize(("body", "headers", "secret"), FAILING)
def test_no_error_shows_a_secret(body: bytes, headers: Any, secret: Any) -> None:
    options: dict[str, Any] = {"max_size": 1000, "clock": ManualClock(), "seen": None}
    with pytest.raises(BuildkiteError) as caught:
        webhooks.receive(body, headers, secret=secret, **options)
    error = caught.value
    assert error.__traceback__ is not None
    own = error.__traceback__.tb_next  # without the frame of this test
    shown = "".join(traceback.TracebackException(type(error), error, own, capture_locals=True).format())
    assert SECRET not in shown + repr(error) + str(vars(error))
    assert error.__cause__ is None
