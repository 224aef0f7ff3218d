"""Why a build failed: its failed jobs, the ends of their logs, and what was noted on it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any, Final

from buildkite_orm.errors import StatusError
from buildkite_orm.logs import LogText
from buildkite_orm.paths import short_path
from buildkite_orm.resources.builds.build import Build
from buildkite_orm.resources.builds.job import ScriptJob
from buildkite_orm.resources.builds.spans import job_title, moment
from buildkite_orm.states import BuildState, JobFailure
from buildkite_orm.words import harmless

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from buildkite_orm.resources.builds.annotation import Annotation
    from buildkite_orm.resources.builds.build import BuildRef
    from buildkite_orm.resources.builds.job import Job

_FAILED: Final = ("failed", "timed_out", "expired", "canceled")
_TAIL: Final = 16 * 1024
_ANNOTATIONS: Final = 100
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
        parts = [f"{harmless(job_title(self.job))}: {str(self.failure).replace('_', ' ')}"]
        parts += [f"exit status {told['exit_status']}"] if told.get("exit_status") is not None else []
        parts += [f"promised exit status {told['promised_exit_status']}"] if self.failure == "promised" else []
        signal = " by ".join(str(part) for part in (told.get("signal"), told.get("signal_reason")) if part)
        parts += [signal] if signal else []
        parts += [f"after {self.job.duration.total_seconds():g} s"] if self.job.duration is not None else []
        yield ", ".join(parts)
        yield from [self.job.web_url] if self.job.web_url else []
        yield from _shown(self.notes)
        yield from (f"  | {line}" for line in self.log_end)
        yield from [f"  (no log: {self.log_problem})"] if self.log_problem else []


@dataclass(frozen=True, slots=True)
class FailureSummary:
    """Why a build failed, as far as it says; `print` it, or take `dump()` or `to_json()`.

    Attributes:
        build: The build.
        failed: The jobs that made it fail.
        soft_failed: Those whose failure their step allows.
        notes: The annotations of the build itself.
        problem: Why there are no annotations, where they could not be read.
    """

    build: Build
    failed: tuple[FailedJob, ...]
    soft_failed: tuple[FailedJob, ...]
    notes: tuple[AnnotationText, ...] = ()
    problem: str | None = None

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
        }

    def to_json(self, *, indent: int | None = None) -> str:
        """Write all of it as JSON.

        Args:
            indent: By how many spaces a level stands in; all on one line unless given.
        """
        return json.dumps(self.dump(), indent=indent, ensure_ascii=False)

    def __repr__(self) -> str:
        return f"<FailureSummary {self._headline()}>"

    def __str__(self) -> str:
        blocks = [self._headline()]
        blocks[0] += f"\n{self.build.web_url}" if self.build.web_url else ""
        blocks += ["\n".join(_shown(self.notes))] if self.notes else []
        blocks += [f"(no annotations: {self.problem})"] if self.problem else []
        blocks += [str(job) for job in (*self.failed, *self.soft_failed)]
        return "\n\n".join(blocks)

    def _headline(self) -> str:
        build = self.build
        state = "blocked" if build.is_blocked else build.state
        many = f"{len(self.failed)} failed job{'s' * (len(self.failed) != 1)}"
        soft = f", {len(self.soft_failed)} failed softly" if self.soft_failed else ""
        return harmless(f"{short_path(build.api_path)} {state} on {build.branch}: {many}{soft}")


def failed_jobs(ref: BuildRef, at_hand: list[Job] | None, *, soft_failed: bool) -> list[Job]:
    """Give the jobs that made a build fail; see `Build.failed_jobs`.

    Args:
        ref: The build.
        at_hand: The jobs that came with it, where they are all there are.
        soft_failed: Whether those come too whose failure their step allows.
    """
    jobs = ref.jobs(state=_FAILED) if at_hand is None else at_hand
    # where the server was asked, it has told only of the promises that count
    promises_count = at_hand is None or (isinstance(ref, Build) and ref.state in _FAILS)
    left_out = {
        None,
        *([] if soft_failed else [JobFailure.SOFT_FAILED]),
        *([] if promises_count else [JobFailure.PROMISED]),
    }
    return [job for job in jobs if job.failure not in left_out]


def failure_summary(ref: BuildRef, *, lines: int, logs: int) -> FailureSummary:
    """Collect why a build failed; see `Build.failure_summary`."""
    if lines < 0 or logs < 0:
        msg = f"failure_summary(lines={lines}, logs={logs}): not below 0"
        raise ValueError(msg)
    build = ref if isinstance(ref, Build) else ref.fetch()
    jobs = sorted(build.failed_jobs(soft_failed=True), key=lambda job: job.failure == JobFailure.SOFT_FAILED)
    annotations, problem = _annotations(build) if jobs or build.state != BuildState.PASSED else ([], None)
    reader = _LogEnds(lines if logs else 0, logs)
    found = [_told(job, reader, annotations) for job in jobs]
    return FailureSummary(
        build,
        tuple(each for each in found if each.failure != JobFailure.SOFT_FAILED),
        tuple(each for each in found if each.failure == JobFailure.SOFT_FAILED),
        tuple(_note(annotation) for annotation in annotations if annotation.job_id is None),
        problem,
    )


def _annotations(build: Build) -> tuple[list[Annotation], str | None]:
    try:
        return list(build.annotations(scope="all").limit(_ANNOTATIONS)), None
    except StatusError as error:
        return [], error.message


def _told(job: Job, reader: _LogEnds, annotations: Sequence[Annotation]) -> FailedJob:
    log_end, log_problem = reader.read(job)
    notes = tuple(_note(annotation) for annotation in annotations if annotation.job_id == job.id)
    return FailedJob(job, job.failure or JobFailure.FAILED, log_end, log_problem, notes)


class _LogEnds:
    """Reads the ends of so many logs, and no more once the token turns out not to reach them."""

    def __init__(self, lines: int, logs: int) -> None:
        self._lines = lines
        self._most = logs
        self._left = logs
        self._refusal: str | None = None

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
            text = job.log().tail(_TAIL)
        except StatusError as error:
            self._refusal = error.message if error.status == 403 else None  # noqa: PLR2004
            return (), error.message
        return _last_lines(text, self._lines), None


def _last_lines(text: str, lines: int) -> tuple[str, ...]:
    whole = text if len(text.encode()) < _TAIL - 3 else text.partition("\n")[2] or text  # the first line may be cut
    shown = LogText(whole).plain.splitlines()
    return tuple(harmless(line.expandtabs()) for line in shown[-lines:])


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
    lines = (harmless(" ".join(line.split())) for line in "".join(parser.parts).splitlines())
    return "\n".join(line for line in lines if line)


def _note(annotation: Annotation) -> AnnotationText:
    style = None if annotation.style is None else str(annotation.style)
    return AnnotationText(annotation.context, style, text_of(annotation.body_html or ""))


def _dumped(note: AnnotationText) -> dict[str, Any]:
    return {"context": note.context, "style": note.style, "text": note.text}


def _shown(notes: Sequence[AnnotationText]) -> Iterator[str]:
    for note in notes:
        first, *more = note.text.splitlines() or [""]
        yield f"  [{note.style or 'note'}] {harmless(note.context or '')}: {first}"
        yield from (f"    {line}" for line in more)
