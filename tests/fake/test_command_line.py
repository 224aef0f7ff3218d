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
from typing import TYPE_CHECKING, Any

import pytest
import requests

import buildkite_orm.fake
from buildkite_orm.fake.__main__ import main

if TYPE_CHECKING:
    from collections.abc import Iterator

PLACE = Path(buildkite_orm.fake.__file__).parents[2]


def get(endpoint: str, path: str, token: str) -> requests.Response:
    headers = {"Authorization": f"Bearer {token}", "User-Agent": "fake-tests/1"}
    return requests.get(f"{endpoint}/v2{path}", headers=headers, timeout=30)


def exported(text: str) -> dict[str, str]:
    """Return the variables that a text exports."""
    lines = [line.removeprefix("export ").partition("=") for line in text.splitlines()]
    return {name: value for name, _, value in lines}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_prints_the_variables_to_export_serves_and_ends_cleanly(number: signal.Signals) -> None:
    command = [sys.executable, "-m", "buildkite_orm.fake", "--port", "0"]
    with subprocess.Popen(command, cwd=PLACE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        values = exported("".join(process.stdout.readline() for _ in range(5)))
        assert list(values) == [
            "BUILDKITE_REST_API_ENDPOINT",
            "BUILDKITE_API_TOKEN",
            "BUILDKITE_ORGANIZATION_SLUG",
            "BUILDKITE_FAKE_CONTROL_URL",
            "BUILDKITE_FAKE_CONTROL_TOKEN",
        ]
        endpoint, token = values["BUILDKITE_REST_API_ENDPOINT"], values["BUILDKITE_API_TOKEN"]
        assert endpoint.startswith("http://127.0.0.1:")
        assert token.startswith("bkua_")
        builds = get(endpoint, f"/organizations/{values['BUILDKITE_ORGANIZATION_SLUG']}/builds?state=running", token)
        assert builds.json()[0]["url"].startswith(f"{endpoint}/v2/")
        process.send_signal(number)
        rest, errors = process.communicate()
    assert (process.returncode, rest, errors) == (0, "", "")


def test_other_programs_find_warnings_on_standard_error_each_time() -> None:
    command = [sys.executable, "-m", "buildkite_orm.fake", "--port", "0", "--empty", "--run-commands"]
    with subprocess.Popen(command, cwd=PLACE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        values = exported("".join(process.stdout.readline() for _ in range(5)))
        headers = {"Authorization": f"Bearer {values['BUILDKITE_FAKE_CONTROL_TOKEN']}"}
        control, body = values["BUILDKITE_FAKE_CONTROL_URL"], {"slug": "app", "configuration": "[{plugins: [a#v1]}]"}
        for _ in range(2):
            url = f"{control}/organizations/acme/pipelines"
            requests.post(url, headers=headers, json=body, timeout=30).raise_for_status()
            requests.post(f"{control}/reset", headers=headers, timeout=30).raise_for_status()
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate()
    assert errors.count("the fake does not simulate these parts of the pipeline app: plugins (command)") == 2


class Screen(io.StringIO):
    """A standard output that sends SIGTERM to the process at its first flush."""

    flushed = False

    def flush(self) -> None:
        if not self.flushed:
            self.flushed = True
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.fixture
def _handlers() -> Iterator[None]:
    """Restore the signal handlers at the end."""
    kept = [(number, signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM)]
    yield
    for number, handler in kept:
        signal.signal(number, handler)


@pytest.mark.usefixtures("_handlers")
@pytest.mark.parametrize("options", [[], ["--empty"], ["--builds", "5", "--no-limits", "--seed", "3"]])
def test_it_takes_options(options: list[str]) -> None:
    with redirect_stdout(Screen()) as screen:
        assert main(["--port", "0", *options]) == 0
    assert len(screen.getvalue().splitlines()) == 5


@pytest.mark.usefixtures("_handlers")
def test_the_control_api_moves_a_manual_clock_from_another_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUILDKITE_FAKE_CONTROL_TOKEN", "chosen-by-me")
    moved: list[requests.Response] = []

    class Client(Screen):
        def flush(self) -> None:
            values = exported(self.getvalue())
            headers = {"Authorization": "Bearer chosen-by-me"}
            url = f"{values['BUILDKITE_FAKE_CONTROL_URL']}/clock"
            moved.append(requests.post(url, json={"advance": 60}, headers=headers, timeout=30))
            super().flush()

    with redirect_stdout(Client()):
        assert main(["--port", "0", "--empty", "--clock", "manual"]) == 0
    assert moved[0].json() == {"now": "2026-08-01T12:01:00.000Z", "speed": None}


@pytest.mark.usefixtures("_handlers")
def test_another_program_finds_the_given_seed_speed_and_scopes(tmp_path: Path) -> None:
    seed = tmp_path / "world.yaml"
    seed.write_text("organizations: [{slug: acme, pipelines: [{slug: app, builds: [{branch: x}]}]}]")
    found: list[Any] = []

    class Client(Screen):
        def flush(self) -> None:
            values = exported(self.getvalue())
            endpoint, token = values["BUILDKITE_REST_API_ENDPOINT"], values["BUILDKITE_API_TOKEN"]
            headers = {"Authorization": f"Bearer {values['BUILDKITE_FAKE_CONTROL_TOKEN']}"}
            control = values["BUILDKITE_FAKE_CONTROL_URL"]
            requests.post(f"{control}/reset", headers=headers, timeout=30).raise_for_status()
            found.extend(build["branch"] for build in get(endpoint, "/organizations/acme/builds", token).json())
            found.append(get(endpoint, "/user", token).status_code)
            found.append(requests.get(f"{control}/clock", headers=headers, timeout=30).json()["speed"])
            super().flush()

    options = ["--seed-file", str(seed), "--clock", "60x", "--token-scopes", "read_builds, read_pipelines"]
    with redirect_stdout(Client()):
        assert main(["--port", "0", *options]) == 0
    assert found[:3] == ["x", 403, 60.0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--clock", "fast"], "'fast' is not a speed from 0x to 10000x, such as 60x, or manual"),
        (["--clock", "20000x"], "'20000x' is not a speed"),
        (["--clock", "nanx"], "'nanx' is not a speed"),
        (["--token-scopes", "read_bulds"], "no scope read_bulds; choose from read_accounts, read_agents"),
        (["--seed-file", "/nowhere/world.yaml"], "/nowhere/world.yaml: No such file or directory"),
        (["--control-token", "short"], "the control token must have at least 8 characters"),
    ],
)
def test_options_that_are_wrong_are_named(capsys: pytest.CaptureFixture[str], options: list[str], message: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--empty", "--port", "0", *options])
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


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
