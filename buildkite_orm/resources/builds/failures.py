"""Why a build failed: its failed jobs, the ends of their logs, and what was noted on it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any, Final

from buildkite_orm.errors import BuildkiteError, RateLimitError, TransportError, UnboundError
from buildkite_orm.models.enums import BuildState, JobFailure
from buildkite_orm.models.paths import short_path
from buildkite_orm.resources.builds.build import Build
from buildkite_orm.resources.builds.job import ScriptJob
from buildkite_orm.resources.builds.log_stream import tail
from buildkite_orm.resources.builds.status import displayed_state, job_title, moment
from buildkite_orm.utils.text import escape_control

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from buildkite_orm.resources.builds.annotation import Annotation
    from buildkite_orm.resources.builds.build import BuildRef
    from buildkite_orm.resources.builds.job import Job

_FAILED: Final = ("failed", "timed_out", "expired", "canceled")
_ANNOTATIONS: Final = 100  # the most that a page has
_FORBIDDEN: Final = 403
_ENOUGH: Final = 2  # logs in a row that could not be reached, each after as many attempts as the client makes
_FAILS: Final = frozenset({BuildState.FAILING, BuildState.FAILED})
_BLOCKS: Final = frozenset({"p", "div", "br", "li", "tr", "pre", "h1", "h2", "h3", "h4", "h5", "h6", "summary"})


@dataclass(frozen=True, slots=True)
class AnnotationText:
    """An annotation, as text.

    Attributes:
        context: What it is about.
        style: How it looks: `error`, `warning`, `info`, `success`.
        text: What it says, without its markup.
    """

    context: str | None
    style: str | None
    text: str


@dataclass(frozen=True, slots=True)
class FailedJob:
    """A job that failed.

    Attributes:
        job: The job.
        failure: In what way.
        log_end: The last lines of its log, as a terminal shows them.
        log_problem: Why there are none, where they could not be read.
        notes: Its annotations.
    """

    job: Job
    failure: JobFailure
    log_end: tuple[str, ...] = ()
    log_problem: str | None = None
    notes: tuple[AnnotationText, ...] = ()

    def dump(self) -> dict[str, Any]:
        """Give all of it as JSON has it."""
        told, seconds = self.job.dump(), self.job.duration
        keys = ("id", "step_key", "web_url", "state", "exit_status", "signal", "signal_reason", "promised_exit_status")
        return {
            "title": job_title(self.job),
            "failure": str(self.failure),
            **{key: told.get(key) for key in keys},
            "duration": None if seconds is None else seconds.total_seconds(),
            "log_end": list(self.log_end),
            "log_problem": self.log_problem,
            "annotations": [_dumped(note) for note in self.notes],
        }

    def __repr__(self) -> str:
        return f"<FailedJob {next(self._lines())}>"

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        told = self.job.__dict__
        parts = [f"{escape_control(job_title(self.job))}: {str(self.failure).replace('_', ' ')}"]
        parts += [f"exit status {told['exit_status']}"] if told.get("exit_status") is not None else []
        parts += [f"promised exit status {told.get('promised_exit_status')}"] if self.failure == "promised" else []
        signal = " by ".join(str(part) for part in (told.get("signal"), told.get("signal_reason")) if part)
        parts += [signal] if signal else []
        parts += [f"after {self.job.duration.total_seconds():g} s"] if self.job.duration is not None else []
        yield escape_control(", ".join(parts))
        yield from [escape_control(str(told["web_url"]))] if told.get("web_url") else []
        yield from _shown(self.notes)
        yield from (f"  | {escape_control(line)}" for line in self.log_end)
        yield from [f"  (no log: {escape_control(self.log_problem)})"] if self.log_problem else []


@dataclass(frozen=True, slots=True)
class FailureSummary:
    """Why a build failed, as far as it says; `print` it, or take `dump()` or `to_json()`.

    Attributes:
        build: The build.
        failed: The jobs that made it fail.
        soft_failed: Those whose failure their step allows.
        notes: The annotations of the build itself.
        problem: Why there are no annotations, or not all of them, where they could not be read.
        jobs_problem: Why failed jobs are missing, where not all of them could be listed.
    """

    build: Build
    failed: tuple[FailedJob, ...]
    soft_failed: tuple[FailedJob, ...]
    notes: tuple[AnnotationText, ...] = ()
    problem: str | None = None
    jobs_problem: str | None = None

    def dump(self) -> dict[str, Any]:
        """Give all of it as JSON has it."""
        told = self.build.dump()
        keys = ("number", "web_url", "state", "blocked", "branch", "commit", "message", "created_at", "finished_at")
        return {
            **{key: told.get(key) for key in keys},
            "failed": [job.dump() for job in self.failed],
            "soft_failed": [job.dump() for job in self.soft_failed],
            "annotations": [_dumped(note) for note in self.notes],
            "problem": self.problem,
            "jobs_problem": self.jobs_problem,
        }

    def to_json(self, *, indent: int | None = None) -> str:
        """Write all of it as JSON.

        Args:
            indent: By how many spaces a level stands in; all on one line unless given.
        """
        return json.dumps(self.dump(), indent=indent, ensure_ascii=False)

    def __repr__(self) -> str:
        return f"<FailureSummary {self._summary()}>"

    def __str__(self) -> str:
        blocks = [self._summary()]
        url, jobs = self.build.__dict__.get("web_url"), (*self.failed, *self.soft_failed)
        blocks[0] += f"\n{escape_control(str(url))}" if url else ""
        blocks += ["\n".join(_shown(self.notes))] if self.notes else []
        some = "not all" if self.notes or any(job.notes for job in jobs) else "no"
        blocks += [f"({some} annotations: {escape_control(self.problem)})"] if self.problem else []
        blocks += [str(job) for job in jobs]
        blocks += [f"(not all failed jobs: {escape_control(self.jobs_problem)})"] if self.jobs_problem else []
        return "\n\n".join(blocks)

    def _summary(self) -> str:
        build = self.build
        least = "at least " if self.jobs_problem else ""
        many = f"{least}{len(self.failed)} failed job{'s' * (len(self.failed) != 1)}"
        soft = f", {len(self.soft_failed)} failed softly" if self.soft_failed else ""
        return escape_control(f"{_name(build)} {displayed_state(build)} on {build.branch}: {many}{soft}")


def _name(build: Build) -> str:
    """Return what a build is called; "?" if its payload does not say where it is."""
    try:
        return short_path(build.api_path)
    except UnboundError:
        return short_path(None)


def failed_jobs(ref: BuildRef, at_hand: list[Job] | None, *, soft_failed: bool) -> list[Job]:
    """Give the jobs that made a build fail; see `Build.failed_jobs`.

    Args:
        ref: The build.
        at_hand: The jobs that came with it, where they are all there are.
        soft_failed: Whether those come too whose failure their step allows.
    """
    jobs = ref.jobs(state=_FAILED) if at_hand is None else at_hand
    return _counting(ref, jobs, at_hand, soft_failed=soft_failed)


def _counting(ref: BuildRef, jobs: Iterable[Job], at_hand: list[Job] | None, *, soft_failed: bool) -> list[Job]:
    # where the server was asked, it has told only of the promises that count
    promises_count = at_hand is None or (isinstance(ref, Build) and ref.state in _FAILS)
    left_out = {
        None,
        *([] if soft_failed else [JobFailure.SOFT_FAILED]),
        *([] if promises_count else [JobFailure.PROMISED]),
    }
    return [job for job in jobs if job.failure not in left_out]


def failure_summary(
    ref: BuildRef, at_hand: Callable[[Build], list[Job] | None], *, lines: int, logs: int
) -> FailureSummary:
    """Collect why a build failed; see `Build.failure_summary`.

    Args:
        ref: The build.
        at_hand: Returns the jobs that came with the build, where they are all there are.
        lines: How many lines of each log.
        logs: How many logs at most.
    """
    if lines < 0 or logs < 0:
        msg = f"failure_summary(lines={lines}, logs={logs}): not below 0"
        raise ValueError(msg)
    build = ref if isinstance(ref, Build) else ref.fetch()
    came = at_hand(build)
    listed, jobs_problem = (came, None) if came is not None else _listed_jobs(build)
    jobs = _counting(build, listed, came, soft_failed=True)
    jobs.sort(key=lambda job: job.failure == JobFailure.SOFT_FAILED)
    annotations, problem = _annotations(build) if jobs or build.state != BuildState.PASSED else ([], None)
    reader = _LogEnds(lines if logs else 0, logs)
    found = [_told(job, reader, annotations) for job in jobs]
    return FailureSummary(
        build,
        tuple(each for each in found if each.failure != JobFailure.SOFT_FAILED),
        tuple(each for each in found if each.failure == JobFailure.SOFT_FAILED),
        tuple(_note(annotation) for annotation in annotations if annotation.job_id is None),
        problem,
        jobs_problem,
    )


def _listed_jobs(build: Build) -> tuple[list[Job], str | None]:
    """List the failed jobs page by page, and keep those before a page that fails; a first page that fails raises."""
    jobs: list[Job] = []
    try:
        for page in build.jobs(state=_FAILED).pages():
            jobs += page.items
    except BuildkiteError as error:
        if not jobs:
            raise
        return jobs, f"after the first {len(jobs)}: {error.message}"
    return jobs, None


def _annotations(build: Build) -> tuple[list[Annotation], str | None]:
    """Load the first page of annotations, the largest there is, and say if there are more, or none could be loaded."""
    try:
        page = next(build.annotations(scope="all").per_page(_ANNOTATIONS).pages(), None)
    except BuildkiteError as error:
        return [], error.message
    if page is None or not page.has_next:
        return [] if page is None else page.items, None
    return page.items, f"there are more than the first {len(page.items)}; list build.annotations(scope='all')"


def _told(job: Job, reader: _LogEnds, annotations: Sequence[Annotation]) -> FailedJob:
    log_end, log_problem = reader.read(job)
    notes = tuple(_note(annotation) for annotation in annotations if annotation.job_id == job.id)
    return FailedJob(job, job.failure or JobFailure.FAILED, log_end, log_problem, notes)


class _LogEnds:
    """Reads the ends of so many logs, and no more once it turns out that the others cannot be read either."""

    def __init__(self, lines: int, logs: int) -> None:
        self._lines = lines
        self._most = logs
        self._left = logs
        self._refusal: str | None = None
        self._unreached = 0  # how many in a row

    def read(self, job: Job) -> tuple[tuple[str, ...], str | None]:
        if not self._lines or not isinstance(job, ScriptJob):
            return (), None
        if moment(job, "started_at") is None:
            return (), "it never ran"
        if self._refusal:
            return (), self._refusal
        if not self._left:
            return (), f"only {self._most} are read, see logs="
        self._left -= 1
        try:
            text = tail(job.log(), self._lines, requests=1)
        except BuildkiteError as error:
            self._unreached = self._unreached + 1 if isinstance(error, TransportError) else 0
            is_for_all = error.status == _FORBIDDEN or isinstance(error, RateLimitError)
            self._refusal = error.message if is_for_all or self._unreached > _ENOUGH else None
            return (), error.message
        self._unreached = 0
        return _log_lines(text), None


def _log_lines(text: str) -> tuple[str, ...]:
    lines = text.removesuffix("\n").split("\n") if text else ()
    return tuple(escape_control(line.expandtabs()) for line in lines)


# -- annotations as text


class _Text(HTMLParser):
    """Keeps the text of HTML; what is a block of its own begins a line."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        self.parts += ["\n"] if tag in _BLOCKS else []

    def handle_endtag(self, tag: str) -> None:
        self.parts += ["\n"] if tag in _BLOCKS else []

    def handle_data(self, data: str) -> None:
        self.parts.append(data)


def text_of(html: str) -> str:
    """Read the text out of the HTML of an annotation; harmless, and a line for each block."""
    parser = _Text()
    parser.feed(html)
    parser.close()
    lines = (escape_control(" ".join(line.split())) for line in "".join(parser.parts).splitlines())
    return "\n".join(line for line in lines if line)


def _note(annotation: Annotation) -> AnnotationText:
    told = annotation.__dict__
    context, style, body = told.get("context"), told.get("style"), told.get("body_html")
    return AnnotationText(
        context if isinstance(context, str) else None,
        None if style is None else str(style),
        text_of(body) if isinstance(body, str) else "",
    )


def _dumped(note: AnnotationText) -> dict[str, Any]:
    return {"context": note.context, "style": note.style, "text": note.text}


def _shown(notes: Sequence[AnnotationText]) -> Iterator[str]:
    for note in notes:
        first, *more = map(escape_control, note.text.split("\n"))
        yield f"  [{escape_control(note.style or 'note')}] {escape_control(note.context or '')}: {first}"
        yield from (f"    {line}" for line in more)
