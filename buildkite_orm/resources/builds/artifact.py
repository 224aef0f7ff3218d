"""Artifacts: files that jobs upload."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self, TypedDict, overload

from buildkite_orm.models.enums import ArtifactState
from buildkite_orm.models.resource import Fetchable
from buildkite_orm.querysets.globs import Globs
from buildkite_orm.querysets.queryset import QuerySet
from buildkite_orm.resources.parents import InJob
from buildkite_orm.utils.text import short_size

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from io import BufferedReader
    from pathlib import Path
    from typing import Unpack

    from buildkite_orm.files.bulk import DownloadReport, Layout
    from buildkite_orm.files.download import ArtifactStream


class ArtifactFilters(TypedDict, total=False):
    """How artifacts are filtered.

    Attributes:
        state: Their state.
        path: Their path: one, or several of which one must match. `*` stands for anything, slashes too, `?` for one
            character, `{a,b}` for either, `[a-c]` for one of them. A part that is `**` stands for any number of
            folders; in such a path, `*` stays within its folder. A path that is written just so matches in any case.
    """

    state: ArtifactState | Literal["new", "error", "finished", "deleted", "expired"]
    path: str | Sequence[str]


class ArtifactRef(InJob):
    """Where an artifact is.

    A ref does not know size and checksums, so what is downloaded through it is checked only against what its storage
    announces; an `Artifact` checks those too.
    """

    _kind = "artifact"
    _paths = (
        "organizations/{organization}/pipelines/{pipeline}/builds/{build}/jobs/{job}/artifacts/{id}",
        "organizations/{organization}/jobs/{job}/artifacts/{id}",
    )

    def fetch(self) -> Artifact:
        """Ask for what is known of the artifact.

        Raises:
            NotFoundError: There is none of this id, or it was deleted.

        Documentation: https://buildkite.com/docs/apis/rest-api/artifacts#get-an-artifact
        """
        return self._request(Artifact)

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
        from buildkite_orm.files.download import ArtifactStream

        chunks = ArtifactStream(self)
        return chunks if stream else b"".join(chunks)

    def text(self, *, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Get the content as text; arguments as for `bytes.decode`, errors as for `download()`."""
        return self.download().decode(encoding, errors)

    def save_to(self, path: str | os.PathLike[str], *, progress: bool | None = None) -> Path:
        """Save the content, and give where.

        It is written to a temporary file beside its place, checked, and then renamed: a file of the final name is
        whole. Where it fails, nothing is left; what a process that was killed has left is gone on with when the same
        artifact is saved there again. A bare ref asks for size, checksums and path first.

        Args:
            path: A file, or a folder (one that is there, or a string that ends with a slash): there it is saved under
                the artifact's own path.
            progress: Whether to show how many bytes are there; unless told, for large files, where there is a terminal
                or a notebook, and tqdm (`pip install 'buildkite_orm[progress]'`).

        Raises:
            UnsafePathError: The artifact's path would leave the folder; nothing was written.
            ChecksumMismatchError: The bytes are not those that the agent uploaded; nothing was kept.
            DownloadError: Its storage does not give it, or it cannot be written.
        """
        from buildkite_orm.files.download import save_artifact

        return save_artifact(self if isinstance(self, Artifact) else self.fetch(), path, progress=progress)

    def open(self, *, buffer_size: int = 256 * 1024) -> BufferedReader:
        """Open the content as a file to read, without saving it.

        It is read by parts, as far as they are needed: one request to the API for a link, and requests to the storage
        behind it, fewer the more is read at a stretch. A link that has expired is asked for anew. What is read from the
        beginning to the end is checked as by `download()`. Use it in a `with`. A bare ref asks for the size first.

        Args:
            buffer_size: How many bytes to ask for at least at a time.

        Raises:
            DownloadError: While it is read: its storage does not give it, or not by parts.
            NotFoundError: While it is read: it is not there any more.

        Example:
            >>> import json
            >>> build = bk.organization("acme").pipeline("web").builds(state="passed").first()
            >>> with build.artifacts(path="*/eslint.json").first().open() as file:
            ...     json.load(file)
            [{'ruleId': 'no-unused-vars', 'severity': 1, 'line': 42}]
        """
        from buildkite_orm.files.remote_file import open_artifact

        return open_artifact(self if isinstance(self, Artifact) else self.fetch(), buffer_size)

    def delete(self) -> None:
        """Delete the artifact, for good.

        Raises:
            NotFoundError: It is not there.

        Documentation: https://buildkite.com/docs/apis/rest-api/artifacts#delete-an-artifact
        """
        self._execute("DELETE")


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

    def _summary(self) -> Iterable[object]:
        told = self.__dict__
        yield told.get("path")
        yield short_size(told["file_size"]) if isinstance(told.get("file_size"), int) else None
        yield told.get("state")


class ArtifactQuerySet(QuerySet[Artifact]):
    """The artifacts of a build or a job.

    The server knows one `path`, and `*` in it. Where more is asked for, it is asked for the least that holds all that
    can match, and what does not match is left out here: then `count()` loads the listing, and `page()` is refused.

    Example:
        >>> build = bk.organization("acme").pipeline("web").builds(state="passed").first()
        >>> sorted({artifact.path for artifact in build.artifacts(path=["**/*.{json,html}", "dist/*"])})
        ['coverage/index.html', 'dist/app.tar.gz', 'log/eslint.json', 'log/rspec.json']
    """

    _model = Artifact
    _filter_names = frozenset(ArtifactFilters.__annotations__)

    def filter(self, **filters: Unpack[ArtifactFilters]) -> Self:
        """Give a queryset with further filters; see `ArtifactFilters`."""
        return self._filtered(filters)

    def save_all(
        self,
        folder: str | os.PathLike[str],
        *,
        workers: int = 8,
        layout: Layout = "path",
        progress: bool | None = None,
    ) -> DownloadReport:
        """Save all artifacts, several at once, and tell what became of each.

        Each costs one request to the API, within the request budget, and is saved as `Artifact.save_to` does it. What
        is there already, by size and checksum, is skipped and costs none; so after an end that came too early, the same
        call goes on. One that fails stops no other.

        Args:
            folder: Where to; it is made if it is not there.
            workers: How many at once.
            layout: Where in the folder. `path`: each at its own path, and those of several jobs that would come to the
                same place below a folder for each job, named by its id. `job`: all below such folders; then it does
                not depend on what else there is where one goes. Or a function that gives the path of an artifact.
            progress: Whether to show files and bytes; unless told, where there is a terminal or a notebook, and tqdm
                (`pip install 'buildkite_orm[progress]'`).

        Raises:
            PartialDownloadError: Some could not be saved, and all others are; its `report` tells which, and why.

        Example:
            >>> build = bk.organization("acme").pipeline("web").builds(state="passed").first()
            >>> print(build.artifacts(path="**/*.json").save_all("downloads"))
            4 saved (15.4 kB), 0 skipped, 0 failed: downloads
            >>> print(build.artifacts(path="**/*.json").save_all("downloads"))
            0 saved (0 bytes), 4 skipped, 0 failed: downloads
        """
        from buildkite_orm.files.bulk import save_all

        return save_all(self, folder, workers=workers, layout=layout, progress=progress)

    def _params(self) -> Mapping[str, object]:
        globs = Globs.of(self._filters.get("path"))
        return self._filters if globs is None else {**self._filters, "path": globs.for_server}

    def _make_client_filter(self) -> Callable[[Artifact], bool] | None:
        globs = Globs.of(self._filters.get("path"))
        matches = None if globs is None else globs.matcher()
        return None if matches is None else lambda artifact: matches(str(artifact.__dict__.get("path") or ""))
