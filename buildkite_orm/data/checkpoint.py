"""Checkpoints of change feeds: where a run has arrived, and what the next one needs to know."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer, ValidationError

from buildkite_orm.http.encoding import encode_time
from buildkite_orm.utils.json_types import as_mapping, as_object, as_several

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION: Final = 1
EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_IDS: Final = 100
_FILTERS: Final = ("branch", "creator", "commit", "created_from")
_PAYLOAD: Final = frozenset({"with_jobs", "with_pipeline", "include_retried_jobs", "cache"})
_FULL_COMMIT: Final = re.compile(r"[0-9a-fA-F]{40}")

WindowName = Literal["everything", "open", "finished", "dropped", "unblocked"]


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid")


class FeedQuery(_Data):
    """The builds that a feed follows. A checkpoint of one query does not continue another."""

    api: str
    organization: str | None = None
    path: str
    filters: dict[str, str | bool | list[str]] = Field(default_factory=dict[str, "str | bool | list[str]"])

    @classmethod
    def of(cls, api: str, path: str, filters: Mapping[str, object]) -> Self:
        """Return the query of a listing.

        Args:
            api: The base URL.
            path: The path of the listing.
            filters: Its filters.

        Raises:
            ValueError: A build that matches a filter may stop matching it.
        """
        given = {name: value for name, value in filters.items() if value is not None}
        _check(given)
        kept: dict[str, str | bool | list[str]] = {name: _plain(given[name]) for name in _FILTERS if name in given}
        if given.get("with_jobs"):
            kept["with_jobs"] = True
        _, found, rest = f"/{path}".partition("/organizations/")
        return cls(api=api, organization=rest.partition("/")[0] if found else None, path=path, filters=kept)

    @property
    def created_from(self) -> datetime | None:
        """The filter `created_from`."""
        text = self.filters.get("created_from")
        return datetime.fromisoformat(text) if isinstance(text, str) else None

    def check_same(self, other: FeedQuery) -> None:
        """Check that another query is the same.

        Raises:
            ValueError: It is not.
        """
        mine, others = self.model_dump(), other.model_dump()
        for name in ("api", "organization", "path", "filters"):
            if mine[name] != others[name]:
                msg = (
                    f"the checkpoint is of another query: its {name} is {others[name]!r}, not {mine[name]!r}; "
                    "continue with the query that it was made for, or begin with changed_since(None)"
                )
                raise ValueError(msg)


def _sorted(ids: set[str]) -> list[str]:
    return sorted(ids) if len(ids) <= _MOST_IDS else []


class Position(_Data):
    """The place in a window: builds of later seconds are covered, and of this second those with these ids."""

    second: AwareDatetime
    ids: Annotated[set[str], PlainSerializer(_sorted, return_type=list[str])]


class Run(_Data):
    """A run that is under way.

    Attributes:
        started_at: The server's time at its start, also if it was resumed since.
        window: The window that it reads.
        position: The place in that window; None at its beginning.
        open_since: The earliest `created_at` among the open builds that it has found.
    """

    started_at: AwareDatetime
    window: WindowName
    position: Position | None = None
    open_since: AwareDatetime | None = None


class FeedState(_Data):
    """The content of a checkpoint.

    Attributes:
        version: The version of this format.
        query: The query.
        started_at: The server's time at the start of the last complete run; None before there is one.
        open_since: The earliest `created_at` among the open builds of that run.
        open_before: The same of the run before.
        finish_times: The endings of builds that were seen, and whether all of these builds had a `finished_at`.
        gates: Blocked builds that have not started, and when they were created.
        gates_since: The earliest of those that were too many to remember.
        run: The run that is under way.
    """

    version: Literal[1] = Field(default=VERSION)
    query: FeedQuery
    started_at: AwareDatetime | None = None
    open_since: AwareDatetime | None = None
    open_before: AwareDatetime | None = None
    finish_times: dict[str, bool] = Field(default_factory=dict[str, bool])
    gates: dict[str, AwareDatetime] = Field(default_factory=dict[str, AwareDatetime])
    gates_since: AwareDatetime | None = None
    run: Run | None = None

    def enter(self, window: WindowName) -> None:
        """Continue the run with its next window."""
        if self.run is not None:
            self.run.window, self.run.position = window, None

    def complete(self) -> None:
        """End the run."""
        if self.run is not None:
            self.started_at, self.open_before = self.run.started_at, self.open_since
            self.open_since, self.run = self.run.open_since, None

    def cover(self, build: str, created: datetime | None) -> None:
        """Note that the caller has processed a build of the window.

        Args:
            build: Its id.
            created: When it was created, if that is readable.
        """
        if self.run is None or created is None:
            return
        second, position = created.replace(microsecond=0), self.run.position
        if position is None or second < position.second:
            self.run.position = Position(second=second, ids={build})
        elif second == position.second:
            position.ids.add(build)


class Checkpoint(str):
    """The place in a change feed from which the next run continues: a short JSON text.

    It is printed, written to a file and sent as any other text. `changed_since()` also takes that text, or its JSON as
    a dict.

    Example:
        >>> builds = bk.organization("acme").pipeline("web").builds()
        >>> changes = builds.changed_since(None)
        >>> for change in changes:
        ...     pass
        >>> checkpoint = Checkpoint(changes.checkpoint)
        >>> checkpoint.is_complete, str(checkpoint.started_at)
        (True, '2026-08-01 12:00:00+00:00')

    Raises:
        ValueError: The text is not a checkpoint, or of another version of this library.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> Self:  # noqa: D102 - the class describes it
        read_state(text)
        return super().__new__(cls, text)

    def __repr__(self) -> str:
        return f"Checkpoint({super().__repr__()})"

    @property
    def started_at(self) -> datetime | None:
        """The server's time at the start of the last complete run; None before there is one."""
        moment = read_state(self).started_at
        return None if moment is None else moment.astimezone(UTC)

    @property
    def is_complete(self) -> bool:
        """Whether the run has ended; if not, the next one continues it."""
        state = read_state(self)
        return state.run is None and state.started_at is not None


def read_state(checkpoint: str | Mapping[str, Any]) -> FeedState:
    """Return the content of a checkpoint.

    Raises:
        TypeError: It is neither a text nor a mapping.
        ValueError: It is not a checkpoint, or of another version of this library.
    """
    if as_mapping(checkpoint) is None and not isinstance(checkpoint, str):
        msg = f"checkpoint={checkpoint!r}: the checkpoint of the last run, its text, or None"
        raise TypeError(msg)
    try:
        data = json.loads(checkpoint) if isinstance(checkpoint, str) else dict(checkpoint)
        version = (as_object(data) or {}).get("version")
        if isinstance(version, int) and version != VERSION:
            msg = f"the checkpoint is of version {version}, and this library reads version {VERSION}"
            raise ValueError(msg)
        return FeedState.model_validate(data)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, problem["loc"]))
        msg = f"not a checkpoint of changed_since(): {where}: {problem['msg']}"
        raise ValueError(msg) from None
    except (RecursionError, json.JSONDecodeError):
        msg = "not a checkpoint of changed_since(): it is not JSON"
        raise ValueError(msg) from None


def write_state(state: FeedState) -> Checkpoint:
    """Return a checkpoint with this content."""
    return str.__new__(Checkpoint, state.model_dump_json(exclude_none=True))


def _check(filters: Mapping[str, object]) -> None:
    if odd := sorted(filters.keys() - {*_FILTERS, *_PAYLOAD}):
        msg = (
            f"changed_since() takes the filters {', '.join(_FILTERS)}, not {', '.join(odd)}: a build that stops "
            "matching would never be reported; select from the builds that it yields"
        )
        raise ValueError(msg)
    if filters.get("include_retried_jobs") is False:
        msg = "include_retried_jobs=False: changed_since() lists all attempts, since the latest one may change"
        raise ValueError(msg)
    commits = as_several(filters.get("commit"))
    for commit in [filters.get("commit")] if commits is None else commits:
        if commit is not None and not _FULL_COMMIT.fullmatch(str(commit)):
            msg = f"commit={commit!r}: changed_since() takes a full SHA, since builds of a name such as HEAD get one"
            raise ValueError(msg)


def _plain(value: object) -> str | list[str]:
    if isinstance(value, datetime):
        return encode_time(value, "created_from")
    several = as_several(value)
    values = [str(value)] if several is None else sorted({str(each) for each in several})
    return values[0] if len(values) == 1 else values
