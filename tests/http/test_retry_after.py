"""`Retry-After` on 429 and 5xx, of the API and of the storage: obeyed within the bounds."""

from __future__ import annotations

import math
import pickle
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from buildkite_orm import Buildkite, DownloadError, RateLimitError, RetryPolicy, ServerError, StatusError
from buildkite_orm.errors import error_for
from buildkite_orm.fake import CommandStep, FakeBuildkite
from buildkite_orm.fake.clock import START
from buildkite_orm.http.retry import Wait, is_slow
from buildkite_orm.utils.header_values import retry_after, whole_number

if TYPE_CHECKING:
    from buildkite_orm import Artifact

SENT = formatdate(START, usegmt=True)


def add(server: FakeBuildkite, status: int, value: str, *, times: int | None = 1, **headers: str) -> None:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    server.faults.add("error", status=status, payload={}, headers={"Retry-After": value, **named}, times=times)


def fetch(server: FakeBuildkite, **policy: Any) -> tuple[float, list[Wait]]:
    """Send one request, and return how long it took by the server's clock, and which waits there were."""
    waits: list[Wait] = []
    began = server.clock.now()
    with server.client(retry=RetryPolicy(on_wait=waits.append, **policy)) as bk:
        assert bk.organization("acme").fetch().slug == "acme"
    return server.clock.now() - began, waits


# -- what the header says ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "0"}, 0),
        ({"Retry-After": " 30 "}, 30),
        ({"Retry-After": formatdate(START + 30, usegmt=True)}, 30),
        ({"Retry-After": formatdate(START + 30, usegmt=True), "Date": formatdate(START + 10, usegmt=True)}, 20),
        ({"Retry-After": formatdate(START + 30, usegmt=True), "Date": "yesterday"}, 30),
        ({"Retry-After": formatdate(START - 30, usegmt=True)}, 0),
        ({"Retry-After": "Sat Aug  1 12:00:30 2026"}, 30),
        ({"Retry-After": "Saturday, 01-Aug-26 12:00:30 GMT"}, 30),
        ({"Retry-After": "9999999999"}, 1e9),
        ({"Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT"}, 1e9),
        ({}, None),
        ({"Retry-After": ""}, None),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "1.5e3"}, None),
        ({"Retry-After": "٣٠"}, None),
        ({"Retry-After": "²"}, None),
        ({"Retry-After": "9" * 5000}, None),
        ({"Retry-After": "Fri, 31 Dec 99999999999999999999 23:59:59 GMT"}, None),
        ({"Retry-After": "Fri, 99 Foo 2026 99:99:99 GMT"}, None),
    ],
    ids=str,
)
def test_retry_after_is_read_as_seconds_or_as_a_date(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, START) == seconds


@given(st.text(max_size=80), st.text(max_size=80))
@example("Fri, 31 Dec 0000 00:00:00 +9999", "Mon, 01 Jan 0001 00:00:00 +2359")
@example("1 Jan 99999 00:00 +99999999999999", "")
def test_any_retry_after_is_read_as_seconds_or_ignored(value: str, date: str) -> None:
    seconds = retry_after({"Retry-After": value, "Date": date}, START)
    assert seconds is None or 0 <= seconds < math.inf


@given(st.text(max_size=30))
@example("9" * 5000)
@example("\uff11\uff12")
@example("1_0")
def test_a_whole_number_is_ascii_digits(value: str) -> None:
    number = whole_number(value)
    assert number is None or (value.isascii() and "_" not in value and number == int(value.strip()))


# -- 5xx ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [500, 502, 503, 504, 529])
@pytest.mark.parametrize("value", ["30", formatdate(START + 30, usegmt=True)], ids=["seconds", "date"])
def test_retry_after_of_a_5xx_is_obeyed(server: FakeBuildkite, status: int, value: str) -> None:
    add(server, status, value, Date=SENT)
    took, waits = fetch(server)
    assert took == pytest.approx(30, abs=0.01)
    assert [wait.seconds for wait in waits] == [30]
    assert len(server.requests) == 2


def test_a_date_counts_from_the_responses_own_date(server: FakeBuildkite) -> None:
    hours_off = START - 7 * 3600
    add(server, 503, formatdate(hours_off + 25, usegmt=True), Date=formatdate(hours_off, usegmt=True))
    took, _ = fetch(server)
    assert took == pytest.approx(25, abs=0.01)


def test_each_attempt_obeys_its_own_response(server: FakeBuildkite) -> None:
    for value in ("5", "7", "11"):
        add(server, 503, value)
    _, waits = fetch(server)
    assert [wait.seconds for wait in waits] == [5, 7, 11]


def test_a_server_that_requests_no_pause_gets_the_usual_one(server: FakeBuildkite) -> None:
    add(server, 503, "0")
    took, waits = fetch(server, backoff=4)
    assert 0 < took <= 4
    assert len(waits) == 1


@pytest.mark.parametrize("policy", [{"max_wait": 29}, {"max_elapsed": 29, "max_wait": 60}], ids=str)
def test_a_pause_past_the_bounds_is_not_begun_and_the_error_states_how_long_it_is(
    server: FakeBuildkite, policy: dict[str, Any]
) -> None:
    add(server, 503, "30", times=None)
    began = server.clock.now()
    with (
        server.client(retry=RetryPolicy(**policy)) as bk,
        pytest.raises(ServerError, match="asks to wait 30 s") as caught,
    ):
        bk.organization("acme").fetch()
    assert (len(server.requests), server.clock.now()) == (1, began)
    assert caught.value.retry_after == 30
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301
    assert (again.retry_after, str(again)) == (30, str(caught.value))


def test_a_pause_of_exactly_the_bound_is_obeyed(server: FakeBuildkite) -> None:
    add(server, 503, "30")
    took, _ = fetch(server, max_wait=30, max_elapsed=31)
    assert took == pytest.approx(30, abs=0.01)


def test_an_error_that_is_not_retried_states_when_to_try_again(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_pipeline("web")
    add(server, 503, "30")
    with pytest.raises(ServerError) as caught:
        bk.organization("acme").pipeline("web").builds().create(commit="HEAD", branch="main")
    assert (caught.value.retry_after, caught.value.outcome_unknown, len(server.requests)) == (30, True, 1)


def test_a_gateway_timeout_with_retry_after_is_obeyed_before_a_listing_requests_less(server: FakeBuildkite) -> None:
    server.add_builds("web", 30)
    add(server, 504, "20")
    began = server.clock.now()
    with server.client() as bk:
        assert len(list(bk.organization("acme").pipeline("web").builds())) == 30
    assert server.clock.now() - began == pytest.approx(20, abs=0.1)
    assert len({request.line for request in server.requests}) == 1
    assert is_slow(error_for(method="GET", url="", status=504, headers={}, body=b""))


def test_a_wait_for_a_build_obeys_it_too(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_pipeline("web", steps=[CommandStep(duration=10)])
    build = bk.organization("acme").pipeline("web").builds().create(commit="HEAD", branch="main")
    add(server, 503, "200")  # longer than a request may wait, and within the time of the wait
    sent_before, began = len(server.requests), server.clock.now()
    assert build.wait(timeout=600).state == "passed"
    assert len(server.requests) - sent_before == 2
    assert server.clock.now() - began == pytest.approx(200, abs=0.1)


def test_a_wait_without_a_timeout_does_not_sleep_for_years(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_build("web", state="running")
    add(server, 503, "900000000", times=None)
    began = server.clock.now()
    with pytest.raises(ServerError, match="asks to wait 900000000 s"):
        bk.organization("acme").pipeline("web").build(1).wait()
    assert server.clock.now() == began


# -- 429 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["10", formatdate(START + 10, usegmt=True)], ids=["seconds", "date"])
def test_retry_after_of_a_429_is_obeyed_if_no_other_header_states_a_time(server: FakeBuildkite, value: str) -> None:
    add(server, 429, value, Date=SENT)
    took, waits = fetch(server)
    assert took == pytest.approx(10, abs=0.01)
    assert len(waits) == 1
    assert len(server.requests) == 2


def test_a_429_that_requests_no_pause_is_not_hammered(server: FakeBuildkite) -> None:
    add(server, 429, "0", times=20)
    took, _ = fetch(server)
    assert took >= 20


def test_a_429_without_anything_is_waited_for_a_minute(server: FakeBuildkite) -> None:
    server.faults.add("error", status=429, payload={}, headers={"Retry-After": "later"})
    took, _ = fetch(server)
    assert took == pytest.approx(61, abs=0.01)


def test_the_budgets_own_headers_say_more_than_retry_after(server: FakeBuildkite) -> None:
    add(server, 429, "50", RateLimit_Remaining="0", RateLimit_Reset="20", RateLimit_Limit="200")
    took, _ = fetch(server)
    assert took == pytest.approx(21, abs=0.01)


def test_the_body_states_more_than_retry_after(server: FakeBuildkite) -> None:
    payload = {"scope": "rest", "reset": 20}
    server.faults.add("error", status=429, payload=payload, headers={"Retry-After": "50"})
    took, _ = fetch(server)
    assert took == pytest.approx(21, abs=0.01)


def test_a_429_past_the_bounds_is_raised_at_once_and_states_how_long_it_is(server: FakeBuildkite) -> None:
    add(server, 429, "200", times=None)
    began = server.clock.now()
    with server.client() as bk, pytest.raises(RateLimitError, match="for 200 s, longer than") as caught:
        bk.organization("acme").fetch()
    assert (len(server.requests), server.clock.now(), caught.value.retry_after) == (1, began, 200)


def test_a_429_with_years_in_it_does_not_lock_the_client_up(server: FakeBuildkite) -> None:
    add(server, 429, "900000000")
    with server.client() as bk:
        with pytest.raises(RateLimitError):
            bk.organization("acme").fetch()
        server.clock.advance(86_401)
        assert bk.organization("acme").fetch().slug == "acme"


# -- other statuses, and the storage -----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 403, 404, 413, 422, 429, 503])
def test_each_error_with_a_status_has_it_and_keeps_it_in_a_pickle(status: int) -> None:
    error = error_for(method="GET", url="https://x", status=status, headers={"Retry-After": "12"}, body=b"", now=START)
    assert isinstance(error, StatusError)
    again = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert (error.retry_after, again.retry_after) == (12, 12)
    assert error_for(method="GET", url="https://x", status=status, headers={}, body=b"").retry_after is None


@pytest.fixture
def artifact(server: FakeBuildkite, bk: Buildkite) -> Artifact:
    record = server.add_build("web", state="passed", jobs=1)
    server.add_artifact(record.jobs[0], "log.txt", b"hello")
    return bk.organization("acme").pipeline("web").build(1).artifacts()[0]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_retry_after_of_the_storage_is_obeyed(server: FakeBuildkite, artifact: Artifact, status: int) -> None:
    server.faults.add("error", origin="artifacts", status=status, headers={"Retry-After": "45"})
    began = server.clock.now()
    assert artifact.download() == b"hello"
    assert server.clock.now() - began == pytest.approx(45, abs=0.01)


@pytest.mark.parametrize("status", [429, 503])
def test_a_storage_that_requests_too_long_is_not_waited_for(
    server: FakeBuildkite, artifact: Artifact, status: int
) -> None:
    server.faults.add("error", origin="artifacts", status=status, headers={"Retry-After": "4500"}, times=None)
    began = server.clock.now()
    with pytest.raises((ServerError, DownloadError), match="asks to wait 4500 s") as caught:
        artifact.download()
    assert isinstance(caught.value, ServerError)
    assert (caught.value.retry_after, server.clock.now()) == (4500, began)
    assert sum(request.origin == "artifacts" for request in server.requests) == 1
