"""The adapter for `requests`, which serves the fake inside the process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pytest
import requests

if TYPE_CHECKING:
    from requests import Session

    from buildkite_orm.fake import FakeBuildkite

PIPELINES = "/organizations/acme/pipelines"


@pytest.mark.parametrize("kind", ["refuse", "dns"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_failure_to_connect_is_marked_as_never_sent(
    server: FakeBuildkite, api: Session, kind: Literal["refuse", "dns"], method: str
) -> None:
    server.faults.add(kind)
    with pytest.raises(requests.ConnectionError) as caught:
        api.request(method, PIPELINES, json={})
    assert vars(caught.value)["request_was_sent"] is False


@pytest.mark.parametrize("kind", ["reset_before", "read_timeout"])
def test_a_failure_of_a_connection_does_not_say_that_nothing_was_sent(
    server: FakeBuildkite, api: Session, kind: Literal["reset_before", "read_timeout"]
) -> None:
    server.faults.add(kind)
    with pytest.raises((requests.ConnectionError, requests.Timeout)) as caught:
        api.get(PIPELINES, timeout=5)
    assert not hasattr(caught.value, "request_was_sent")


def test_a_failure_in_the_middle_of_a_body_does_not_say_that_nothing_was_sent(
    server: FakeBuildkite, api: Session
) -> None:
    server.faults.add("reset_mid_body")
    with pytest.raises(requests.RequestException) as caught:
        api.get(PIPELINES)
    assert not hasattr(caught.value, "request_was_sent")


def test_a_header_that_http_cannot_send_is_not_sent(api: Session) -> None:
    with pytest.raises(UnicodeEncodeError):
        api.get("/user", headers={"User-Agent": "a \ud800"})


def test_a_text_as_body_is_sent_as_utf_8(api: Session) -> None:
    assert api.post("/organizations/acme/clusters", data='{"name": "größe"}'.encode()).json()["name"] == "größe"
