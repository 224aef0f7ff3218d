"""Why a build failed: its failed jobs, the lines of their logs that explain it, and its annotations."""

from __future__ import annotations

import json
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any, Final

from buildkite_orm.errors import BuildkiteError, RateLimitError, TransportError, UnboundError
from buildkite_orm.models.display import Preview, Section, ShownListing, ShownReport
from buildkite_orm.models.enums import BuildState, JobFailure
from buildkite_orm.models.paths import short_path
from buildkite_orm.resources.builds.build import Build
from buildkite_orm.resources.builds.failure_lines import failure_lines
from buildkite_orm.resources.builds.job import Job, ScriptJob
from buildkite_orm.resources.builds.log_stream import plain_end
from buildkite_orm.resources.builds.status import displayed_state, job_title, moment
from buildkite_orm.utils.text import escape_control, short_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from buildkite_orm.resources.builds.annotation import Annotation
    from buildkite_orm.resources.builds.build import BuildRef

_FAILED_STATES: Final = ("failed", "timed_out", "expired", "canceled")
_ANNOTATIONS: Final = 100  # the largest page
_FORBIDDEN: Final = 403
_LOG_SIZE: Final = 256 * 1024  # of the end of a log: the cause may be far above the names of uploaded files
_LINE_SIZE: Final = 256
_MAX_UNREACHED: Final = 2  # logs in a row, after all attempts of the client
_FAILING_STATES: Final = frozenset({BuildState.FAILING, BuildState.FAILED})
_BLOCK_TAGS: Final = frozenset({"p", "div", "br", "li", "tr", "pre", "h1", "h2", "h3", "h4", "h5", "h6", "summary"})


@dataclass(frozen=True, slots=True)
class AnnotationText:
    """An annotation as plain text.

    Attributes:
        context: Its context, which identifies it within the build.
        style: `error`, `warning`, `info` or `success`.
        text: Its body without markup.
    """

    context: str | None
    style: str | None
    text: str


@dataclass(frozen=True, slots=True)
class FailedJob(ShownReport):
    """A job that failed.

    Attributes:
        job: The job.
        failure: In what way it failed.
        log_lines: The lines of its log that explain the failure, as a terminal shows them: those around the first error
            of the last group that reports one, the results at its end, and the exit status. `…` stands for lines that
            are left out.
        log_problem: Why there are none, if they could not be loaded.
        annotations: Its annotations.
    """

    job: Job
    failure: JobFailure
    log_lines: tuple[str, ...] = ()
    log_problem: str | None = None
    annotations: tuple[AnnotationText, ...] = ()

    def dump(self) -> dict[str, Any]:
        """Return all data in JSON-compatible types."""
        payload, duration = self.job.dump(), self.job.duration
        keys = ("id", "step_key", "web_url", "state", "exit_status", "signal", "signal_reason", "promised_exit_status")
        return {
            "title": job_title(self.job),
            "failure": str(self.failure),
            **{key: payload.get(key) for key in keys},
            "duration": None if duration is None else duration.total_seconds(),
            "log_lines": list(self.log_lines),
            "log_problem": self.log_problem,
            "annotations": [_dump_annotation(annotation) for annotation in self.annotations],
        }

    def __repr__(self) -> str:
        return f"<FailedJob {_job_heading(self)}>"

    def __str__(self) -> str:
        return _section_text(_job_section(self))

    def _sections(self) -> list[Section]:
        return [_job_section(self)]


@dataclass(frozen=True, slots=True)
class FailureSummary(ShownReport):
    """Why a build failed; `print` it, or use `dump()` or `to_json()`.

    Attributes:
        build: The build.
        failed: The jobs that made it fail.
        soft_failed: The failed jobs whose steps allow that.
        annotations: The annotations of the build itself.
        problem: Why annotations are missing, if they could not be loaded.
        jobs_problem: Why failed jobs are missing, if not all could be listed.
    """

    build: Build
    failed: tuple[FailedJob, ...]
    soft_failed: tuple[FailedJob, ...]
    annotations: tuple[AnnotationText, ...] = ()
    problem: str | None = None
    jobs_problem: str | None = None

    def dump(self) -> dict[str, Any]:
        """Return all data in JSON-compatible types."""
        payload = self.build.dump()
        keys = ("number", "web_url", "state", "blocked", "branch", "commit", "message", "created_at", "finished_at")
        return {
            **{key: payload.get(key) for key in keys},
            "failed": [job.dump() for job in self.failed],
            "soft_failed": [job.dump() for job in self.soft_failed],
            "annotations": [_dump_annotation(annotation) for annotation in self.annotations],
            "problem": self.problem,
            "jobs_problem": self.jobs_problem,
        }

    def to_json(self, *, indent: int | None = None) -> str:
        """Return all data as JSON.

        Args:
            indent: The number of spaces per level; one line unless given.
        """
        return json.dumps(self.dump(), indent=indent, ensure_ascii=False)

    def __repr__(self) -> str:
        return f"<FailureSummary {self._summary()}>"

    def __str__(self) -> str:
        return "\n\n".join(map(_section_text, self._sections()))

    def _sections(self) -> list[Section]:
        jobs = (*self.failed, *self.soft_failed)
        notes = list(_annotation_lines(self.annotations))
        missing = "not all" if self.annotations or any(job.annotations for job in jobs) else "no"
        notes += [f"({missing} annotations: {escape_control(self.problem)})"] if self.problem else []
        notes += [f"(not all failed jobs: {escape_control(self.jobs_problem)})"] if self.jobs_problem else []
        head = Section(self._summary(), self.build.__dict__.get("web_url"), tuple(notes))
        return [head, *map(_job_section, jobs)]

    def _summary(self) -> str:
        build = self.build
        at_least = "at least " if self.jobs_problem else ""
        count = f"{at_least}{len(self.failed)} failed job{'s' * (len(self.failed) != 1)}"
        soft = f", {len(self.soft_failed)} failed softly" if self.soft_failed else ""
        return escape_control(f"{_name(build)} {displayed_state(build)} on {build.branch}: {count}{soft}")


def _job_section(failed: FailedJob) -> Section:
    problem = [f"(no log: {escape_control(failed.log_problem)})"] if failed.log_problem else []
    notes = (*_annotation_lines(failed.annotations), *problem)
    log = tuple(map(escape_control, failed.log_lines))
    return Section(_job_heading(failed), failed.job.__dict__.get("web_url"), notes, log)


def _job_heading(failed: FailedJob) -> str:
    job, data = failed.job, failed.job.__dict__
    parts = [f"{job_title(job)}: {str(failed.failure).replace('_', ' ')}"]
    parts += [f"exit status {data['exit_status']}"] if data.get("exit_status") is not None else []
    parts += [f"promised exit status {data.get('promised_exit_status')}"] if failed.failure == "promised" else []
    signal = " by ".join(str(part) for part in (data.get("signal"), data.get("signal_reason")) if part)
    parts += [signal] if signal else []
    parts += [f"after {short_duration(job.duration)}"] if job.duration is not None else []
    return escape_control(", ".join(parts))


def _section_text(section: Section) -> str:
    url = [escape_control(str(section.url))] if section.url else []
    notes = (f"  {line}" for line in section.notes)
    log = (f"  | {line}" for line in section.log)
    return "\n".join([section.title, *url, *notes, *log])


def _name(build: BuildRef) -> str:
    """Return the name of a build, such as `acme/web #42`; "?" if its path is unknown."""
    try:
        return short_path(build.api_path)
    except UnboundError:
        return short_path(None)


class FailedJobList(list[Job], ShownListing):
    """A list of failed jobs that is shown as a table.

    Args:
        jobs: The jobs.
        title: The title of the table.
    """

    def __init__(self, jobs: Iterable[Job], title: str) -> None:
        super().__init__(jobs)
        self._title = title

    def _preview(self) -> Preview:
        return Preview(self._title, Job, self, whole=True)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: FBT001 - the signature that IPython calls
        """Print the table, in place of IPython's format for lists; inside of other objects, the list."""
        del cycle
        printer.text(self._repr_mimebundle_()["text/plain"] if len(printer.stack) == 1 else repr(self))


def failed_jobs(ref: BuildRef, embedded: list[Job] | None, *, soft_failed: bool) -> list[Job]:
    """Return the jobs that made a build fail; see `Build.failed_jobs`.

    Args:
        ref: The build.
        embedded: Its embedded jobs, if they are complete.
        soft_failed: Whether to include failed jobs whose steps allow that.
    """
    jobs = ref.jobs(state=_FAILED_STATES) if embedded is None else embedded
    failed = _failed_only(ref, jobs, embedded, soft_failed=soft_failed)
    return FailedJobList(failed, f"Failed jobs of {_name(ref)}")


def _failed_only(ref: BuildRef, jobs: Iterable[Job], embedded: list[Job] | None, *, soft_failed: bool) -> list[Job]:
    # in a filtered listing, the server includes only promised failures that count
    promises_count = embedded is None or (isinstance(ref, Build) and ref.state in _FAILING_STATES)
    excluded = {
        None,
        *([] if soft_failed else [JobFailure.SOFT_FAILED]),
        *([] if promises_count else [JobFailure.PROMISED]),
    }
    return [job for job in jobs if job.failure not in excluded]


def failure_summary(
    ref: BuildRef, embedded: Callable[[Build], list[Job] | None], *, lines: int, logs: int
) -> FailureSummary:
    """Collect why a build failed; see `Build.failure_summary`.

    Args:
        ref: The build.
        embedded: Returns the embedded jobs of a build, if they are complete.
        lines: How many lines of each log.
        logs: How many logs at most.
    """
    if lines < 0 or logs < 0:
        msg = f"failure_summary(lines={lines}, logs={logs}): must be 0 or more"
        raise ValueError(msg)
    build = ref if isinstance(ref, Build) else ref.fetch()
    complete = embedded(build)
    listed, jobs_problem = (complete, None) if complete is not None else _list_failed_jobs(build)
    jobs = _failed_only(build, listed, complete, soft_failed=True)
    jobs.sort(key=lambda job: job.failure == JobFailure.SOFT_FAILED)
    annotations, problem = _annotations(build) if jobs or build.state != BuildState.PASSED else ([], None)
    reader = _LogReader(lines if logs else 0, logs)
    found = [_failed_job(job, reader, annotations) for job in jobs]
    return FailureSummary(
        build,
        tuple(each for each in found if each.failure != JobFailure.SOFT_FAILED),
        tuple(each for each in found if each.failure == JobFailure.SOFT_FAILED),
        tuple(_annotation_text(annotation) for annotation in annotations if annotation.job_id is None),
        problem,
        jobs_problem,
    )


def _list_failed_jobs(build: Build) -> tuple[list[Job], str | None]:
    """List the failed jobs by page; if a page after the first fails, return those before it and the error message."""
    jobs: list[Job] = []
    try:
        for page in build.jobs(state=_FAILED_STATES).pages():
            jobs += page.items
    except BuildkiteError as error:
        if not jobs:
            raise
        return jobs, f"after the first {len(jobs)}: {error.message}"
    return jobs, None


def _annotations(build: Build) -> tuple[list[Annotation], str | None]:
    """Load the largest first page of annotations; also return why annotations are missing, if any are."""
    try:
        page = next(build.annotations(scope="all").per_page(_ANNOTATIONS).pages(), None)
    except BuildkiteError as error:
        return [], error.message
    if page is None or not page.has_next:
        return [] if page is None else page.items, None
    return page.items, f"there are more than the first {len(page.items)}; list build.annotations(scope='all')"


def _failed_job(job: Job, reader: _LogReader, annotations: Sequence[Annotation]) -> FailedJob:
    log_lines, log_problem = reader.read(job)
    own = tuple(_annotation_text(annotation) for annotation in annotations if annotation.job_id == job.id)
    return FailedJob(job, job.failure or JobFailure.FAILED, log_lines, log_problem, own)


class _LogReader:
    """Reads a limited number of logs; stops once an error shows that the others could not be loaded either."""

    def __init__(self, lines: int, logs: int) -> None:
        self._lines = lines
        self._limit = logs
        self._remaining = logs
        self._stop_reason: str | None = None
        self._unreachable = 0  # logs in a row

    def read(self, job: Job) -> tuple[tuple[str, ...], str | None]:
        if not self._lines or not isinstance(job, ScriptJob):
            return (), None
        if moment(job, "started_at") is None:
            return (), "the job never ran"
        if self._stop_reason:
            return (), self._stop_reason
        if not self._remaining:
            return (), f"only {self._limit} logs are loaded, see logs="
        self._remaining -= 1
        try:
            text = plain_end(job.log(), max(_LOG_SIZE, _LINE_SIZE * self._lines))
        except BuildkiteError as error:
            self._unreachable = self._unreachable + 1 if isinstance(error, TransportError) else 0
            affects_all = error.status == _FORBIDDEN or isinstance(error, RateLimitError)
            self._stop_reason = error.message if affects_all or self._unreachable > _MAX_UNREACHED else None
            return (), error.message
        self._unreachable = 0
        return tuple(escape_control(line.expandtabs()) for line in failure_lines(text, self._lines)), None


# -- annotations as plain text


class _TextParser(HTMLParser):
    """Collects the text of HTML; each block element begins a line."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        self.parts += ["\n"] if tag in _BLOCK_TAGS else []

    def handle_endtag(self, tag: str) -> None:
        self.parts += ["\n"] if tag in _BLOCK_TAGS else []

    def handle_data(self, data: str) -> None:
        self.parts.append(data)


def html_to_text(html: str) -> str:
    """Return the text of an annotation's HTML, escaped for display, with one line per block element."""
    parser = _TextParser()
    parser.feed(html)
    parser.close()
    lines = (escape_control(" ".join(line.split())) for line in "".join(parser.parts).splitlines())
    return "\n".join(line for line in lines if line)


def _annotation_text(annotation: Annotation) -> AnnotationText:
    data = annotation.__dict__
    context, style, body = data.get("context"), data.get("style"), data.get("body_html")
    return AnnotationText(
        context if isinstance(context, str) else None,
        None if style is None else str(style),
        html_to_text(body) if isinstance(body, str) else "",
    )


def _dump_annotation(annotation: AnnotationText) -> dict[str, Any]:
    return {"context": annotation.context, "style": annotation.style, "text": annotation.text}


def _annotation_lines(annotations: Sequence[AnnotationText]) -> Iterator[str]:
    for annotation in annotations:
        first, *more = map(escape_control, annotation.text.split("\n"))
        yield f"[{escape_control(annotation.style or 'note')}] {escape_control(annotation.context or '')}: {first}"
        yield from (f"  {line}" for line in more)
