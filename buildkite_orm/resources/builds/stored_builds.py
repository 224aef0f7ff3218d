"""Builds as the cache stores them: which may be stored, for which state of a build, and how they are loaded again."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from buildkite_orm.cache.keys import build_key
from buildkite_orm.cache.packing import packed_row, unpack
from buildkite_orm.cache.policy import latest_end
from buildkite_orm.errors import BuildkiteError
from buildkite_orm.http.messages import ApiResponse
from buildkite_orm.models.deferred import Deferred
from buildkite_orm.models.parsing import load_documented, load_list
from buildkite_orm.models.paths import path_from_url
from buildkite_orm.resources.builds.build import Build
from buildkite_orm.resources.builds.build_texts import BuildText, StoredText, divide
from buildkite_orm.resources.builds.job import Job, WaiterJob
from buildkite_orm.resources.builds.status import BUILD_ENDS, JOB_ENDS
from buildkite_orm.utils.json_types import as_array

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from buildkite_orm.cache.client_cache import CacheUse
    from buildkite_orm.cache.store import FoundRow, Row
    from buildkite_orm.http.session import Session
    from buildkite_orm.models.resource import Resource

_STATE: Final = attrgetter("state")


def key_of(build: Build) -> str | None:
    """Return the key of a build: its path; None if that is not known."""
    return build_key(path_from_url(build.__dict__.get("url")))


def stamp_of(build: Build) -> str:
    """Return what a stored build must have in common with a listed one."""
    data = build.__dict__
    return f"{data.get('id')} {data.get('state')} {data.get('finished_at')} {data.get('blocked')}"


class FinalBuild(NamedTuple):
    """A build that is finished, and has been for long enough."""

    build: Build
    key: str
    stamp: str


def is_final(build: Build, latest: datetime | None) -> bool:
    """Whether a build is finished, and was by a time; see `latest_end`."""
    data = build.__dict__
    end, state = data.get("finished_at"), data.get("state")
    if latest is None or not isinstance(end, datetime) or end > latest:
        return False
    return data.get("blocked") is not True and isinstance(state, str) and state in BUILD_ENDS


def all_are_final(builds: Sequence[Build], headers: Mapping[str, str]) -> bool:
    """Whether all builds of a response are finished, and have been for long enough."""
    latest = _latest_end_in_their_zone(builds, headers)
    return all(is_final(build, latest) for build in builds)


def final_builds(builds: Sequence[Build], headers: Mapping[str, str]) -> list[FinalBuild]:
    """Return the builds of a response that are finished, and have been for long enough."""
    latest = _latest_end_in_their_zone(builds, headers)
    final = [build for build in builds if is_final(build, latest)]
    return [FinalBuild(build, key, stamp_of(build)) for build in final if (key := key_of(build))]


def _latest_end_in_their_zone(builds: Sequence[Build], headers: Mapping[str, str]) -> datetime | None:
    """Return the latest end in the time zone of the builds: times of two zones take ten times as long to compare."""
    latest = latest_end(headers)
    end = builds[0].__dict__.get("finished_at") if builds else None
    return latest.astimezone(end.tzinfo) if latest is not None and isinstance(end, datetime) else latest


def has_final_jobs(final: FinalBuild) -> bool:
    """Whether a build contains its jobs, and all of them are finished."""
    jobs: list[Any] | None = as_array(final.build.__dict__.get("embedded_jobs"))
    if jobs is None or not all(issubclass(kind, Job) for kind in set(map(type, jobs))):
        return False
    try:
        unfinished = set(map(_STATE, jobs)) - JOB_ENDS  # to check each job takes several times as long
    except (AttributeError, TypeError):  # a state is missing, or is a list
        return False
    if unfinished == {None}:  # as wait steps have none
        return all(isinstance(job, WaiterJob) for job in jobs if job.state is None)
    return not unfinished


def rows_of(
    use: CacheUse, response: ApiResponse, builds: Sequence[Build], chosen: Sequence[FinalBuild], kind: str
) -> list[Row]:
    """Return the rows of some builds of a response; none if its text cannot be divided.

    Args:
        use: How the cache is used.
        response: The response: a build, or an array of them.
        builds: All builds in it, in their order.
        chosen: Those to store.
        kind: The kind of the rows.
    """
    texts = _texts(use, response.body, builds) if chosen else None
    if texts is None:
        return []
    by_build = {id(build): text for build, text in zip(builds, texts, strict=True)}
    return [packed_row(each.key, kind, each.stamp, by_build[id(each.build)].payload(each.build)) for each in chosen]


def _texts(use: CacheUse, body: bytes, builds: Sequence[Build]) -> list[BuildText] | None:
    """Return the JSON of each build in a body."""
    if not use.cache.options.dropped:
        divided = divide(body, [str(build.__dict__.get("id")) for build in builds])
        if divided is not None:
            return divided
    try:
        data = json.loads(body)
        items: list[object] = as_array(data) or [data]
        texts = [json.dumps(use.cache.without_dropped(item), separators=(",", ":")).encode() for item in items]
    except (ValueError, RecursionError):
        return None
    return [BuildText(text, 0, len(text)) for text in texts] if len(texts) == len(builds) else None


@dataclass(frozen=True, slots=True)
class StoredJobs(Deferred):
    """The jobs of a build that the cache has.

    Attributes:
        row: Its row.
    """

    row: FoundRow = field(repr=False)

    def load(self, owner: Resource) -> object:
        """Load the jobs, and note their drift in the build. If the row is damaged: None."""
        text = _text_of(self.row)
        builds = None if text is None else _load_whole([self.row], [text])
        if builds is None:
            return None
        # not `owner.drift`, which loads the jobs
        known = owner._read_slot("_drift", ())  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        of_jobs = tuple(each for each in builds[0].drift if each.field.startswith("jobs") and each not in known)
        owner.note_drift(known + of_jobs)
        return builds[0].__dict__.get("embedded_jobs")


def load_rows(rows: Sequence[FoundRow], *, pause_gc: bool = False) -> list[Build] | None:
    """Load builds from rows; None if a row is damaged. Their jobs are loaded when they are first read, if possible.

    Args:
        rows: The rows.
        pause_gc: Whether the garbage collector pauses meanwhile.
    """
    found = [_text_of(row) for row in rows]
    texts = [text for text in found if text is not None]
    if len(texts) < len(rows):
        return None
    builds = load_documented(Build, _array_of(text.without_jobs for text in texts), pause_gc=pause_gc)
    if builds is None or not _are_of(builds, rows) or not all(map(_is_without_jobs, builds, texts)):
        return _load_whole(rows, texts, pause_gc=pause_gc)
    for build, row, text in zip(builds, rows, texts, strict=True):
        if text.end:  # else it was loaded with its jobs
            vars(build)["embedded_jobs"] = StoredJobs(row)
    return builds


def may_be_used(row: FoundRow, session: Session) -> bool:
    """Whether a client may use a row: a strict one only if all in it is as documented, which loads it."""
    if not session.strict:
        return True
    text = _text_of(row)
    return text is not None and load_documented(Build, _array_of([text.text]), pause_gc=False) is not None


def _text_of(row: FoundRow) -> StoredText | None:
    payload = unpack(row.data)
    return None if payload is None else StoredText.read(payload)


def _load_whole(rows: Sequence[FoundRow], texts: Sequence[StoredText], *, pause_gc: bool = False) -> list[Build] | None:
    """Load builds with their jobs, which also works if something in them is not as documented."""
    response = ApiResponse("GET", "the cache", 200, {}, _array_of(text.text for text in texts))
    try:
        builds = load_list(Build, response, strict=False, pause_gc=pause_gc)
    except BuildkiteError:
        return None
    return builds if _are_of(builds, rows) else None


def _array_of(texts: Iterable[bytes]) -> bytes:
    return b"[%b]" % b",".join(texts)


def _are_of(builds: Sequence[Build], rows: Sequence[FoundRow]) -> bool:
    """Whether builds are those that rows were stored for."""
    return len(builds) == len(rows) and all(
        key_of(build) == row.key and stamp_of(build) == row.stamp for build, row in zip(builds, rows, strict=True)
    )


def _is_without_jobs(build: Build, text: StoredText) -> bool:
    """Whether the part that was left out of the text of a build, if any was, is its jobs."""
    return not text.end or build.__dict__.get("embedded_jobs") is None


def leave_out(build: Build, *, jobs: bool, pipeline: bool) -> None:
    """Leave out parts of a stored build that were not requested."""
    for name, is_left_out in (("embedded_jobs", jobs), ("embedded_pipeline", pipeline)):
        if is_left_out and name in build.model_fields_set:
            vars(build)[name] = None
            build.model_fields_set.discard(name)


def leave_out_retried(build: Build) -> bool:
    """Leave out the attempts of jobs that were retried, as the server does; return whether that is possible."""
    jobs: list[Any] | None = as_array(getattr(build, "embedded_jobs", None))
    if jobs is None or not all(isinstance(job, Job) for job in jobs):
        return False
    latest = [job for job in jobs if not job.was_retried]
    if len(latest) == len(jobs):
        return True
    if any(each.field.startswith("jobs") for each in build.drift):  # it names jobs by their places
        return False
    vars(build)["embedded_jobs"] = latest
    return True
