"""Measure how long it takes to render logs, and how much memory the search of a streamed log needs.

    python -m benchmarks.logs --megabytes 100 --stream 1024

`ratio` compares `LogText.plain` with decoding the log and removing its escape sequences with one regular expression, as
scripts do. `growth` is how many times longer a log of four times the size takes: 4 if the time is linear. The ratio of
usual logs must be at most `MAX_RATIO`, the growth of hostile logs at most `MAX_GROWTH`, and the search of a log that
another process streams over a socket may need at most `MEMORY` bytes. If not, the exit code is 1.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from random import Random
from typing import TYPE_CHECKING, Any, Final

from buildkite_orm import LogText

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAX_RATIO: Final = 4.0
MAX_GROWTH: Final = 8.0  # 16 would be quadratic
MEMORY: Final = 10_000_000
ESCAPES: Final = re.compile(r"\x1b_bk;t=\d+\x07|\x1b\[[0-9;]*[A-Za-z]")
REPEATS: Final = 5

CLIENT: Final = """
import re, resource, sys
from pathlib import Path
from buildkite_orm import Buildkite

def peak():
    # on Linux, ru_maxrss includes the peak of the process that started this one
    status = Path("/proc/self/status")
    if status.exists():
        return int(re.search(r"VmHWM:\\s+(\\d+)", status.read_text())[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)

with Buildkite("token", base_url=sys.argv[1]) as bk:
    small, log = (bk.organization("acme").job(name).log() for name in ("small", "large"))
    assert sum(1 for _ in small.search("needle", context=2)) == 1
    before = peak()
    found = sum(1 for _ in log.search("needle", context=2))
    print(found, peak() - before)
"""


PROGRESS: Final = "".join(f"Receiving objects: {part}% ({part}/100)\r" for part in range(0, 100, 10)) + "done.\x1b[K"
SHARES: Final = {
    "--- :package: Step {0}": 1,
    "\x1b[32m✓\x1b[0m test_{0}_something passes in \x1b[90m{0} ms\x1b[0m": 29,
    PROGRESS: 4,
    "\x1b[2K\x1b[1Gbuilding café 東京": 1,
    "2026-08-01 12:00:00 INFO some.module.name: did step number {0} with value {0}": 65,
}


def lifelike() -> Iterator[str]:
    """Yield the lines of a typical CI log: timestamps, colors, groups, some progress bars, and non-English text."""
    kinds = Random(2026).choices(list(SHARES), list(SHARES.values()), k=1000)  # noqa: S311 - always the same
    for number, kind in enumerate(itertools.cycle(kinds)):
        yield f"\x1b_bk;t={1785585600000 + 50 * number}\x07{kind.format(number)}\r\n"


def timestamped() -> Iterator[str]:
    """Yield lines with timestamps and plain text."""
    for number in itertools.count():
        yield f"\x1b_bk;t={1785585600000 + number}\x07INFO some.module.name: did step number {number} with a value\r\n"


def colored() -> Iterator[str]:
    """Yield lines with many colors."""
    text = "\x1b[32m✓\x1b[0m \x1b[1mtest\x1b[0m in \x1b[90m3 ms\x1b[0m"
    for number in itertools.count():
        yield f"\x1b_bk;t={1785585600000 + number}\x07{text}\r\n"


USUAL: Final[dict[str, Callable[[], Iterator[str]]]] = {
    "lifelike": lifelike,
    "timestamped": timestamped,
    "colored": colored,
}
HOSTILE: Final[dict[str, str]] = {
    "progress bars": "".join(f"Receiving: {part}%, 10 MiB/s\r" for part in range(0, 100, 2)) + "done.\x1b[K\r\n",
    "cursors that go up": "\x1b[3A\x1b[2K\rlayer: [==>  ]\x1b[3B\r\n",
    "one line with colors": "some text that is \x1b[31mred\x1b[0m ",
    "one line that returns": "percent\r",
    "one line that continues and returns": "some text \x1b[1D",
    "one line that is erased": "some text\x1b[2K",
    "one line that is erased from its beginning": "some text\x1b[1K",
    "one line that goes up and down": "some text\x1b[A\x1b[B",
    "one line of wide characters": "東京\b",
    "one character that combines": "\u0301\b\x1b[C",
    "returns": "\r",
    "strings without an end": "\x1b]0;title",
    "sequences without an end": "\x1b[1;2;3",
    "screens that are cleared": "\x1b[2J\x1b[Htext\n",
}


def sized(lines: Iterator[str], size: int) -> bytes:
    """Return a log of about `size` bytes."""
    parts: list[bytes] = []
    while size > 0:
        parts.append(next(lines).encode())
        size -= len(parts[-1])
    return b"".join(parts)


def seconds(do: Callable[[], object]) -> float:
    """Return the CPU time of one run, which other processes on the machine affect little."""
    begun = time.process_time()
    do()
    return time.process_time() - begun


def ratio(raw: bytes) -> float:
    """Return how many times longer rendering takes than decoding and one regular expression, measured alternately."""
    pairs = [
        (
            seconds(lambda: LogText(raw.decode(errors="replace")).plain),
            seconds(lambda: ESCAPES.sub("", raw.decode(errors="replace"))),
        )
        for _ in range(REPEATS)
    ]
    return min(ours for ours, _ in pairs) / min(theirs for _, theirs in pairs)


def growth(piece: str, size: int) -> float:
    """Return how many times longer a log of four times the size takes."""
    small, large = ("e" + piece * (part // len(piece)) for part in (size // 4, size))
    return min(seconds(lambda: LogText(large).plain) for _ in range(3)) / min(
        seconds(lambda: LogText(small).plain) for _ in range(3)
    )


class Endless(BaseHTTPRequestHandler):
    """Serves a log of `size` bytes without holding it in memory."""

    size = 0

    def do_GET(self) -> None:
        """Send the log in blocks."""
        block = sized(lifelike(), 1 << 20)[: 1 << 20]
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        blocks = self.size // len(block) if "/large/" in self.path else 1
        self.send_header("Content-Length", str(blocks * len(block)))
        self.end_headers()
        for _ in range(blocks):
            self.wfile.write(block[:-9] + b"\nneedle\r\n")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in the base class
        """Log nothing."""


def serve(size: int) -> None:
    """Serve the log until the input ends."""
    import threading  # noqa: PLC0415 - only the server needs it

    Endless.size = size
    with HTTPServer(("127.0.0.1", 0), Endless) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(f"http://127.0.0.1:{server.server_port}", flush=True)
        sys.stdin.read()


def stream(megabytes: int) -> dict[str, int]:
    """Search a streamed log; return the number of matches and the bytes of memory that the search added."""
    command = [sys.executable, "-m", "benchmarks.logs", "--serve", str(megabytes << 20)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:  # noqa: S603 - this program
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        code = [sys.executable, "-c", CLIENT, url]
        client = subprocess.run(code, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603 - this program
        server.communicate()
    found, memory = map(int, client.stdout.split())
    return {"megabytes": megabytes, "found": found, "memory": memory}


def main() -> int:
    """Measure, print the results as JSON, and return 1 if a limit is exceeded."""
    parser = argparse.ArgumentParser(description="Measure the rendering and the search of logs.")
    parser.add_argument("--megabytes", type=float, default=100, help="the size of the usual logs")
    parser.add_argument("--hostile", type=float, default=4, metavar="MEGABYTES", help="the size of the hostile ones")
    parser.add_argument("--stream", type=int, default=1024, metavar="MEGABYTES", help="the size of the streamed one")
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve)
        return 0
    ratios = {name: round(ratio(sized(lines(), int(options.megabytes * 1e6))), 2) for name, lines in USUAL.items()}
    growths = {name: round(growth(piece, int(options.hostile * 1e6)), 1) for name, piece in HOSTILE.items()}
    streamed = stream(options.stream)
    print(json.dumps({"ratio": ratios, "growth": growths, "stream": streamed}, indent=2))
    good = max(ratios.values()) <= MAX_RATIO and max(growths.values()) <= MAX_GROWTH and streamed["memory"] <= MEMORY
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
