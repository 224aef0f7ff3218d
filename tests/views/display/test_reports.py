"""Failures, logs and agents as they are shown in shells and notebooks: in full, without a request."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import pytest
from IPython.lib import pretty as ipython_pretty

from buildkite_orm.resources.embedded import EmbeddedAgent
from tests.helpers import web_build
from tests.views.display.odd import EVIL
from tests.views.display.pages import Page, drawn, elements
from tests.views.display.test_listings import OWN, bundle

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildkite_orm import Build, Buildkite
    from buildkite_orm.fake import FakeBuildkite
    from tests.conftest import Costs

LOG = b"--- Test\r\n\x1b[31mE   assert 1 == 2\x1b[0m\r\n\xf0\x9f\x9a\xa8 Error: The command exited with status 1\r\n"
PAGE = "https://buildkite.com/acme/web/builds/1"

pretty: Callable[[object], str] = vars(ipython_pretty)["pretty"]


@pytest.fixture
def build(server: FakeBuildkite, bk: Buildkite) -> Build:
    """A build with a failed job, its log, and an annotation."""
    record = server.add_build("web", state="failed", jobs=[{"name": "Test", "state": "failed", "exit_status": 1}])
    server.set_log(record.jobs[0], LOG)
    server.add_annotation(record, "2 tests", context="pytest", style="error")
    return web_build(bk).fetch()


def test_a_failure_summary_is_shown_in_full_without_a_request(build: Build, costs: Costs) -> None:
    summary = build.failure_summary()
    with costs(0):
        shown = bundle(summary)
        in_terminal = drawn(summary)
    assert shown["text/plain"] == str(summary)
    page = Page(shown["text/html"])
    assert elements(shown["text/html"]) <= OWN
    assert [link["href"] for link in page.all("a")] == [PAGE, f"{PAGE}#{summary.failed[0].job.id}"]
    assert page.all("pre")[0].text.splitlines() == list(summary.failed[0].log_lines)
    for text in (
        "acme/web #1 failed on main: 1 failed job",
        "[error] pytest: 2 tests",
        "E   assert 1 == 2",
        "Test: failed",
    ):
        assert text in page.text
        assert text in in_terminal


def test_a_failed_job_is_shown_in_full(build: Build) -> None:
    (failed,) = build.failure_summary().failed
    assert bundle(failed)["text/plain"] == str(failed)
    assert "E   assert 1 == 2" in Page(bundle(failed)["text/html"]).text
    assert drawn(failed).splitlines()[0].startswith("Test: failed, exit status 1")


def test_failed_jobs_are_a_list_that_is_shown_as_a_table(build: Build, costs: Costs) -> None:
    failed = build.failed_jobs()
    with costs(0):
        shown = bundle(failed)
    assert (failed, repr(failed)) == (list(failed), repr(list(failed)))
    assert shown["text/plain"].splitlines()[0] == "Failed jobs of acme/web #1"
    assert [row[:3] for row in Page(shown["text/html"]).rows] == [["Test", "failed", "1"]]
    assert drawn(failed).splitlines()[0] == "Failed jobs of acme/web #1"
    assert pretty(failed) == shown["text/plain"]
    assert pretty([failed]) == f"[{failed!r}]"
    assert pickle.loads(pickle.dumps(failed)) == failed  # noqa: S301 - our own


def test_no_failed_jobs_are_an_empty_table(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_build("web", state="passed", jobs=1)
    failed = web_build(bk).failed_jobs()
    assert failed == []
    assert bundle(failed)["text/plain"].splitlines()[-1] == "nothing"


def test_the_card_of_a_log_has_its_last_lines(server: FakeBuildkite, bk: Buildkite, costs: Costs) -> None:
    record = server.add_build("web", state="failed", jobs=[{"state": "failed"}])
    server.set_log(record.jobs[0], b"".join(b"line %d\r\n" % number for number in range(50_000)))
    log = web_build(bk).fetch().failed_jobs()[0].log().fetch()
    with costs(0):
        shown = bundle(log)
    (text,) = (element.text for element in Page(shown["text/html"]).all("pre"))
    assert text.splitlines() == [f"line {number}" for number in range(49_980, 50_000)]
    assert drawn(log).splitlines()[-1] == "  | line 49999"
    assert shown["text/plain"] == repr(log)


@pytest.mark.parametrize("content", [b"", b"\n", b"one line without an end", b"x" * 200_000])
def test_a_log_of_any_size_has_a_card(server: FakeBuildkite, bk: Buildkite, content: bytes) -> None:
    record = server.add_build("web", state="failed", jobs=[{"state": "failed"}])
    server.set_log(record.jobs[0], content)
    log = web_build(bk).fetch().failed_jobs()[0].log().fetch()
    assert elements(bundle(log)["text/html"]) <= OWN
    assert len(drawn(log)) < 1_000


def test_text_from_logs_annotations_and_jobs_is_escaped(server: FakeBuildkite, bk: Buildkite) -> None:
    record = server.add_build("web", state="failed", branch=EVIL, jobs=[{"name": EVIL, "state": "failed"}])
    server.set_log(record.jobs[0], f"error: {EVIL}\n".encode())
    server.add_annotation(record, "x", context=EVIL)
    summary = web_build(bk).failure_summary()
    log = summary.failed[0].job.log().fetch()
    for shown in (bundle(summary), bundle(summary.failed[0]), bundle(log)):
        assert elements(shown["text/html"]) <= OWN
        assert all(char.isprintable() or char == "\n" for char in shown["text/plain"])


def test_an_agent_is_shown_as_one_line() -> None:
    payload = {"id": "1", "name": "mac-1", "connection_state": "connected", "queue": "default", "hostname": "mac.local"}
    agent = EmbeddedAgent.model_validate(payload)
    assert repr(agent) == drawn(agent) == "EmbeddedAgent(mac-1, connected, default, mac.local)"
    assert str(agent) == "mac-1"
    assert repr(EmbeddedAgent.model_validate({"id": "1", "name": EVIL})).isprintable()
