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


@pytest.fixture(autouse=True)
def _log(server: FakeBuildkite, job: JobRecord) -> None:
    server.set_log(job, TEXT.encode())


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


def test_a_log_without_url_keeps_its_path(server: FakeBuildkite, log: LogRef) -> None:
    server.settings.drift = lambda payload: payload | {"url": None}
    with pytest.warns(match="url received as null"):
        fetched = log.fetch()
    assert fetched == log
    assert fetched.api_path == log.api_path


def test_a_log_reloads_while_it_grows(server: FakeBuildkite, job: JobRecord, log: LogRef) -> None:
    fetched = log.fetch()
    server.set_log(job, TEXT.encode() * 2)
    assert fetched.reload() is fetched
    assert fetched.text == TEXT * 2


def test_only_command_jobs_have_a_log(server: FakeBuildkite, bk: Buildkite) -> None:
    record = server.add_build("web", jobs=[{"type": "waiter"}]).jobs[0]
    with pytest.raises(NotFoundError):
        bk.organization("acme").job(record.id).log().fetch()


def test_a_log_needs_its_own_scope(server: FakeBuildkite, job: JobRecord) -> None:
    with server.client(token=server.make_token("read_builds")) as bk:
        log = bk.organization("acme").job(job.id).log()
        for request in (log.fetch, log.fetch_size, log.tail, lambda: log.tail_bytes(5)):
            with pytest.raises(PermissionDeniedError, match="needs the scope read_build_logs"):
                request()


def test_a_log_is_deleted_by_either_route(server: FakeBuildkite, bk: Buildkite, job: JobRecord) -> None:
    for path, ref in routes(bk, job).items():
        server.set_log(job, b"secret")
        server.requests.clear()
        ref.log().delete()
        (request,) = server.requests
        assert (request.method, request.path, request.body) == ("DELETE", f"{path}/log", b"")
        assert job.log == b""


# -- size


def test_the_size_is_requested_without_the_log(server: FakeBuildkite, bk: Buildkite, job: JobRecord) -> None:
    for path, ref in routes(bk, job).items():
        server.requests.clear()
        assert ref.log().fetch_size() == len(TEXT.encode())
        (request,) = server.requests
        assert (request.method, request.path, request.query) == ("HEAD", f"{path}/log", [])
        assert request.headers["Accept-Encoding"] == "identity"


def test_the_size_of_a_large_log_is_its_own_and_not_that_of_the_response(server: FakeBuildkite, job: JobRecord) -> None:
    server.set_log(job, b"x" * 1_000_000)
    with server.client(http=True) as bk:
        assert bk.organization("acme").job(job.id).log().fetch_size() == 1_000_000


def test_an_empty_log_has_the_size_0(server: FakeBuildkite, job: JobRecord, log: LogRef) -> None:
    server.set_log(job, b"")
    assert log.fetch_size() == 0
    assert log.fetch().text == ""


def test_the_size_of_a_web_page_is_refused(server: FakeBuildkite, log: LogRef) -> None:
    server.faults.add("html", status=200, times=None)
    with pytest.raises(ResponseError, match="does not contain the size"):
        log.fetch_size()


def test_the_size_of_a_compressed_response_is_refused(server: FakeBuildkite, log: LogRef) -> None:
    server.faults.add("error", status=200, headers={"Content-Encoding": "gzip"}, times=None)
    with pytest.raises(ResponseError, match="does not contain the size"):
        log.fetch_size()


# -- tail


def test_tail_bytes_requests_a_suffix_range(server: FakeBuildkite, bk: Buildkite, job: JobRecord) -> None:
    server.set_log(job, b"0123456789")
    for path, ref in routes(bk, job).items():
        server.requests.clear()
        assert ref.log().tail_bytes(4) == "6789"
        (request,) = server.requests
        assert (request.method, request.path, request.query, request.status) == ("GET", f"{path}/log", [], 206)
        assert (request.headers["Range"], request.headers["Accept"]) == ("bytes=-4", "text/plain")
        assert request.headers["Accept-Encoding"] == "identity"


def test_a_tail_longer_than_the_log_is_the_log(log: LogRef) -> None:
    assert log.tail_bytes(1_000_000) == TEXT


def test_the_tail_of_an_empty_log_is_empty(server: FakeBuildkite, job: JobRecord, log: LogRef, costs: Costs) -> None:
    server.set_log(job, b"")
    with costs(1):
        assert log.tail_bytes(100) == ""


@pytest.mark.parametrize("n", [0, -1])
def test_a_tail_of_zero_bytes_is_refused(log: LogRef, costs: Costs, n: int) -> None:
    with costs(0), pytest.raises(ValueError, match=f"n={n}: must be at least 1"):
        log.tail_bytes(n)


@pytest.mark.parametrize(("n", "text"), [(1, ""), (2, ""), (3, "✓"), (4, "✓"), (5, "ß✓"), (6, "aß✓")])
def test_a_character_that_is_cut_in_two_is_left_out(
    server: FakeBuildkite, job: JobRecord, log: LogRef, n: int, text: str
) -> None:
    server.set_log(job, "aß✓".encode())
    assert log.tail_bytes(n) == text


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(min_size=1), n=st.integers(1, 40))
def test_a_tail_of_text_is_the_end_of_the_text_and_as_much_as_fits(
    server: FakeBuildkite, job: JobRecord, log: LogRef, text: str, n: int
) -> None:
    server.set_log(job, text.encode())
    tail = log.tail_bytes(n)
    assert text.endswith(tail)
    assert len(tail.encode()) <= n
    rest = text.removesuffix(tail)
    assert not rest or len((rest[-1] + tail).encode()) > n


def test_invalid_utf_8_is_replaced_and_not_lost(server: FakeBuildkite, job: JobRecord, log: LogRef) -> None:
    server.set_log(job, b"before \xff after")
    assert log.tail_bytes(100) == "before � after"


class WithoutRanges(HTTPAdapter):
    """An adapter to a server without ranges."""

    def send(self, request: PreparedRequest, *args: Any, **options: Any) -> Response:
        request.headers.pop("Range", None)
        return super().send(request, *args, **options)


@pytest.mark.parametrize(("n", "text"), [(3, "✓"), (2, ""), (100, "größe ✓")])
def test_a_server_without_ranges_returns_the_same_tail(
    server: FakeBuildkite, job: JobRecord, n: int, text: str
) -> None:
    server.set_log(job, "größe ✓".encode())
    with server.client(http=True, transport=WithoutRanges()) as bk:
        assert bk.organization("acme").job(job.id).log().tail_bytes(n) == text
    assert server.requests[-1].status == 200


def test_a_web_page_is_not_taken_for_a_tail(server: FakeBuildkite, log: LogRef) -> None:
    server.faults.add("html", status=200, times=None)
    with pytest.raises(ResponseError):
        log.tail_bytes(10)


def test_a_tail_that_is_shorter_than_its_range_is_requested_again(
    server: FakeBuildkite, job: JobRecord, log: LogRef, costs: Costs
) -> None:
    """Cut with a matching `Content-Length`, as by a proxy, so that only `Content-Range` reveals it."""
    server.set_log(job, b"0123456789")
    server.faults.add("cut_json", at=2)
    with costs(2):
        assert log.tail_bytes(4) == "6789"


def test_a_tail_that_is_always_shorter_than_its_range_is_an_error(
    server: FakeBuildkite, job: JobRecord, log: LogRef, costs: Costs
) -> None:
    server.set_log(job, b"0123456789")
    server.faults.add("cut_json", times=None)
    with costs(RetryPolicy().attempts), pytest.raises(ResponseError, match="shorter than its Content-Range"):
        log.tail_bytes(4)


# -- the last lines


def test_the_last_lines_are_plain_text_from_one_request(
    server: FakeBuildkite, job: JobRecord, log: LogRef, costs: Costs
) -> None:
    server.set_log(job, "".join(f"\x1b_bk;t=1\x07\x1b[32mline\x1b[0m {n}\r\n" for n in range(10_000)).encode())
    with costs(1):
        assert log.tail() == "".join(f"line {n}\n" for n in range(9_980, 10_000))
    assert server.requests[-1].headers["Range"] == "bytes=-16384"
    with costs(1):
        assert log.tail(2) == "line 9998\nline 9999\n"


def test_a_log_with_fewer_lines_is_returned_whole(log: LogRef, costs: Costs) -> None:
    with costs(1):
        assert log.tail(lines=4) == "~~~ Preparing\ngrößer ✓\n東京\n"


@pytest.mark.parametrize(("text", "tail"), [(b"", ""), (b"one", "one"), (b"one\ntwo", "two"), (b"one\n\n", "\n")])
def test_a_last_line_without_an_end_is_a_line(
    server: FakeBuildkite, job: JobRecord, log: LogRef, text: bytes, tail: str
) -> None:
    server.set_log(job, text)
    assert log.tail(1) == tail
    assert len(server.requests) == 1


@pytest.mark.parametrize(("length", "requests"), [(500, 1), (5_000, 2), (50_000, 3)])
def test_long_lines_take_larger_requests(
    server: FakeBuildkite, job: JobRecord, log: LogRef, length: int, requests: int
) -> None:
    lines = [f"{n:02}{'x' * length}\n" for n in range(60)]
    server.set_log(job, "".join(lines).encode())
    assert log.tail(20) == "".join(lines[-20:])
    assert [request.headers["Range"] for request in server.requests] == [
        f"bytes=-{16384 * 8**number}" for number in range(requests)
    ]


def test_lines_that_do_not_fit_into_three_requests_are_left_out_and_never_cut(
    server: FakeBuildkite, job: JobRecord, log: LogRef, costs: Costs
) -> None:
    server.set_log(job, b"".join(b"%d%s\n" % (n, b"x" * 300_000) for n in range(9)))
    with costs(3):
        assert [line[0] for line in log.tail(20).splitlines()] == ["6", "7", "8"]


def test_a_line_that_is_longer_than_three_requests_is_cut_at_its_beginning(
    server: FakeBuildkite, job: JobRecord, log: LogRef, costs: Costs
) -> None:
    server.set_log(job, "東".encode() * 1_000_000)
    with costs(3):
        assert log.tail() == "東" * (1024 * 1024 // 3)


def test_many_lines_take_a_larger_first_request(
    server: FakeBuildkite, job: JobRecord, log: LogRef, costs: Costs
) -> None:
    server.set_log(job, b"".join(b"line %d\n" % n for n in range(10_000)))
    with costs(1):
        assert log.tail(5_000).startswith("line 5000\n")


def test_lines_that_the_cursor_has_moved_up_to_are_as_in_the_whole_log(
    server: FakeBuildkite, job: JobRecord, log: LogRef
) -> None:
    layers = range(10)
    steps = [f"layer {layer}: {percent}%\x1b[K\r\n" for percent in range(101) for layer in layers]
    frames = ["".join(steps[start : start + 10]) + "\x1b[10A" for start in range(0, len(steps), 10)]
    server.set_log(job, ("pull\r\n" + "".join(frames) + "\x1b[10Bdone\r\n").encode())
    assert log.tail(12) == log.fetch().plain
    assert log.tail(4) == "layer 7: 100%\nlayer 8: 100%\nlayer 9: 100%\ndone\n"


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    parts=st.lists(st.sampled_from(["a", "long", "\r\n", "\n", "10%\r", "\x1b[31m", "\x1b[K", "\u2028", "\x07"])),
    lines=st.integers(1, 9),
)
def test_the_last_lines_are_those_of_the_whole_log(
    server: FakeBuildkite, bk: Buildkite, parts: list[str], lines: int
) -> None:
    job = server.add_build("web", jobs=1).jobs[0]
    log = bk.organization("acme").job(job.id).log()
    server.set_log(job, "".join(parts).replace("long", "東" * 3000).encode())
    shown = [line.text for line in log.fetch().lines]
    tail = log.tail(lines)
    assert log.fetch().plain.endswith(tail)
    assert tail.removesuffix("\n").split("\n") == (shown[-lines:] or [""])


@pytest.mark.parametrize("lines", [0, -1])
def test_at_least_one_line_must_be_requested(log: LogRef, costs: Costs, lines: int) -> None:
    with costs(0), pytest.raises(ValueError, match=f"lines={lines}: must be at least 1"):
        log.tail(lines)


def test_a_server_without_ranges_returns_the_same_last_lines(server: FakeBuildkite, job: JobRecord) -> None:
    server.set_log(job, b"".join(b"line %d\n" % n for n in range(10_000)))
    with server.client(http=True, transport=WithoutRanges()) as bk:
        assert bk.organization("acme").job(job.id).log().tail(2) == "line 9998\nline 9999\n"
    assert len(server.requests) == 1


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


def test_a_log_is_saved_byte_for_byte(server: FakeBuildkite, job: JobRecord, log: LogRef, tmp_path: Path) -> None:
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


def test_a_log_that_always_breaks_off_leaves_no_file(
    server: FakeBuildkite, job: JobRecord, log: LogRef, tmp_path: Path
) -> None:
    server.set_log(job, b"line\n" * 100_000)
    server.faults.add("truncate", times=None)
    with pytest.raises(ConnectionFailedError):
        log.save_to(f"{tmp_path}/new/")
    assert len(server.requests) == RetryPolicy().attempts
    assert list(tmp_path.iterdir()) == []


def test_saving_a_log_gives_up_after_the_attempts_of_the_policy(
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
