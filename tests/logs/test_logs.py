"""Logs: whole, their size, their end, and as files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from requests.adapters import HTTPAdapter

from buildkite_orm import (
    ConnectionFailedError,
    DownloadError,
    Log,
    NotFoundError,
    PermissionDeniedError,
    ResponseError,
    RetryPolicy,
    ServerError,
)

if TYPE_CHECKING:
    from pathlib import Path

    from requests import PreparedRequest, Response

    from buildkite_orm import Buildkite, JobRef, LogRef
    from buildkite_orm.fake import FakeBuildkite, JobRecord
    from tests.conftest import Costs

BUILD = "/v2/organizations/acme/pipelines/web/builds/1"
TEXT = "~~~ Preparing\r\n\x1b_bk;t=1785585600000\x07\x1b[32mgrößer ✓\x1b[0m\r\n東京\r\n"


@pytest.fixture
def job(server: FakeBuildkite) -> JobRecord:
    record = server.add_build("web", jobs=[{"name": "Test"}]).jobs[0]
    server.set_log(record, TEXT.encode())
    return record


@pytest.fixture
def log(bk: Buildkite, job: JobRecord) -> LogRef:
    return bk.organization("acme").job(job.id).log()


def routes(bk: Buildkite, job: JobRecord) -> dict[str, JobRef]:
    return {
        f"{BUILD}/jobs/{job.id}": bk.organization("acme").pipeline("web").build(1).job(job.id),
        f"/v2/organizations/acme/jobs/{job.id}": bk.organization("acme").job(job.id),
    }


def test_a_log_is_a_ref_until_it_is_fetched(bk: Buildkite, job: JobRecord, costs: Costs) -> None:
    with costs(0):
        log = bk.organization("acme").job(job.id).log()
    assert log.job == bk.organization("acme").job(job.id)


# -- whole


def test_a_log_is_fetched_by_either_route(server: FakeBuildkite, bk: Buildkite, job: JobRecord) -> None:
    for path, ref in routes(bk, job).items():
        server.requests.clear()
        log = ref.log().fetch()
        (request,) = server.requests
        assert (request.method, request.path, request.query, request.body) == ("GET", f"{path}/log", [], b"")
        assert request.headers["Accept"] == "application/json"
        assert (type(log), log.text, log.content, log.size) == (Log, TEXT, TEXT, len(TEXT.encode()))
        assert log == ref.log()


def test_a_log_without_header_times_is_whole(server: FakeBuildkite, log: LogRef) -> None:
    server.settings.drift = lambda payload: {key: payload[key] for key in ("url", "content", "size")}
    assert log.fetch().header_times == []


def test_a_log_whose_url_is_not_told_still_knows_where_it_is(server: FakeBuildkite, log: LogRef) -> None:
    server.settings.drift = lambda payload: payload | {"url": None}
    with pytest.warns(match="url came as null"):
        fetched = log.fetch()
    assert fetched == log
    assert fetched.api_path == log.api_path


def test_a_log_reloads_while_it_grows(server: FakeBuildkite, job: JobRecord, log: LogRef) -> None:
    fetched = log.fetch()
    server.set_log(job, TEXT.encode() * 2)
    assert fetched.reload() is fetched
    assert fetched.text == TEXT * 2


def test_the_log_of_what_is_no_command_is_not_found(server: FakeBuildkite, bk: Buildkite) -> None:
    record = server.add_build("web", jobs=[{"type": "waiter"}]).jobs[0]
    with pytest.raises(NotFoundError):
        bk.organization("acme").job(record.id).log().fetch()


def test_a_log_needs_its_own_scope(server: FakeBuildkite, job: JobRecord) -> None:
    with server.client(token=server.make_token("read_builds")) as bk:
        log = bk.organization("acme").job(job.id).log()
        for ask in (log.fetch, log.fetch_size, lambda: log.tail(5)):
            with pytest.raises(PermissionDeniedError, match="needs the scope read_build_logs"):
                ask()


def test_a_log_is_deleted_by_either_route(server: FakeBuildkite, bk: Buildkite, job: JobRecord) -> None:
    for path, ref in routes(bk, job).items():
        server.set_log(job, b"secret")
        server.requests.clear()
        ref.log().delete()
        (request,) = server.requests
        assert (request.method, request.path, request.body) == ("DELETE", f"{path}/log", b"")
        assert job.log == b""


# -- size


def test_the_size_is_asked_for_without_the_log(server: FakeBuildkite, bk: Buildkite, job: JobRecord) -> None:
    for path, ref in routes(bk, job).items():
        server.requests.clear()
        assert ref.log().fetch_size() == len(TEXT.encode())
        (request,) = server.requests
        assert (request.method, request.path, request.query) == ("HEAD", f"{path}/log", [])
        assert request.headers["Accept-Encoding"] == "identity"


def test_the_size_of_a_large_log_is_that_of_the_log_and_not_of_what_is_sent(
    server: FakeBuildkite, job: JobRecord
) -> None:
    server.set_log(job, b"x" * 1_000_000)
    with server.client(door="http") as bk:
        assert bk.organization("acme").job(job.id).log().fetch_size() == 1_000_000


def test_an_empty_log_has_the_size_0(server: FakeBuildkite, job: JobRecord, log: LogRef) -> None:
    server.set_log(job, b"")
    assert log.fetch_size() == 0
    assert log.fetch().text == ""


def test_the_size_of_a_web_page_is_not_taken_for_the_logs(server: FakeBuildkite, log: LogRef) -> None:
    server.faults.add("html", status=200, times=None)
    with pytest.raises(ResponseError, match="does not tell the size"):
        log.fetch_size()


def test_the_size_of_what_is_packed_is_not_taken_for_the_logs(server: FakeBuildkite, log: LogRef) -> None:
    server.faults.add("error", status=200, headers={"Content-Encoding": "gzip"}, times=None)
    with pytest.raises(ResponseError, match="does not tell the size"):
        log.fetch_size()


# -- tail


def test_a_tail_asks_for_its_bytes_only(server: FakeBuildkite, bk: Buildkite, job: JobRecord) -> None:
    server.set_log(job, b"0123456789")
    for path, ref in routes(bk, job).items():
        server.requests.clear()
        assert ref.log().tail(4) == "6789"
        (request,) = server.requests
        assert (request.method, request.path, request.query, request.status) == ("GET", f"{path}/log", [], 206)
        assert (request.headers["Range"], request.headers["Accept"]) == ("bytes=-4", "text/plain")
        assert request.headers["Accept-Encoding"] == "identity"


def test_a_tail_longer_than_the_log_is_the_log(log: LogRef) -> None:
    assert log.tail(1_000_000) == TEXT


def test_the_tail_of_an_empty_log_is_empty(server: FakeBuildkite, job: JobRecord, log: LogRef, costs: Costs) -> None:
    server.set_log(job, b"")
    with costs(1):
        assert log.tail(100) == ""


@pytest.mark.parametrize("n", [0, -1])
def test_a_tail_of_nothing_is_refused(log: LogRef, costs: Costs, n: int) -> None:
    with costs(0), pytest.raises(ValueError, match="at least 1 byte"):
        log.tail(n)


@pytest.mark.parametrize(("n", "text"), [(1, ""), (2, ""), (3, "✓"), (4, "✓"), (5, "ß✓"), (6, "aß✓")])
def test_a_character_that_is_cut_in_two_is_left_out(
    server: FakeBuildkite, job: JobRecord, log: LogRef, n: int, text: str
) -> None:
    server.set_log(job, "aß✓".encode())
    assert log.tail(n) == text


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(min_size=1), n=st.integers(1, 40))
def test_a_tail_of_text_is_the_end_of_the_text_and_as_much_as_fits(
    server: FakeBuildkite, job: JobRecord, log: LogRef, text: str, n: int
) -> None:
    server.set_log(job, text.encode())
    tail = log.tail(n)
    assert text.endswith(tail)
    assert len(tail.encode()) <= n
    rest = text.removesuffix(tail)
    assert not rest or len((rest[-1] + tail).encode()) > n


def test_what_is_no_text_is_shown_as_such_and_not_lost(server: FakeBuildkite, job: JobRecord, log: LogRef) -> None:
    server.set_log(job, b"before \xff after")
    assert log.tail(100) == "before � after"


class Rangeless(HTTPAdapter):
    """Leads to servers that know of no ranges."""

    def send(self, request: PreparedRequest, *args: Any, **options: Any) -> Response:
        request.headers.pop("Range", None)
        return super().send(request, *args, **options)


@pytest.mark.parametrize(("n", "text"), [(3, "✓"), (2, ""), (100, "größe ✓")])
def test_a_server_that_ignores_the_range_gives_the_same_tail(
    server: FakeBuildkite, job: JobRecord, n: int, text: str
) -> None:
    server.set_log(job, "größe ✓".encode())
    with server.client(door="http", transport=Rangeless()) as bk:
        assert bk.organization("acme").job(job.id).log().tail(n) == text
    assert server.requests[-1].status == 200


def test_a_web_page_is_not_taken_for_a_tail(server: FakeBuildkite, log: LogRef) -> None:
    server.faults.add("html", status=200, times=None)
    with pytest.raises(ResponseError):
        log.tail(10)


def test_a_tail_that_is_shorter_than_told_is_asked_for_again(
    server: FakeBuildkite, job: JobRecord, log: LogRef, costs: Costs
) -> None:
    """Cut with a `Content-Length` that fits, as a proxy does, so that `Content-Range` alone tells; and it is JSON."""
    server.set_log(job, b"0123456789")
    server.faults.add("cut_json", at=2)
    with costs(2):
        assert log.tail(4) == "6789"


def test_a_tail_that_is_always_shorter_than_told_is_an_error(
    server: FakeBuildkite, job: JobRecord, log: LogRef, costs: Costs
) -> None:
    server.set_log(job, b"0123456789")
    server.faults.add("cut_json", times=None)
    with costs(RetryPolicy().attempts), pytest.raises(ResponseError, match="not as long as its Content-Range tells"):
        log.tail(4)


# -- to a file


def test_a_folder_gets_the_log_under_the_id_of_its_job(
    log: LogRef, job: JobRecord, tmp_path: Path, costs: Costs
) -> None:
    with costs(1):
        place = log.save_to(tmp_path)
    assert place == tmp_path / f"{job.id}.log"
    assert place.read_bytes() == TEXT.encode()
    assert list(tmp_path.iterdir()) == [place]


def test_a_fetched_log_is_saved_under_the_same_name(log: LogRef, job: JobRecord, tmp_path: Path) -> None:
    assert log.fetch().save_to(f"{tmp_path}/logs/") == tmp_path / f"logs/{job.id}.log"


def test_a_log_is_saved_byte_by_byte_as_it_is(
    server: FakeBuildkite, job: JobRecord, log: LogRef, tmp_path: Path
) -> None:
    server.set_log(job, bytes(range(256)) * 1000)
    assert log.save_to(tmp_path / "x.log").read_bytes() == bytes(range(256)) * 1000
    assert server.requests[-1].headers["Accept"] == "text/plain"


def test_an_empty_log_is_an_empty_file(server: FakeBuildkite, job: JobRecord, log: LogRef, tmp_path: Path) -> None:
    server.set_log(job, b"")
    assert log.save_to(tmp_path).read_bytes() == b""


@pytest.mark.parametrize("kind", ["reset_mid_body", "truncate", "reset_after_headers"])
def test_a_log_that_breaks_off_begins_anew(
    server: FakeBuildkite, job: JobRecord, log: LogRef, tmp_path: Path, kind: str
) -> None:
    server.set_log(job, b"line\n" * 100_000)
    server.faults.add(kind)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert log.save_to(tmp_path / "x.log").read_bytes() == b"line\n" * 100_000
    assert len(server.requests) == 2


def test_a_log_that_always_breaks_off_leaves_nothing(
    server: FakeBuildkite, job: JobRecord, log: LogRef, tmp_path: Path
) -> None:
    server.set_log(job, b"line\n" * 100_000)
    server.faults.add("truncate", times=None)
    with pytest.raises(ConnectionFailedError):
        log.save_to(f"{tmp_path}/new/")
    assert len(server.requests) == RetryPolicy().attempts
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_gives_no_log_is_asked_no_more_often_than_the_policy_says(
    server: FakeBuildkite, log: LogRef, tmp_path: Path
) -> None:
    server.faults.add("html", status=502, times=None)
    with pytest.raises(ServerError):
        log.save_to(tmp_path)
    assert len(server.requests) == RetryPolicy().attempts
    assert list(tmp_path.iterdir()) == []


def test_a_web_page_is_not_saved_as_a_log(server: FakeBuildkite, log: LogRef, tmp_path: Path) -> None:
    server.faults.add("html", status=200, times=None)
    with pytest.raises(ResponseError):
        log.save_to(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_log_that_cannot_be_written_is_a_clear_error(log: LogRef, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DownloadError, match="cannot write"):
        log.save_to(tmp_path / "file/x.log")
