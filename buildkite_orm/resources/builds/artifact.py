"""Artifacts: files that jobs upload."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self, TypedDict, overload

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

    from buildkite_orm.cache.options import CacheMode
    from buildkite_orm.cache.policy import FinishedAt
    from buildkite_orm.files.bulk import DownloadReport, Layout
    from buildkite_orm.files.download import ArtifactStream


class ArtifactFilters(TypedDict, total=False):
    """Filters for artifacts.

    Attributes:
        state: Their state.
        path: Their path: one, or several of which one must match. `*` stands for anything, slashes too, `?` for one
            character, `{a,b}` for either, `[a-c]` for one of them. A part that is `**` stands for any number of
            folders; in such a path, `*` stays within its folder. A path that is written just so matches in any case.
    """

    state: ArtifactState | Literal["new", "error", "finished", "deleted", "expired"]
    path: str | Sequence[str]


class ArtifactRef(InJob):
    """The ref of an artifact.

    A ref does not know size and checksums, so a download through it is only checked against what its storage
    announces; an `Artifact` checks those too.
    """

    _kind = "artifact"
    _paths = (
        "organizations/{organization}/pipelines/{pipeline}/builds/{build}/jobs/{job}/artifacts/{id}",
        "organizations/{organization}/jobs/{job}/artifacts/{id}",
    )

    if TYPE_CHECKING:
        id: str

    def fetch(self) -> Artifact:
        """Fetch the artifact's data.

        Raises:
            NotFoundError: Nothing has this id, or it was deleted.

        Documentation: https://buildkite.com/docs/apis/rest-api/artifacts#get-an-artifact
        """
        return self._request(Artifact)

    @overload
    def download(self, *, stream: Literal[False] = False, cache: CacheMode | None = None) -> bytes: ...
    @overload
    def download(self, *, stream: Literal[True], cache: CacheMode | None = None) -> ArtifactStream: ...
    @overload
    def download(self, *, stream: bool, cache: CacheMode | None = None) -> bytes | ArtifactStream: ...
    def download(self, *, stream: bool = False, cache: CacheMode | None = None) -> bytes | ArtifactStream:
        """Download the content: all of it, or as a stream that holds one chunk at a time.

        Size and checksums, if known, are checked at the end. An interrupted download resumes at its offset; an expired
        link is requested again.

        Args:
            stream: Whether to return an iterator of chunks of bytes, for a `for` or a `with`.
            cache: How this call uses the cache of the client, which stores the files of finished jobs; by default, as
                the client does.

        Raises:
            ChecksumMismatchError: The bytes differ from those that the agent uploaded.
            DownloadError: The storage does not return it.
            NotFoundError: It does not exist any more.

        Documentation: https://buildkite.com/docs/apis/rest-api/artifacts#download-an-artifact
        """
        from buildkite_orm.files.download import ArtifactStream

        chunks = ArtifactStream(self, cache=cache)
        return chunks if stream else b"".join(chunks)

    def text(self, *, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Download the content as text; arguments as for `bytes.decode`, errors as for `download()`."""
        return self.download().decode(encoding, errors)

    def save_to(
        self, path: str | os.PathLike[str], *, progress: bool | None = None, cache: CacheMode | None = None
    ) -> Path:
        """Save the content, and return the path of the file.

        It is written to a temporary file in the same folder, checked, and then renamed: a file with the final name is
        complete. A failure leaves no file; a temporary file of a killed process is resumed when the same artifact is
        saved there again. A bare ref requests size, checksums and path first.

        Args:
            path: A file, or a folder (an existing one, or a string that ends with a slash): in it, the file has the
                artifact's own path.
            progress: Whether to show the number of bytes; default: for large files, in a terminal or a notebook, with
                tqdm (`pip install 'buildkite_orm[progress]'`).
            cache: As for `download()`.

        Raises:
            UnsafePathError: The artifact's path would leave the folder; nothing was written.
            ChecksumMismatchError: The bytes are not those that the agent uploaded; nothing was kept.
            DownloadError: The storage does not return it, or it cannot be written.
        """
        from buildkite_orm.files.cached_content import check_may_request
        from buildkite_orm.files.download import save_artifact

        if isinstance(self, Artifact):
            return save_artifact(self, path, progress=progress, cache=cache)
        check_may_request(self, cache)
        return save_artifact(self.fetch(), path, progress=progress, cache=cache)

    def open(self, *, buffer_size: int = 256 * 1024, cache: CacheMode | None = None) -> BufferedReader:
        """Open the content as a file to read, without saving it.

        Only the needed parts are read: one request to the API for a link, and requests to the storage, fewer if larger
        parts are read. An expired link is requested again. A file that is read from beginning to end is checked as by
        `download()`. Use it in a `with`. A bare ref requests the size first.

        Args:
            buffer_size: The smallest number of bytes per request.
            cache: As for `download()`. A file that is read in parts is not stored.

        Raises:
            DownloadError: While reading: the storage does not return it, or not in parts.
            NotFoundError: While reading: it does not exist any more.

        Example:
            >>> import json
            >>> build = bk.organization("acme").pipeline("web").builds(state="passed").first()
            >>> with build.artifacts(path="*/eslint.json").first().open() as file:
            ...     json.load(file)
            [{'ruleId': 'no-unused-vars', 'severity': 1, 'line': 42}]
        """
        from buildkite_orm.files.remote_file import open_artifact

        return open_artifact(self, buffer_size, cache)

    def delete(self) -> None:
        """Delete the artifact. This cannot be undone.

        Raises:
            NotFoundError: It does not exist.

        Documentation: https://buildkite.com/docs/apis/rest-api/artifacts#delete-an-artifact
        """
        self._execute("DELETE")


class Artifact(ArtifactRef, Fetchable):
    """A file that a job has uploaded.

    Attributes:
        path: Its path, relative to the job's working directory; `dirname` and `filename` are its parts.
        file_size: Bytes.
        state: An artifact that is `new` may be downloadable too.
        sha256sum: Not documented; checked if the server sends it.

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
        data = self.__dict__
        yield data.get("path")
        yield short_size(data["file_size"]) if isinstance(data.get("file_size"), int) else None
        yield data.get("state")


class ArtifactQuerySet(QuerySet[Artifact]):
    """The artifacts of a build or a job.

    The server supports one `path`, with `*` in it. For other filters, the client requests a superset and leaves out
    what does not match: then `count()` loads the listing, and `page()` raises.

    Example:
        >>> build = bk.organization("acme").pipeline("web").builds(state="passed").first()
        >>> sorted({artifact.path for artifact in build.artifacts(path=["**/*.{json,html}", "dist/*"])})
        ['coverage/index.html', 'dist/app.tar.gz', 'log/eslint.json', 'log/rspec.json']
    """

    _model = Artifact
    _filters_type = ArtifactFilters

    def filter(self, **filters: Unpack[ArtifactFilters]) -> Self:
        """Return a queryset with more filters; see `ArtifactFilters`."""
        return self._filtered(filters)

    def __init__(self, *args: Any, finished_at: FinishedAt | None = None, **options: Any) -> None:
        self._finished_at = finished_at
        super().__init__(*args, **options)

    def of_finished(self, finished_at: FinishedAt | None) -> Self:
        """Return the same artifacts, known to be those of a finished build or job. For the library itself."""
        return self._with(finished_at=finished_at)

    def _options(self) -> dict[str, Any]:
        return {**super()._options(), "finished_at": self._finished_at}

    def _context(self) -> FinishedAt | None:
        return self._finished_at

    def save_all(
        self,
        folder: str | os.PathLike[str],
        *,
        where: Callable[[Artifact], object] | None = None,
        workers: int = 8,
        layout: Layout = "path",
        progress: bool | None = None,
    ) -> DownloadReport:
        """Save all artifacts concurrently, and report the result of each.

        Each takes one request to the API, within the request budget, and is saved as by `Artifact.save_to`. Files that
        exist already, by size and checksum, are skipped and take none; so the same call continues an interrupted one.
        A failure stops no other file.

        Args:
            folder: The folder; it is created if it does not exist.
            where: A function that returns whether to save an artifact, called once for each before the first is saved;
                default: all are saved. Report and progress contain only those that are selected.
            workers: How many to save concurrently.
            layout: The paths in the folder. `path`: each at its own path; if those of several jobs collide, below a
                folder for each job, named by its id. `job`: all below such folders, so that the path of one does not
                depend on the others. Or a function that returns the path of an artifact.
            progress: Whether to show files and bytes; default: in a terminal or a notebook, with tqdm
                (`pip install 'buildkite_orm[progress]'`).

        Raises:
            PartialDownloadError: Some could not be saved, all others were; its `report` says which, and why.
            TypeError: `where` is not a function.

        Example:
            >>> build = bk.organization("acme").pipeline("web").builds(state="passed").first()
            >>> print(build.artifacts(path="**/*.json").save_all("downloads"))
            4 saved (15.4 kB), 0 skipped, 0 failed: downloads
            >>> print(build.artifacts(path="**/*.json").save_all("downloads"))
            0 saved (0 bytes), 4 skipped, 0 failed: downloads
            >>> print(build.artifacts().save_all("small", where=lambda artifact: (artifact.file_size or 0) < 1000))
            6 saved (4.4 kB), 0 skipped, 0 failed: small
        """
        from buildkite_orm.files.bulk import save_all

        return save_all(self, folder, where=where, workers=workers, layout=layout, progress=progress)

    def _params(self) -> Mapping[str, object]:
        globs = Globs.of(self._filters.get("path"))
        return self._filters if globs is None else {**self._filters, "path": globs.for_server}

    def _make_client_filter(self) -> Callable[[Artifact], bool] | None:
        globs = Globs.of(self._filters.get("path"))
        matches = None if globs is None else globs.matcher()
        return None if matches is None else lambda artifact: matches(str(artifact.__dict__.get("path") or ""))
