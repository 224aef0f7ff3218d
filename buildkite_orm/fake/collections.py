"""Records without behavior: they are created, read, updated and deleted."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from buildkite_orm.fake.records import Json, UserRecord


class ShortRepr:
    """A record with a short `repr`: records reference each other, and a full one would contain all of them."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.title})"

    @property
    def title(self) -> str:
        """The text that identifies it to a reader."""
        raise NotImplementedError


@dataclass(slots=True, eq=False, kw_only=True, repr=False)
class Record(ShortRepr):
    """A record: `data` has its fields under the API's names, except those that are derived."""

    id: str
    data: Json
    created_at: float
    created_by: UserRecord | None = None
    updated_at: float | None = None
    updated_by: UserRecord | None = None

    @property
    def title(self) -> str:
        """Its name, or its id if it has none."""
        return str(self.data.get("name") or self.id)


@dataclass(slots=True, repr=False)
class Collections:
    """All records, by kind and by the id of their owner, in the order in which they were added."""

    records: dict[tuple[str, str], dict[str, Record]] = field(
        default_factory=lambda: defaultdict[tuple[str, str], dict[str, Record]](dict)
    )

    def of(self, kind: str, owner: str) -> dict[str, Record]:
        """Return the records of a kind that belong to an owner, by key."""
        return self.records[kind, owner]

    def all(self, kind: str) -> list[Record]:
        """Return all records of a kind."""
        return [
            each for (each_kind, _), records in self.records.items() if each_kind == kind for each in records.values()
        ]

    def put(self, kind: str, owner: str, key: str, record: Record) -> Record:
        """Add a record, or replace the one with the same key."""
        self.records[kind, owner][key] = record
        return record
