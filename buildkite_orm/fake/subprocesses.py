"""A shell command in a subprocess, with a folder, a process group and a bounded output of its own. POSIX only."""

from __future__ import annotations

import contextlib
import os
import selectors
import shutil
import signal
import stat
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from buildkite_orm.fake.globs import any_matches

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterator, Mapping, Sequence

MOST_OUTPUT = 8 << 20
MOST_FILES = 1000
MOST_FILE_BYTES = 64 << 20
_MOST_WALKED = 100_000
_GRACE = 2.0
_DRAIN = 1.0
_TICK = 0.05
_BLOCK = 1 << 16


class ShellCommand:
    """A command that has been started; a thread of its own reads its output and ends it.

    Attributes:
        output: Its output so far, each line with the time at which it began, as in logs of Buildkite.
        status: Its exit status; -1 if a signal ended it, or if it could not be started.
        signal: The name of the signal that ended it.
        error: Why it could not be started.
        timed_out: Whether it ran into its limit.
        seconds: How long it ran; None until it has ended.
        files: The path and content of the files that its patterns match.
    """

    def __init__(
        self,
        command: str,
        env: Mapping[str, str],
        *,
        limit: float,
        patterns: Sequence[re.Pattern[str]],
        now: Callable[[float], float],
        ended: Callable[[float], None],
    ) -> None:
        """Start a command.

        Args:
            command: The text that the shell runs; its first failing line ends it.
            env: Its whole environment.
            limit: The seconds after which it is terminated.
            patterns: The files of its folder to collect when it has ended.
            now: Returns the time when it has run for some seconds.
            ended: Called, in another thread, when it has ended, with its seconds.
        """
        self.output = bytearray()
        self.status: int | None = None
        self.signal: str | None = None
        self.error: str | None = None
        self.timed_out = False
        self.seconds: float | None = None
        self.files: list[tuple[str, bytes]] = []
        self._limit, self._patterns, self._now, self._ended = limit, patterns, now, ended
        self._started = time.monotonic()
        self._kill_at = float("inf")
        self._is_canceled = False
        self._at_line_start = True
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._run, args=(command, dict(env)), daemon=True)
        self._thread.start()

    @property
    def elapsed(self) -> float:
        """The seconds since it was started."""
        return time.monotonic() - self._started

    def cancel(self, grace: float = _GRACE) -> None:
        """Send SIGTERM to its process group, and SIGKILL after `grace` seconds; its files are not collected."""
        self._is_canceled = True
        self._kill_at = min(self._kill_at, time.monotonic() + grace)
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL to its process group, and wait until it has ended."""
        self._is_canceled = True
        self._kill_at = time.monotonic()
        self._send(signal.SIGKILL)
        self._thread.join(_GRACE + _DRAIN)

    # -- in the thread

    def _run(self, command: str, env: dict[str, str]) -> None:
        try:
            folder = Path(tempfile.mkdtemp(prefix="buildkite-fake-"))
            try:
                self._follow(command, env | {"PWD": str(folder), "BUILDKITE_BUILD_CHECKOUT_PATH": str(folder)}, folder)
                if not self._is_canceled:
                    self.files = list(self._collected(folder))
            finally:
                _remove(folder)
        except (OSError, ValueError) as error:  # no disk space, no processes, a NUL in the environment
            self.status, self.error = -1, str(error)
        finally:
            self.seconds = self.elapsed
            self._ended(self.seconds)

    def _follow(self, command: str, env: dict[str, str], folder: Path) -> None:
        shell = shutil.which("bash") or "/bin/sh"
        self._process = process = subprocess.Popen(  # noqa: S603 - running it is the purpose
            [shell, "-e", "-c", command],
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        with process, selectors.DefaultSelector() as selector:
            assert process.stdout is not None  # noqa: S101 - a pipe
            selector.register(process.stdout, selectors.EVENT_READ)
            while process.poll() is None:
                self._enforce_limits()
                self._read(selector, _TICK)
            self._send(signal.SIGKILL)  # what it left in the background
            until = time.monotonic() + _DRAIN
            while time.monotonic() < until and self._read(selector, 0):
                pass
            self._set_status(process.returncode)

    def _enforce_limits(self) -> None:
        now = time.monotonic()
        if now - self._started > self._limit and not self.timed_out:
            self.timed_out = True
            self._kill_at = min(self._kill_at, now + _GRACE)
            self._send(signal.SIGTERM)
        if now > self._kill_at:
            self._send(signal.SIGKILL)

    def _read(self, selector: selectors.BaseSelector, timeout: float) -> bool:
        """Read what has been written, and return whether more may follow."""
        if not (ready := selector.select(timeout if selector.get_map() else min(timeout, _TICK / 5))):
            return False
        key = ready[0][0]
        block = os.read(key.fd, _BLOCK)
        if not block:
            selector.unregister(key.fileobj)
            return False
        self._write(block)
        return True

    def _write(self, block: bytes) -> None:
        """Add to the output, with the line ends of a terminal."""
        if len(self.output) >= MOST_OUTPUT:
            return
        mark = b"\x1b_bk;t=%d\x07" % round(self._now(self.elapsed) * 1000)
        lines = block.replace(b"\r\n", b"\n").split(b"\n")
        text = bytearray(mark if self._at_line_start else b"")
        text += (b"\r\n" + mark).join(lines)
        self._at_line_start = not lines[-1]
        if self._at_line_start:
            del text[-len(mark) :]
        self.output += text[: MOST_OUTPUT - len(self.output)]
        if len(self.output) >= MOST_OUTPUT:
            self.output += b"\r\n[the output is longer than %d bytes: the rest is discarded]\r\n" % MOST_OUTPUT

    def _set_status(self, status: int) -> None:
        if status >= 0:
            self.status = status
            return
        self.status = -1
        try:
            self.signal = signal.Signals(-status).name
        except ValueError:  # a real-time signal has no name
            self.signal = f"SIG{-status}"

    def _send(self, number: signal.Signals) -> None:
        """Send a signal to the process group; it has the number of the process, which leads it."""
        if (process := self._process) is not None and self.seconds is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, number)

    def _collected(self, folder: Path) -> Iterator[tuple[str, bytes]]:
        """Yield the matching files, up to a number and a size."""
        left, count = MOST_FILE_BYTES, 0
        for path in _walk(folder) if self._patterns else ():
            name = path.relative_to(folder).as_posix()
            if not any_matches(self._patterns, name):
                continue
            size = path.stat().st_size
            if count == MOST_FILES or size > left:
                self._write(f"[not uploaded: {name}, beyond {MOST_FILES} files or {MOST_FILE_BYTES} bytes]\n".encode())
                return
            content = path.read_bytes()[:left]
            left, count = left - len(content), count + 1
            yield name, content


def _walk(folder: Path) -> Iterator[Path]:
    """Yield the regular files below a folder, in order; links that lead elsewhere are left out."""
    root, walked = folder.resolve(), 0
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            walked += 1
            if walked > _MOST_WALKED:
                return
            path = Path(parent, name)
            with contextlib.suppress(OSError):
                if path.resolve().is_relative_to(root) and stat.S_ISREG(path.stat().st_mode):
                    yield path


def _remove(folder: Path) -> None:
    """Remove a folder, also if the command has made parts of it read-only."""
    for parent, folders, _ in os.walk(folder):
        for path in (Path(parent, name) for name in folders):
            with contextlib.suppress(OSError):
                if not path.is_symlink():
                    path.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)
