"""A server whose builds move, and a mirror of them that is kept by a change feed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from buildkite_orm import StatusError
from buildkite_orm.fake import BlockStep, CommandStep, FakeBuildkite, Settings
from buildkite_orm.fake.settings import Pace

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from buildkite_orm import Build, BuildQuerySet, BuildRef, Change, Changes, OrganizationRef
    from buildkite_orm.fake.records import BuildRecord, JobRecord
    from buildkite_orm.fake.settings import Ending

    Step = tuple[str, int]

FAILS_ONCE: Final = CommandStep(exits=(1, 0), duration=5)
PIPELINES: Final[dict[str, dict[str, Any]]] = {
    "plain": {"steps": [CommandStep(duration=60)]},
    "flaky": {"steps": [FAILS_ONCE, FAILS_ONCE]},
    "gate-first": {"steps": [BlockStep(), CommandStep()]},
    "two-gates": {"steps": [BlockStep(blocked_state="running"), BlockStep(), CommandStep()]},
    "flaky-gate": {"steps": [FAILS_ONCE, BlockStep(blocked_state="failed"), FAILS_ONCE]},
    "left-out": {"steps": [CommandStep(condition=False)]},
    "skipping": {"steps": [BlockStep(), CommandStep()], "skip_queued_branch_builds": True},
    "replacing": {"steps": [CommandStep(duration=60)], "cancel_running_branch_builds": True},
}
PAUSES: Final = (0.5, 5, 60, 400, 4000, 100_000)


class OffClock:
    """The clock of a client that is off."""

    def __init__(self, server: FakeBuildkite, off: float) -> None:
        self._clock, self._off = server.clock, off

    def now(self) -> float:
        return float(self._clock.now()) + self._off

    def monotonic(self) -> float:
        return float(self._clock.now())

    def sleep(self, seconds: float, /) -> None:
        self._clock.sleep(seconds)

    def wait_until(self, moment: float, /) -> None:
        self._clock.wait_until(moment - self._off)


@dataclass
class World:
    """A server and a mirror; `do` applies the steps of a history."""

    server: FakeBuildkite
    organization: OrganizationRef
    per_page: int = 100
    mirror: dict[str, Any] = field(default_factory=dict[str, Any])
    checkpoint: str | None = None
    changes: Changes[Change] | None = None
    running: Iterator[Change] | None = None
    reported: set[object] = field(default_factory=set[object])

    @classmethod
    def make(
        cls,
        *,
        without: Sequence[Ending] = (),
        keeps: bool = False,
        off: float = 0.0,
        per_page: int = 100,
        creating: float = 1.0,
        **options: Any,
    ) -> World:
        """Create a server with an organization of one pipeline per kind."""
        settings = Settings(
            organization_limit=None,
            user_limit=None,
            without_finished_at=without,
            keeps_finished_at=keeps,
            pace=Pace(creating=creating),
            **options,
        )
        server = FakeBuildkite(populate=False, settings=settings)
        for slug, pipeline in PIPELINES.items():
            server.add_pipeline(slug, **pipeline)
        client = server.client(clock=OffClock(server, off))
        return cls(server, client.organization("acme"), per_page)

    def builds(self) -> BuildQuerySet:
        """Return the builds, with nothing loaded."""
        return self.organization.builds(with_jobs=True).per_page(self.per_page)

    # -- what people do

    def do(self, steps: Iterable[Step]) -> World:
        """Apply steps: the name of a method, and a number that selects a build, a pipeline, or an amount."""
        for name, number in steps:
            getattr(self, name)(number)
        return self

    def create(self, number: int) -> None:
        slug = list(PIPELINES)[number % len(PIPELINES)]
        self.organization.pipeline(slug).builds().create(commit="HEAD", branch="main")

    def wait(self, number: int) -> None:
        self.server.clock.advance(PAUSES[number % len(PAUSES)])
        self.server.context.lifecycle.run()

    def cancel(self, number: int) -> None:
        if (record := self._record(number)) is not None:
            self._try(self._ref(record).cancel)

    def unblock(self, number: int) -> None:
        record = self._record(number)
        for job in record.jobs if record is not None else []:
            if record is not None and job.type == "manual" and job.state == "blocked":
                self.server.context.lifecycle.unblock(job, record.organization.users[0], {})
                return

    def retry(self, number: int) -> None:
        if (record := self._record(number)) is not None:
            self._try(self._ref(record).retry_failed_jobs)

    def retry_job(self, number: int) -> None:
        record = self._record(number)
        failed = [job for job in record.jobs if _can_retry(job)] if record is not None else []
        if record is not None and failed:
            self._try(self._ref(record).job(failed[0].id).retry)

    def _record(self, number: int) -> BuildRecord | None:
        records = self.server.store.builds
        return records[-1 - number % len(records)] if records else None

    def _ref(self, record: BuildRecord) -> BuildRef:
        return self.organization.pipeline(record.pipeline.slug).build(record.number)

    @staticmethod
    def _try(action: Any) -> None:
        try:
            action()
        except StatusError as error:
            assert error.status in {400, 422}  # noqa: PT017 - the server refuses it

    # -- the feed

    def read(self, number: int) -> None:
        """Process some changes."""
        if self.running is None:
            self.changes = self.builds().changed_since(self.checkpoint)
            self.running, self.reported = iter(self.changes), set()
        for _ in range(number):
            change = next(self.running, None)
            assert self.changes is not None
            self.checkpoint = str(self.changes.checkpoint)
            if change is None:
                self.running = None
                return
            build = change.item
            report = (build.id, str(build.state), build.finished_at)
            assert report not in self.reported, "reported twice in one run"
            self.reported.add(report)
            self.mirror[build.id] = what_matters(build)

    def crash(self, number: int) -> None:  # noqa: ARG002 - as all steps
        """Lose everything but the mirror and the saved checkpoint."""
        self.running = None

    def run(self, number: int = 0) -> None:  # noqa: ARG002 - as all steps
        """Finish the run that is under way, or do a whole one."""
        self.read(1)
        while self.running is not None:
            self.read(1)

    def differences(self) -> dict[str, Any]:
        """Return what differs between the mirror and the server after one more run: its version and the server's."""
        if self.running is not None or self.changes is not None:
            self.run()
        self.run()
        listed = self.builds().filter(include_retried_jobs=True)
        real = {build.id: what_matters(build) for build in listed}
        return {
            key: (self.mirror.get(key), real.get(key))
            for key in self.mirror.keys() | real.keys()
            if self.mirror.get(key) != real.get(key)
        }


def _can_retry(job: JobRecord) -> bool:
    return job.type == "script" and job.state in {"failed", "timed_out", "canceled"} and not job.retried


def what_matters(build: Build) -> Any:
    """Return the fields of a build and its jobs that change when it moves."""
    fields = ("state", "blocked", "started_at", "failing_at", "finished_at", "number")
    of_jobs = ("id", "state", "exit_status", "retried", "retried_in_job_id", "finished_at")
    payload = build.dump()
    return [payload[name] for name in fields], [[job.get(name) for name in of_jobs] for job in payload["jobs"]]
