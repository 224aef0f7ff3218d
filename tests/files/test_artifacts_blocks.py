"""The length and hash of a file, and how its blocks are hashed while it is loaded."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm import Artifact
from buildkite_orm.files import checksums
from buildkite_orm.files.checksums import ExpectedContent
from buildkite_orm.files.download import ArtifactStream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from buildkite_orm import Buildkite
    from buildkite_orm.fake import FakeBuildkite
    from tests.conftest import Costs

BLOCK = 16


class Later:
    """Takes the place of `Background`: a call is made when its result is awaited, and not before."""

    def __init__(self) -> None:
        self.submitted = 0
        self._do: Callable[[], object] | None = None

    def submit(self, call: Callable[[], object]) -> None:
        self.wait()
        self.submitted += 1
        self._do = call

    def wait(self) -> None:
        do, self._do = self._do, None
        if do is not None:
            do()

    def close(self) -> None:
        self.wait()


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Later:
    """Takes the place of threads, and makes blocks small."""
    later = Later()

    monkeypatch.setattr(checksums, "Background", lambda: later)
    monkeypatch.setattr(checksums, "_BLOCK", BLOCK)
    return later


def see(chunks: Iterable[bytes], seen: list[bytes]) -> list[bytes]:
    """Hash chunks in another thread, and return the blocks in which they were hashed."""
    hasher_class: Any = vars(checksums)["ThreadedHasher"]

    def note(block: memoryview) -> None:
        seen.append(bytes(block))

    with hasher_class(note) as hasher:
        for chunk in chunks:
            hasher.add(chunk)
    return seen


@pytest.mark.parametrize("seed", range(20))
def test_all_bytes_are_hashed_once_and_in_order(later: Later, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311
    chunks = [chance.randbytes(chance.randint(0, BLOCK)) for _ in range(chance.randint(0, 30))]
    blocks = see(chunks, [])
    assert b"".join(blocks) == b"".join(chunks)
    assert all(len(block) <= BLOCK for block in blocks)
    assert later.submitted == len(blocks) - 1  # the last is seen at the end


@pytest.mark.parametrize(
    ("chunks", "blocks"),
    [
        ([], [b""]),
        ([b"x" * 16], [b"x" * 16]),
        ([b"x" * 8, b"y" * 8], [b"x" * 8 + b"y" * 8]),
        ([b"x" * 16, b"y"], [b"x" * 16, b"y"]),
        ([b"x" * 9, b"y" * 8], [b"x" * 9, b"y" * 8]),
    ],
)
def test_a_file_of_one_block_needs_no_thread(later: Later, chunks: list[bytes], blocks: list[bytes]) -> None:
    assert see(chunks, []) == blocks
    assert later.submitted == len(blocks) - 1


def breaking() -> Iterator[bytes]:
    yield b"x" * BLOCK
    yield b"y"
    raise KeyError


def test_if_loading_fails_the_rest_is_not_seen(later: Later) -> None:
    seen: list[bytes] = []
    with pytest.raises(KeyError):
        see(breaking(), seen)
    assert seen == [b"x" * BLOCK]
    assert later.submitted == 1


class Refusing(list[bytes]):
    def append(self, block: bytes) -> None:
        raise KeyError(block)


def test_if_seeing_fails_that_is_an_error(later: Later) -> None:
    with pytest.raises(KeyError, match="xxx"):
        see([b"x" * BLOCK, b"y" * BLOCK], Refusing())
    assert later.submitted == 1


@pytest.mark.parametrize(("content", "offset", "requests"), [(b"hello", 4, 2), (b"hello", 5, 0), (b"", 0, 2)])
def test_a_file_of_which_all_bytes_are_there_is_not_requested(
    server: FakeBuildkite, bk: Buildkite, content: bytes, offset: int, requests: int
) -> None:
    stored = server.add_artifact(server.add_build("web", jobs=1).jobs[0], "a.txt", content)
    found = bk.organization("acme").job(stored.job.id).artifact(stored.id).fetch()
    server.requests.clear()
    stream = ArtifactStream(found, offset=offset, expected=ExpectedContent.of(found).size_only())
    assert b"".join(stream) == content[offset:]
    assert len(server.requests) == requests


@pytest.mark.parametrize("size", ["5", "a lot", None, [5], {}])
def test_a_size_that_is_none_is_not_checked(server: FakeBuildkite, bk: Buildkite, costs: Costs, size: object) -> None:
    stored = server.add_artifact(server.add_build("web", jobs=1).jobs[0], "a.txt", b"hello")
    known = bk.organization("acme").job(stored.job.id).artifact(stored.id).fetch()
    odd = Artifact.model_validate(known.dump())
    vars(odd)["file_size"] = size
    with costs(1, artifacts=1):
        assert bk.bind(odd).download() == b"hello"
