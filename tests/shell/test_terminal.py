"""The shell as a person has it: through a real terminal, with IPython and without."""

from __future__ import annotations

import os
import signal
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyte
import pytest
import requests

import buildkite_orm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from buildkite_orm.fake import FakeBuildkite

PLACE = Path(buildkite_orm.__file__).parents[1]
OUTPUT_SECONDS = 20
CLEAR = "\x15"  # Ctrl-U
CTRL_D = "\x04"


@pytest.fixture(autouse=True)
def _no_sleep() -> None:
    """Nothing sleeps here but pexpect, for a moment, before it lets a process go."""


class Terminal:
    """A terminal of 110 columns, in which a program runs."""

    def __init__(self, arguments: list[str], environment: dict[str, str]) -> None:
        spawn: Any = import_module("pexpect").spawn
        self.child = spawn(
            sys.executable,
            ["-m", "buildkite_orm", *arguments],
            cwd=str(PLACE),
            env=environment,
            dimensions=(40, 110),
            encoding="utf-8",
            timeout=OUTPUT_SECONDS,
        )
        self.child.delaybeforesend = None
        self.child.ptyproc.delayafterclose = 0
        self._screen: Any = pyte.Screen(110, 40)
        setattr(self._screen, "write_process_input", self.child.send)  # noqa: B010 - reports the cursor position on request
        self._stream: Any = pyte.Stream(self._screen)

    @property
    def text(self) -> str:
        """The text on the screen."""
        return "\n".join(line.rstrip() for line in self._screen.display).rstrip()

    def press(self, keys: str, until: str, *others: str) -> str:
        """Press keys, and wait until the screen shows the result."""
        self.child.send(keys)
        return self.see(until, *others)

    def see(self, *texts: str) -> str:
        """Wait until the screen has all of these."""
        while any(text not in self.text for text in texts):
            try:
                self._stream.feed(self.child.read_nonblocking(4096, timeout=OUTPUT_SECONDS))
            except Exception as error:
                raise AssertionError(f"no {texts} on the screen:\n{self.text}") from error
        return self.text

    def leave(self, keys: str) -> int:
        """Press keys, and give the status with which the program ends."""
        self.child.send(keys)
        end = import_module("pexpect").EOF
        self.child.expect(end)
        self._stream.feed(self.child.before)
        self.child.close()
        status: int = self.child.exitstatus
        return status


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    """Open terminals with an empty home directory; without an account unless the environment has one."""
    open_brackets: list[Terminal] = []

    def open_one(*arguments: str, **environment: str) -> Terminal:
        home = {"HOME": str(tmp_path), "IPYTHONDIR": str(tmp_path / "ipython"), "TERM": "xterm-256color"}
        others = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES"}}
        open_brackets.append(Terminal(list(arguments), {**others, **home, **environment}))
        return open_brackets[-1]

    yield open_one
    for each in open_brackets:
        each.child.close(force=True)


def without_ipython(tmp_path: Path) -> str:
    """Return a folder for PYTHONPATH that hides IPython."""
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['IPython'] = None\n")
    return str(tmp_path)


def account(server: FakeBuildkite) -> dict[str, str]:
    server.settings.user_limit, server.settings.organization_limit = 50, 200
    return {"BUILDKITE_API_TOKEN": server.token, "BUILDKITE_REST_API_ENDPOINT": server.url}


# -- IPython


def test_completion_in_the_demo_sends_no_request(terminal: Callable[..., Terminal], tmp_path: Path) -> None:
    shell = terminal("shell", "--demo")
    shown = shell.see("In [1]:", "bk: ", "scopes: ", "requests left: ")
    assert "bk: Ada Lovelace <ada@acme.example> at https://api.buildkite.com, org acme\n" in shown
    assert "\nrequests left: 48 of 50 (user, resets in 61 s), 199 of 200 (acme, resets in 61 s)\n" in shown
    shell.press("org.pipel\t", "pipeline_templates", "pipelines")
    shell.press(f"{CLEAR}org.pipelines()[0].default_b\t", "org.pipelines()[0].default_branch")
    shell.press(f"{CLEAR}org.builds(sta\t", "org.builds(state=")
    shell.press("\t", '"canceling"', '"passed"')
    shell.press("runn\t", 'org.builds(state="running')
    shell.press(f"{CLEAR}org.builds(state=BuildState.RUNN\t", "BuildState.RUNNING")
    shell.press(f"{CLEAR}bk.session.budgets()[0].remaining\r", "Out[1]: 48", "In [2]:")
    shell.press("org.pipelines()[0].slug\r", "Out[2]: 'web'", "In [3]:")
    shell.press("%who\r", "bk       org", "In [4]:")
    assert "AccessToken" not in shell.text
    shell.press("org.teams?\r", "OrganizationRef.teams(*, user_id=…) -> TeamQuerySet", "user_id: str", "In [5]:")
    shell.press("org.teams??\r", "return TeamQuerySet(", "In [6]:")
    assert shell.leave("exit\r") == 0
    assert (tmp_path / "ipython" / "profile_default" / "history.sqlite").exists()
    assert "Traceback" not in shell.text


def test_early_input_waits_for_the_namespace(terminal: Callable[..., Terminal]) -> None:
    shell = terminal("shell", "--demo")
    shell.child.send("print(org, BuildState.PASSED)\r")
    shown = shell.see("OrganizationRef(acme) passed", "In [2]:")
    assert "NameError" not in shown
    shell.press(CTRL_D, "exit ([y]/n)?")
    assert shell.leave("y\r") == 0
    assert "Traceback" not in shell.text


def test_an_account_costs_a_request_and_its_token_is_never_shown(
    terminal: Callable[..., Terminal], server: FakeBuildkite, tmp_path: Path
) -> None:
    shell = terminal("shell", **account(server))
    shell.see("In [1]:", "requests left: 49 of 50")
    assert [request.line for request in server.requests] == ["GET /v2/access-token"]
    shell.press("%whos\r", "Buildkite", "In [2]:")
    shell.press("bk.session, vars(bk.session)\r", "Out[2]:", "In [3]:")
    shell.press("org\r", "NameError", "In [4]:")
    assert shell.leave("exit\r") == 0
    assert server.token not in shell.text
    history = tmp_path / "ipython" / "profile_default" / "history.sqlite"
    assert server.token.encode() not in history.read_bytes()


@pytest.mark.parametrize("simple", [False, True])
def test_a_server_that_cannot_be_reached_does_not_prevent_the_prompt(
    terminal: Callable[..., Terminal],
    tmp_path: Path,
    simple: bool,  # noqa: FBT001 - a case
) -> None:
    profile = tmp_path / "ipython" / "profile_default"
    profile.mkdir(parents=True)
    (profile / "ipython_config.py").write_text(f"c.TerminalInteractiveShell.simple_prompt = {simple}\n")
    environment = {"BUILDKITE_API_TOKEN": "bkua_1", "BUILDKITE_REST_API_ENDPOINT": "http://127.0.0.1:9"}
    shell = terminal("shell", BUILDKITE_ORGANIZATION_SLUG="acme", **environment)
    shell.see("In [1]:", "ConnectionFailedError: ")
    shell.press("org\r", "OrganizationRef(acme)", "In [2]:")
    assert shell.leave("exit\r") == 0


# -- the plain REPL


def test_the_plain_repl_has_the_same_names_and_completion(terminal: Callable[..., Terminal]) -> None:
    shell = terminal("shell", "--demo", "--plain")
    shown = shell.see("bk: Ada", "scopes: ", "requests left: 48 of 50", ">>>")
    assert "pip install" not in shown
    shell.press("org.pipelin\t\t\t", "org.pipeline_templates", "org.pipelines")
    shell.press(f"{CLEAR}org.pipelines()[0].default_b\t", "org.pipelines()[0].default_branch")
    shell.press(f"{CLEAR}org.builds(sta\t", "org.builds(state=")
    shell.press('"runn\t', 'org.builds(state="running')
    shell.press(f"{CLEAR}BuildStat\t", "BuildState")
    shell.press(f"{CLEAR}bk.session.budgets()[0].remaining\r", "\n48\n>>>")
    assert shell.leave(CTRL_D) == 0
    assert "Traceback" not in shell.text


def test_without_ipython_the_plain_repl_is_used_with_a_note(
    terminal: Callable[..., Terminal], server: FakeBuildkite, tmp_path: Path
) -> None:
    environment = {**account(server), "BUILDKITE_API_TOKEN": server.make_token("read_builds")}
    lacking = {"PYTHONPATH": without_ipython(tmp_path), "BUILDKITE_ORGANIZATION_SLUG": "acme"}
    shell = terminal("shell", **environment, **lacking)
    shell.see("the plain REPL; for IPython: pip install 'buildkite_orm[shell]'\nbk: Ada", ">>>")
    shell.see("org acme: PermissionDeniedError", "scopes: read_builds", "requests left: 48 of 50")
    assert len(server.requests) == 2
    shell.press("help(org.builds)\r", "OrganizationRef.builds(*, state=…, branch=…")
    assert shell.leave(f"q{CTRL_D}") == 0


# -- serve


def test_serve_prints_the_environment_and_stops_on_a_signal(terminal: Callable[..., Terminal]) -> None:
    served = terminal("serve", "--port", "0")
    served.see("export BUILDKITE_REST_API_ENDPOINT=http://127.0.0.1:", "export BUILDKITE_API_TOKEN=bkua_")
    values = dict(line.removeprefix("export ").split("=", 1) for line in served.text.splitlines())
    response = requests.get(
        f"{values['BUILDKITE_REST_API_ENDPOINT']}/v2/organizations/acme/pipelines",
        headers={"Authorization": f"Bearer {values['BUILDKITE_API_TOKEN']}"},
        timeout=30,
    )
    assert response.json()[0]["slug"] == "web"
    served.child.kill(signal.SIGTERM)
    assert served.leave("") == 0
    assert "Traceback" not in served.text
