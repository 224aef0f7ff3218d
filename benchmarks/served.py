"""The fake server of the benchmarks in a process of its own, which reads changes of its settings from stdin."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Self

from buildkite_orm.fake import FakeBuildkite, Settings
from buildkite_orm.utils.clock import SystemClock

if TYPE_CHECKING:
    from types import TracebackType

AGO = 3600.0
_LINE = b"\x1b_bk;t=1785585600%d\x07\x1b[32mok\x1b[0m   github.com/acme/web/pkg/number\t0.01s coverage: 71.2%%\r\n"


class Served:
    """A fake server that runs in another process.

    Attributes:
        target: `url`, `token`, and the IDs of its `job` and its `artifacts`.
    """

    def __init__(self, **data: Any) -> None:
        command = [sys.executable, "-m", "benchmarks.served", json.dumps(data)]
        self._process = subprocess.Popen(  # noqa: S603 - this program
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.target: dict[str, Any] = json.loads(self._read_line())

    def change(self, **settings: Any) -> None:
        """Change settings of the server."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps(settings) + "\n")
        self._process.stdin.flush()
        self._read_line()

    def _read_line(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.communicate()


def serve(data: dict[str, Any]) -> None:
    """Serve until standard input ends."""
    options: dict[str, Any] = {"organization_limit": None, "user_limit": None, **data.get("settings", {})}
    with FakeBuildkite(populate=False, settings=Settings(**options), clock=SystemClock()) as server:
        newest = server.clock.now() - AGO
        for slug, (count, jobs) in data.get("pipelines", {}).items():
            server.add_builds(slug, count, jobs=jobs, newest=newest)
        job, *_ = server.add_build("files", number=1, created_at=newest, jobs=[{"state": "passed"}]).jobs
        sizes = data.get("artifacts", [])
        artifacts = [server.add_artifact(job, f"{index}.bin", size) for index, size in enumerate(sizes)]
        server.set_log(job, b"".join(_LINE % number for number in range(data.get("log_lines", 0))))
        for artifact in artifacts:
            _ = artifact.content.sha1sum  # computed here, not during the first measured request
        ids = [artifact.id for artifact in artifacts]
        target = {"url": server.url, "token": server.token, "job": job.id, "artifacts": ids}
        print(json.dumps(target), flush=True)
        for line in sys.stdin:
            for name, value in json.loads(line).items():
                setattr(server.settings, name, value)
            print("{}", flush=True)


if __name__ == "__main__":
    serve(json.loads(sys.argv[1]))
