"""Ctrl-C, errors of others and interpreter shutdown, while threads wait for servers that do not respond."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import pytest

from buildkite_orm import PermissionDeniedError
from buildkite_orm.fake import FakeBuildkite, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from buildkite_orm.fake import JobRecord

BOUND: Final = 30.0  # seconds, after which a test fails instead of hanging
SOON: Final = 2.0
CONTENT: Final = bytes(range(256)) * 2000

needs_signals = pytest.mark.skipif(sys.platform == "win32", reason="processes are interrupted by signals")

# What runs in a process of its own; it says when it has begun, and how long it took to be back after Ctrl-C.
INTERRUPTED: Final = """
import signal, sys, threading, time
from buildkite_orm import Buildkite, RetryPolicy

signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in the background may ignore it
url, token, folder, case = sys.argv[1:]
bk = Buildkite(token, base_url=url, timeout=60, retry=RetryPolicy(on_wait=lambda wait: print("waits", flush=True)))
pipeline = bk.organization("acme").pipeline("web")
builds, artifacts = pipeline.builds().per_page(10), pipeline.build(1).artifacts()
cases = {
    "save_all": lambda: artifacts.save_all(folder, workers=4),
    "save_all of one worker": lambda: artifacts.save_all(folder, workers=1),
    "all": lambda: builds.all(workers=8),
    "save_to": lambda: artifacts[0].save_to(folder),
}
try:
    cases[case]()
except KeyboardInterrupt:
    print("interrupted", threading.active_count(), flush=True)
"""


class Held:
    """A clock of the fake on which every wait takes as long as the test."""

    def __init__(self) -> None:
        self.released = threading.Event()
        self._start = time.time()

    def now(self) -> float:
        """Return the time."""
        return self._start

    def monotonic(self) -> float:
        """Return the time."""
        return self._start

    def sleep(self, _seconds: float, /) -> None:
        """Wait for the end of the test."""
        self.released.wait(BOUND)

    def wait_until(self, _moment: float, /) -> None:
        """Wait for the end of the test."""
        self.released.wait(BOUND)


@contextmanager
def serving(**limits: int) -> Generator[FakeBuildkite]:
    """Serve builds and artifacts over sockets; late responses are sent at the end of the test."""
    clock = Held()
    settings = Settings(organization_limit=limits.get("organization"), user_limit=None)
    with FakeBuildkite(populate=False, settings=settings, clock=clock) as server:
        fill(server, server.add_build("web", jobs=1).jobs[0])
        server.add_builds("web", 95)
        try:
            yield server
        finally:
            clock.released.set()


def fill(server: FakeBuildkite, job: JobRecord) -> None:
    for number in range(8):
        server.add_artifact(job, f"out/{number}.bin", CONTENT[number:])


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait for something that another process or thread does."""
    tick, until = threading.Event(), time.monotonic() + BOUND
    while not condition():
        assert time.monotonic() < until, "the expected text was never printed"
        tick.wait(0.01)


def requests_with(server: FakeBuildkite, text: str) -> int:
    return sum(text in f"{request.origin} {request.line}" for request in server.requests)


@contextmanager
def running(*command: str, **environment: str) -> Generator[subprocess.Popen[str]]:
    """Run a process, which is killed where it takes too long."""
    pipe, env = subprocess.PIPE, {**os.environ, **environment}
    with subprocess.Popen([sys.executable, *command], stdout=pipe, stderr=pipe, text=True, env=env) as process:
        watchdog = threading.Timer(2 * BOUND, process.kill)
        watchdog.start()
        try:
            yield process
        finally:
            watchdog.cancel()
            process.kill()


def interrupted(server: FakeBuildkite, folder: Path, case: str, is_stuck: Callable[[], bool]) -> tuple[str, float]:
    """Run a case in a process, send it Ctrl-C once it is stuck, and return what it prints and how long it then took."""
    with running("-c", INTERRUPTED, server.url, server.token, str(folder), case) as process:
        wait_for(is_stuck)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        printed, errors = process.communicate()
        seconds = time.monotonic() - began
    assert [line for line in errors.splitlines() if not line.startswith("waiting ")] == []
    return printed.splitlines()[-1], seconds


@needs_signals
@pytest.mark.parametrize(("case", "downloads"), [("save_all", 4), ("save_all of one worker", 1), ("save_to", 1)])
@pytest.mark.parametrize("at", [0, 100_000])
def test_ctrl_c_ends_downloads_from_a_stalled_storage_within_two_seconds(
    tmp_path: Path, case: str, downloads: int, at: int
) -> None:
    with serving() as server:
        server.faults.add("stall", origin="artifacts", at=at, times=None)
        printed, seconds = interrupted(
            server, tmp_path, case, lambda: requests_with(server, "artifacts GET") >= downloads
        )
    assert printed.startswith("interrupted")
    assert seconds < SOON


@needs_signals
def test_ctrl_c_ends_save_all_that_waits_for_the_request_budget_within_two_seconds(tmp_path: Path) -> None:
    with serving(organization=4) as server:
        printed, seconds = interrupted(
            server, tmp_path, "save_all", lambda: requests_with(server, "artifacts GET") >= 3
        )
    assert printed.startswith("interrupted")
    assert seconds < SOON


@needs_signals
def test_ctrl_c_ends_all_with_workers_within_two_seconds(tmp_path: Path) -> None:
    with serving() as server:
        server.faults.add("latency", match=r"[?&]page=", times=None, seconds=60)
        printed, seconds = interrupted(server, tmp_path, "all", lambda: requests_with(server, "page=") >= 8)
    assert printed.startswith("interrupted")
    assert seconds < SOON


def test_one_403_among_pages_surfaces_at_once_while_the_others_do_not_respond() -> None:
    with serving() as server:
        server.faults.add("error", status=403, message="Not now", match=r"[?&]page=5")
        server.faults.add("latency", match=r"[?&]page=[^5]", times=None, seconds=60)
        with server.client(http=True, timeout=BOUND) as bk:
            builds, began = bk.organization("acme").pipeline("web").builds().per_page(10), time.monotonic()
            with pytest.raises(PermissionDeniedError, match="Not now"):
                builds.all(workers=8)
            assert time.monotonic() - began < SOON


# -- interpreter shutdown

LATE: Final = """
import atexit, sys, tempfile, threading
from buildkite_orm.fake import FakeBuildkite, Settings

server = FakeBuildkite(populate=False, settings=Settings(organization_limit=None, user_limit=None))
job = server.add_build("web", jobs=1).jobs[0]
server.set_log(job, b"line\\n" * 1000)
for number in range(4):
    server.add_artifact(job, f"{number}.bin", 3_000_000)
server.add_builds("web", 250)

def use():
    bk, folder = server.client(), tempfile.mkdtemp()
    pipeline = bk.organization("acme").pipeline("web")
    server.faults.add("error", status=503, times=1)
    print(len(pipeline.builds().per_page(50).all(workers=8)))
    artifacts = pipeline.build(1).artifacts()
    server.faults.add("error", status=503, times=1, origin="artifacts")
    print(len(artifacts.save_all(folder, workers=4).saved))
    print(artifacts[0].save_to(f"{folder}/one").stat().st_size, len(artifacts[1].download()))
    with artifacts[2].open() as file:
        print(len(file.read()))
    print(bk.organization("acme").job(job.id).log().save_to(f"{folder}/log").stat().st_size)
    server.faults.add("error", status=404, origin="artifacts", times=None)
    try:
        artifacts[3].save_to(f"{folder}/none")
    except Exception as error:
        print(type(error).__name__)

def use_after_main():
    threading.main_thread().join()
    use()

if sys.argv[1] == "atexit":
    atexit.register(use)
else:
    threading.Thread(target=use_after_main).start()
"""


@pytest.mark.parametrize("when", ["atexit", "a thread that outlives the main thread"])
def test_downloads_all_and_save_all_work_at_interpreter_shutdown(tmp_path: Path, when: str) -> None:
    with running("-W", "error", "-c", LATE, when, TMPDIR=str(tmp_path)) as process:
        printed, errors = process.communicate()
    assert errors == ""
    assert printed.split() == ["251", "4", "3000000", "3000000", "3000000", "5000", "DownloadError"]
