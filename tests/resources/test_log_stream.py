"""Search in a log while it is loading, and following the log of a running job."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm import (
    Buildkite,
    ConnectionFailedError,
    LogLine,
    NotFoundError,
    PermissionDeniedError,
    ResponseError,
    RetryPolicy,
)
from buildkite_orm.fake import CommandStep, FakeBuildkite, Settings
from buildkite_orm.fake.requests_adapter import LocalAdapter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from requests import PreparedRequest, Response

    from buildkite_orm import LogRef
    from buildkite_orm.fake import JobRecord
    from tests.conftest import Costs

LINES = [f"\x1b_bk;t={1785585600000 + number}\x07\x1b[32mline\x1b[0m {number} größe 東京" for number in range(20_000)]
LONG = "".join(f"{line}\r\n" for line in LINES).encode()


@pytest.fixture
def running_job(server: FakeBuildkite) -> JobRecord:
    return server.add_build("web", state="running", jobs=[{"name": "Test", "state": "running"}]).jobs[0]


@pytest.fixture
def log(bk: Buildkite, running_job: JobRecord) -> LogRef:
    return bk.organization("acme").job(running_job.id).log()


def texts(lines: Iterator[LogLine]) -> list[str]:
    return [line.text for line in lines]


# -- search


def test_a_search_is_one_request_and_matches_rendered_text(
    server: FakeBuildkite, running_job: JobRecord, log: LogRef, costs: Costs
) -> None:
    server.set_log(running_job, LONG)
    with costs(1):
        (found,) = log.search("^line 19999 größe", context=1)
    assert (found.number, found.before[0].text, found.after) == (20_000, "line 19998 größe 東京", ())
    assert server.requests[-1].headers["Accept"] == "text/plain"


def test_a_search_finds_the_same_as_in_the_fetched_log(
    server: FakeBuildkite, running_job: JobRecord, log: LogRef
) -> None:
    server.set_log(running_job, b"--- a\r\n" + LONG + b"one\ntwo\n\x1b[2Aerror\x1b[K\n\nerr\ror\xff\n\xe6\x9d")
    pattern = re.compile(r"line 1999\d|^error|or\ufffd|\ufffd$")
    streamed, fetched = (list(map(str, search(pattern, context=2))) for search in (log.search, log.fetch().search))
    assert len(streamed) == 13
    assert streamed == fetched


def test_an_abandoned_search_releases_its_connection(
    server: FakeBuildkite, running_job: JobRecord, costs: Costs
) -> None:
    server.set_log(running_job, LONG)
    with server.client(http=True) as bk, costs(1):
        search = bk.organization("acme").job(running_job.id).log().search("line")
        assert next(search).number == 1


def test_a_search_sends_no_request_before_the_first_match_is_read(log: LogRef, costs: Costs) -> None:
    with costs(0):
        log.search("x")


@pytest.mark.parametrize("kind", ["reset_mid_body", "truncate", "reset_after_headers"])
def test_a_search_continues_after_a_broken_connection(
    server: FakeBuildkite, running_job: JobRecord, log: LogRef, kind: Any
) -> None:
    server.set_log(running_job, LONG)
    server.faults.add(kind)
    assert [match.number for match in log.search("line")] == list(range(1, 20_001))
    first, *rest = server.requests
    assert "Range" not in first.headers
    if kind != "reset_after_headers":
        size, end = rest
        assert size.method == "HEAD"
        assert int(end.headers["Range"].removeprefix("bytes=-")) < len(LONG)


def test_a_search_gives_up_after_the_attempts_of_the_policy(
    server: FakeBuildkite, running_job: JobRecord, log: LogRef
) -> None:
    server.set_log(running_job, LONG)
    server.faults.add("reset_after_headers", times=None)
    with pytest.raises(ConnectionFailedError):
        list(log.search("line"))
    assert len(server.requests) == RetryPolicy().attempts


def test_a_rest_of_a_log_that_is_shorter_than_its_range_is_requested_again(
    server: FakeBuildkite, running_job: JobRecord, log: LogRef
) -> None:
    """The connection breaks, and the rest is cut with a matching `Content-Length`, as by a proxy."""
    server.set_log(running_job, LONG)
    server.faults.add("reset_mid_body")
    server.faults.add("cut_json", after=1, at=1000, match="^GET .*/log")
    assert len(list(log.search("^line"))) == len(LINES)
    first, second = [int(request.headers["Range"][7:]) for request in server.requests if "Range" in request.headers]
    assert 1000 < second + 1000 == first < len(LONG)


def test_a_search_without_the_scope_raises(server: FakeBuildkite, running_job: JobRecord) -> None:
    with server.client(token=server.make_token("read_builds")) as bk, pytest.raises(PermissionDeniedError):
        list(bk.organization("acme").job(running_job.id).log().search("x"))


# -- follow


class Writer:
    """Writes a log during a wait."""

    def __init__(self, server: FakeBuildkite, job: JobRecord) -> None:
        self._server = server
        self._job = job
        server.set_log(job, b"")

    def at(self, seconds: float, text: str | bytes, *, anew: bool = False) -> None:
        """Add to the log some seconds from now, or write it anew."""
        more = text.encode() if isinstance(text, str) else text
        self.do(seconds, lambda: self._server.set_log(self._job, (b"" if anew else self._job.log or b"") + more))

    def end(self, seconds: float, state: str = "passed") -> None:
        """Finish the job some seconds from now."""

        def happen() -> None:
            self._job.state, self._job.finished_at = state, self._server.context.lifecycle.now

        self.do(seconds, happen)

    def do(self, seconds: float, happen: Callable[[], None]) -> None:
        """Run an action some seconds from now."""
        self._server.context.lifecycle.at(self._server.clock.now() + seconds, happen)


@pytest.fixture
def writer(server: FakeBuildkite, running_job: JobRecord) -> Writer:
    return Writer(server, running_job)


def ranges(server: FakeBuildkite) -> list[int]:
    """Return the numbers of bytes in the suffix ranges that were requested."""
    headers = [request.headers.get("Range", "") for request in server.requests]
    return [int(each.removeprefix("bytes=-")) for each in headers if each]


def wholes(server: FakeBuildkite) -> int:
    """Count the requests for the whole log."""
    return sum(r.method == "GET" and r.path.endswith("/log") and "Range" not in r.headers for r in server.requests)


def test_a_log_is_followed_to_the_end_of_its_job(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_pipeline("web", steps=[CommandStep(command="make", duration=100)])
    build = bk.organization("acme").pipeline("web").builds().create(commit="HEAD", branch="main")
    log = build.jobs()[0].log()
    lines = list(log.follow())
    assert lines == log.fetch().lines
    assert len(lines) > 10
    assert bk.organization("acme").pipeline("web").build(build.number).fetch().state == "passed"


def test_received_bytes_are_not_requested_again(server: FakeBuildkite, writer: Writer, log: LogRef) -> None:
    for number in range(50):
        writer.at(number * 7, f"line {number}\r\n" * 10)
    writer.end(400)
    lines = texts(log.follow())
    assert lines == [f"line {number}" for number in range(50) for _ in range(10)]
    assert wholes(server) == 1
    assert sum(ranges(server)) < log.fetch_size()


def test_lines_arrive_while_the_job_runs(
    server: FakeBuildkite, writer: Writer, log: LogRef, running_job: JobRecord
) -> None:
    writer.at(0, "first\r\n")
    writer.at(60, "second\r\n")
    writer.end(1000)
    follow = log.follow()
    assert next(follow).text == "first"
    began = server.clock.now()
    assert next(follow).text == "second"
    assert 60 <= server.clock.now() - began <= 60 + 30
    assert running_job.state == "running"


def test_a_line_is_yielded_when_it_is_complete(writer: Writer, log: LogRef) -> None:
    writer.at(0, "\x1b_bk;t=1785585600000\x07--- :x: Bu")
    writer.at(10, "ild\r\n10%\r50")
    writer.at(20, "%\r100%\x1b[")
    writer.at(30, "K \x1b[32mok\x1b[0m")
    writer.at(40, b"\r\n\xe6\x9d")
    writer.at(50, b"\xb1 \xff and no end")
    writer.end(60)
    lines = list(log.follow())
    assert [line.text for line in lines] == ["--- :x: Build", "100% ok", "東 \ufffd and no end"]
    assert [line.group for line in lines] == [":x: Build"] * 3
    assert lines[0].timestamp is not None


def test_lines_sent_after_the_end_of_the_job_are_not_lost(writer: Writer, log: LogRef) -> None:
    writer.at(0, "running\n")
    writer.end(10)
    writer.at(13, "the end\n")
    assert texts(log.follow()) == ["running", "the end"]


@pytest.mark.parametrize("state", ["passed", "failed", "canceled", "timed_out"])
def test_the_log_of_a_job_that_has_ended_long_ago_ends_at_once(
    server: FakeBuildkite, writer: Writer, log: LogRef, state: str, costs: Costs
) -> None:
    writer.at(0, "done\n")
    writer.end(0, state)
    server.run(100)
    began = server.clock.now()
    with costs(3):
        assert texts(log.follow()) == ["done"]
    assert server.clock.now() == began


@pytest.mark.parametrize("state", ["scheduled", "assigned", "limited", "canceling", "timing_out", "brand-new"])
def test_a_job_that_has_not_ended_is_waited_for(
    writer: Writer, log: LogRef, running_job: JobRecord, state: str
) -> None:
    running_job.state = state
    writer.at(500, "at last\n")
    writer.end(501)
    assert texts(log.follow()) == ["at last"]


def test_a_log_that_is_deleted_and_written_anew_is_read_from_its_beginning(writer: Writer, log: LogRef) -> None:
    writer.at(0, "one\ntwo\nthr")
    writer.at(20, "", anew=True)
    writer.at(60, "new\n")
    writer.end(80)
    assert texts(log.follow()) == ["one", "two", "new"]


def test_a_log_that_gets_shorter_is_a_new_one(writer: Writer, log: LogRef) -> None:
    writer.at(0, "one\ntwo\nthree\n")
    writer.at(20, "1\n2\n", anew=True)
    writer.end(80)
    assert texts(log.follow()) == ["one", "two", "three", "1", "2"]


def test_a_missing_log_ends_with_its_job(server: FakeBuildkite, writer: Writer, log: LogRef) -> None:
    writer.at(0, "one\n")
    writer.do(20, lambda: gone(server))
    writer.end(80)
    assert texts(log.follow()) == ["one"]


def gone(server: FakeBuildkite) -> None:
    server.faults.add("error", status=404, match=r"/log$", times=None)


def test_a_missing_job_is_an_error(server: FakeBuildkite, writer: Writer, log: LogRef) -> None:
    writer.at(0, "one\n")
    writer.do(20, lambda: server.faults.rules.append(server.faults.add("error", status=404, times=None)))
    follow = log.follow()
    assert next(follow).text == "one"
    with pytest.raises(NotFoundError):
        next(follow)


def test_only_commands_have_a_log_to_follow(server: FakeBuildkite, bk: Buildkite) -> None:
    wait = server.add_build("web", state="running", jobs=[{"type": "waiter"}]).jobs[0]
    with pytest.raises(NotFoundError):
        next(bk.organization("acme").job(wait.id).log().follow())


@pytest.mark.parametrize("kind", ["reset_mid_body", "truncate", "html", "reset_before"])
def test_a_broken_connection_neither_loses_nor_repeats_lines(
    server: FakeBuildkite, writer: Writer, log: LogRef, kind: Any
) -> None:
    for number in range(0, 100, 10):
        writer.at(number, "".join(f"line {number} {part}\r\n" for part in range(5000)))
    writer.end(120)
    server.faults.add(kind, match=r"^GET .*/log$", times=3, after=1)
    expected = [f"line {number} {part}" for number in range(0, 100, 10) for part in range(5000)]
    assert texts(log.follow()) == expected


class Between(LocalAdapter):
    """Runs a callback before each request for the end of a log."""

    def __init__(self, server: FakeBuildkite, happen: Iterator[Callable[[], None]]) -> None:
        super().__init__(server._app)  # pyright: ignore[reportPrivateUsage]
        self._happen = happen

    def send(self, request: PreparedRequest, *args: Any, **options: Any) -> Response:
        if "Range" in request.headers:
            next(self._happen, lambda: None)()
        return super().send(request, *args, **options)


def test_a_log_that_grows_between_two_requests_has_no_gap(
    server: FakeBuildkite, writer: Writer, running_job: JobRecord
) -> None:
    def grow(lines: int) -> Callable[[], None]:
        return lambda: server.set_log(
            running_job, (running_job.log or b"") + b"".join(b"more %d\n" % n for n in range(lines))
        )

    writer.at(0, "start\n")
    writer.at(20, "go on\n")
    writer.end(60)
    with server.client(transport=Between(server, iter([grow(3), grow(5), grow(400)]))) as bk:
        lines = texts(bk.organization("acme").job(running_job.id).log().follow())
    assert lines == ["start", "go on", *(f"more {number}" for count in (3, 5, 400) for number in range(count))]


def test_a_log_that_is_cut_between_two_requests_is_a_new_one(
    server: FakeBuildkite, writer: Writer, running_job: JobRecord
) -> None:
    writer.at(0, "start\n")
    writer.at(20, "go on\n")
    writer.end(60)
    cut = iter([lambda: server.set_log(running_job, b""), lambda: None])
    with server.client(transport=Between(server, cut)) as bk:
        assert texts(bk.organization("acme").job(running_job.id).log().follow()) == ["start"]


class WithoutRanges(LocalAdapter):
    """An adapter to a server without ranges."""

    def send(self, request: PreparedRequest, *args: Any, **options: Any) -> Response:
        request.headers.pop("Range", None)
        return super().send(request, *args, **options)


def test_a_server_without_ranges_yields_the_same_lines(
    server: FakeBuildkite, writer: Writer, running_job: JobRecord
) -> None:
    for number in range(5):
        writer.at(number * 20, f"line {number}\n")
    writer.end(120)
    with server.client(transport=WithoutRanges(server._app)) as bk:  # pyright: ignore[reportPrivateUsage]
        lines = texts(bk.organization("acme").job(running_job.id).log().follow())
    assert lines == [f"line {number}" for number in range(5)]


class WithoutContentRange(LocalAdapter):
    """An adapter to a server that sends no Content-Range."""

    def send(self, request: PreparedRequest, *args: Any, **options: Any) -> Response:
        response = super().send(request, *args, **options)
        response.headers.pop("Content-Range", None)
        return response


def test_a_partial_response_without_content_range_is_an_error(
    server: FakeBuildkite, writer: Writer, running_job: JobRecord
) -> None:
    writer.at(0, "start\n")
    writer.at(20, "go on\n")
    with server.client(transport=WithoutContentRange(server._app)) as bk:  # pyright: ignore[reportPrivateUsage]
        follow = bk.organization("acme").job(running_job.id).log().follow()
        assert next(follow).text == "start"
        with pytest.raises(ResponseError, match="without Content-Range"):
            next(follow)


def test_a_quiet_log_is_polled_less_often_until_it_grows(server: FakeBuildkite, writer: Writer, log: LogRef) -> None:
    writer.at(600, "busy\n")
    writer.end(610)
    assert texts(log.follow(every=5)) == ["busy"]
    looks = sum(request.method == "HEAD" for request in server.requests)
    assert 600 / 30 <= looks <= 600 / 30 + 12


def test_a_follow_uses_only_a_part_of_the_budget() -> None:
    settings = Settings(organization_limit=None, user_limit=20)
    with FakeBuildkite(populate=False, settings=settings) as server, server.client() as bk:
        job = server.add_build("web", state="running", jobs=[{"name": "Test", "state": "running"}]).jobs[0]
        writer = Writer(server, job)
        for number in range(600):
            writer.at(number, f"line {number}\n")
        writer.end(605)
        began = server.clock.now()
        follow = bk.organization("acme").job(job.id).log().follow(every=0.5)
        assert texts(follow) == [f"line {number}" for number in range(600)]
        assert {request.status for request in server.requests} <= {200, 206}
        minutes = (server.clock.now() - began) / 60
        assert len(server.requests) / minutes <= 0.9 * 20


def test_several_follow_in_one_budget() -> None:
    with FakeBuildkite(populate=False) as server, server.client() as bk:
        jobs = server.add_build("web", state="running", jobs=[{"name": n, "state": "running"} for n in "ab"]).jobs
        for job in jobs:
            writer = Writer(server, job)
            for number in range(300):
                writer.at(number, f"{job.name} {number}\n")
            writer.end(300)
        follows = [bk.organization("acme").job(job.id).log().follow(every=1) for job in jobs]
        lines = list(itertools.chain.from_iterable(itertools.zip_longest(*follows)))
        assert len(lines) == 600
        assert 429 not in {request.status for request in server.requests}


@pytest.mark.parametrize("every", [0, -1, float("nan")])
def test_an_invalid_interval_is_refused_at_once(log: LogRef, costs: Costs, every: float) -> None:
    with costs(0), pytest.raises(ValueError, match="must be more than 0 seconds"):
        log.follow(every=every)


def test_an_abandoned_follow_sends_no_more_requests(
    server: FakeBuildkite, writer: Writer, log: LogRef, bk: Buildkite
) -> None:
    writer.at(0, "one\ntwo\n")
    for line in log.follow():
        assert line.text == "one"
        break
    before = len(server.requests)
    server.run(100)
    assert len(server.requests) == before
    assert bk.user().id


def test_a_log_is_followed_over_real_sockets(server: FakeBuildkite, writer: Writer, running_job: JobRecord) -> None:
    for number in range(5):
        writer.at(number * 20, f"line {number}\n")
    writer.end(120)
    with server.client(http=True) as bk:
        assert texts(bk.organization("acme").job(running_job.id).log().follow()) == [
            f"line {number}" for number in range(5)
        ]
