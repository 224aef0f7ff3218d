"""A recording is replayed without a network, without a token, and at once."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import requests

from buildkite_orm import (
    Buildkite,
    ConnectionFailedError,
    DownloadError,
    NotFoundError,
    RequestTimeoutError,
    RetryPolicy,
)
from buildkite_orm.testing import Recorder, RecordingError
from tests.helpers import web_pipeline
from tests.testing.conftest import first_failed
from tests.testing.stub_adapter import StubAdapter, json_headers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from buildkite_orm.fake import FakeBuildkite
    from tests.testing.conftest import Record


def use_much(bk: Buildkite) -> list[object]:
    """List, page, create, wait, and fail."""
    build = first_failed(bk)
    agents = [agent.name for agent in bk.organization().agents().per_page(10)]
    new = bk.organization().pipeline("hello").builds().create(commit="HEAD", branch="main", env={"LEVEL": "3"})
    with pytest.raises(NotFoundError) as caught:
        web_pipeline(bk).build(9999).fetch()
    jobs = [job.name for job in build.failed_jobs()]
    return [build.number, jobs, agents, new.number, new.wait(timeout=600).state, caught.value.message]


def test_a_replay_returns_what_was_recorded_and_sends_nothing(
    acme: FakeBuildkite, record: Record, replay: Record
) -> None:
    recorded = record(use_much)
    sent = len(acme.requests)
    assert replay(use_much) == recorded
    assert len(acme.requests) == sent


def test_a_recorder_records_first_and_replays_then(acme: FakeBuildkite, cassette: Path) -> None:
    def number(recorder: Recorder) -> int:
        with Buildkite(acme.token, organization="acme", transport=recorder) as bk:
            return web_pipeline(bk).build(42).fetch().number

    first = Recorder(cassette, through=acme.adapter())
    assert (first.is_recording, number(first)) == (True, 42)
    second = Recorder(cassette)
    assert (second.is_recording, number(second)) == (False, 42)
    assert len(acme.requests) == 1


def test_record_replaces_a_cassette_and_no_record_needs_one(
    acme: FakeBuildkite, record: Record, cassette: Path
) -> None:
    with pytest.raises(RecordingError, match=r"no cassette .*case\.json.*record=True"):
        Recorder(cassette, record=False)
    record(lambda bk: bk.user())
    record(lambda bk: bk.meta())
    (exchange,) = json.loads(cassette.read_text())["exchanges"]
    assert exchange["request"]["path"] == "meta"
    assert len(acme.requests) == 2


def test_a_replay_needs_no_token_and_knows_the_organization(record: Record, replay: Record) -> None:
    record(lambda bk: bk.organization().fetch())
    assert replay(lambda bk: bk.organization().fetch().slug) == "acme"


def test_the_file_is_readable(record: Record, cassette: Path) -> None:
    record(lambda bk: bk.organization().builds(state=["failed", "passed"], branch="main").limit(1).first())
    document = json.loads(cassette.read_text())
    assert document["clock"] == "2026-08-01T12:00:00.000+00:00"
    (exchange,) = document["exchanges"]
    assert exchange["request"] == {
        "method": "GET",
        "path": "organizations/acme/builds",
        "query": {
            "state[]": ["failed", "passed"],
            "branch": "main",
            "exclude_jobs": "true",
            "per_page": "1",
        },
    }
    assert exchange["response"]["json"][0]["state"] in {"failed", "passed"}
    assert "\n  " in cassette.read_text()


def test_the_file_may_be_edited(record: Record, replay: Record, cassette: Path) -> None:
    record(lambda bk: web_pipeline(bk).fetch())
    cassette.write_text(cassette.read_text().replace('"name": "Web"', '"name": "A much longer name than before"'))
    assert replay(lambda bk: web_pipeline(bk).fetch().name) == "A much longer name than before"


# -- time


def test_a_replay_begins_at_the_time_of_the_recording_and_never_sleeps(record: Record, replay: Record) -> None:
    def work(bk: Buildkite) -> tuple[object, float, float]:
        clock = bk.session.clock
        before = clock.now()
        build = bk.organization().pipeline("hello").builds().create(commit="HEAD", branch="main")
        return build.wait().finished_at, before, clock.now()

    recorded = record(work)
    assert recorded[2] - recorded[1] > 5
    assert replay(work) == recorded


def test_a_filter_that_is_computed_from_the_start_of_the_recording_is_the_same_in_a_replay(
    acme: FakeBuildkite, cassette: Path
) -> None:
    def count(recorder: Recorder) -> int:
        with Buildkite(acme.token, organization="acme", transport=recorder) as bk:
            return len(web_pipeline(bk).builds(created_from=recorder.started_at - timedelta(days=1)).all())

    recorded = count(Recorder(cassette, through=acme.adapter()))  # by the clock of the machine
    acme.clock.advance(100)
    assert count(Recorder(cassette)) == recorded


def test_now_stands_still_between_two_responses_so_that_a_replay_computes_the_same(
    acme: FakeBuildkite, cassette: Path
) -> None:
    def times(recorder: Recorder) -> list[float]:
        with Buildkite(acme.token, transport=recorder) as bk:
            clock = bk.session.clock
            found: list[float] = []
            for _ in range(3):
                bk.user()
                found += [clock.now(), clock.now()]
            return found

    recorded = times(Recorder(cassette, through=acme.adapter()))
    assert [recorded[0], recorded[2], recorded[4]] == [recorded[1], recorded[3], recorded[5]]
    assert times(Recorder(cassette)) == recorded


def test_the_time_of_a_recording_does_not_stand_still_for_more_than_a_second(
    acme: FakeBuildkite, cassette: Path
) -> None:
    recorder = Recorder(cassette, through=acme.adapter(), clock=acme.clock)
    assert recorder.clock is not None
    acme.clock.advance(0.5)
    assert recorder.clock.now() == recorder.started_at.timestamp()
    acme.clock.advance(1)
    assert recorder.clock.now() == recorder.started_at.timestamp() + 1.5


def test_a_pause_of_the_recorded_program_uses_up_no_timeout_of_the_replay(
    acme: FakeBuildkite, record: Record, replay: Record
) -> None:
    def pause(bk: Buildkite) -> list[str]:
        first = bk.user().id
        if bk.session.clock.now() < acme.clock.now() + 1:
            acme.clock.advance(3600)
        return [first, bk.user().id]

    recorded = record(pause)
    assert replay(pause) == recorded


def test_a_rate_limit_is_waited_for_at_once(acme: FakeBuildkite, record: Record, replay: Record) -> None:
    acme.settings.user_limit = 3

    def work(bk: Buildkite) -> float:
        for _ in range(8):
            bk.user()
        return bk.session.clock.now()

    recorded = record(work)
    assert replay(work) == pytest.approx(recorded, abs=5)


def test_the_start_of_a_recording_is_a_time_in_utc(record: Record, cassette: Path) -> None:
    record(lambda bk: bk.user())
    assert Recorder(cassette).started_at == datetime(2026, 8, 1, 12, tzinfo=UTC)


# -- logs and files


def read_files(bk: Buildkite, folder: Path) -> list[object]:
    job = first_failed(bk).failed_jobs()[0]
    artifact = web_pipeline(bk).builds(state="passed")[0].artifacts()[0]
    log = job.log()
    saved = artifact.save_to(folder).read_bytes()
    found = [match.line.text for match in log.search("exited")]
    return [log.fetch().text, log.tail(2), log.fetch_size(), found, artifact.download(), saved]


def test_logs_and_files_are_replayed_as_they_are(record: Record, replay: Record, tmp_path: Path) -> None:
    recorded = record(lambda bk: read_files(bk, tmp_path), files=True)
    assert replay(lambda bk: read_files(bk, tmp_path)) == recorded


def test_logs_and_files_are_not_stored_otherwise(
    record: Record, replay: Record, cassette: Path, tmp_path: Path
) -> None:
    text, *_ = record(lambda bk: read_files(bk, tmp_path))
    assert text.splitlines()[5] not in cassette.read_text()
    with pytest.raises(RecordingError, match="files=True"):
        replay(lambda bk: first_failed(bk).failed_jobs()[0].log().fetch())
    with pytest.raises(RecordingError, match="files=True"):
        replay(lambda bk: web_pipeline(bk).builds(state="passed")[0].artifacts()[0].download())


def test_what_needs_a_log_says_that_it_was_not_recorded(record: Record, replay: Record) -> None:
    def explain(bk: Buildkite) -> str:
        return str(first_failed(bk).failure_summary())

    assert "files=True" not in record(explain)
    assert "(no log: the cassette does not have the content" in replay(explain)


def test_a_body_that_was_not_read_to_its_end_is_replayed_so_far(record: Record, replay: Record) -> None:
    def begin(bk: Buildkite) -> bytes:
        artifact = next(
            each for each in web_pipeline(bk).builds(state="passed")[0].artifacts() if (each.file_size or 0) > 2000
        )
        with artifact.open() as file:
            return file.read(10)

    recorded = record(begin, files=True)
    assert replay(begin) == recorded


# -- one too many, and others


def test_equal_requests_get_their_responses_in_order_and_one_too_many_is_an_error(
    acme: FakeBuildkite, record: Record, replay: Record
) -> None:
    build = acme.add_build("web", state="running")

    def states(bk: Buildkite, count: int) -> list[str]:
        found: list[str] = []
        for _ in range(count):
            found.append(str(web_pipeline(bk).build(build.number).fetch().state))
            acme.set_state(build, "passed")
        return found

    recorded = record(lambda bk: states(bk, 2))
    assert recorded == ["running", "passed"]
    assert replay(lambda bk: states(bk, 2)) == recorded
    with pytest.raises(RecordingError) as caught:
        replay(lambda bk: states(bk, 3))
    line = f"GET organizations/acme/pipelines/web/builds/{build.number}"
    assert str(caught.value).startswith(f"{line}: the cassette '")
    assert f"has this request twice, and all responses to it were returned; the closest request is {line}" in str(
        caught.value
    )


OTHER_REQUESTS: dict[str, tuple[Callable[[Buildkite], object], str]] = {
    "a filter": (
        lambda bk: list(web_pipeline(bk).builds(state="canceled", branch="main")),
        r"the closest is GET .*/web/builds\?state=failed&.*, which differs in state \('failed', now 'canceled'\)",
    ),
    "a field": (
        lambda bk: web_pipeline(bk).builds().create(commit="HEAD", branch="next", message="Go"),
        r"the closest is POST .*, which differs in body\.branch \('main', now 'next'\)\.",
    ),
    "a field that is missing": (
        lambda bk: web_pipeline(bk).builds().create(commit="HEAD", branch="main"),
        r"which differs in body\.message \('Go', now absent\)",
    ),
    "a path": (
        lambda bk: bk.organization().pipeline("wbe").fetch(),
        r"the closest is GET organizations/acme/pipelines/web\.",
    ),
    "something else": (
        lambda bk: bk.user(),
        r"GET user: .* the closest is GET .*Record it again: .*--buildkite-orm-record",
    ),
}


@pytest.mark.parametrize("case", OTHER_REQUESTS)
def test_the_error_for_another_request_names_the_closest_one(record: Record, replay: Record, case: str) -> None:
    work, message = OTHER_REQUESTS[case]

    def recorded(bk: Buildkite) -> None:
        list(web_pipeline(bk).builds(state="failed", branch="main"))
        web_pipeline(bk).fetch()
        web_pipeline(bk).builds().create(commit="HEAD", branch="main", message="Go")

    record(recorded)
    with pytest.raises(RecordingError, match=message):
        replay(work)


def test_an_error_of_the_cassette_is_not_retried(record: Record, cassette: Path) -> None:
    record(lambda bk: bk.user())
    recorder = Recorder(cassette)
    assert recorder.clock is not None
    with Buildkite(transport=recorder) as bk, pytest.raises(RecordingError):
        bk.meta()
    assert recorder.clock.now() == recorder.started_at.timestamp()


def test_a_cassette_without_requests_says_so(record: Record, replay: Record) -> None:
    record(lambda bk: bk.organization())
    with pytest.raises(RecordingError, match="has no requests"):
        replay(lambda bk: bk.user())


def test_responses_in_parallel_are_those_of_their_requests(record: Record, replay: Record, tmp_path: Path) -> None:
    def save(bk: Buildkite, name: str) -> dict[str, bytes]:
        build = web_pipeline(bk).builds(state="passed")[0]
        build.artifacts().save_all(tmp_path / name, workers=8)
        return {path.name: path.read_bytes() for path in (tmp_path / name).rglob("*") if path.is_file()}

    recorded = record(lambda bk: save(bk, "recorded"), files=True)
    assert len(recorded) > 1
    assert replay(lambda bk: save(bk, "replayed")) == recorded


# -- failures of the network


@pytest.mark.parametrize(
    ("fault", "error"),
    [("reset_before", ConnectionFailedError), ("read_timeout", RequestTimeoutError), ("refuse", ConnectionFailedError)],
)
def test_a_failure_is_replayed(
    acme: FakeBuildkite, record: Record, cassette: Path, fault: Any, error: type[Exception]
) -> None:
    acme.faults.add(fault, times=None)

    def create(bk: Buildkite) -> tuple[bool, str]:
        with pytest.raises(error) as caught:
            web_pipeline(bk).builds().create(commit="HEAD", branch="main")
        return vars(caught.value)["outcome_unknown"], type(caught.value).__name__

    recorded = record(create)
    retry = RetryPolicy()
    with Buildkite(organization="acme", transport=Recorder(cassette), retry=retry) as bk:
        assert create(bk) == recorded
    assert recorded[0] is (fault != "refuse")


def test_an_attempt_that_fails_is_replayed_with_its_retry(acme: FakeBuildkite, record: Record, replay: Record) -> None:
    acme.faults.add("error", status=500)
    acme.faults.add("reset_mid_body", after=1)

    def name(bk: Buildkite) -> str:
        return bk.organization().fetch().slug

    assert [record(name), replay(name)] == ["acme", "acme"]
    assert len(acme.requests) == 3


# -- the file


def test_a_recording_that_nobody_closes_is_written_when_the_program_ends(
    acme: FakeBuildkite, cassette: Path, tmp_path: Path
) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from buildkite_orm import Buildkite\n"
        "from buildkite_orm.testing import Recorder\n"
        f"bk = Buildkite({acme.token!r}, base_url={acme.url!r}, transport=Recorder({str(cassette)!r}))\n"
        "bk.user()\n"
        "raise SystemExit(3)\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert (done.stderr, done.returncode) == ("", 3)
    assert acme.token not in cassette.read_text()
    with Buildkite(transport=Recorder(cassette)) as bk:
        assert bk.user().id


def test_a_recording_without_requests_writes_no_file_unless_it_is_asked_for(
    acme: FakeBuildkite, cassette: Path
) -> None:
    Buildkite(acme.token, transport=Recorder(cassette, through=acme.adapter())).close()
    gc.collect()
    assert not cassette.exists()
    Buildkite(acme.token, transport=Recorder(cassette, record=True, through=acme.adapter())).close()
    assert cassette.exists()


def test_a_cassette_that_cannot_be_written_leaves_the_old_one(
    acme: FakeBuildkite, record: Record, cassette: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(lambda bk: bk.user())
    before = cassette.read_bytes()

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("buildkite_orm.files.folders.FolderHandle.move", refuse)
    with pytest.raises(DownloadError, match="No space left"):
        record(lambda bk: bk.meta())
    monkeypatch.undo()
    assert cassette.read_bytes() == before
    assert [path.name for path in cassette.parent.iterdir()] == [cassette.name]
    assert len(acme.requests) == 2


def test_a_cassette_is_written_to_the_folder_that_was_current_at_its_start(
    acme: FakeBuildkite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    recorder = Recorder("new/folder/case.json", record=True, through=acme.adapter())
    monkeypatch.chdir("/")
    with Buildkite(acme.token, transport=recorder) as bk:
        bk.user()
    assert (tmp_path / "new" / "folder" / "case.json").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is not a cassette"),
        ("[]", "is not a cassette"),
        ('{"buildkite_orm_cassette": 2}', "has the format 2; this version reads 1"),
        ('{"buildkite_orm_cassette": 1}', "clock is not as it was recorded"),
        ('{"buildkite_orm_cassette": 1, "clock": "2026-01-01T00:00:00Z", "exchanges": [{}]}', r"exchanges\[0\]"),
        ("[" * 100_000, "is not a cassette"),
    ],
)
def test_a_file_that_is_no_cassette_is_an_error(cassette: Path, content: str, message: str) -> None:
    cassette.write_text(content)
    with pytest.raises(RecordingError, match=message):
        Recorder(cassette)


def test_a_recorder_shows_what_it_does(record: Record, cassette: Path) -> None:
    assert repr(Recorder(cassette)).endswith("case.json', recording>")
    record(lambda bk: bk.user())
    assert repr(Recorder(cassette)).endswith("case.json', replaying>")


def test_two_clients_share_a_recorder(acme: FakeBuildkite, cassette: Path) -> None:
    recorder = Recorder(cassette, record=True, through=acme.adapter())
    for _ in range(2):
        with Buildkite(acme.token, transport=recorder) as bk:
            bk.user()
    assert len(json.loads(cassette.read_text())["exchanges"]) == 2


def test_a_cache_that_the_environment_names_is_not_used(
    acme: FakeBuildkite, record: Record, replay: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def twice(bk: Buildkite) -> list[int]:
        return [web_pipeline(bk).build(42).fetch().number for _ in range(2)]

    monkeypatch.setenv("BUILDKITE_ORM_CACHE", str(tmp_path / "cache"))
    assert [record(twice), replay(twice)] == [[42, 42], [42, 42]]
    assert len(acme.requests) == 2
    assert not (tmp_path / "cache").exists()


# -- other ways to send


def test_without_an_adapter_the_client_reaches_the_network_with_its_own_certificates(
    acme: FakeBuildkite, cassette: Path
) -> None:
    with Buildkite(acme.token, base_url=acme.url, transport=Recorder(cassette)) as bk:
        recorded = bk.user().id
    with Buildkite(transport=Recorder(cassette)) as bk:
        assert bk.user().id == recorded


def test_a_session_of_requests_can_use_it_too(acme: FakeBuildkite, cassette: Path) -> None:
    def fetch() -> object:
        with requests.Session() as session:
            session.mount("http://", Recorder(cassette))
            headers = {"Authorization": f"Bearer {acme.token}"}
            return session.get(f"{acme.url}/v2/organizations/acme", headers=headers).json()["slug"]

    assert fetch() == fetch() == "acme"
    assert len(acme.requests) == 1


@pytest.mark.parametrize(
    "body", [b"\xff\xfe\x00", b'{"a": 1, "a": 2}', b"NaN", b'"\\ud800"', b"plain \xc3\xa4", b"[" * 300 + b"]" * 300]
)
def test_a_body_of_any_kind_is_replayed(cassette: Path, body: bytes) -> None:
    stub = StubAdapter(lambda _request: (400, json_headers(), body))

    def content(recorder: Recorder) -> bytes:
        with requests.Session() as session:
            session.mount("https://", recorder)
            return session.get("https://x.example/v2/user", headers={"Authorization": "Bearer abcdefgh"}).content

    assert content(Recorder(cassette, through=stub)) == body
    assert content(Recorder(cassette)) == body
    assert stub.lines == ["GET https://x.example/v2/user"]
