"""The usual routes of a collection: list, create, get, update and delete things on a shelf.

An area says in a `Collection` what is its own (paths, scopes, what bodies must be, how a thing is told), and puts the
routes that it wants into its table.
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

USUAL: tuple[Verb, ...] = ("list", "create", "get", "update", "delete")


def of_organization(request: ApiRequest) -> str:
    """Say that things belong to the organization of the path."""
    return request.organization.id


def _id(thing: Record) -> str:
    """Name a thing by its id."""
    return thing.id


def made(request: ApiRequest, data: Json) -> Record:
    """Make a thing, at this moment, by whoever asks."""
    now, user = request.context.lifecycle.now, request.token.user
    return Record(id=request.context.store.ids.uuid(), data=data, created_at=now, created_by=user)


def _as_it_is(_call: ApiRequest, _thing: Record, _body: Json) -> None:
    """Change nothing more."""


def _nothing(_call: ApiRequest, _thing: Record) -> Json:
    """Tell, and do, nothing more."""
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """Things of one kind.

    Attributes:
        kind: What they are, as `team`; also the noun of "No team found".
        path: Where they are listed.
        key: What the last value of one's path is called there.
        read: The scopes for reading.
        write: The scopes for writing.
        tell: Renders one.
        reveal: Renders what only the answer to its creation tells: a secret, shown once.
        create: What a body that creates one must be; fields it does not name are ignored.
        update: What a body that changes one must be.
        defaults: What a new one has where its body says nothing.
        owner: Gives the id of what they belong to; a path that names something unknown raises its 404.
        make: Makes one of its fields.
        identify: Gives what names a thing in a path; its id unless told otherwise.
        settle: Does what follows from a body beyond its fields; raises where that cannot be.
        unsettle: Does what follows from a deletion; raises where that cannot be.
        paging: `link`, `cursor`, `newest` for cursors that begin with the newest, or `array` for a whole array.
        statuses: The status of an answer where it is not the usual one.
        methods: The methods of updates.
    """

    kind: str
    path: str
    key: str
    read: str
    write: str
    tell: Callable[[ApiRequest, Record], Json]
    reveal: Callable[[ApiRequest, Record], Json] = _nothing
    create: Mapping[str, Check] = field(default_factory=dict[str, Check])
    update: Mapping[str, Check] = field(default_factory=dict[str, Check])
    defaults: Mapping[str, Any] = field(default_factory=dict[str, Any])
    owner: Callable[[ApiRequest], str] = of_organization
    make: Callable[[ApiRequest, Json], Record] = made
    identify: Callable[[Record], str] = _id
    settle: Callable[[ApiRequest, Record, Json], None] = _as_it_is
    unsettle: Callable[[ApiRequest, Record], object] = _nothing
    paging: Literal["link", "cursor", "newest", "array"] = "link"
    statuses: Mapping[Verb, int] = field(default_factory=dict[Verb, int])
    methods: tuple[str, ...] = ("PATCH", "PUT")

    def routes(self, *verbs: Verb) -> tuple[Route, ...]:
        """Give the routes for some of the verbs; for all without any."""
        one = f"{self.path}/{{{self.key}}}"
        table: dict[Verb, Iterable[Route]] = {
            "list": [route("GET", self.path, self.read, self.list_them)],
            "create": [route("POST", self.path, self.write, self.create_one)],
            "get": [route("GET", one, self.read, self.get_one)],
            "update": [route(method, one, self.write, self.update_one) for method in self.methods],
            "delete": [route("DELETE", one, self.write, self.delete_one)],
        }
        return tuple(each for verb in verbs or USUAL for each in table[verb])

    def shelf(self, request: ApiRequest) -> dict[str, Record]:
        """Give the things that the path is about, by their keys."""
        return request.context.store.shelves.of(self.kind, self.owner(request))

    def find(self, request: ApiRequest) -> Record:
        """Give the thing that the path names."""
        found = self.shelf(request).get(request.arguments[self.key])
        if found is None:
            raise ApiError(404, f"No {self.kind.replace('_', ' ')} found")
        return found

    def answer(self, request: ApiRequest, thing: Record, verb: Verb, usual: int) -> Reply:
        """Answer with a thing."""
        return Reply(self.statuses.get(verb, usual), payload=self.tell(request, thing))

    def list_them(self, request: ApiRequest) -> Reply:
        """List them."""
        return self.listed(request, list(self.shelf(request).values()))

    def listed(self, request: ApiRequest, things: list[Record]) -> Reply:
        """Answer with some of them, in the pages that the API has here."""
        render = partial(self.tell, request)
        if self.paging == "array":
            return Reply(payload=[render(each) for each in things])
        if self.paging == "link":
            return paged(request, things, render)
        # by their places among all, so that a cursor stays when others come
        places = {each.id: place for place, each in enumerate(self.shelf(request).values())}
        if self.paging == "cursor":
            return cursor_paged(request, things, lambda each: places[each.id], render)
        return links_in_header(cursor_paged(request, things[::-1], lambda each: -places[each.id], render))

    def get_one(self, request: ApiRequest) -> Reply:
        """Get one."""
        return self.answer(request, self.find(request), "get", 200)

    def create_one(self, request: ApiRequest) -> Reply:
        """Create one."""
        shelf, body = self.shelf(request), request.body()
        require_valid(body, self.create)
        given = {name: body[name] for name in self.create if name in body}
        thing = self.make(request, {**self.defaults, **given})
        self.settle(request, thing, body)
        shelf[self.identify(thing)] = thing
        audit.note_of_thing(request, self.kind, "Created", thing)
        told = self.answer(request, thing, "create", 201)
        told.payload |= self.reveal(request, thing)
        return told

    def update_one(self, request: ApiRequest) -> Reply:
        """Change one."""
        thing, shelf, body = self.find(request), self.shelf(request), request.body()
        require_valid(body, self.update)
        before = dict(thing.data)
        thing.data.update({name: body[name] for name in self.update if name in body})
        try:
            self.settle(request, thing, body)
        except ApiError:
            thing.data = before
            raise
        thing.updated_at, thing.updated_by = request.context.lifecycle.now, request.token.user
        if shelf.get(self.identify(thing)) is not thing:  # its name has changed
            del shelf[request.arguments[self.key]]
            shelf[self.identify(thing)] = thing
        audit.note_of_thing(request, self.kind, "Updated", thing)
        return self.answer(request, thing, "update", 200)

    def delete_one(self, request: ApiRequest) -> Reply:
        """Delete one."""
        thing = self.find(request)
        self.unsettle(request, thing)
        del self.shelf(request)[request.arguments[self.key]]
        audit.note_of_thing(request, self.kind, "Deleted", thing)
        return Reply(self.statuses.get("delete", 204))
