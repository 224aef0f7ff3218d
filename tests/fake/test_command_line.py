"""`python -m buildkite_orm.fake`."""

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests

import buildkite_orm.fake
from buildkite_orm.fake.__main__ import main

if TYPE_CHECKING:
    from collections.abc import Iterator

PLACE = Path(buildkite_orm.fake.__file__).parents[2]


def ask(endpoint: str, path: str, token: str) -> requests.Response:
    headers = {"Authorization": f"Bearer {token}", "User-Agent": "fake-tests/1"}
    return requests.get(f"{endpoint}/v2{path}", headers=headers, timeout=30)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_prints_two_lines_serves_and_ends_in_order(number: signal.Signals) -> None:
    command = [sys.executable, "-m", "buildkite_orm.fake", "--port", "0"]
    with subprocess.Popen(command, cwd=PLACE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first, second = process.stdout.readline(), process.stdout.readline()
        assert first.startswith("export BUILDKITE_REST_API_ENDPOINT=http://127.0.0.1:")
        assert second.startswith("export BUILDKITE_API_TOKEN=bkua_")
        endpoint, token = (line.strip().partition("=")[2] for line in (first, second))
        builds = ask(endpoint, "/organizations/acme/pipelines/web/builds?state=running", token)
        assert builds.json()[0]["url"].startswith(f"{endpoint}/v2/")
        process.send_signal(number)
        rest, errors = process.communicate()
    assert (process.returncode, rest, errors) == (0, "", "")


class Screen(io.StringIO):
    """What is written to; at the first flush, who wrote is asked to end."""

    flushed = False

    def flush(self) -> None:
        if not self.flushed:
            self.flushed = True
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.fixture
def _handlers() -> Iterator[None]:
    """Put the handlers of signals back in the end."""
    kept = [(number, signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM)]
    yield
    for number, handler in kept:
        signal.signal(number, handler)


@pytest.mark.usefixtures("_handlers")
@pytest.mark.parametrize("options", [[], ["--empty"], ["--builds", "5", "--no-limits", "--seed", "3"]])
def test_it_takes_options(options: list[str]) -> None:
    with redirect_stdout(Screen()) as screen:
        assert main(["--port", "0", *options]) == 0
    assert len(screen.getvalue().splitlines()) == 2


def test_it_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert "--no-limits" in capsys.readouterr().out


def test_a_port_that_is_in_use_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(SystemExit):
            main(["--empty", "--port", str(port)])
    assert f"cannot listen on 127.0.0.1:{port}: " in capsys.readouterr().err
