"""The types that handlers receive, return and raise: a request, a reply, an error."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from buildkite_orm.fake.payloads.view import View

if TYPE_CHECKING:
    from collections.abc import Iterable

    from buildkite_orm.fake.context import Context
    from buildkite_orm.fake.records import (
        AgentRecord,
        BuildRecord,
        JobRecord,
        Json,
        OrganizationRecord,
        PipelineRecord,
        TokenRecord,
    )
    from buildkite_orm.fake.validation import IncomingRequest

_LONGEST_NUMBER = 18
_FALSE = frozenset({"", "0", "f", "F", "false", "FALSE", "off", "OFF", "False"})


class ApiError(Exception):
    """A response with an error status, as an exception."""

    def __init__(self, status: int, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.payload = {"message": message} | more


class InvalidError(ApiError):
    """A 422 that names the invalid fields."""

    def __init__(self, errors: Iterable[tuple[str, str]]) -> None:
        self._errors: list[Json] = [{"field": name, "code": code, "value": None} for name, code in errors]
        super().__init__(422, "Validation Failed", errors=self._errors)

    def add_values(self, request: IncomingRequest) -> None:
        """Add the values that were sent."""
        try:
            document = request.document
        except ApiError:  # a value is out of range, or the body is a form
            return
        for error in self._errors:
            error["value"] = _value_at(document, error["field"])


def _value_at(document: Any, field: str) -> Any:
    for name in field.split("."):
        document = cast("Json", document).get(name) if isinstance(document, dict) else None
    return document


@dataclass(slots=True)
class Reply:
    """A response: a payload to serialize as JSON, or a body to send as it is."""

    status: int = 200
    payload: Any = None
    body: bytes | str | None = None
    headers: dict[str, str] = field(default_factory=dict[str, str])
    content_type: str = "application/json; charset=utf-8"
    compress: bool = True


@dataclass(slots=True)
class ApiRequest:
    """A request to the API, with the records that its path names; one that does not exist raises the documented 404."""

    context: Context
    http: IncomingRequest
    arguments: dict[str, str]
    base: str
    artifacts_base: str
    authenticated: TokenRecord | None = None
    shared: dict[Any, Any] = field(default_factory=dict[Any, Any])

    @property
    def token(self) -> TokenRecord:
        """The access token of the request."""
        if self.authenticated is None:
            raise LookupError("a route without authentication has no token")
        return self.authenticated

    @property
    def view(self) -> View:
        """The settings by which payloads are rendered for this request."""
        scopes = self.authenticated.scopes if self.authenticated else ()
        return View(
            self.context.settings, self.base, self.context.clock.now(), "write_pipelines" in scopes, self.shared
        )

    # -- the query

    def flag(self, name: str, *, default: bool = False) -> bool:
        """Return a boolean query parameter, parsed as Rails does."""
        value = self.http.args.get(name)
        return default if value is None else value not in _FALSE

    def values(self, name: str) -> list[str]:
        """Return the values of a parameter that may be given once or as a list (`name[]`); blank values are dropped."""
        given = self.http.args.getlist(name) + self.http.args.getlist(f"{name}[]")
        return [value for value in given if value]

    # -- the body

    def body(self) -> Json:
        """Return the body as a JSON object; an empty one is `{}`, anything else is a 400."""
        if not self.http.body.strip():
            return {}
        value = self.http.document
        if not isinstance(value, dict):
            raise ApiError(400, "The body must be a JSON object")
        return cast("Json", value)

    # -- the path

    @property
    def organization(self) -> OrganizationRecord:
        """The organization in the path."""
        found = self.context.store.organizations.get(self.arguments["org"])
        if found is None or not self.token.reaches(found):
            raise ApiError(404, "No organization found")
        return found

    @property
    def pipeline(self) -> PipelineRecord:
        """The pipeline in the path."""
        found = self.organization.pipelines.get(self.arguments["pipeline"])
        if found is None:
            raise ApiError(404, "No pipeline found")
        return found

    @property
    def build(self) -> BuildRecord:
        """The build in the path, by its number."""
        pipeline = self.pipeline
        number = self.arguments["number"]
        found = pipeline.by_number.get(int(number)) if number.isdecimal() and len(number) <= _LONGEST_NUMBER else None
        if found is None:
            raise ApiError(404, "No build found")
        return found

    @property
    def job(self) -> JobRecord:
        """The job in the path, which names its build or only the organization."""
        organization = self.organization
        build = self.build if "number" in self.arguments else None
        if build is not None and build.job_source is not None:
            len(build.jobs)  # jobs are indexed when they are first created
        found = self.context.store.jobs.get(self.arguments["job"])
        if found is None or found.build.organization is not organization or build not in {None, found.build}:
            raise ApiError(404, "No job found")
        return found

    @property
    def agent(self) -> AgentRecord:
        """The agent in the path."""
        found = self.organization.agent(self.arguments["agent"])
        if found is None:
            raise ApiError(404, "No agent found")
        return found
