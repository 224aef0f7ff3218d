"""`buildkite-orm`: its commands, and how they end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import buildkite_orm
from buildkite_orm.cli import main

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildkite_orm.fake import FakeBuildkite

PLACE = Path(buildkite_orm.__file__).parents[1]


def run(*arguments: str, given: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "buildkite_orm", *arguments],
        cwd=PLACE,
        env={**os.environ, **environment},
        input=given,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(autouse=True)
def _path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))


@pytest.fixture
def _account(server: FakeBuildkite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUILDKITE_API_TOKEN", server.token)
    monkeypatch.setenv("BUILDKITE_REST_API_ENDPOINT", server.url)


def without(monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    for module in modules:
        monkeypatch.setitem(sys.modules, module, None)


# -- the whole command


def test_it_runs_as_a_module_and_leaves_with_the_status_of_the_code() -> None:
    done = run("shell", "--demo", "-c", "print(org, org.pipelines()[0].slug, BuildState.PASSED); raise SystemExit(7)")
    assert (done.stdout, done.stderr, done.returncode) == ("OrganizationRef(acme) web passed\n", "", 7)


def test_an_error_in_the_code_is_a_traceback_from_the_code_on() -> None:
    done = run("shell", "--demo", "-c", "def fail():\n    1 / 0\n\nfail()")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.splitlines()[0] == "Traceback (most recent call last):"
    assert done.stderr.splitlines()[1] == '  File "<code>", line 4, in <module>'
    assert done.stderr.splitlines()[-1] == "ZeroDivisionError: division by zero"
    assert "cli.py" not in done.stderr


def test_a_missing_token_is_a_one_line_error() -> None:
    done = run("shell")
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("buildkite-orm: no token: ")
    assert "https://buildkite.com/user/api-access-tokens" in line


def test_the_script_is_declared() -> None:
    assert 'buildkite-orm = "buildkite_orm.cli:main"' in (PLACE / "pyproject.toml").read_text()


# -- within this process


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leaves:
        main(["--version"])
    assert leaves.value.code == 0
    assert capsys.readouterr().out == f"buildkite-orm {buildkite_orm.__version__}\n"


@pytest.mark.parametrize("arguments", [["--help"], ["shell", "--help"], ["serve", "--help"]])
def test_each_command_explains_itself(arguments: Sequence[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leaves:
        main(list(arguments))
    assert leaves.value.code == 0
    assert " ".join(["usage: buildkite-orm", *arguments[:-1]]) in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["shel"], ["shell", "--dem0"], ["shell", "extra"], ["serve", "--nothing"]])
def test_unknown_arguments_are_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leaves:
        main(arguments)
    assert leaves.value.code == 2
    assert "usage: buildkite-orm" in capsys.readouterr().err


@pytest.mark.usefixtures("_account")
def test_code_has_the_account_of_the_environment(
    server: FakeBuildkite, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server.add_pipeline("web")
    assert main(["shell", "-c", "print('org' in globals(), __name__, bk)"]) == 0
    assert capsys.readouterr().out == f"False __main__ <Buildkite {server.url}>\n"
    monkeypatch.setenv("BUILDKITE_ORGANIZATION_SLUG", "acme")
    assert main(["shell", "-c", "print([pipeline.slug for pipeline in org.pipelines()])"]) == 0
    assert main(["shell", "--organization", "other", "-c", "print(org)"]) == 0
    assert capsys.readouterr().out == "['web']\nOrganizationRef(other)\n"
    assert [request.line for request in server.requests] == ["GET /v2/organizations/acme/pipelines?per_page=100"]


def test_an_expression_alone_displays_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["shell", "--demo", "-c", "1 + 1"]) == 0
    assert capsys.readouterr() == ("", "")


def test_the_names_of_the_package_are_there(capsys: pytest.CaptureFixture[str]) -> None:
    code = "import buildkite_orm; print([n for n in buildkite_orm.__all__ if n not in globals() and n[0] != '_'], help)"
    assert main(["shell", "--demo", "-c", code]) == 0
    assert capsys.readouterr().out.startswith("[] help(x)")


@pytest.mark.parametrize(
    ("code", "last"),
    [
        ("1 +", "SyntaxError: invalid syntax"),
        ("org.pipeline('none').fetch()", "buildkite_orm.errors.NotFoundError: "),
        ("Buildkite(token='')", "buildkite_orm.errors.ConfigurationError: no token: "),
    ],
)
def test_errors_of_the_code_are_shown(code: str, last: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["shell", "--demo", "-c", code]) == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith(last)


def test_an_interrupt_ends_it() -> None:
    assert main(["shell", "--demo", "-c", "raise KeyboardInterrupt"]) == 130


def test_code_from_standard_input_is_run() -> None:
    done = run("shell", "--demo", given="for pipeline in org.pipelines().limit(2):\n    print(pipeline.slug)\n")
    assert (done.stdout, done.stderr, done.returncode) == ("web\napi\n", "", 0)


def test_the_demo_needs_no_account(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUILDKITE_API_TOKEN", "bkua_mine")
    monkeypatch.setenv("BUILDKITE_REST_API_ENDPOINT", "http://127.0.0.1:9")
    assert main(["shell", "--demo", "-c", "print(bk.user().name, len(bk.access_token().scopes) > 30)"]) == 0
    assert capsys.readouterr().out == "Ada Lovelace True\n"


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("BUILDKITE_API_TOKEN", "two words", "the token has characters that no token has"),
        ("BUILDKITE_REST_API_ENDPOINT", "nowhere", "base_url"),
    ],
)
@pytest.mark.usefixtures("_account")
def test_a_setting_that_cannot_be_is_one_line(
    variable: str, value: str, expected: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(variable, value)
    assert main(["shell", "-c", ""]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert expected in line


@pytest.mark.parametrize("command", [["shell", "--demo", "-c", ""], ["serve", "--port", "0"]])
def test_a_missing_extra_is_one_line_that_names_it(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    without(monkeypatch, "werkzeug")
    assert main(command) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("needs werkzeug: pip install 'buildkite_orm[fake]'")


def test_a_wait_for_the_budget_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    code = """
import dataclasses
from buildkite_orm.http.retry import Wait
bk.session.retry.announce(Wait("the user's request budget is used up for 9 s", 9.2, 0.0))
"""
    assert main(["shell", "--demo", "-c", code]) == 0
    assert capsys.readouterr().err == "waiting 9.2s: the user's request budget is used up for 9 s\n"
