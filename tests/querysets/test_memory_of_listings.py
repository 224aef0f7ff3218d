"""The memory of a long listing: of one page if the queryset is not kept, of all pages if it is.

Server and client run in separate processes, so that only the listing is measured.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

MIB = 1 << 20
COUNT = 20_000
FEWER = 5_000

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="only Linux has the size of a process in /proc"
)

READER = """
import json, sys
from pathlib import Path
from buildkite_orm import Buildkite

def resident():
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024

how, count = sys.argv[1], int(sys.argv[2])
bk = Buildkite()
builds = bk.organization("acme").pipeline("bulk").builds
for build in builds().limit(300):
    pass
held = builds().limit(count) if how == "held" else None
source = {
    "held": lambda: held,
    "not held": lambda: builds().limit(count),
    "pages": lambda: (build for page in builds().limit(count).pages() for build in page.items),
}[how]
kept, found, most, before = [], 0, 0, resident()
for build in source():
    found += 1
    if found % 100 == 0:
        kept.append(build)
        most = max(most, resident())
print(json.dumps({"count": found, "kept": len(kept), "grown": most - before}))
"""


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    """A server with 20,000 builds, and the environment of a client of it."""
    command = [sys.executable, "-m", "buildkite_orm.fake", "--port", "0", "--empty", "--no-limits"]
    with subprocess.Popen([*command, "--builds", str(COUNT)], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        settings = [server.stdout.readline().removeprefix("export ").strip().partition("=") for _ in range(2)]
        yield os.environ | {name: value for name, _, value in settings}
        server.terminate()


def growth(environment: dict[str, str], how: str, count: int) -> int:
    """List builds in a separate process, keeping every hundredth; return by how many bytes it grew."""
    command = [sys.executable, "-c", READER, how, str(count)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    result = json.loads(run.stdout)
    assert (result["count"], result["kept"]) == (count, count // 100)
    return int(result["grown"])


def test_a_loop_over_a_listing_that_is_not_kept_needs_little_memory(environment: dict[str, str]) -> None:
    assert growth(environment, "not held", COUNT) < 20 * MIB


def test_pages_of_a_listing_that_is_not_kept_need_the_memory_of_one(environment: dict[str, str]) -> None:
    assert growth(environment, "pages", FEWER) < 8 * MIB


def test_a_kept_listing_keeps_its_objects(environment: dict[str, str]) -> None:
    """Check also that the measurements above would notice a leak."""
    assert growth(environment, "held", FEWER) > 12 * MIB
