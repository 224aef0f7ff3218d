"""The fake Buildkite of the measurements, in a process of its own; it is told what to change line by line."""

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


class Served:
    """A fake that runs in another process.

    Attributes:
        place: Where it is, a token, and what is there: `url`, `token`, `job` and `artifacts`, the ids of these.
    """

    def __init__(self, **scene: Any) -> None:
        command = [sys.executable, "-m", "benchmarks.served", json.dumps(scene)]
        self._process = subprocess.Popen(  # noqa: S603 - this very program
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.place: dict[str, Any] = json.loads(self._heard())

    def change(self, **settings: Any) -> None:
        """Change settings."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps(settings) + "\n")
        self._process.stdin.flush()
        self._heard()

    def _heard(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.communicate()


def serve(scene: dict[str, Any]) -> None:
    """Serve until standard input ends."""
    options: dict[str, Any] = {"organization_limit": None, "user_limit": None, **scene.get("settings", {})}
    with FakeBuildkite(populate=False, settings=Settings(**options), clock=SystemClock()) as server:
        newest = server.clock.now() - AGO
        for slug, (count, jobs) in scene.get("pipelines", {}).items():
            server.add_builds(slug, count, jobs=jobs, newest=newest)
        job, *_ = server.add_build("files", number=1, created_at=newest, jobs=[{"state": "passed"}]).jobs
        sizes = scene.get("artifacts", [])
        artifacts = [server.add_artifact(job, f"{place}.bin", size) for place, size in enumerate(sizes)]
        for artifact in artifacts:
            _ = artifact.content.sha1sum  # else it is made in the time of who asks first
        ids = [artifact.id for artifact in artifacts]
        place = {"url": server.url, "token": server.token, "job": job.id, "artifacts": ids}
        print(json.dumps(place), flush=True)
        for line in sys.stdin:
            for name, value in json.loads(line).items():
                setattr(server.settings, name, value)
            print("{}", flush=True)


if __name__ == "__main__":
    serve(json.loads(sys.argv[1]))
