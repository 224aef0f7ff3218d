"""Administrators and invitations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkite_orm.fake.collections import Record
from buildkite_orm.fake.handlers.members import INVITATIONS, PENDING
from buildkite_orm.fake.times import seconds

if TYPE_CHECKING:
    from buildkite_orm.fake.context import Context
    from buildkite_orm.fake.records import Json, OrganizationRecord

_DAY = 86400.0


def populate(context: Context, acme: OrganizationRecord) -> None:
    """Add a second administrator, and invitations in all states."""
    store = context.store
    admin, second, third, *_ = acme.users
    second.role, third.sso_mode = "admin", "optional"
    now = seconds(store.clock.now())
    invitations: tuple[tuple[str, Json], ...] = (
        (third.email, {"state": "accepted", "accepted_at": now - 6 * _DAY, "accepted_by": third}),
        ("mistyped@acme.exmaple", {"state": "revoked", "revoked_at": now - 5 * _DAY, "revoked_by": admin}),
        ("too-late@acme.example", {"state": "expired", "expired_at": now - _DAY}),
        ("mary@acme.example", {}),
        ("émilie@acme.example", {"role": "admin"}),
    )
    for place, (email, fields) in enumerate(invitations):
        data: Json = {**PENDING, "email": email, "role": "member", "sso_mode": "required", "teams": {}, **fields}
        created_at = now - (8 - place) * _DAY
        record = Record(id=store.ids.uuid(), data=data, created_at=created_at, created_by=admin)
        store.collections.put(INVITATIONS.kind, acme.id, record.id, record)
