"""The rate limits of an organization and of a user."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from requests import Session

    from buildkite_orm.fake import FakeBuildkite

ACME = "/organizations/acme"


def test_responses_have_both_budgets(limited_api: Session) -> None:
    headers = limited_api.get(ACME).headers
    assert {name: value for name, value in headers.items() if name.startswith("RateLimit")} == {
        "RateLimit-Scope": "rest",
        "RateLimit-Limit": "5",
        "RateLimit-Remaining": "4",
        "RateLimit-Reset": "60",
        "RateLimit-User-Scope": "rest_user",
        "RateLimit-User-Limit": "3",
        "RateLimit-User-Remaining": "2",
        "RateLimit-User-Reset": "60",
    }


def test_a_request_that_names_no_organization_counts_for_its_user_only(limited_api: Session) -> None:
    headers = limited_api.get("/user").headers
    assert (headers["RateLimit-User-Remaining"], headers["RateLimit-Remaining"]) == ("2", "5")


def test_an_exhausted_budget_warns(limited_api: Session) -> None:
    headers = [limited_api.get(ACME).headers for _ in range(3)][-1]
    assert headers["RateLimit-User-Remaining"] == "0"
    assert headers["RateLimit-User-Warning"] == "You have exceeded your API rate limit."
    assert "RateLimit-Warning" not in headers


def test_one_request_too_many_is_429(limited: FakeBuildkite, limited_api: Session) -> None:
    for _ in range(3):
        limited_api.get(ACME)
    limited.clock.advance(18)
    response = limited_api.get(ACME)
    assert response.status_code == 429
    assert response.json() == {
        "message": "You have exceeded your API rate limit. Please wait 42 seconds before making more requests.",
        "scope": "rest_user",
        "limit": 3,
        "current": 4,
        "reset": 42,
    }
    assert "Retry-After" not in response.headers
    assert response.headers["RateLimit-User-Reset"] == "42"


def test_remaining_may_be_negative(limited_api: Session) -> None:
    headers = [limited_api.get(ACME).headers for _ in range(5)][-1]
    assert headers["RateLimit-User-Remaining"] == "-2"


def test_the_organization_is_shared_by_its_users(limited: FakeBuildkite, limited_api: Session) -> None:
    tokens = [
        limited.make_token("read_organizations", user=limited.add_user(name, f"{name}@acme.example"))
        for name in ("eve", "max")
    ]
    responses = [
        limited_api.get(ACME, headers={"Authorization": f"Bearer {tokens[turn % 2]}"}).status_code for turn in range(6)
    ]
    assert responses == [200] * 5 + [429]


def test_the_429_of_an_organization_names_it(limited: FakeBuildkite, limited_api: Session) -> None:
    limited.settings.user_limit = None
    response = [limited_api.get(ACME) for _ in range(6)][-1]
    assert (response.status_code, response.json()["scope"]) == (429, "rest")
    assert response.headers["RateLimit-Remaining"] == "-1"


def test_a_new_window_begins_when_the_old_one_is_over(limited: FakeBuildkite, limited_api: Session) -> None:
    for _ in range(4):
        limited_api.get(ACME)
    limited.clock.advance(59.9)
    assert limited_api.get(ACME).status_code == 429
    limited.clock.advance(0.1)
    assert limited_api.get(ACME).headers["RateLimit-User-Remaining"] == "2"


def test_budgets_may_be_reset(limited: FakeBuildkite, limited_api: Session) -> None:
    for _ in range(4):
        limited_api.get(ACME)
    limited.reset_budgets()
    assert limited_api.get(ACME).status_code == 200


def test_refusals_count_too(limited: FakeBuildkite, limited_api: Session) -> None:
    forbidden = {"Authorization": f"Bearer {limited.make_token('read_user')}"}
    assert limited_api.get(ACME, headers=forbidden).headers["RateLimit-User-Remaining"] == "2"
    assert limited_api.get(f"{ACME}/pipelines/none").headers["RateLimit-User-Remaining"] == "1"


# https://buildkite.com/docs/apis/rest-api/rate-limits: both limits are those of requests made by users
@pytest.mark.parametrize("path", [ACME, "/user", "/no/such/path"])
def test_a_request_without_a_user_has_no_budget(limited_api: Session, path: str) -> None:
    headers = limited_api.get(path, headers={"Authorization": "Bearer wrong"}).headers
    assert not [name for name in headers if name.startswith("RateLimit")]


def test_a_path_that_needs_no_token_has_no_budget(limited_api: Session) -> None:
    assert not [name for name in limited_api.get("/meta").headers if name.startswith("RateLimit")]


def test_the_headers_may_be_missing(limited: FakeBuildkite, limited_api: Session) -> None:
    limited.settings.rate_limit_headers = False
    responses = [limited_api.get(ACME) for _ in range(4)]
    assert responses[-1].status_code == 429
    assert not [name for response in responses for name in response.headers if name.startswith("RateLimit")]


def test_without_limits_nothing_is_counted(api: Session) -> None:
    assert not [name for name in api.get(ACME).headers if name.startswith("RateLimit")]


@pytest.mark.parametrize(("spent", "current"), [(0, 1), (2, 3)])
def test_the_budget_can_be_requested(limited_api: Session, spent: int, current: int) -> None:
    for _ in range(spent):
        limited_api.get(ACME)
    payload = limited_api.get(f"{ACME}/rate_limit").json()["scopes"]["rest"]
    assert payload == {
        "limit": 5,
        "current": current,
        "reset": 60,
        "reset_at": "2026-08-01T12:01:00Z",
        "enforced": True,
    }
