"""Run the code in Markdown pages on a fake Buildkite.

| block | how it is run |
| --- | --- |
| `python`, with `>>>` | run line by line; the output must be as shown, where `...` matches anything |
| `python`, without | run as it is, with a token, in a job |
| `python`, with `# name.py` on top | saved as that file, which a later block imports or runs |
| `sh` | run by bash in an empty folder with `examples/`, as in a new clone of the repository |
| `console` | the same with a token: each line after `$ `, with its output below |
| `text` | the output of the previous block |

All blocks of a page share one fake, one folder, and one namespace, in which `bk` is a client of that fake. Nothing is
installed: `pip` only records its arguments, since what a page needs is installed. The tests do not run the tests.
"""

from __future__ import annotations

import doctest
import io
import os
import re
import shutil
import subprocess
import sys
import traceback
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from buildkite_orm.fake import FakeBuildkite
from tests.helpers import pytest_plugin_options

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from types import TracebackType
    from typing import Self

ROOT: Final = Path(__file__).resolve().parents[2]
PAGES: Final = [
    ROOT / "README.md",
    *sorted(path for path in (ROOT / "docs").rglob("*.md") if "_build" not in path.parts),
]
LANGUAGES: Final = frozenset({"python", "sh", "console", "text"})
MARK: Final = re.compile(r"<!-- not run: (.+) -->\n\Z")
_FENCE: Final = re.compile(r"^(```+)(\S*)[^\n]*\n(.*?)^\1$", re.MULTILINE | re.DOTALL)
_PROMPT: Final = re.compile(r"^\$ (.+)\n", re.MULTILINE)
NAMED: Final = re.compile(r"# (\w+\.py)\n")
_TIMEOUT: Final = "240"  # seconds; the machine may be busy
_WAITS: Final = re.compile(r"^waiting \d+\.\d s: .*\n", re.MULTILINE)  # warnings, printed if logging is not set up
_SUGGESTION: Final = re.compile(r"\. Did you mean: '\w+'\?$")  # Python 3.12 and newer add it
_END: Final = "--- end of a command ---"

_PYTHON = """#!/bin/sh
case "$*" in "-m venv "* | "-m pytest -n auto") exit 0;; esac
exec {python} "$@"
"""
_SCRIPTS: Final = {
    "python": _PYTHON,
    "python3": _PYTHON,
    "pip": '#!/bin/sh\necho "$@" >> {folder}/installed.txt\n',
    "buildkite-orm": '#!/bin/sh\nexec {python} -m buildkite_orm "$@"\n',
}


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its language, its text, its position in the page, and why it is not run, if it is not."""

    language: str
    text: str
    start: int
    why_not: str | None


def blocks(page: str) -> list[Block]:
    """Return the fenced blocks of a page."""
    found: list[Block] = []
    for fence in _FENCE.finditer(page):
        mark = MARK.search(page[: fence.start()])
        found.append(Block(fence[2], fence[3], fence.start(3), mark[1] if mark else None))
    return found


def unused_files(page: str) -> list[str]:
    """Return the files that a page shows and that no later block imports or runs."""
    found = blocks(page)
    names = [(place, name[1]) for place, block in enumerate(found) if (name := NAMED.match(block.text))]
    return [
        name
        for place, name in names
        if not any(
            re.search(rf"\b{name}|import {name[:-3]}|from {name[:-3]} ", each.text) for each in found[place + 1 :]
        )
    ]


def prose(page: str) -> str:
    """Return a page without its blocks."""
    return _FENCE.sub("", page)


@dataclass(slots=True)
class Stage:
    """The namespace and server of a page's blocks."""

    folder: Path
    stack: ExitStack = field(default_factory=ExitStack)
    printed: str = ""
    server: FakeBuildkite = field(init=False)
    names: dict[str, Any] = field(init=False)

    def __enter__(self) -> Self:
        sys.path.insert(0, str(self.folder))
        self.stack.callback(self._forget_modules)
        self.server = self.stack.enter_context(FakeBuildkite())
        self.names = {"bk": self.stack.enter_context(self.server.client()), "__name__": "__page__"}
        commands = self.folder / ".venv" / "bin"
        commands.mkdir(parents=True)
        for name, script in _SCRIPTS.items():
            (commands / name).write_text(script.format(python=sys.executable, folder=self.folder))
            (commands / name).chmod(0o755)
        shutil.copytree(ROOT / "examples", self.folder / "examples", ignore=shutil.ignore_patterns("__pycache__"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stack.close()

    def _forget_modules(self) -> None:
        sys.path.remove(str(self.folder))
        for path in self.folder.glob("*.py"):
            sys.modules.pop(path.stem, None)

    @contextmanager
    def without_limits(self) -> Generator[None]:
        """Prevent commands that use the real clock from waiting for a budget."""
        settings = self.server.settings
        before = settings.organization_limit, settings.user_limit
        settings.organization_limit = settings.user_limit = None
        yield
        settings.organization_limit, settings.user_limit = before

    @property
    def account(self) -> dict[str, str]:
        """The environment variables of a job in a failed build, with a token."""
        return {
            "BUILDKITE_PIPELINE_SLUG": "web",
            "BUILDKITE_BUILD_NUMBER": "95",
            "BUILDKITE_API_TOKEN": self.server.token,
            "BUILDKITE_REST_API_ENDPOINT": self.server.url,
            "BUILDKITE_ORGANIZATION_SLUG": "acme",
        }

    @property
    def installed(self) -> list[str]:
        """The packages that pip was called with."""
        record = self.folder / "installed.txt"
        return record.read_text().splitlines() if record.exists() else []

    def note(self, printed: str) -> None:
        """Record the output of a block for the `text` block that shows it."""
        assert not self.printed, f"what a block before this one prints is shown nowhere: {self.printed}"
        self.printed = printed

    def bash(self, command: str, **environment: str) -> str:
        """Run a command, and return its output."""
        env = {
            "HOME": str(self.folder),
            "PATH": f"{self.folder / '.venv' / 'bin'}:/usr/bin:/bin",
            "PYTHONPATH": str(ROOT),
            "PYTHONUTF8": "1",
            "PYTEST_ADDOPTS": " ".join(["-p", "no:buildkite", *pytest_plugin_options()]),  # that plugin needs an agent
            **environment,
        }
        done = subprocess.run(
            ["/usr/bin/timeout", _TIMEOUT, "/bin/bash", "-euc", command],
            cwd=self.folder,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        errors = _WAITS.sub("", done.stderr)
        assert (errors, done.returncode) == ("", 0), f"{command}: {errors or done.returncode}"
        return done.stdout


def real(block: Block, stage: Stage) -> str:
    """Run a block; return its text with the actual output, which is the same text if the page is up to date."""
    return _RUN[block.language](block.text, stage)


def _python(text: str, stage: Stage) -> str:
    if text.startswith(">>> "):
        return _examples(text, stage)
    if name := NAMED.match(text):
        (stage.folder / name[1]).write_text(text, encoding="utf-8")
        return text
    bk, before = stage.names["bk"], dict(os.environ)
    os.environ.update(stage.account)
    try:
        with stage.without_limits(), redirect_stdout(io.StringIO()) as printed:
            exec(compile(text, "<page>", "exec"), stage.names)  # noqa: S102 - the code under test
    finally:
        os.environ.clear()
        os.environ.update(before)
        stage.names["bk"] = bk
    stage.note(printed.getvalue())
    return text


def _examples(text: str, stage: Stage) -> str:
    test = doctest.DocTestParser().get_doctest(text, {}, "page", None, 0)
    test.globs = stage.names
    examples = list(test.examples)
    runner = _Runner(optionflags=doctest.ELLIPSIS)
    runner.run(test, out=lambda _text: None, clear_globs=False)
    lines = text.splitlines(keepends=True)
    for example in reversed(examples):
        if example.lineno in runner.got:
            begin = example.lineno + example.source.count("\n")
            lines[begin : begin + example.want.count("\n")] = runner.got[example.lineno].splitlines(keepends=True)
    return "".join(lines)


class _Runner(doctest.DocTestRunner):
    """Keeps the actual output of examples that differ from the page, by line."""

    def __init__(self, optionflags: int) -> None:
        super().__init__(optionflags=optionflags)
        self.got: dict[int, str] = {}

    def report_failure(self, out: object, test: doctest.DocTest, example: doctest.Example, got: str) -> None:
        del out, test
        if got.startswith("Traceback"):
            got = f"Traceback (most recent call last):\n    ...\n{_SUGGESTION.sub('', got.splitlines()[-1])}\n"
        self.got[example.lineno] = re.sub(r"^\n", "<BLANKLINE>\n", got, flags=re.MULTILINE)

    def report_unexpected_exception(
        self,
        out: object,
        test: doctest.DocTest,
        example: doctest.Example,
        exc_info: tuple[type[BaseException], BaseException, TracebackType],
    ) -> None:
        kind, error, _ = exc_info
        self.report_failure(out, test, example, f"Traceback\n{traceback.format_exception_only(kind, error)[-1]}")


def _sh(text: str, stage: Stage) -> str:
    stage.note(stage.bash(text))
    return text


def _text(text: str, stage: Stage) -> str:
    printed, stage.printed = stage.printed, ""
    return _as_shown(text, printed)


def _console(text: str, stage: Stage) -> str:
    commands = _PROMPT.findall(text)
    shown = _PROMPT.split(text)[2::2]
    with stage.without_limits():
        printed = stage.bash("\n".join(f"{command}\necho '{_END}'" for command in commands), **stage.account)
    pairs = zip(commands, shown, printed.split(f"{_END}\n"), strict=False)
    return "".join(f"$ {command}\n{_as_shown(want, got)}" for command, want, got in pairs)


def _as_shown(want: str, got: str) -> str:
    return want if doctest.OutputChecker().check_output(want, got, doctest.ELLIPSIS) else got


_RUN: Final[dict[str, Callable[[str, Stage], str]]] = {
    "python": _python,
    "sh": _sh,
    "console": _console,
    "text": _text,
}


def as_it_must_be(path: Path, folder: Path) -> tuple[str, list[str]]:
    """Run all blocks of a page.

    Args:
        path: The page.
        folder: An empty folder, which is the current one meanwhile.

    Returns:
        The page with the real results, and the packages that pip was to install.
    """
    page = path.read_text(encoding="utf-8")
    with Stage(folder) as stage:
        written = list(_written(page, stage))
        stage.note("")
        return "".join(written), stage.installed


def _written(page: str, stage: Stage) -> Iterator[str]:
    at = 0
    for block in blocks(page):
        if block.language in LANGUAGES and block.why_not is None:
            yield page[at : block.start] + real(block, stage)
            at = block.start + len(block.text)
    yield page[at:]
