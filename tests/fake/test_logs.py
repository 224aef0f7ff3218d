"""Logs in their forms, their size, their tail; and environments."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from buildkite_orm.fake import CommandStep

if TYPE_CHECKING:
    from requests import Session

    from buildkite_orm.fake import FakeBuildkite, JobRecord

LOG = (
    "\x1b_bk;t=1785585600123\x07~~~ Run\r\n\x1b_bk;t=1785585601000\x07\x1b[31mcafé <b>\x1b[0m 東京\r\nplain\r\n"
).encode()


@pytest.fixture(autouse=True)
def _log(server: FakeBuildkite, job: JobRecord) -> None:
    server.set_log(job, LOG)


@pytest.fixture(params=["organization", "build"])
def log(request: pytest.FixtureRequest, job: JobRecord) -> str:
    """Return the log's path, by each route."""
    under = "" if request.param == "organization" else "/pipelines/web/builds/1"
    return f"/organizations/acme{under}/jobs/{job.id}/log"


def test_a_log_is_json_by_default(api: Session, log: str) -> None:
    payload = api.get(log).json()
    assert payload["content"].encode() == LOG
    assert payload["size"] == len(LOG)
    assert payload["header_times"] == [1785585600123000000]
    assert payload["url"].endswith("/log")


@pytest.mark.parametrize(("suffix", "accept"), [(".txt", "*/*"), ("", "text/plain")])
def test_a_log_as_text_is_as_it_is(api: Session, log: str, suffix: str, accept: str) -> None:
    response = api.get(log + suffix, headers={"Accept": accept})
    assert response.content == LOG
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize(("suffix", "accept"), [(".html", "*/*"), ("", "text/html")])
def test_a_log_as_html_has_spans_for_colours(api: Session, log: str, suffix: str, accept: str) -> None:
    response = api.get(log + suffix, headers={"Accept": accept})
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert '<span class="term-fg31">café &lt;b&gt;</span> 東京' in response.text
    assert '<time datetime="2026-08-01T12:00:00.123Z"></time>' in response.text
    assert "\x1b" not in response.text


@pytest.mark.parametrize("accept", ["*/*", "text/plain", "application/json"])
def test_head_returns_the_size_in_bytes(api: Session, log: str, accept: str) -> None:
    response = api.head(log, headers={"Accept": accept})
    assert response.status_code == 200
    assert response.headers["Content-Length"] == str(len(LOG))
    assert response.headers["Accept-Ranges"] == "bytes"
    assert response.content == b""


@pytest.mark.parametrize(("requested", "got"), [(5, 5), (1, 1), (10_000, len(LOG))])
def test_a_tail_is_the_last_bytes(api: Session, log: str, requested: int, got: int) -> None:
    response = api.get(log, headers={"Accept": "text/plain", "Range": f"bytes=-{requested}"})
    assert response.status_code == 206
    assert response.content == LOG[-got:]
    assert response.headers["Content-Range"] == f"bytes {len(LOG) - got}-{len(LOG) - 1}/{len(LOG)}"
    assert response.headers["Content-Length"] == str(got)


def test_a_tail_may_begin_inside_of_a_character(server: FakeBuildkite, api: Session, job: JobRecord, log: str) -> None:
    server.set_log(job, "東".encode())
    response = api.get(log, headers={"Accept": "text/plain", "Range": "bytes=-2"})
    assert response.content == "東".encode()[1:]


@pytest.mark.parametrize(
    ("accept", "requested"),
    [
        ("*/*", "bytes=-5"),
        ("application/json", "bytes=-5"),
        ("text/html", "bytes=-5"),
        ("text/plain", "bytes=0-5"),
        ("text/plain", "bytes=5-"),
        ("text/plain", "bytes=-0"),
        ("text/plain", "bytes=-1,-2"),
        ("text/plain", "lines=-5"),
    ],
)
def test_another_range_is_400(api: Session, log: str, accept: str, requested: str) -> None:
    assert api.get(log, headers={"Accept": accept, "Range": requested}).status_code == 400


def test_the_tail_of_an_empty_log_is_416(server: FakeBuildkite, api: Session, job: JobRecord, log: str) -> None:
    server.set_log(job, b"")
    assert api.get(log, headers={"Accept": "text/plain", "Range": "bytes=-5"}).status_code == 416
    assert api.get(log).json() == {"url": api.get(log).json()["url"], "content": "", "size": 0, "header_times": []}


def test_a_deleted_log_is_empty(api: Session, log: str) -> None:
    assert api.delete(log).status_code == 204
    assert api.get(f"{log}.txt").content == b""


def test_bytes_that_are_not_utf_8_do_not_break_json(server: FakeBuildkite, api: Session, job: JobRecord) -> None:
    server.set_log(job, b"\xff\xfe")
    payload = api.get(f"/organizations/acme/jobs/{job.id}/log").json()
    assert (payload["content"], payload["size"]) == ("\ufffd\ufffd", 2)


@pytest.mark.parametrize("kind", ["waiter", "manual", "trigger"])
def test_only_commands_have_logs_and_environments(server: FakeBuildkite, api: Session, kind: str) -> None:
    job = server.add_build("web", jobs=[{"type": kind}]).jobs[0]
    for what in ("log", "log.txt", "env"):
        assert api.get(f"/organizations/acme/jobs/{job.id}/{what}").status_code == 404


def test_the_log_of_a_running_job_grows(server: FakeBuildkite, api: Session) -> None:
    server.add_pipeline("web", steps=[CommandStep(duration=600)])
    payload = api.post("/organizations/acme/pipelines/web/builds", json={"commit": "HEAD", "branch": "main"}).json()
    path = f"/organizations/acme/jobs/{payload['jobs'][0]['id']}/log.txt"
    logs: list[str] = []
    for _ in range(4):
        logs.append(api.get(path).text)
        server.run(200)
    assert logs[0] == ""
    assert all(later.startswith(sooner) and later != sooner for sooner, later in pairwise(logs))


def test_a_made_up_log_has_marks_colours_and_groups(server: FakeBuildkite, api: Session) -> None:
    job = server.add_build("web", state="failed", jobs=1).jobs[0]
    text = api.get(f"/organizations/acme/jobs/{job.id}/log.txt").text
    lines = text.split("\r\n")[:-1]
    assert all(re.match(r"\x1b_bk;t=\d{13}\x07", line) for line in lines)
    assert "\x1b[32m" in text
    assert {line.split("\x07")[1][:3] for line in lines} >= {"~~~", "---", "+++", "^^^"}


# -- environments


def test_an_environment_has_the_variables_of_the_agent_and_of_the_build(server: FakeBuildkite, api: Session) -> None:
    job = server.add_build("web", env={"A": 1}, branch="機能", jobs=[{"env": {"B": 'x "y"'}}]).jobs[0]
    env = api.get(f"/organizations/acme/jobs/{job.id}/env").json()["env"]
    assert env["BUILDKITE_BUILD_NUMBER"] == str(job.build.number)
    assert (env["BUILDKITE_BRANCH"], env["CI"]) == ("機能", "true")
    assert (env["A"], env["B"]) == ("1", 'x "y"')


def test_an_environment_as_text_is_lines(server: FakeBuildkite, api: Session) -> None:
    job = server.add_build("web", jobs=[{"env": {"B": 'x "y"'}}]).jobs[0]
    path = f"/organizations/acme/jobs/{job.id}/env"
    text = api.get(f"{path}.txt").text
    assert 'B="x \\"y\\""' in text.splitlines()
    assert api.get(path, headers={"Accept": "text/plain"}).text == text
