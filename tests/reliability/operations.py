"""The operations that faults are tested on: listings, a read of one object, writes, and files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from itertools import count
from typing import TYPE_CHECKING, Any, Final, Literal

from tests.helpers import web_pipeline

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from buildkite_orm import Buildkite
    from buildkite_orm.fake import JobRecord, RecordedRequest
    from buildkite_orm.models.resource import Resource
    from buildkite_orm.resources.builds.artifact import Artifact
    from tests.reliability.stage import Stage

PAGES: Final = 40
CONTENT: Final = b"one line of many\n" * 200

Action = Callable[[], object]
Kind = Literal["read", "log_file", "file", "acting", "again", "delete", "upload", "form", "link"]


@dataclass(frozen=True)
class Trial:
    """One attempt at a write.

    Attributes:
        do: Sends the write.
        happened: Returns how often the server has done it.
        shown: Returns the same from the response of the URL that the error names; None if that is a 404.
    """

    do: Action
    happened: Callable[[], int]
    shown: Callable[[Any], int]


Reader = Callable[["Buildkite"], Action]
"""Returns, for a client, a function that reads; called again after an error, it continues where it failed."""


@dataclass(frozen=True)
class Operation:
    """A column of the matrix.

    Attributes:
        name: Its title.
        kind: What the client may do about a fault.
        match: Whether the fault applies to a request.
        begin: Prepares the server.
        pages: How many such requests it takes.
    """

    name: str
    kind: Kind
    match: Callable[[RecordedRequest], bool]
    begin: Callable[[Stage], Reader | Iterator[Trial]]
    pages: int = 1


def api(request: RecordedRequest) -> bool:
    return request.origin == "api"


def link(request: RecordedRequest) -> bool:
    return request.path.endswith("/download")


def form(request: RecordedRequest) -> bool:
    return request.path.endswith("/upload")


def artifacts(request: RecordedRequest) -> bool:
    return request.origin == "artifacts"


def dumped(items: Iterable[Resource]) -> list[dict[str, Any]]:
    return [item.dump() for item in items]


# -- reads -------------------------------------------------------------------------------------------------------------


def agents(stage: Stage) -> Reader:
    for _ in range(2 * PAGES):
        stage.server.add_agent()

    def reader(bk: Buildkite) -> Action:
        listed = bk.organization("acme").agents().per_page(2)
        return lambda: dumped(listed)

    return reader


def jobs(stage: Stage) -> Reader:
    build = stage.server.add_build("web", jobs=2 * PAGES)

    def reader(bk: Buildkite) -> Action:
        listed = web_pipeline(bk).build(build.number).jobs().per_page(2)
        return lambda: dumped(listed)

    return reader


def members(stage: Stage) -> Reader:
    for number in range(2 * PAGES):
        stage.server.add_user(f"User {number}", f"user-{number}@acme.example")

    def reader(bk: Buildkite) -> Action:
        listed = bk.organization("acme").members().per_page(2)
        return lambda: dumped(listed)

    return reader


def builds(stage: Stage) -> Reader:
    stage.server.add_builds("web", 2 * PAGES + 1)  # a page repeats the last build of the one before

    def reader(bk: Buildkite) -> Action:
        listed = web_pipeline(bk).builds().per_page(3)
        return lambda: dumped(listed)

    return reader


def pipeline(stage: Stage) -> Reader:
    stage.server.add_pipeline("web")
    return lambda bk: lambda: web_pipeline(bk).fetch().dump()


def with_log(stage: Stage) -> JobRecord:
    job = stage.server.add_build("web", jobs=1).jobs[0]
    stage.server.set_log(job, CONTENT)
    return job


def log(stage: Stage) -> Reader:
    job = with_log(stage)
    return lambda bk: lambda: bk.organization("acme").job(job.id).log().fetch().text


def saved_log(stage: Stage) -> Reader:
    job = with_log(stage)

    def reader(bk: Buildkite) -> Action:
        def request() -> bytes:
            saved = bk.organization("acme").job(job.id).log().save_to(stage.folder / "log")
            content = saved.read_bytes()
            saved.unlink()
            return content

        return request

    return reader


def file_reader(stage: Stage, read: Callable[[Artifact], bytes]) -> Reader:
    job = stage.server.add_build("web", jobs=1).jobs[0]
    record = stage.server.add_artifact(job, "a.txt", CONTENT)

    def reader(bk: Buildkite) -> Action:
        artifact = bk.organization("acme").job(job.id).artifact(record.id)
        known = stage.calm.organization("acme").job(job.id).artifact(record.id).fetch()
        return lambda: read(bk.bind(known)) if artifact == known else b""

    return reader


def as_bytes(stage: Stage) -> Reader:
    return file_reader(stage, lambda artifact: artifact.download())


def as_stream(stage: Stage) -> Reader:
    return file_reader(stage, lambda artifact: b"".join(artifact.download(stream=True)))


def as_file(stage: Stage) -> Reader:
    def read(artifact: Artifact) -> bytes:
        saved = artifact.save_to(stage.folder / "file")
        content = saved.read_bytes()
        saved.unlink()
        return content

    return file_reader(stage, read)


# -- writes ------------------------------------------------------------------------------------------------------------


def create(stage: Stage) -> Iterator[Trial]:
    pipeline = stage.server.add_pipeline("web")

    def trial(number: int) -> Trial:
        message = f"build {number}"
        return Trial(
            do=lambda: web_pipeline(stage.bk).builds().create(commit="HEAD", branch="main", message=message),
            happened=lambda: sum(build.message == message for build in pipeline.builds),
            shown=lambda listed: sum(build["message"] == message for build in listed),
        )

    return map(trial, count())


def update(stage: Stage) -> Iterator[Trial]:
    pipeline = stage.server.add_pipeline("web")

    def trial(number: int) -> Trial:
        text = f"description {number}"
        return Trial(
            do=lambda: web_pipeline(stage.bk).update(description=text),
            happened=lambda: int(pipeline.description == text),
            shown=lambda found: int(found["description"] == text),
        )

    return map(trial, count())


def rebuild(stage: Stage) -> Iterator[Trial]:
    pipeline = stage.server.add_pipeline("web")

    def trial(_: int) -> Trial:
        old = stage.server.add_build(pipeline)
        return Trial(
            do=lambda: web_pipeline(stage.bk).build(old.number).rebuild(),
            happened=lambda: sum(build.rebuilt_from is old for build in pipeline.builds),
            shown=lambda listed: sum(
                build["rebuilt_from"] is not None and build["rebuilt_from"]["id"] == old.id for build in listed
            ),
        )

    return map(trial, count())


def delete(stage: Stage) -> Iterator[Trial]:
    job = stage.server.add_build("web", jobs=1).jobs[0]

    def trial(_: int) -> Trial:
        artifact = stage.server.add_artifact(job, "a.txt", b"a")
        return Trial(
            do=lambda: stage.bk.organization("acme").job(job.id).artifact(artifact.id).delete(),
            happened=lambda: int(artifact.state == "deleted"),
            shown=lambda found: int(found is None),
        )

    return map(trial, count())


def published(stage: Stage, *, presigned: bool) -> Iterator[Trial]:
    stage.calm.organization("acme").registries().create(name="Files", ecosystem="files")
    there = stage.calm.organization("acme").registry("files").packages()
    packages = stage.bk.organization("acme").registry("files").packages()
    publish = packages.publish_presigned if presigned else packages.publish

    def trial(number: int) -> Trial:
        name = f"app{number}"
        return Trial(
            do=lambda: publish(BytesIO(CONTENT), filename=f"{name}-1.0.0.zip"),
            happened=lambda: sum(package.name == name for package in there.fresh()),
            shown=lambda listed: sum(package["name"] == name for package in listed["items"]),
        )

    return map(trial, count())


def publish(stage: Stage) -> Iterator[Trial]:
    return published(stage, presigned=False)


def publish_presigned(stage: Stage) -> Iterator[Trial]:
    return published(stage, presigned=True)


READS: Final = (
    Operation("pages by link", "read", api, agents, PAGES),
    Operation("pages by cursor", "read", api, jobs, PAGES),
    Operation("builds by time", "read", api, builds, PAGES),
    Operation("bare array", "read", api, members),
    Operation("one GET", "read", api, pipeline),
    Operation("log", "read", api, log),
)
WRITES: Final = (
    Operation("create", "acting", api, create),
    Operation("acting PUT", "acting", api, rebuild),
    Operation("package upload", "acting", api, publish),
    Operation("update", "again", api, update),
    Operation("delete", "delete", api, delete),
)
FILES: Final = (
    Operation("artifact's link", "link", link, as_bytes),
    Operation("artifact as bytes", "file", artifacts, as_bytes),
    Operation("as stream", "file", artifacts, as_stream),
    Operation("to a file", "file", artifacts, as_file),
    Operation("log to a file", "log_file", api, saved_log),
    Operation("package's form", "form", form, publish_presigned),
    Operation("package to storage", "upload", artifacts, publish_presigned),
)
OPERATIONS: Final = (*READS, *WRITES, *FILES)
