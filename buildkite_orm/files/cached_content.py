"""The content of an artifact with a cache: from it, else downloaded, and then stored once it is checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkite_orm.cache.client_cache import cache_use
from buildkite_orm.cache.files import CHUNK
from buildkite_orm.cache.keys import artifact_key
from buildkite_orm.cache.policy import finished_at, is_settled
from buildkite_orm.errors import NotCachedError
from buildkite_orm.files.storage import ArtifactStorage
from buildkite_orm.models.enums import ArtifactState
from buildkite_orm.models.paths import short_path

if TYPE_CHECKING:
    from collections.abc import Generator
    from io import BufferedReader

    from buildkite_orm.cache.client_cache import CacheUse, FileCopy
    from buildkite_orm.cache.options import CacheMode
    from buildkite_orm.resources.builds.artifact import ArtifactRef


class ArtifactContent:
    """The content of an artifact.

    Args:
        artifact: The artifact.
        mode: How the call uses the cache; None for the mode of the client.
    """

    def __init__(self, artifact: ArtifactRef, mode: CacheMode | None) -> None:
        self._artifact = artifact
        self._mode: CacheMode | None = mode
        self._copy: FileCopy | None = None

    def chunks(self, offset: int) -> Generator[bytes]:
        """Yield the content from an offset on; the first chunk is requested, or read, when it is needed.

        Raises:
            BuildkiteError: Neither the cache nor the storage has it.
        """
        stored = open_stored(self._artifact, self._mode)
        if stored is not None:
            with stored:
                stored.seek(offset)
                yield from iter(lambda: stored.read(CHUNK), b"")
            return
        storage = ArtifactStorage(self._artifact)
        use = _use_of(self._artifact, self._mode)
        is_first = offset == 0 and use is not None and use.writes
        for chunk in self._artifact.session.retries.transfer(storage.chunks_from, offset):
            if is_first and use is not None and self._may_store(storage):
                self._copy = use.cache.new_file()
            is_first = False
            if self._copy is not None:
                self._copy.write(chunk)
            yield chunk

    def keep(self) -> None:
        """Store what was downloaded: all of it, and checked."""
        key = artifact_key(self._artifact.api_path)
        if self._copy is not None and key is not None:
            self._copy.keep(key)

    def discard(self) -> None:
        """Delete the copy of what was downloaded, unless it is stored."""
        copy, self._copy = self._copy, None
        if copy is not None:
            copy.discard()

    def _may_store(self, storage: ArtifactStorage) -> bool:
        artifact = self._artifact
        is_uploaded = artifact.__dict__.get("state") == ArtifactState.FINISHED
        ended = finished_at(artifact._bound.context)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        return is_uploaded and is_settled(ended, storage.latest_end)


def open_stored(artifact: ArtifactRef, mode: CacheMode | None) -> BufferedReader | None:
    """Open the stored content of an artifact; None if it is not stored.

    Raises:
        NotCachedError: It is not stored, and no request may be sent.
    """
    use, key = _use_of(artifact, mode), artifact_key(artifact.api_path)
    if use is None or key is None:
        return None
    stored = use.cache.open_file(key, use.cache.options.max_age) if use.reads else None
    if stored is None and not use.requests:
        raise NotCachedError.of([short_path(artifact.api_path)])
    return stored


def check_may_request(artifact: ArtifactRef, mode: CacheMode | None) -> None:
    """Refuse what needs a request for the artifact itself, which is not stored.

    Raises:
        ConfigurationError: There is no such mode.
        NotCachedError: No request may be sent.
    """
    use = _use_of(artifact, mode)
    if use is not None and not use.requests:
        raise NotCachedError.of([short_path(artifact.api_path)])


def _use_of(artifact: ArtifactRef, mode: CacheMode | None) -> CacheUse | None:
    return cache_use(artifact.session, mode)
