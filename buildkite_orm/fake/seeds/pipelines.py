"""Schedules, templates, step uploads and an archived pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkite_orm.fake.collections import Record
from buildkite_orm.fake.handlers.schedules import SCHEDULES, plan
from buildkite_orm.fake.handlers.step_uploads import add_step_upload
from buildkite_orm.fake.handlers.templates import TEMPLATES
from buildkite_orm.fake.steps import CommandStep
from buildkite_orm.fake.times import seconds

if TYPE_CHECKING:
    from buildkite_orm.fake.context import Context
    from buildkite_orm.fake.records import BuildRecord, Json, OrganizationRecord
    from buildkite_orm.fake.store import Store

_DAY = 86400.0
_SCHEDULES: tuple[tuple[str, Json], ...] = (
    ("infra", {"label": "Monthly audit", "cronline": "@monthly", "branch": "trunk", "env": {"AUDIT": "true"}}),
    ("docs", {"label": "Nachtlauf", "cronline": "0 3 * * 1-5 +02:00", "branch": "main", "enabled": False}),
    (
        "mobile",
        {
            "label": "Beta",
            "cronline": "@weekly",
            "branch": "beta",
            "enabled": False,
            "failed_message": "Branch beta is not configured to be built by this pipeline",
            "failed_at": -6 * _DAY,
        },
    ),
)
_UPLOADED = "---\nsteps:\n- command: bundle exec rspec\n  key: rspec\n- command: yarn test\n  key: jest\n"
_TEMPLATES: tuple[Json, ...] = (
    {
        "name": "Upload",
        "description": "Steps that stand in the repository",
        "configuration": 'steps:\n  - label: ":pipeline: Upload"\n    command: "buildkite-agent pipeline upload"\n',
        "available": True,
    },
    {"name": "Audit", "configuration": "steps:\n  - command: scripts/audit.sh\n"},
)


def populate(context: Context, acme: OrganizationRecord) -> None:
    """Add them."""
    store = context.store
    now = seconds(store.clock.now())
    for slug, fields in _SCHEDULES:
        record = _new_record(store, acme, {**SCHEDULES.defaults, **fields}, now - 20 * _DAY)
        record.data["failed_at"] = record.data["failed_at"] and now + record.data["failed_at"]
        store.collections.put(SCHEDULES.kind, acme.pipelines[slug].id, record.id, record)
        plan(context.lifecycle, acme.pipelines[slug], record)
    for fields in _TEMPLATES:
        record = _new_record(store, acme, {**TEMPLATES.defaults, **fields}, now - 90 * _DAY)
        store.collections.put(TEMPLATES.kind, acme.id, record.id, record)
    for build in acme.pipelines["web"].builds[-3:]:
        _upload(store, build)
    _add_archived(store, acme, now)


def _new_record(store: Store, acme: OrganizationRecord, data: Json, created_at: float) -> Record:
    return Record(id=store.ids.uuid(), data=data, created_at=created_at, created_by=acme.users[0])


def _upload(store: Store, build: BuildRecord) -> None:
    job = next((each for each in build.jobs if each.step_key == "upload"), None)
    if job is not None:
        add_step_upload(store, job, _UPLOADED, created_jobs_count=len(build.jobs) - 1)


def _add_archived(store: Store, acme: OrganizationRecord, now: float) -> None:
    """Add an archived pipeline."""
    legacy = store.add_pipeline(
        acme, "legacy", [CommandStep(label="Make", command="make")], description="What was there before"
    )
    legacy.archived_at = now - 100 * _DAY
