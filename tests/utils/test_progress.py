"""Progress is shown on a terminal and in a notebook, and nowhere else."""

from __future__ import annotations

import io
import os
import pty
import signal
import subprocess
import sys
import termios
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any, Self

import pyte
import pytest

from buildkite_orm import ConfigurationError
from buildkite_orm.progress import progress_line, progress_of_file

if TYPE_CHECKING:
    from buildkite_orm import Buildkite
    from buildkite_orm.fake import FakeBuildkite

LARGE = 10**7


class Terminal(io.StringIO):
    """A standard error that is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    shown = Terminal()
    monkeypatch.setattr("buildkite_orm.progress.sys", SimpleNamespace(stderr=shown, modules=sys.modules))
    return shown


def is_clean(terminal: Terminal) -> bool:
    return terminal.getvalue().split("\r")[-1].strip() == ""


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """As in the kernel of a notebook."""
    ipython = ModuleType("IPython")
    ipython.get_ipython = lambda: SimpleNamespace(kernel=object())  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    return monkeypatch


# -- listings


def test_all_shows_how_many_are_loaded(server: FakeBuildkite, bk: Buildkite, terminal: Terminal) -> None:
    for number in range(5):
        server.add_build(f"web-{number}")
    assert len(bk.organization("acme").pipelines().per_page(2).all()) == 5
    assert "2 loaded" in terminal.getvalue()
    assert "4 loaded" in terminal.getvalue()
    assert "5 loaded" not in terminal.getvalue()
    assert is_clean(terminal)


def test_one_page_or_a_loaded_listing_shows_nothing(server: FakeBuildkite, bk: Buildkite, terminal: Terminal) -> None:
    for slug in ("web", "api", "docs"):
        server.add_build(slug)
    pipelines = bk.organization("acme").pipelines().per_page(2)
    list(pipelines)
    assert len(pipelines.all()) == len(bk.builds().all()) == 3
    assert terminal.getvalue() == ""


def test_concurrent_pages_show_how_many_are_loaded(bk: Buildkite, server: FakeBuildkite, terminal: Terminal) -> None:
    for _ in range(30):
        server.add_build("web", branch="main")
    server.clock.advance(60)
    assert len(bk.builds(branch="main").per_page(5).all(workers=2)) == 30
    assert " loaded" in terminal.getvalue()
    assert is_clean(terminal)


def test_progress_can_be_turned_off(server: FakeBuildkite, bk: Buildkite, terminal: Terminal) -> None:
    for slug in ("web", "api", "docs"):
        server.add_build(slug)
    assert len(bk.organization("acme").pipelines().per_page(2).all(progress=False)) == 3
    assert terminal.getvalue() == ""


def test_progress_without_tqdm_raises_and_names_the_extra(bk: Buildkite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tqdm", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'buildkite_orm\[progress\]'"):
        bk.builds().all(progress=True)
    assert bk.builds().all() == []


# -- files


def test_a_large_file_shows_how_much_is_received(
    server: FakeBuildkite, bk: Buildkite, terminal: Terminal, tmp_path: Path
) -> None:
    job = server.add_build("web", jobs=1).jobs[0]
    server.add_artifact(job, "large.bin", bytes(LARGE))
    server.add_artifact(job, "small.bin", bytes(1000))
    small, large = sorted(bk.builds()[0].artifacts(), key=lambda artifact: artifact.file_size or 0)
    small.save_to(tmp_path / "small")
    assert terminal.getvalue() == ""
    large.save_to(tmp_path / "large")
    assert "/10.0M" in terminal.getvalue()
    assert is_clean(terminal)


def test_a_small_file_shows_progress_only_on_request(
    server: FakeBuildkite, bk: Buildkite, terminal: Terminal, tmp_path: Path
) -> None:
    job = server.add_build("web", jobs=1).jobs[0]
    small, large = (server.add_artifact(job, name, size) for name, size in (("small.bin", 1000), ("large.bin", LARGE)))
    of_job = bk.organization("acme").job(job.id)
    of_job.artifact(large.id).fetch().save_to(tmp_path / "large", progress=False)
    assert terminal.getvalue() == ""
    of_job.artifact(small.id).fetch().save_to(tmp_path / "small", progress=True)
    assert "/1.00k" in terminal.getvalue()
    assert is_clean(terminal)


def test_the_received_size_may_decrease(terminal: Terminal) -> None:
    with progress_of_file(True, 1000) as note:
        for there in (100, 900, 0, 1000):
            note(there)
    assert is_clean(terminal)


# -- where it is shown


def test_a_line_loads_nothing_before_its_first_text(monkeypatch: pytest.MonkeyPatch, terminal: Terminal) -> None:
    monkeypatch.setitem(sys.modules, "tqdm", None)
    with progress_line(None) as show:
        pass
    with progress_line(None) as show:
        show("one")
        show("two")
    assert terminal.getvalue() == ""


def test_a_notebook_without_widgets_shows_text_and_no_warning(
    notebook: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    notebook.setitem(sys.modules, "ipywidgets", None)
    with progress_line(None) as show:
        show("3 of 8")
    assert "3 of 8" in capsys.readouterr().err


def test_a_notebook_with_widgets_shows_a_widget(notebook: pytest.MonkeyPatch) -> None:
    calls: list[object] = []

    class Bar:
        def __init__(self, **options: Any) -> None:
            calls.append(options["leave"])

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            calls.append("gone")

        def set_description_str(self, text: str) -> None:
            calls.append(text)

    widgets = ModuleType("tqdm.notebook")
    widgets.tqdm_notebook = Bar  # type: ignore[attr-defined]
    notebook.setattr("buildkite_orm.progress.find_spec", {"ipywidgets": object()}.get)
    notebook.setitem(sys.modules, "tqdm.notebook", widgets)
    with progress_line(None) as show:
        show("3 of 8")
    assert calls == [False, "3 of 8", "gone"]


def test_elsewhere_nothing_is_shown(server: FakeBuildkite, bk: Buildkite, capfd: pytest.CaptureFixture[str]) -> None:
    for slug in ("web", "api", "docs"):
        server.add_build(slug)
    assert len(bk.organization("acme").pipelines().per_page(2).all()) == 3
    assert capfd.readouterr() == ("", "")


# -- a real terminal


WORKING = """
import signal, sys
from buildkite_orm.progress import progress_line, progress_of_file
signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in the background may ignore it
signal.alarm(60)
with progress_of_file(True, 10**8) as note, progress_line(True) as show:
    note(5 * 10**7)
    show("half of it")
    print("ready", flush=True)
    signal.pause()
"""


def test_an_interrupt_leaves_a_clean_terminal() -> None:
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (40, 100))
    with subprocess.Popen(
        [sys.executable, "-c", WORKING],
        stderr=theirs,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "TERM": "xterm"},
    ) as process:
        os.close(theirs)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGINT)
        shown = b""
        while part := read(ours):
            shown += part
        assert process.wait() == -signal.SIGINT
    os.close(ours)
    assert b"half of it" in shown
    screen = pyte.Screen(100, 40)
    pyte.ByteStream(screen).feed(shown)
    lines = [line.rstrip() for line in screen.display if line.strip()]
    assert lines[0].startswith("Traceback")
    assert lines[-1] == "KeyboardInterrupt"


def read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # the other side has closed it
        return b""
