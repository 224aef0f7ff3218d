"""The usual routes of a collection: list, create, get, update and delete records.

A module declares a `Collection` (paths, scopes, checks of bodies, payloads), and adds the routes that it needs to its
table.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from buildkite_orm.fake import audit
from buildkite_orm.fake.collections import Record
from buildkite_orm.fake.handlers.route import Route, route
from buildkite_orm.fake.handlers.validation import Check, require_valid
from buildkite_orm.fake.http import ApiError, ApiRequest, Reply
from buildkite_orm.fake.paging import cursor_paged, links_in_header, paged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from buildkite_orm.fake.records import Json

Verb = Literal["list", "create", "get", "update", "delete"]

VERBS: tuple[Verb, ...] = ("list", "create", "get", "update", "delete")


def organization_id_of(request: ApiRequest) -> str:
    """Return the id of the organization in the path."""
    return request.organization.id


def _id(record: Record) -> str:
    """Return the id of a record."""
    return record.id


def new_record(request: ApiRequest, data: Json) -> Record:
    """Create a record now, by the user of the request."""
    now, user = request.context.lifecycle.now, request.token.user
    return Record(id=request.context.store.ids.uuid(), data=data, created_at=now, created_by=user)


def _no_validation(_request: ApiRequest, _new_record: Record, _body: Json) -> None:
    """Accept any body."""


def _no_fields(_request: ApiRequest, _new_record: Record) -> Json:
    """Return no fields."""
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """The records of one kind, and the usual routes for them.

    Attributes:
        kind: The name of the kind, such as `team`; also used in "No team found".
        path: The path of the listing.
        key: The name of the last parameter in the path of a record.
        read: The scopes for reading.
        write: The scopes for writing.
        render: Returns the payload of a record.
        render_secret: Returns fields that only the response to a creation has, such as a secret.
        create: The checks of a body that creates a record; other fields are ignored.
        update: The checks of a body that updates a record.
        defaults: The fields of a new record, unless its body has them.
        owner: Returns the id of the records' owner; raises a 404 if the path names an unknown one.
        new: Creates a record from its fields.
        key_of: Returns the key of a record, which names it in paths; its id by default.
        validate: Validates a record after its fields are set, and applies side effects; may raise.
        before_delete: Validates a deletion, and applies side effects; may raise.
        paging: `link`, `cursor`, `newest` for cursors that begin with the newest record, or `array` for one page.
        statuses: The statuses of responses that differ from the usual ones.
        methods: The methods of updates.
    """

    kind: str
    path: str
    key: str
    read: str
    write: str
    render: Callable[[ApiRequest, Record], Json]
    render_secret: Callable[[ApiRequest, Record], Json] = _no_fields
    create: Mapping[str, Check] = field(default_factory=dict[str, Check])
    update: Mapping[str, Check] = field(default_factory=dict[str, Check])
    defaults: Mapping[str, Any] = field(default_factory=dict[str, Any])
    owner: Callable[[ApiRequest], str] = organization_id_of
    new: Callable[[ApiRequest, Json], Record] = new_record
    key_of: Callable[[Record], str] = _id
    validate: Callable[[ApiRequest, Record, Json], None] = _no_validation
    before_delete: Callable[[ApiRequest, Record], object] = _no_fields
    paging: Literal["link", "cursor", "newest", "array"] = "link"
    statuses: Mapping[Verb, int] = field(default_factory=dict[Verb, int])
    methods: tuple[str, ...] = ("PATCH", "PUT")

    def routes(self, *verbs: Verb) -> tuple[Route, ...]:
        """Return the routes for some verbs; for all if none are named."""
        one = f"{self.path}/{{{self.key}}}"
        table: dict[Verb, Iterable[Route]] = {
            "list": [route("GET", self.path, self.read, self.list_records)],
            "create": [route("POST", self.path, self.write, self.create_record)],
            "get": [route("GET", one, self.read, self.get_record)],
            "update": [route(method, one, self.write, self.update_record) for method in self.methods],
            "delete": [route("DELETE", one, self.write, self.delete_record)],
        }
        return tuple(each for verb in verbs or VERBS for each in table[verb])

    def records(self, request: ApiRequest) -> dict[str, Record]:
        """Return the records that the path names, by key."""
        return request.context.store.collections.of(self.kind, self.owner(request))

    def find(self, request: ApiRequest) -> Record:
        """Return the record that the path names."""
        found = self.records(request).get(request.arguments[self.key])
        if found is None:
            raise ApiError(404, f"No {self.kind.replace('_', ' ')} found")
        return found

    def response(self, request: ApiRequest, record: Record, verb: Verb, usual: int) -> Reply:
        """Return the response with a record."""
        return Reply(self.statuses.get(verb, usual), payload=self.render(request, record))

    def list_records(self, request: ApiRequest) -> Reply:
        """List the records."""
        return self.list_response(request, list(self.records(request).values()))

    def list_response(self, request: ApiRequest, records: list[Record]) -> Reply:
        """Return a page of some records, in the paging style of this collection."""
        render = partial(self.render, request)
        if self.paging == "array":
            return Reply(payload=[render(each) for each in records])
        if self.paging == "link":
            return paged(request, records, render)
        # positions among all records, so that a cursor stays valid when others are added
        places = {each.id: place for place, each in enumerate(self.records(request).values())}
        if self.paging == "cursor":
            return cursor_paged(request, records, lambda each: places[each.id], render)
        return links_in_header(cursor_paged(request, records[::-1], lambda each: -places[each.id], render))

    def get_record(self, request: ApiRequest) -> Reply:
        """Get a record."""
        return self.response(request, self.find(request), "get", 200)

    def create_record(self, request: ApiRequest) -> Reply:
        """Create a record."""
        records, body = self.records(request), request.body()
        require_valid(body, self.create)
        given = {name: body[name] for name in self.create if name in body}
        record = self.new(request, {**self.defaults, **given})
        self.validate(request, record, body)
        records[self.key_of(record)] = record
        audit.log_change(request, self.kind, "Created", record)
        reply = self.response(request, record, "create", 201)
        reply.payload |= self.render_secret(request, record)
        return reply

    def update_record(self, request: ApiRequest) -> Reply:
        """Update a record."""
        record, records, body = self.find(request), self.records(request), request.body()
        require_valid(body, self.update)
        before = dict(record.data)
        record.data.update({name: body[name] for name in self.update if name in body})
        try:
            self.validate(request, record, body)
        except ApiError:
            record.data = before
            raise
        record.updated_at, record.updated_by = request.context.lifecycle.now, request.token.user
        if records.get(self.key_of(record)) is not record:  # its key has changed
            del records[request.arguments[self.key]]
            records[self.key_of(record)] = record
        audit.log_change(request, self.kind, "Updated", record)
        return self.response(request, record, "update", 200)

    def delete_record(self, request: ApiRequest) -> Reply:
        """Delete a record."""
        record = self.find(request)
        self.before_delete(request, record)
        del self.records(request)[request.arguments[self.key]]
        audit.log_change(request, self.kind, "Deleted", record)
        return Reply(self.statuses.get("delete", 204))
