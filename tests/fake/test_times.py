"""Times in payloads, and the clocks."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest

from buildkite_orm.fake import ManualClock, SystemClock
from buildkite_orm.fake.clock import START

if TYPE_CHECKING:
    from requests import Session

    from buildkite_orm.fake import FakeBuildkite

NOW = 1785585600.0
BUILD = "/organizations/acme/pipelines/web/builds/1"


def test_times_go_to_the_millisecond(server: FakeBuildkite, api: Session) -> None:
    server.add_build("web", created_at=NOW + 0.123)
    assert api.get(BUILD).json()["created_at"] == "2026-08-01T12:00:00.123Z"


def test_times_may_be_cut_to_whole_seconds(server: FakeBuildkite, api: Session) -> None:
    server.settings.time_precision = "seconds"
    server.add_build("web", created_at=NOW + 0.987, jobs=1)
    response = api.get(BUILD)
    assert response.json()["created_at"] == "2026-08-01T12:00:00Z"
    assert not re.findall(r"T\d\d:\d\d:\d\d\.\d", response.text)


def test_a_few_fields_keep_an_older_form(server: FakeBuildkite, api: Session) -> None:
    server.add_pipeline("web", created_at=NOW)
    path = "/organizations/acme/pipelines/web"
    assert api.get(path).json()["created_at"] == "2026-08-01 12:00:00 UTC"
    server.settings.legacy_times = False
    assert api.get(path).json()["created_at"] == "2026-08-01T12:00:00.000Z"


def test_a_manual_clock_moves_when_advanced_and_never_back() -> None:
    clock = ManualClock()
    clock.advance(5)
    clock.wait_until(START + 60)
    clock.wait_until(START + 30)
    assert clock.now() == START + 60


def test_the_system_clock_is_the_machines() -> None:
    clock = SystemClock()
    before = time.time()
    assert before <= clock.now() <= time.time()
    clock.wait_until(before)


@pytest.mark.parametrize("elapsed", [0.0004, 0.0006])
def test_what_is_due_at_once_happens_between_two_milliseconds(
    server: FakeBuildkite, api: Session, elapsed: float
) -> None:
    server.add_pipeline("web")
    server.settings.pace.creating = 0
    server.clock.advance(elapsed)
    response = api.post("/organizations/acme/pipelines/web/builds", json={"commit": "HEAD", "branch": "main"})
    assert response.json()["state"] == "scheduled"


@pytest.mark.parametrize("moment", ["2026-08-01T12:00:00.5Z", "2026-08-01T12:00:00,5Z", "2026-08-01T12:00:00.5+00:00"])
def test_iso_8601_times_are_accepted_except_with_a_comma(server: FakeBuildkite, api: Session, moment: str) -> None:
    server.add_build("web", created_at=NOW)
    response = api.get("/organizations/acme/builds", params={"created_to": moment})
    assert response.status_code == (422 if "," in moment else 200)
