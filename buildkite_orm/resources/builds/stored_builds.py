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
from buildkite_orm.models.parsing import load_list
from buildkite_orm.models.paths import path_from_url
from buildkite_orm.resources.builds.build import Build
from buildkite_orm.resources.builds.job import Job, WaiterJob
from buildkite_orm.resources.builds.status import BUILD_ENDS, JOB_ENDS
from buildkite_orm.utils.json_types import as_array

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from buildkite_orm.cache.client_cache import CacheUse
    from buildkite_orm.cache.store import FoundRow, Row
    from buildkite_orm.models.resource import Resource

_BETWEEN: Final = b"[,] \t\r\n"
_LAST: Final = ord("}")
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
    is_over = isinstance(end, datetime) and latest is not None and end <= latest
    return is_over and data.get("blocked") is not True and isinstance(state, str) and state in BUILD_ENDS


def all_are_final(builds: Sequence[Build], headers: Mapping[str, str]) -> bool:
    """Whether all builds of a response are finished, and have been for long enough."""
    latest = _latest_end(builds, headers)
    return all(is_final(build, latest) for build in builds)


def final_builds(builds: Sequence[Build], headers: Mapping[str, str]) -> list[FinalBuild]:
    """Return the builds of a response that are finished, and have been for long enough."""
    latest = _latest_end(builds, headers)
    final = [build for build in builds if is_final(build, latest)]
    return [FinalBuild(build, key, stamp_of(build)) for build in final if (key := key_of(build))]


def _latest_end(builds: Sequence[Build], headers: Mapping[str, str]) -> datetime | None:
    """Return the latest end in the zone of the builds' times: to compare those of two zones takes ten times as long."""
    latest = latest_end(headers)
    end = builds[0].__dict__.get("finished_at") if builds else None
    return latest.astimezone(end.tzinfo) if latest is not None and isinstance(end, datetime) else latest


def has_final_jobs(final: FinalBuild) -> bool:
    """Whether a build contains its jobs, and all of them are finished."""
    jobs: list[Any] | None = as_array(final.build.__dict__.get("embedded_jobs"))
    if jobs is None or not all(issubclass(kind, Job) for kind in set(map(type, jobs))):
        return False
    try:
        states = set(map(_STATE, jobs)) - JOB_ENDS  # to check each job takes several times as long
    except (AttributeError, TypeError):  # it is missing, or a list
        return False
    return states <= {None} and all(isinstance(job, WaiterJob) for job in jobs if states and job.state is None)


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
    return [packed_row(each.key, kind, each.stamp, by_build[id(each.build)]) for each in chosen]


def _texts(use: CacheUse, body: bytes, builds: Sequence[Build]) -> Sequence[bytes | memoryview] | None:
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
    return texts if len(texts) == len(builds) else None


def divide(body: bytes, ids: Sequence[str]) -> list[memoryview] | None:
    """Divide the text of an array of builds where each begins, which takes a twentieth of the time of parsing it.

    If an id is elsewhere in the same form, a part is not valid JSON, which is noticed when it is read.

    Args:
        body: The array.
        ids: The ids of all builds in it, in their order.

    Returns:
        The text of each; None if they do not begin with their ids.
    """
    starts: list[int] = []
    position = 0
    for each in ids:
        position = body.find(f'{{"id":"{each}"'.encode(), position)
        if position < 0 or (starts and body[position - 1] not in _BETWEEN):
            return None
        starts.append(position)
        position += 1
    if not starts or body[: starts[0]].strip(_BETWEEN):
        return None
    ends = [_end_before(body, end) for end in (*starts[1:], len(body))]
    parts = [memoryview(body)[start:end] for start, end in zip(starts, ends, strict=True)]
    return parts if all(part and part[-1] == _LAST for part in parts) else None


def _end_before(body: bytes, end: int) -> int:
    """Return where the text ends that is before a place, without what is between builds."""
    while end and body[end - 1] in _BETWEEN:
        end -= 1
    return end


@dataclass(frozen=True, slots=True)
class StoredJobs(Deferred):
    """The jobs of a build that the cache has.

    Attributes:
        row: Its row.
    """

    row: FoundRow = field(repr=False)

    def load(self, owner: Resource) -> object:
        """Load the jobs. If the row is damaged, there are none, and `build.jobs()` requests them."""
        builds = load_rows([self.row])
        if builds is None:
            return None
        known = owner._read_slot("_drift", ())  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        of_jobs = tuple(each for each in builds[0].drift if each.field.startswith("jobs") and each not in known)
        owner.note_drift(known + of_jobs)
        return builds[0].__dict__.get("embedded_jobs")


def load_rows(rows: Sequence[FoundRow], *, pause_gc: bool = True) -> list[Build] | None:
    """Load builds from rows; None if a row is damaged.

    Args:
        rows: The rows.
        pause_gc: Whether the garbage collector pauses meanwhile.
    """
    texts = [unpack(row.data) for row in rows]
    if not all(text is not None and text.startswith(b"{") for text in texts):
        return None
    body = b"[%s]" % b",".join(text for text in texts if text is not None)
    try:
        response = ApiResponse("GET", "the cache", 200, {}, body)
        builds = load_list(Build, response, strict=False, pause_gc=pause_gc)
    except BuildkiteError:
        return None
    same = len(builds) == len(rows) and all(map(_is_of, builds, rows))
    return builds if same else None


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


def _is_of(build: Build, row: FoundRow) -> bool:
    return key_of(build) == row.key and stamp_of(build) == row.stamp
