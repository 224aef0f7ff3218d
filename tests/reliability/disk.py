"""Saved files are complete or absent, even if disks, networks, other processes or names cause trouble."""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final
from unittest import mock

from buildkite_orm import Artifact, BuildkiteError, ChecksumMismatchError, DownloadError, UnsafePathError
from buildkite_orm.fake import FakeBuildkite, Settings
from buildkite_orm.files.atomic import PartialFile
from buildkite_orm.files.folders import WORKING_FOLDER
from buildkite_orm.files.safe_paths import safe_path
from tests.reliability.tables import Row, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from buildkite_orm import Buildkite
    from buildkite_orm.fake import ArtifactRecord
    from tests.reliability.tables import Cells

CONTENT: Final = bytes(range(256)) * 1200
OTHER: Final = bytes(reversed(CONTENT))
NAME: Final = "app.bin"
HALF: Final = len(CONTENT) // 2
NOTHING: Final = "nothing"
STEP: Final = 5
TIMES: Final = 15

# It forks, so it runs in a process without threads. Each child is killed a few lines later than the previous one.
KILLED: Final = """
import json, os, signal, sys
from pathlib import Path
from buildkite_orm.files import atomic, download, folders
from buildkite_orm.fake import FakeBuildkite, Settings

content = bytes(range(256)) * 600
ours = {atomic.__file__, download.__file__, folders.__file__}
server = FakeBuildkite(populate=False, settings=Settings(organization_limit=None, user_limit=None))
stored = server.add_artifact(server.add_build("web", jobs=1).jobs[0], "dist/app.bin", content)
artifact = server.client().organization("acme").job(stored.job.id).artifact(stored.id).fetch()
base, step = Path(sys.argv[1]), int(sys.argv[2])
artifact.save_to(base / "warm")

def save_until(line, folder):
    left = line
    def trace(frame, event, argument):
        nonlocal left
        if frame.f_code.co_filename not in ours:
            return None
        if event == "line":
            left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return trace
    sys.settrace(trace)
    artifact.save_to(f"{folder}/")
    os._exit(0)

def status_of(line, folder):
    child = os.fork()
    if child == 0:
        save_until(line, folder)
    return os.waitpid(child, 0)[1]

result = {"killed": 0, "wrong": [], "left": [], "resumed": []}
while status_of(line := result["killed"] * step, folder := base / str(line)) == signal.SIGKILL:
    result["killed"] += 1
    final = folder / "dist/app.bin"
    there = [path for path in folder.rglob("*") if path.is_file()]
    if (final.exists() and final.read_bytes() != content) or len(there) > 1:
        result["wrong"].append(line)
    left = 0 if final in there else sum(path.stat().st_size for path in there)
    if not all(content.startswith(path.read_bytes()) for path in there):
        result["wrong"].append(line)
    server.requests.clear()
    artifact.save_to(f"{folder}/")
    if [path for path in folder.rglob("*") if path.is_file()] != [final] or final.read_bytes() != content:
        result["wrong"].append(line)
    begun = [each.headers.get("Range", "bytes=0-")[6:-1] for each in server.requests if each.origin == "artifacts"]
    result["left"].append(left)
    result["resumed"].append(int(begun[0]) if begun else len(content))
print(json.dumps(result))
"""

SAVE: Final = """
import sys
from buildkite_orm import Buildkite

url, token, job, artifact, place, times = sys.argv[1:]
with Buildkite(token, base_url=url) as bk:
    found = bk.organization("acme").job(job).artifact(artifact).fetch()
    for _ in range(int(times)):
        found.save_to(place)
"""


@dataclass
class Place:
    """An artifact, and the folder to save it to; another folder next to it must not change."""

    server: FakeBuildkite
    bk: Buildkite
    stored: ArtifactRecord
    artifact: Artifact
    folder: Path

    @property
    def final(self) -> Path:
        """The path of the saved file."""
        return self.folder / NAME

    def save(self) -> BuildkiteError | None:
        """Save the artifact; check that it is complete if there is no error."""
        try:
            self.artifact.save_to(self.final)
        except BuildkiteError as error:
            return error
        assert self.final.read_bytes() == CONTENT
        return None

    def named(self, path: object) -> Artifact:
        """Return the artifact as if the server sent another path."""
        return self.bk.bind(Artifact.model_validate({**self.artifact.dump(), "path": path}))

    def ranges(self) -> list[str | None]:
        return [each.headers.get("Range") for each in self.server.requests if each.origin == "artifacts"]

    def check_outside(self) -> str:
        """Check that nothing was written outside the folder."""
        outside = self.folder.parent / "outside"
        assert sorted(path.name for path in self.folder.parent.iterdir()) == ["folder", "outside"]
        assert [(path.name, path.read_bytes()) for path in outside.iterdir()] == [("secret", b"secret")]
        return NOTHING

    def left(self) -> str:
        """Return the files left next to the file."""
        others = sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path != self.final)
        return ", ".join(others) or NOTHING


@contextmanager
def placed() -> Generator[Place]:
    settings = Settings(organization_limit=None, user_limit=None)
    with (
        FakeBuildkite(populate=False, settings=settings) as server,
        server.client() as bk,
        TemporaryDirectory() as base,
    ):
        for name in ("folder", "outside"):
            (Path(base) / name).mkdir()
        (Path(base) / "outside/secret").write_bytes(b"secret")
        stored = server.add_artifact(server.add_build("web", jobs=1).jobs[0], NAME, CONTENT)
        artifact = bk.organization("acme").job(stored.job.id).artifact(stored.id).fetch()
        server.requests.clear()
        yield Place(server, bk, stored, artifact, Path(base).resolve() / "folder")


# -- a process that is killed, connections that break ------------------------------------------------------------------


def killed() -> Cells:
    """Kill processes while they save, each a few lines later than the previous one; then save."""
    with TemporaryDirectory() as base:
        command = [sys.executable, "-W", "error", "-c", KILLED, base, str(STEP)]
        run = subprocess.run(command, capture_output=True, text=True, check=True)
    result = json.loads(run.stdout)
    assert result["killed"] > 50
    assert result["wrong"] == []
    assert result["resumed"] == result["left"]
    assert {0, 65536, 131_072, 600 * 256} <= set(result["left"])
    return "the next save resumes", "nothing, or all of it", "its first part, in the hidden folder"


def left_by_a_killed_process(content: bytes) -> Cells:
    with placed() as place:
        place.server.faults.add("truncate", origin="artifacts", at=HALF)
        place.server.faults.add("reset_before", origin="artifacts", times=None)
        with mock.patch.object(PartialFile, "discard"):  # as after the end of its process
            assert place.save() is not None
        (part,) = (place.folder / WORKING_FOLDER).iterdir()
        part.write_bytes(content)
        place.server.faults.clear()
        place.server.requests.clear()
        assert place.save() is None
        went_on = place.ranges() == [f"bytes={HALF}-"]
        assert went_on or place.ranges()[-1] is None
        return "resumes" if went_on else "downloaded again", "all of it", place.left()


def broken_connection() -> Cells:
    with placed() as place:
        place.server.faults.add("reset_mid_body", origin="artifacts", at=HALF)
        assert place.save() is None
        begun = [int(each[6:-1]) for each in place.ranges() if each is not None]
        assert begun == [HALF]
        return "resumes", "all of it", place.left()


def corrupted() -> Cells:
    with placed() as place:
        place.server.faults.add("corrupt_body", origin="artifacts", times=None)
        error = place.save()
        assert isinstance(error, ChecksumMismatchError)
        return _kept(place, error)


def _kept(place: Place, error: BuildkiteError) -> Cells:
    """Return the cells of an error: what was under the final name before is there still."""
    assert not place.final.exists()
    place.final.write_bytes(b"old")
    again = place.save()
    assert type(again) is type(error)
    assert place.final.read_bytes() == b"old"
    return f"`{type(error).__name__}`", "the previous file", place.left()


# -- the disk ----------------------------------------------------------------------------------------------------------


def refused(function: str, number: int) -> Cells:
    """Make a system call of the save fail; the next save, without that failure, succeeds."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    with placed() as place:
        with mock.patch.object(os, function, refuse):
            error = place.save()
            assert isinstance(error, DownloadError)
            assert re.search(f"cannot write .*: {os.strerror(number)}; nothing was kept", str(error))
            cells = _kept(place, error)
        assert place.save() is None
        return cells


# -- concurrent saves --------------------------------------------------------------------------------------------------


def threads() -> Cells:
    """Save in one thread while another begins and ends."""
    with placed() as place:
        seen: list[bytes] = []

        def save_too(_: object) -> bool:
            place.server.faults.clear()
            assert place.save() is None
            seen.append(place.final.read_bytes())
            return False

        place.server.faults.add("html", origin="artifacts", match=save_too)
        assert place.save() is None
        assert seen == [CONTENT]
        return "both succeed", "all of one of them, at any time", place.left()


def processes() -> Cells:
    """Save two artifacts to one name by three processes, many times."""
    with placed() as place:
        other = place.server.add_artifact(place.stored.job, "other.bin", OTHER)
        fixed = [sys.executable, "-W", "error", "-c", SAVE, place.server.url, place.server.token, place.stored.job.id]
        ids = (place.stored.id, other.id, place.stored.id)
        running = [subprocess.Popen([*fixed, each, str(place.final), str(TIMES)]) for each in ids]
        seen: set[bytes] = set()
        while any(each.poll() is None for each in running):
            if place.final.exists():
                seen.add(place.final.read_bytes())
        assert [each.wait() for each in running] == [0] * len(ids)
        assert seen | {place.final.read_bytes()} <= {CONTENT, OTHER}
        return "all succeed", "all of one of them, at any time", place.left()


# -- names -------------------------------------------------------------------------------------------------------------


def hostile(*paths: object) -> Cells:
    """Save to a folder, under the path that the server sends."""
    with placed() as place:
        (result,) = {_refusal(partial(place.named(path).save_to, place.folder)) for path in paths}
        return result, *_nowhere(place)


def reserved() -> Cells:
    """Check the names that are devices or streams of other files on Windows."""
    with placed() as place:
        paths = ("NUL", "con", "dist/aux.txt", "COM1", "CONIN$", "file.txt:stream", "dist./x")
        (result,) = {_refusal(partial(safe_path, place.folder, path, windows=True)) for path in paths}
        return result, *_nowhere(place)


def linked_out(path: str, target: str) -> Cells:
    with placed() as place:
        link = place.folder / Path(path).parts[0]
        link.symlink_to(place.folder.parent / target)
        result = _refusal(partial(place.named(path).save_to, place.folder))
        link.unlink()
        return result, *_nowhere(place)


def _refusal(do: Callable[[], object]) -> str:
    try:
        do()
    except UnsafePathError as error:
        return f"`{type(error).__name__}`"
    raise AssertionError("it is not refused")


def _nowhere(place: Place) -> tuple[str, str, str]:
    """Return the number of requests, and check that nothing was written."""
    return str(len(place.server.requests)), place.check_outside(), place.left()


def linked_meanwhile() -> Cells:
    """Replace the file by a link during the download: the link is replaced, not followed."""
    with placed() as place:

        def link(_: object) -> bool:
            place.final.symlink_to(place.folder.parent / "outside/secret")
            return False

        place.server.faults.add("html", origin="artifacts", match=link)
        assert place.save() is None
        assert not place.final.is_symlink()
        return "saved, and the link is replaced", *_nowhere(place)


def by_case() -> Cells:
    """Save names that differ only by case; on a file system that ignores case, the last one is kept."""
    with placed() as place:
        for path in ("dist/App.bin", "dist/app.bin", "Dist/app.bin"):
            assert place.named(path).save_to(place.folder).read_bytes() == CONTENT
        found = [path for path in place.folder.rglob("*") if path.is_file()]
        assert all(path.read_bytes() == CONTENT for path in found)
        assert len(found) == (1 if (place.folder.parent / "OUTSIDE").exists() else 3)
        return "saved, each whole", str(len(place.server.requests)), place.check_outside(), NOTHING


_REFUSALS: Final = (
    ("a full disk", "dup", errno.ENOSPC),
    ("a quota that is used up", "dup", errno.EDQUOT),
    ("a read-only file system", "replace", errno.EROFS),
    ("a folder that may not be written", "open", errno.EACCES),
    ("too many open files", "open", errno.EMFILE),
)
SAVING: Final = Table(
    title="Files that are saved",
    note=f"""\
`save_to` writes to a file in a hidden folder next to the final one (`{WORKING_FOLDER}`), checks size and
checksums, and renames it. The process is killed at every {STEP}th line that it runs there. "The previous file" is that
of an earlier save.
""",
    columns=("result", "under the final name", "left next to it"),
    rows=(
        Row("its process is killed", killed),
        Row("saved again after half was saved", partial(left_by_a_killed_process, CONTENT[:HALF])),
        Row("the same, with a damaged half", partial(left_by_a_killed_process, b"x" * HALF)),
        Row("the connection breaks", broken_connection),
        Row("other bytes are received", corrupted),
        *(Row(name, partial(refused, function, number)) for name, function, number in _REFUSALS),
        Row("two threads save to one name", threads),
        Row("three processes save to one name", processes),
    ),
)
NAMES: Final = Table(
    title="Unsafe names",
    note="""\
If `save_to` gets a folder, it saves the artifact there under the path that its agent sent. If it gets a file name, it
uses that.
""",
    columns=("result", "requests", "written outside", "left in the folder"),
    rows=(
        Row("`..`, `a/../../x`, `..\\x`", partial(hostile, "..", "../../x", "a/../../x", "..\\..\\x")),
        Row("absolute: `/etc/passwd`, `\\\\server\\x`", partial(hostile, "/etc/passwd", "//server/x", "\\\\server\\x")),
        Row("a drive letter: `C:\\x`, `c:x`", partial(hostile, "C:/x", "c:x", "C:\\x")),
        Row("NUL, half a character", partial(hostile, "a\0b", "\0", "\ud800")),
        Row("no name: nothing, `.`, `/`", partial(hostile, "", ".", "./", "/")),
        Row(
            "the folder of unfinished files",
            partial(hostile, f"{WORKING_FOLDER}/x", f"dist/{WORKING_FOLDER.upper()}", f"{WORKING_FOLDER}-1/x"),
        ),
        Row("reserved names, on Windows", reserved),
        Row("a link in the folder that leads out of it", partial(linked_out, "dist/x", "outside")),
        Row("a link in place of the file", partial(linked_out, NAME, "outside/secret")),
        Row("a link that replaces the file during the download", linked_meanwhile),
        Row("names that differ only by case", by_case),
    ),
)
TABLES: Final = (SAVING, NAMES)
