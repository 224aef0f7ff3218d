"""Streams over real sockets, from a fake in another process: memory stays flat, and connections are given back."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from requests.adapters import HTTPAdapter

from buildkite_orm import Buildkite

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildkite_orm import ArtifactRef

SIZE = 200_000_000
MOST = 10_000_000

SERVER = """
import sys
from buildkite_orm.fake import FakeBuildkite, Settings

with FakeBuildkite(populate=False, settings=Settings(organization_limit=None, user_limit=None)) as server:
    job = server.add_build("web", jobs=[{"name": "Test"}]).jobs[0]
    small, big = server.add_artifact(job, "small.bin", 1_000_000), server.add_artifact(job, "big.bin", %d)
    print(server.url, server.token, job.id, small.id, big.id, flush=True)
    sys.stdin.read()
"""

# peaks are those of the process, so that it is one of its own
CLIENT = """
import resource
import sys
from buildkite_orm import Buildkite

url, token, job, small, big = sys.argv[1:]
unit = 1 if sys.platform == "darwin" else 1024

def stream(artifact):
    return sum(len(chunk) for chunk in artifact.download(stream=True))

with Buildkite(token, base_url=url) as bk:
    ref = bk.organization("acme").job(job)
    stream(ref.artifact(small).fetch())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    size = stream(ref.artifact(big).fetch())
    print(size, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit)
"""


@dataclass(frozen=True)
class Server:
    url: str
    token: str
    job: str
    small: str
    big: str


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Server]:
    """A fake Buildkite in another process, with a small artifact and a big one."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVER % SIZE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield Server(*process.stdout.readline().split())
        process.communicate()


def test_streaming_a_big_artifact_takes_no_memory(elsewhere: Server) -> None:
    client = subprocess.run(
        [sys.executable, "-c", CLIENT, elsewhere.url, elsewhere.token, elsewhere.job, elsewhere.small, elsewhere.big],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    size, growth = map(int, client.stdout.split())
    assert size == SIZE
    assert growth < MOST


@pytest.mark.parametrize("way", ["for", "with", "close", "error"])
def test_a_download_that_is_left_early_returns_its_connection_back(elsewhere: Server, way: str) -> None:
    adapter = HTTPAdapter(pool_maxsize=4)
    with Buildkite(elsewhere.token, base_url=elsewhere.url, transport=adapter) as bk:
        ref = bk.organization("acme").job(elsewhere.job).artifact(elsewhere.small)
        for _ in range(8):  # more than the pool has
            leave(ref, way)
        assert free_places(adapter) == [4, 4]
        assert len(ref.download()) == 1_000_000


def free_places(adapter: HTTPAdapter) -> list[int]:
    """Count what the pool of each origin has left."""
    pools = adapter.poolmanager.pools
    return [pools[key].pool.qsize() for key in pools.keys()]  # noqa: SIM118 - it cannot be iterated


def leave(ref: ArtifactRef, way: str) -> None:
    """Begin a download, and leave it after a chunk."""
    chunks = ref.download(stream=True)
    if way == "for":
        for _ in chunks:
            break
    elif way == "close":
        next(chunks)
        chunks.close()
    elif way == "with":
        with chunks:
            next(chunks)
    else:
        with pytest.raises(ZeroDivisionError), chunks:
            _ = len(next(chunks)) / 0
