"""A large package goes to a fake in another process, over real sockets: the memory of neither grows with it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

SIZE = 200_000_000
MOST = 10_000_000
SHA256 = "d162f6594b643795442d4c7bba3a1711962b9e63717625d9f1f9696df315c86b"  # of so many zeros

PEAK = """
import resource
import sys

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
"""

SERVER = f"""{PEAK}
from buildkite_orm.fake import FakeBuildkite, Settings

with FakeBuildkite(populate=False, settings=Settings(organization_limit=None, user_limit=None)) as server:
    with server.client() as bk:
        bk.organization("acme").registries().create(name="Files", ecosystem="files")
    print(server.url, server.token, flush=True)
    before = peak()
    sys.stdin.read()
    print(peak() - before)
"""

CLIENT = f"""{PEAK}
from buildkite_orm import Buildkite

url, token, way, small, large = sys.argv[1:]

with Buildkite(token, base_url=url) as bk:
    publish = getattr(bk.organization("acme").registry("files").packages(), way)
    publish(small)
    before = peak()
    print(publish(large).digests.sha256, peak() - before)
"""


def test_publishing_a_large_package_takes_no_memory(tmp_path: Path) -> None:
    small, large = tmp_path / "small-1.0.0.bin", tmp_path / "large-1.0.0.bin"
    for path, size in ((small, 2_000_000), (large, SIZE)):
        with path.open("wb") as file:
            file.truncate(size)
    with subprocess.Popen(
        [sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        place = server.stdout.readline().split()
        for way in ("publish", "publish_presigned"):
            client = [sys.executable, "-c", CLIENT, *place, way, str(small), str(large)]
            printed = subprocess.run(client, stdout=subprocess.PIPE, text=True, check=True).stdout.split()
            assert printed[0] == SHA256
            assert int(printed[1]) < MOST
        kept, _ = server.communicate()
        assert int(kept) < MOST
