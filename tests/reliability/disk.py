"""Files that are saved: whole or not there, whatever the disk, the network, others and the names do."""

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

# It forks, so it is a process without threads; each child is killed a few lines further on than the one before.
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

told = {"killed": 0, "wrong": [], "left": [], "asked": []}
while status_of(line := told["killed"] * step, folder := base / str(line)) == signal.SIGKILL:
    told["killed"] += 1
    final = folder / "dist/app.bin"
    there = [path for path in folder.rglob("*") if path.is_file()]
    if (final.exists() and final.read_bytes() != content) or len(there) > 1:
        told["wrong"].append(line)
    left = 0 if final in there else sum(path.stat().st_size for path in there)
    if not all(content.startswith(path.read_bytes()) for path in there):
        told["wrong"].append(line)
    server.requests.clear()
    artifact.save_to(f"{folder}/")
    if [path for path in folder.rglob("*") if path.is_file()] != [final] or final.read_bytes() != content:
        told["wrong"].append(line)
    begun = [each.headers.get("Range", "bytes=0-")[6:-1] for each in server.requests if each.origin == "artifacts"]
    told["left"].append(left)
    told["asked"].append(int(begun[0]) if begun else len(content))
print(json.dumps(told))
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
    """An artifact, and the folder to save it to; beside it stands one that must stay as it is."""

    server: FakeBuildkite
    bk: Buildkite
    stored: ArtifactRecord
    artifact: Artifact
    folder: Path

    @property
    def final(self) -> Path:
        """The file that is saved."""
        return self.folder / NAME

    def save(self) -> BuildkiteError | None:
        """Save it; without an error, it is whole."""
        try:
            self.artifact.save_to(self.final)
        except BuildkiteError as error:
            return error
        assert self.final.read_bytes() == CONTENT
        return None

    def named(self, path: object) -> Artifact:
        """Give it as if the server told another path."""
        return self.bk.bind(Artifact.model_validate({**self.artifact.dump(), "path": path}))

    def ranges(self) -> list[str | None]:
        return [each.headers.get("Range") for each in self.server.requests if each.origin == "artifacts"]

    def check_outside(self) -> str:
        """Check that nothing was written outside of the folder."""
        outside = self.folder.parent / "outside"
        assert sorted(path.name for path in self.folder.parent.iterdir()) == ["folder", "outside"]
        assert [(path.name, path.read_bytes()) for path in outside.iterdir()] == [("secret", b"secret")]
        return NOTHING

    def left(self) -> str:
        """Tell what there is beside the file."""
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
    """Have processes killed while they save, each a few lines later than the one before; then save."""
    with TemporaryDirectory() as base:
        command = [sys.executable, "-W", "error", "-c", KILLED, base, str(STEP)]
        run = subprocess.run(command, capture_output=True, text=True, check=True)
    told = json.loads(run.stdout)
    assert told["killed"] > 50
    assert told["wrong"] == []
    assert told["asked"] == told["left"]
    assert {0, 65536, 131_072, 600 * 256} <= set(told["left"])
    return "the next save goes on where it was", "nothing, or all of it", "its beginning, in the hidden folder"


def left_by_a_killed_process(content: bytes) -> Cells:
    with placed() as place:
        place.server.faults.add("truncate", origin="artifacts", at=HALF)
        place.server.faults.add("reset_before", origin="artifacts", times=None)
        with mock.patch.object(PartialFile, "discard"):  # as a process that is not there any more
            assert place.save() is not None
        (part,) = (place.folder / WORKING_FOLDER).iterdir()
        part.write_bytes(content)
        place.server.faults.clear()
        place.server.requests.clear()
        assert place.save() is None
        went_on = place.ranges() == [f"bytes={HALF}-"]
        assert went_on or place.ranges()[-1] is None
        return "goes on where it was" if went_on else "fetched anew", "all of it", place.left()


def broken_connection() -> Cells:
    with placed() as place:
        place.server.faults.add("reset_mid_body", origin="artifacts", at=HALF)
        assert place.save() is None
        begun = [int(each[6:-1]) for each in place.ranges() if each is not None]
        assert begun == [HALF]
        return "goes on where it broke", "all of it", place.left()


def corrupted() -> Cells:
    with placed() as place:
        place.server.faults.add("corrupt_body", origin="artifacts", times=None)
        error = place.save()
        assert isinstance(error, ChecksumMismatchError)
        return _kept(place, error)


def _kept(place: Place, error: BuildkiteError) -> Cells:
    """Give the cells of an error: what was under the final name before is there still."""
    assert not place.final.exists()
    place.final.write_bytes(b"old")
    again = place.save()
    assert type(again) is type(error)
    assert place.final.read_bytes() == b"old"
    return f"`{type(error).__name__}`", "what was there before", place.left()


# -- the disk ----------------------------------------------------------------------------------------------------------


def refused(function: str, number: int) -> Cells:
    """Have the system refuse what a save asks of it; once it does not any more, it is saved."""

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


# -- two at once -------------------------------------------------------------------------------------------------------


def threads() -> Cells:
    """While one saves, another begins and ends."""
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
    """Three processes save two artifacts to one name, again and again."""
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
    """Save to a folder, under a path that the server tells."""
    with placed() as place:
        (told,) = {_refusal(partial(place.named(path).save_to, place.folder)) for path in paths}
        return told, *_nowhere(place)


def reserved() -> Cells:
    """As on Windows, where such names are devices, or streams of other files."""
    with placed() as place:
        paths = ("NUL", "con", "dist/aux.txt", "COM1", "CONIN$", "file.txt:stream", "dist./x")
        (told,) = {_refusal(partial(safe_path, place.folder, path, windows=True)) for path in paths}
        return told, *_nowhere(place)


def linked_out(path: str, target: str) -> Cells:
    with placed() as place:
        link = place.folder / Path(path).parts[0]
        link.symlink_to(place.folder.parent / target)
        told = _refusal(partial(place.named(path).save_to, place.folder))
        link.unlink()
        return told, *_nowhere(place)


def _refusal(do: Callable[[], object]) -> str:
    try:
        do()
    except UnsafePathError as error:
        return f"`{type(error).__name__}`"
    raise AssertionError("it is not refused")


def _nowhere(place: Place) -> tuple[str, str, str]:
    """Tell how many requests it took, and check that nothing was written."""
    return str(len(place.server.requests)), place.check_outside(), place.left()


def linked_meanwhile() -> Cells:
    """A link takes the place of the file while its content is on its way: it is replaced, not followed."""
    with placed() as place:

        def link(_: object) -> bool:
            place.final.symlink_to(place.folder.parent / "outside/secret")
            return False

        place.server.faults.add("html", origin="artifacts", match=link)
        assert place.save() is None
        assert not place.final.is_symlink()
        return "saved, in its place", *_nowhere(place)


def by_case() -> Cells:
    """Where the system takes such names for one, the last one is kept."""
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
`save_to` writes to a file in a hidden folder beside the final one (`{WORKING_FOLDER}`), checks size and
checksums, and renames it. A process is killed at every {STEP}th line that it runs in there. What "was there before" is
a file that an earlier save had put there.
""",
    columns=("what comes of it", "under the final name", "left beside it"),
    rows=(
        Row("its process is killed", killed),
        Row("saved once more, where half is left", partial(left_by_a_killed_process, CONTENT[:HALF])),
        Row("the same, where what is left is rotten", partial(left_by_a_killed_process, b"x" * HALF)),
        Row("the connection breaks", broken_connection),
        Row("other bytes come", corrupted),
        *(Row(name, partial(refused, function, number)) for name, function, number in _REFUSALS),
        Row("two threads save to one name", threads),
        Row("three processes save to one name", processes),
    ),
)
NAMES: Final = Table(
    title="Names that would lead elsewhere",
    note="""\
An artifact is saved to a folder under the path that its agent told; whoever names a file of their own gets that.
""",
    columns=("what comes of it", "requests", "written outside", "left in the folder"),
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
        Row("a link that takes its place meanwhile", linked_meanwhile),
        Row("names that differ only by case", by_case),
    ),
)
TABLES: Final = (SAVING, NAMES)
