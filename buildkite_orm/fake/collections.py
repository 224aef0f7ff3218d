"""Things that are only kept: created, told, changed and deleted, with nothing that moves them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from buildkite_orm.fake.records import Json, UserRecord


@dataclass(slots=True, eq=False, kw_only=True)
class Record:
    """One of them: `data` has its fields by the API's names, but for those that follow from the rest."""

    id: str
    data: Json
    created_at: float
    created_by: UserRecord | None = None
    updated_at: float | None = None
    updated_by: UserRecord | None = None


@dataclass(slots=True)
class Shelves:
    """All of them, by their kind and the id of what they belong to, in the order in which they came."""

    things: dict[tuple[str, str], dict[str, Record]] = field(
        default_factory=lambda: defaultdict[tuple[str, str], dict[str, Record]](dict)
    )

    def of(self, kind: str, owner: str) -> dict[str, Record]:
        """Give the things of a kind that belong to something, by their keys."""
        return self.things[kind, owner]

    def every(self, kind: str) -> list[Record]:
        """Give all things of a kind, whatever they belong to."""
        return [each for (each_kind, _), things in self.things.items() if each_kind == kind for each in things.values()]

    def put(self, kind: str, owner: str, key: str, thing: Record) -> Record:
        """Add a thing, or put it in another's place."""
        self.things[kind, owner][key] = thing
        return thing
