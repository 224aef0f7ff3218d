"""The seeded organization `acme`: pipelines, users, agents, and a history of builds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, partial
from graphlib import TopologicalSorter
from importlib import import_module
from pkgutil import iter_modules
from random import Random
from typing import TYPE_CHECKING, Any

from buildkite_orm.fake import seeds
from buildkite_orm.fake.finished_jobs import create_finished_jobs
from buildkite_orm.fake.junit import junit
from buildkite_orm.fake.past import past_of
from buildkite_orm.fake.steps import BlockStep, CommandStep, TriggerStep, WaitStep
from buildkite_orm.fake.times import seconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from types import ModuleType

    from buildkite_orm.fake.context import Context
    from buildkite_orm.fake.lifecycle import Lifecycle
    from buildkite_orm.fake.past import Past
    from buildkite_orm.fake.records import BuildRecord, JobRecord, Json, OrganizationRecord, PipelineRecord
    from buildkite_orm.fake.steps import Step
    from buildkite_orm.fake.store import Store

_HOUR = 3600.0

WEB: Sequence[Step] = (
    CommandStep(
        label=":pipeline: Upload", command="buildkite-agent pipeline upload", key="upload", duration=5, signed=True
    ),
    WaitStep(),
    CommandStep(
        label=":rspec: RSpec",
        command="bundle exec rspec",
        key="rspec",
        group="tests",
        duration=1500,
        parallelism=3,
        artifacts=(("log/rspec.json", 5_120), ("log/junit.xml", junit), ("coverage/index.html", 20_480)),
        artifact_paths="log/*;coverage/**/*",
        concurrency_wait_ms=0,
        signed=True,
    ),
    CommandStep(
        label=":jest: Jest",
        command="yarn test",
        key="jest",
        group="tests",
        duration=1200,
        matrix=({"node": "20"}, {"node": "22"}),
        artifacts=(("reports/junit.xml", junit),),
        artifact_paths="reports/*.xml",
        signed=True,
    ),
    CommandStep(
        label=":broom: Lint",
        command="yarn lint",
        key="lint",
        duration=40,
        exits=(1,),
        soft_fail=True,
        artifacts=(("log/eslint.json", b'[{"ruleId": "no-unused-vars", "severity": 1, "line": 42}]\n'),),
        artifact_paths="log/eslint.json",
    ),
    CommandStep(
        label=":ghost: Flaky", command="make flaky", key="flaky", duration=25, exits=(1, 0), automatic_retries=2
    ),
    CommandStep(command="scripts/notify.sh", duration=10, artifact_paths=None),
    CommandStep(label=":nightly: Nightly only", command="make nightly", key="nightly", condition=False),
    WaitStep(),
    CommandStep(
        label=":package: Package",
        command="scripts/package.sh",
        key="package",
        duration=60,
        artifacts=(("dist/app.tar.gz", 262_144),),
        artifact_paths="dist/*",
        signed=True,
    ),
)
API: Sequence[Step] = (
    CommandStep(label=":go: Test", command="go test ./...", key="test", duration=90),
    CommandStep(label=":golangci-lint: Lint", command="golangci-lint run", key="lint", duration=45),
    WaitStep(),
    TriggerStep(pipeline="docs", label=":books: Publish docs", key="publish-docs"),
)
MOBILE: Sequence[Step] = (
    CommandStep(
        label=":ios: Build",
        command="fastlane build",
        key="ios",
        duration=900,
        agents=("queue=macos",),
        matrix=({"scheme": "debug"}, {"scheme": "release"}),
    ),
    WaitStep(continue_on_failure=True),
    CommandStep(label=":broom: Clean up", command="make clean", key="clean", duration=15, agents=("queue=macos",)),
)
DOCS: Sequence[Step] = (CommandStep(label=":mkdocs: Build", command="mkdocs build", key="build", duration=30),)
DEPLOY: Sequence[Step] = (
    CommandStep(label=":package: Prepare", command="make prepare", key="prepare", duration=30),
    BlockStep(
        label=":rocket: Deploy?",
        key="approve",
        fields=(
            {"text": "Release name", "key": "release-name", "required": True},
            {"select": "Stage", "key": "stage", "required": False, "default": "staging"},
        ),
    ),
    CommandStep(label=":rocket: Deploy", command="make deploy", key="deploy", duration=60, agents=("queue=deploy",)),
)
INFRA: Sequence[Step] = (
    CommandStep(label=":terraform: Validate", command="terraform validate", key="validate", duration=20, exits=(2,)),
    CommandStep(label=":terraform: Plan", command="terraform plan", key="plan", duration=1800, promised_exit_status=1),
    WaitStep(),
    CommandStep(label=":terraform: Apply", command="terraform apply", key="apply", duration=120),
)
HELLO: Sequence[Step] = (
    CommandStep(
        label=":wave: Say hello",
        command="echo hello | tee hello.txt",
        key="hello",
        duration=3,
        artifacts=(("hello.txt", b"hello\n"), ("reports/summary.json", b'{"greetings": 1, "failures": 0}\n')),
        artifact_paths="hello.txt;reports/*",
    ),
)
PIPELINES: dict[str, tuple[Sequence[Step], int, Json]] = {
    "web": (WEB, 120, {"description": "The web application :sparkles:", "tags": ["frontend"], "emoji": ":ruby:"}),
    "api": (API, 80, {"description": "", "env": {}, "color": "#14CC80"}),
    "mobile": (MOBILE, 40, {"branch_configuration": "main feature/*"}),
    "docs": (DOCS, 30, {"visibility": "public"}),
    "deploy": (DEPLOY, 25, {"allow_rebuilds": False}),
    "infra": (INFRA, 20, {"configuration": None, "provider_id": "gitlab", "default_branch": "trunk"}),
    "hello": (HELLO, 10, {"description": "Builds that end within ten seconds", "tags": ["quick"]}),
}
BRANCHES = ("main", "main", "main", "feature/login", "fix/#123-crash", "release 2.0", "feature/größe", "機能/検索")
MESSAGES = ("Fix the login form", "Bump to version 0.2-beta.6 :rocket:", "Größere Knöpfe", "Revert “Fix”\n\nIt broke.")
ENDINGS = ("passed",) * 6 + ("failed",) * 2 + ("canceled", "skipped", "not_run")
SOURCES = ("webhook", "webhook", "api", "ui", "schedule")


def _modules() -> Iterator[ModuleType]:
    """Yield the modules in `seeds`, each after those that it needs; a new one needs no entry elsewhere."""
    modules = {each.name: import_module(f"{seeds.__name__}.{each.name}") for each in iter_modules(seeds.__path__)}
    order = TopologicalSorter({name: getattr(module, "AFTER", ()) for name, module in sorted(modules.items())})
    return map(modules.__getitem__, order.static_order())


def populate(context: Context, acme: OrganizationRecord) -> None:
    """Add pipelines, users, agents, finished builds and running builds to the organization."""
    store, lifecycle = context.store, context.lifecycle
    for name, email in (
        ("Grace Hopper", "grace@acme.example"),
        ("Katherine Johnson", "katherine@acme.example"),
        ("Søren Kierkegaard", "soren@acme.example"),
        ("李四", "lisi@acme.example"),
    ):
        store.add_user(acme, name, email)
    _add_agents(store, acme)
    for slug, (steps, _, fields) in PIPELINES.items():
        store.add_pipeline(acme, slug, steps, **fields)
    for slug, history in _histories(store.seed, seconds(store.clock.now()), len(acme.users)).items():
        _add_history(store, acme.pipelines[slug], history)
    _add_unfinished_builds(store, lifecycle, acme)
    _add_annotations(store, acme)
    for module in _modules():
        module.populate(context, acme)


def _add_agents(store: Store, acme: OrganizationRecord) -> None:
    for queue, count in (("default", 6), ("macos", 2), ("deploy", 1)):
        for number in range(count):
            store.add_agent(
                acme, queue=queue, name=f"{queue}-{number + 1}", os_id="darwin" if queue == "macos" else "linux"
            )
    store.add_queue(acme, "gpu", paused=True)
    now = seconds(store.clock.now())
    store.add_agent(acme, queue="gpu", name="gpu-1", priority=5, arch="arm64", version="3.90.0")
    store.add_agent(acme, name="lost-1", connection_state="lost", lost_at=now - _HOUR)
    store.add_agent(acme, name="gone-1", connection_state="disconnected", disconnected_at=now - _HOUR)


@dataclass(frozen=True, slots=True)
class _Finished:
    """A build of the history; `creator` is a place in the list of users."""

    created_at: float
    source: str
    creator: int | None
    past: Past
    branch: str
    message: str


@lru_cache(maxsize=2)
def _histories(seed: int, now: float, users: int) -> dict[str, tuple[_Finished, ...]]:
    """Return the finished builds of each pipeline. Most fakes have the same seed and time, so they are remembered."""
    random = Random(seed)
    return {
        slug: tuple(_finished(slug, place, seed=seed, now=now, users=users, random=random) for place in range(count))
        for slug, (_, count, _) in PIPELINES.items()
    }


def _finished(slug: str, place: int, *, seed: int, now: float, users: int, random: Random) -> _Finished:
    plan, count, _ = PIPELINES[slug]
    created = round(now - 2 * _HOUR - (count - place) * 1.7 * _HOUR - random.random() * _HOUR, 3)
    source = random.choice(SOURCES)
    return _Finished(
        created_at=created,
        source=source,
        creator=random.choice(range(users)) if source in {"api", "ui", "webhook"} else None,
        past=past_of(
            plan,
            Random(f"history/{seed}/{slug}/{place}"),
            state=random.choice(ENDINGS),
            created_at=created,
            now=now,
            age=(place + 1) / count,
        ),
        branch=random.choice(BRANCHES),
        message=random.choice(MESSAGES),
    )


def _add_history(store: Store, pipeline: PipelineRecord, history: Iterable[_Finished]) -> None:
    """Add finished builds, the last one two hours ago."""
    users = pipeline.organization.users
    for place, each in enumerate(history):
        creator = None if each.creator is None else users[each.creator]
        build = store.add_build(
            pipeline,
            state=each.past.state,
            created_at=each.created_at,
            branch=each.branch,
            message=each.message,
            source=each.source,
            creator=creator,
            author={"name": creator.name, "email": creator.email} if creator and each.source == "api" else None,
            env=None if each.source == "webhook" and place % 3 == 0 else {"DEPLOY": "false"},
            meta_data={"release-version": f"1.{place}", "git:commit": f"commit 1\nAuthor: {place}"},
            pull_request=_pull_request(place) if place % 4 == 0 else None,
            **each.past.times,
        )
        build.job_source = partial(create_finished_jobs, store, each.past)


def _pull_request(number: int) -> Json:
    return {"id": str(100 + number), "base": "main", "repository": "git://github.com/acme/web.git", "labels": []}


def _add_unfinished_builds(store: Store, lifecycle: Lifecycle, acme: OrganizationRecord) -> None:
    """Add unfinished builds that began in the past, and advance them to now."""
    now = seconds(store.clock.now())

    def begin(slug: str, ago: float, **fields: Any) -> BuildRecord:
        person = acme.users[len(acme.builds) % len(acme.users)]
        values = {"branch": "main", "message": "Bump to version 0.2", "source": "webhook", "creator": person}
        return lifecycle.create(
            acme.pipelines[slug], created_at=now - ago, **(values | {"commit": store.ids.commit()} | fields)
        )

    begin("deploy", 1800, branch="main", message="Deploy the week's work")
    begin("api", 900, branch="feature/login")
    planning = begin("infra", 1000, message="Plan the move")
    running = begin("web", 580)
    latest = begin(
        "web", 420, branch="fix/#123-crash", pull_request=_pull_request(7), merge_queue={"base_branch": "main"}
    )
    stopping = begin("web", 300, branch="feature/größe")
    mobile = begin("mobile", 240, branch="feature/login", rebuilt_from=acme.pipelines["mobile"].builds[-1])
    testing = begin("api", 40, message="Test the new endpoint")
    lifecycle.at(now - 1, lambda: lifecycle.cancel(stopping))
    lifecycle.run()
    for build in (running, latest, mobile, testing, planning):
        _add_uploads(store, build)
    begin("api", 1.5)
    begin("docs", 0.4)
    lifecycle.run()


def _add_uploads(store: Store, build: BuildRecord) -> None:
    """Add the artifacts that running jobs have uploaded so far."""
    running = [job for job in build.jobs if job.type == "script" and job.state == "running"]
    for number, job in enumerate(running):
        store.add_artifact(job, f"log/test-{number}.log", f"test {number}\nçok güzel\n".encode() * 50)
        store.add_artifact(job, "tmp/screenshots/home page.png", 40_000 + number)
        store.add_artifact(job, "tmp/pending.bin", 1_000, state="new")


def _add_annotations(store: Store, acme: OrganizationRecord) -> None:
    for build in acme.pipelines["web"].builds[-3:]:
        store.add_annotation(build, body="# Test results\n\nAll *42* tests passed", context="tests", style="success")
        store.add_annotation(
            build, body='Read the <a href="artifact://coverage/index.html">report</a>', context="coverage"
        )
        _annotate_job(store, next((job for job in build.jobs if job.type == "script"), None))


def _annotate_job(store: Store, job: JobRecord | None) -> None:
    if job is not None:
        store.add_annotation(job.build, body="3 warnings", context="lint", style="warning", priority=7, job=job)
