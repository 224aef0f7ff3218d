"""Artifacts: files that jobs upload."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self, TypedDict, overload

from buildkite_orm.paths import ascii_safe, parent_path
from buildkite_orm.queryset import QuerySet
from buildkite_orm.resource import Fetchable
from buildkite_orm.resources.underjob import UnderJob, organization_path
from buildkite_orm.states import ArtifactState

if TYPE_CHECKING:
    import os
    from pathlib import Path
    from typing import Unpack

    from buildkite_orm.downloads import ArtifactStream
    from buildkite_orm.resources.job import JobRef
    from buildkite_orm.resources.organization import OrganizationRef


class ArtifactFilters(TypedDict, total=False):
    """How artifacts are filtered.

    Attributes:
        state: Their state.
        path: Their path; `*` stands for anything.
    """

    state: ArtifactState | Literal["new", "error", "finished", "deleted", "expired"]
    path: str


class ArtifactRef(UnderJob):
    """Where an artifact is.

    A ref does not know size and checksums, so what is downloaded through it is checked only against what its storage
    announces; an `Artifact` checks those too.
    """

    _kind = "artifact"

    @property
    def job(self) -> JobRef:
        """The job that has uploaded it."""
        from buildkite_orm.resources.job import JobRef

        return JobRef.at(self.session, parent_path(self.api_path, 2))

    @property
    def organization(self) -> OrganizationRef:
        """The organization that it belongs to."""
        from buildkite_orm.resources.organization import OrganizationRef

        return OrganizationRef.at(self.session, organization_path(self.api_path))

    def fetch(self) -> Artifact:
        """Ask for what is known of the artifact.

        Raises:
            NotFoundError: There is none of this id, or it was deleted.

        Documentation: https://buildkite.com/docs/apis/rest-api/artifacts#get-an-artifact
        """
        return self._send(Artifact)

    @overload
    def download(self, *, stream: Literal[False] = False) -> bytes: ...
    @overload
    def download(self, *, stream: Literal[True]) -> ArtifactStream: ...
    @overload
    def download(self, *, stream: bool) -> bytes | ArtifactStream: ...
    def download(self, *, stream: bool = False) -> bytes | ArtifactStream:
        """Get the content: whole, or as a stream that holds one chunk at a time.

        Size and checksums are checked at the end, where they are known. A download that breaks goes on where it broke;
        a link that has expired is asked for anew.

        Args:
            stream: Whether to give an iterator of chunks of bytes, for a `for` or a `with`.

        Raises:
            ChecksumMismatchError: The bytes are not those that the agent uploaded.
            DownloadError: Its storage does not give it.
            NotFoundError: It is not there any more.

        Documentation: https://buildkite.com/docs/apis/rest-api/artifacts#download-an-artifact
        """
        from buildkite_orm.downloads import ArtifactStream

        chunks = ArtifactStream(self)
        return chunks if stream else b"".join(chunks)

    def text(self, *, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Get the content as text; arguments as for `bytes.decode`, errors as for `download()`."""
        return self.download().decode(encoding, errors)

    def save_to(self, path: str | os.PathLike[str]) -> Path:
        """Save the content, and give where.

        It is written to a temporary file beside its place, checked, and then renamed: a file of the final name is
        whole. Where it fails, nothing is left; what a process that was killed has left is gone on with when the same
        artifact is saved there again. A bare ref asks for size, checksums and path first.

        Args:
            path: A file, or a folder (one that is there, or a string that ends with a slash): there it is saved under
                the artifact's own path.

        Raises:
            UnsafePathError: The artifact's path would leave the folder; nothing was written.
            ChecksumMismatchError: The bytes are not those that the agent uploaded; nothing was kept.
            DownloadError: Its storage does not give it, or it cannot be written.
        """
        from buildkite_orm.downloads import save_artifact

        return save_artifact(self if isinstance(self, Artifact) else self.fetch(), path)

    def delete(self) -> None:
        """Delete the artifact, for good.

        Raises:
            NotFoundError: It is not there.

        Documentation: https://buildkite.com/docs/apis/rest-api/artifacts#delete-an-artifact
        """
        self._do("DELETE")


class Artifact(ArtifactRef, Fetchable):
    """A file that a job has uploaded.

    Attributes:
        path: Its path, from where the job ran; `dirname` and `filename` are the parts of it.
        file_size: Bytes.
        state: One that is `new` may be downloadable all the same.
        sha256sum: Not documented; checked where it comes.

    Documentation: https://buildkite.com/docs/apis/rest-api/artifacts#artifact-data-model
    """

    id: str
    job_id: str | None = None
    url: str
    download_url: str | None = None
    state: ArtifactState
    path: str
    dirname: str | None = None
    filename: str | None = None
    mime_type: str | None = None
    file_size: int | None = None
    glob_path: str | None = None
    original_path: str | None = None
    sha1sum: str | None = None
    sha256sum: str | None = None

    def _headline(self) -> str:
        return ascii_safe(f"{self.path}, {self.file_size} bytes, {self.state}")


class ArtifactQuerySet(QuerySet[Artifact]):
    """The artifacts of a build or a job."""

    model = Artifact
    filters = frozenset(ArtifactFilters.__annotations__)

    def filter(self, **filters: Unpack[ArtifactFilters]) -> Self:
        """Give a queryset with further filters; see `ArtifactFilters`."""
        return self._filtered(filters)
