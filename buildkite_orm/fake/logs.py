"""Job logs: generated from the job if none was given, growing while it runs."""

from __future__ import annotations

import html
import re
from random import Random
from typing import TYPE_CHECKING

from buildkite_orm.fake.ids import digest
from buildkite_orm.fake.serialization import to_bytes
from buildkite_orm.fake.steps import CommandStep
from buildkite_orm.fake.times import iso

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildkite_orm.fake.records import JobRecord

_MARK = re.compile(r"\x1b_bk;t=(\d+)\x07")
_COLOR = re.compile(r"\x1b\[([\d;]*)m")
_HEADER = re.compile(r"(?:~~~|---|\+\+\+) ")
_WORDS = ("compiling", "linking", "testing", "checking", "fetching", "unpacking", "café", "naïve", "東京", "✓")
_USUAL_LENGTH = 60.0


def raw(job: JobRecord, now: float) -> bytes:
    """Return a job's log up to now."""
    if job.log is not None:
        return job.log
    if job.started_at is None:
        return b""
    upto = now if job.finished_at is None else job.finished_at
    return to_bytes("".join(line for moment, line in _lines(job) if moment <= upto))


def _lines(job: JobRecord) -> Iterator[tuple[float, str]]:
    random = Random(digest("log", job.id))
    begin = job.started_at or 0.0
    length = job.step.duration if isinstance(job.step, CommandStep) else _USUAL_LENGTH
    if job.finished_at is not None:
        length = job.finished_at - begin
    texts = list(_texts(job, random))
    for place, text in enumerate(texts):
        moment = begin + length * place / len(texts)
        yield moment, f"\x1b_bk;t={round(moment * 1000)}\x07{text}\r\n"


def _texts(job: JobRecord, random: Random) -> Iterator[str]:
    agent = job.agent.name if job.agent else "agent"
    yield "~~~ Preparing working directory"
    yield f"\x1b[90m$\x1b[0m cd /var/lib/buildkite-agent/builds/{agent}"
    yield f"\x1b[90m$\x1b[0m git checkout -f {job.build.commit}"
    yield "~~~ Running commands"
    yield f"\x1b[90m$\x1b[0m {job.command or ''}"
    for group in ("Install", "Build", "Test"):
        yield f"--- :package: {group}"
        for number in range(random.randrange(3, 9)):
            yield f"\x1b[32m{random.choice(_WORDS)}\x1b[0m {group.lower()} {number + 1}\x1b[K"
    if job.exit_status:
        yield "\x1b[31mError: expected status 200, got 500\x1b[0m"
        yield f"+++ \x1b[31m:x: Failed with exit status {job.exit_status}\x1b[0m"
        yield "^^^ +++"
        yield f"\x1b[31m🚨 Error: The command exited with status {job.exit_status}\x1b[0m"
    if job.artifacts:
        yield "~~~ Uploading artifacts"
        yield from (f"Uploading {artifact.path} ({artifact.content.size} bytes)" for artifact in job.artifacts)


def header_times(log: bytes) -> list[int]:
    """Return the times of a log's group headers, in nanoseconds."""
    times: list[int] = []
    for line in log.decode(errors="replace").splitlines():
        mark = _MARK.search(line)
        if mark and _HEADER.match(_MARK.sub("", line)):
            times.append(int(mark[1]) * 1_000_000)
    return times


def as_html(log: bytes) -> str:
    """Render a log as HTML: colors as spans, a time at each line that has one."""
    return "\n".join(_html_line(line) for line in log.decode(errors="replace").splitlines())


def _html_line(line: str) -> str:
    mark = _MARK.search(line)
    time = f'<time datetime="{iso(int(mark[1]) / 1000)}"></time>' if mark else ""
    parts = _COLOR.split(html.escape(_MARK.sub("", line).replace("\x1b[K", ""), quote=False))
    spans = [parts[0]]
    for codes, text in zip(parts[1::2], parts[2::2], strict=True):
        names = " ".join(f"term-fg{code}" for code in codes.split(";") if code not in {"", "0"})
        spans.append(f'<span class="{names}">{text}</span>' if names else text)
    return time + ("".join(spans) or "&nbsp;")
