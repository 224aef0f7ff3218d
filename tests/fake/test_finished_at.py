"""The `finished_at` of builds that end without running, are blocked, or continue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests

from buildkite_orm.fake import BlockStep, CommandStep
from buildkite_orm.fake.settings import Pace

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests import Session

    from buildkite_orm.fake import FakeBuildkite

BUILDS = "/organizations/acme/pipelines/web/builds"


class Web:
    """The builds of a pipeline."""

    def __init__(self, server: FakeBuildkite, api: Session) -> None:
        self.server = server
        self.api = api

    def create(self, *steps: CommandStep | BlockStep, **fields: Any) -> None:
        self.server.add_pipeline("web", steps=steps, **fields)
        self.again()

    def again(self) -> None:
        self.api.post(BUILDS, json={"commit": "HEAD", "branch": "main"})

    def skip(self) -> None:
        self.create(CommandStep(), skip_queued_branch_builds=True)
        self.again()

    def leave_out(self) -> None:
        self.create(CommandStep(condition=False))
        self.server.run(5)

    def cancel(self) -> None:
        self.create(CommandStep())
        self.api.put(f"{BUILDS}/1/cancel")
        self.server.run(5)

    def block(self) -> None:
        self.create(BlockStep(), CommandStep())
        self.server.run(5)

    def payload(self) -> Any:
        return self.api.get(f"{BUILDS}/1").json()


@pytest.fixture
def web(server: FakeBuildkite, api: Session) -> Web:
    return Web(server, api)


ENDINGS: dict[Any, Callable[[Web], None]] = {
    "skipped": Web.skip,
    "not_run": Web.leave_out,
    "canceled": Web.cancel,
    "blocked": Web.block,
}


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("is_null", [False, True])
def test_an_ending_may_have_no_time(web: Web, ending: Any, is_null: bool) -> None:  # noqa: FBT001 - a case
    web.server.settings.without_finished_at = [ending] if is_null else [each for each in ENDINGS if each != ending]
    ENDINGS[ending](web)
    payload = web.payload()
    assert ending in {payload["state"], "blocked" if payload["blocked"] else ""}
    assert (payload["finished_at"] is None) == is_null


def test_a_build_that_was_canceled_while_it_ran_has_a_time(web: Web) -> None:
    web.server.settings.without_finished_at = list(ENDINGS)
    web.create(CommandStep())
    web.server.run(10)
    web.api.put(f"{BUILDS}/1/cancel")
    web.server.run(10)
    assert (web.payload()["state"], web.payload()["finished_at"] is None) == ("canceled", False)


@pytest.mark.parametrize("keeps", [False, True])
def test_a_retry_may_keep_the_time_until_the_next_end(web: Web, keeps: bool) -> None:  # noqa: FBT001 - a case
    web.server.settings.keeps_finished_at = keeps
    web.server.settings.pace = Pace(retrying=0)
    web.create(CommandStep(exits=(1, 0)))
    web.server.run(60)
    first = web.payload()["finished_at"]
    web.api.put(f"{BUILDS}/1/retry_failed_jobs")
    web.server.run(5)
    assert (web.payload()["state"], web.payload()["finished_at"]) == ("running", first if keeps else None)
    web.server.run(60)
    assert web.payload()["state"] == "passed"
    assert web.payload()["finished_at"] > first


def test_the_date_of_a_response_is_the_server_s_time(web: Web) -> None:
    assert web.api.get("/user").headers["Date"] == "Sat, 01 Aug 2026 12:00:00 GMT"


def test_a_response_over_http_has_one_date(server: FakeBuildkite) -> None:
    headers = {"Authorization": f"Bearer {server.token}"}
    response = requests.get(f"{server.url}/v2/user", headers=headers, timeout=30)
    assert response.headers["Date"] == "Sat, 01 Aug 2026 12:00:00 GMT"
