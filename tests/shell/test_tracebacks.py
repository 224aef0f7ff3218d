"""The tracebacks of errors in the shell: the lines of the user, and not those of the library."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

from buildkite_orm import NotFoundError
from buildkite_orm.shell.tracebacks import own_frames, shorten_tracebacks, without_cause
from tests.docs.page import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildkite_orm import Buildkite

FETCH = "org.pipeline('wbe').fetch()"


def run(*arguments: str, typed: str | None = None) -> str:
    """Run the shell on the demo, and return what it prints to stderr."""
    command = [sys.executable, "-m", "buildkite_orm", "shell", "--demo", *arguments]
    done = subprocess.run(command, cwd=ROOT, input=typed, capture_output=True, encoding="utf-8", check=False)
    return done.stderr


@pytest.fixture
def shell() -> Iterator[Any]:
    """An IPython shell in this process."""
    shell: Any = InteractiveShell.instance()
    yield shell
    InteractiveShell.clear_instance()


def test_a_404_of_a_line_has_few_lines() -> None:
    lines = run("-c", FETCH).splitlines()
    assert lines[-1].startswith(
        "buildkite_orm.errors.NotFoundError: GET https://api.buildkite.com/v2/organizations/acme/"
    )
    assert len(lines) <= 4
    assert not any("buildkite_orm/" in line for line in lines)


def test_a_404_in_ipython_has_few_lines(shell: Any, bk: Buildkite, capsys: pytest.CaptureFixture[str]) -> None:
    shorten_tracebacks(shell)
    shell.user_ns["org"] = bk.organization("acme")
    shell.run_cell(FETCH)
    printed = re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out)
    assert "NotFoundError: GET https://api.buildkite.com" in printed
    assert len(printed.strip().splitlines()) <= 8
    shell.run_line_magic("tb", "")
    assert "models/ref.py" in capsys.readouterr().out


def test_other_errors_in_ipython_are_not_shortened(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    shorten_tracebacks(shell)
    shell.run_cell("import json; json.loads('{')")
    assert "decoder.py" in capsys.readouterr().out


def test_frames_of_a_callback_are_kept(bk: Buildkite) -> None:
    def callback(_: object) -> bool:
        return bool(bk.organization("acme").pipeline("wbe").fetch())

    with pytest.raises(NotFoundError) as caught:
        list(filter(callback, [1]))
    frames: list[str] = []
    following = own_frames(caught.tb)
    while following is not None:
        frames.append(following.tb_frame.f_code.co_name)
        following = following.tb_next
    assert frames == ["test_frames_of_a_callback_are_kept", "callback"]


def test_a_traceback_with_no_other_frames_is_complete(bk: Buildkite) -> None:
    with pytest.raises(NotFoundError) as caught:
        bk.organization("acme").pipeline("wbe").fetch()
    inner = caught.tb.tb_next
    assert inner is not None
    assert own_frames(inner) is inner
    assert own_frames(None) is None


def test_the_cause_of_an_error_is_hidden_while_it_is_shown() -> None:
    error, cause = NotFoundError("x"), ValueError("y")
    error.__cause__ = cause
    with without_cause(error):
        assert [error.__cause__] == [None]
    assert error.__cause__ is cause
