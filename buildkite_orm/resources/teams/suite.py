"""The test suites that teams reach."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, TypedDict

from buildkite_orm.http.encoding import encode_body
from buildkite_orm.models.enums import OpenEnum
from buildkite_orm.models.paths import path_from_url, short_path
from buildkite_orm.models.ref import Deletable
from buildkite_orm.models.resource import Editable, Timestamp
from buildkite_orm.querysets.queryset import QuerySet
from buildkite_orm.resources.parents import InTeam

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Unpack

    from buildkite_orm.resources.test_engine.suite import SuiteRef

__all__ = [
    "SuiteAccessLevel",
    "TeamSuite",
    "TeamSuiteChanges",
    "TeamSuiteQuerySet",
    "TeamSuiteRef",
]


class SuiteAccessLevel(OpenEnum):
    """A team's access to a test suite."""

    READ = "read"
    EDIT = "edit"


class TeamSuiteChanges(TypedDict):
    """Fields of a team's access to a test suite that can be changed.

    Attributes:
        access_level: All that the team may do.
    """

    access_level: Sequence[SuiteAccessLevel | Literal["read", "edit"]]


class TeamSuiteRef(InTeam, Deletable):
    """The ref of a team's access to a test suite."""

    _kind = "team_suite"
    _paths = ("organizations/{organization}/teams/{team}/suites/{suite_id}",)
    delete_documentation = "teams/suites#delete-a-team-suite"

    if TYPE_CHECKING:
        suite_id: str

    def fetch(self) -> TeamSuite:
        """Fetch the team's access to the suite.

        Raises:
            NotFoundError: The team does not reach the suite.

        Documentation: https://buildkite.com/docs/apis/rest-api/teams/suites#get-a-team-suite
        """
        return self._request(TeamSuite)

    def update(self, *, extra: Mapping[str, object] | None = None, **changes: Unpack[TeamSuiteChanges]) -> TeamSuite:
        """Change the team's access to the suite; an object is updated with the response.

        Args:
            extra: Fields of the body that this library does not know.
            changes: See `TeamSuiteChanges`.

        Raises:
            UnprocessableEntityError: The server rejects a value.

        Documentation: https://buildkite.com/docs/apis/rest-api/teams/suites#update-a-team-suite
        """
        return self._update(TeamSuite, changes, TeamSuiteChanges, extra)


class TeamSuite(TeamSuiteRef, Editable):
    """A team's access to a test suite.

    Attributes:
        created_at: When the team got to reach the suite.

    Documentation: https://buildkite.com/docs/apis/rest-api/teams/suites#team-suite-data-model
    """

    has_url: ClassVar[bool] = False
    editable: ClassVar[frozenset[str]] = frozenset(TeamSuiteChanges.__annotations__)

    suite_id: str
    access_level: list[SuiteAccessLevel]
    suite_url: str | None = None
    created_at: Timestamp | None = None

    @property
    def suite(self) -> SuiteRef:
        """The suite itself."""
        from buildkite_orm.resources.test_engine.suite import SuiteRef

        return SuiteRef.at(self.session, path_from_url(self.suite_url))

    def _summary(self) -> Iterable[object]:
        path = path_from_url(self.suite_url)
        yield self.suite_id if path is None else short_path(path)
        yield " and ".join(self.access_level)


class TeamSuiteQuerySet(QuerySet[TeamSuite]):
    """The test suites that a team can access."""

    _model = TeamSuite

    def create(
        self,
        *,
        suite_id: str,
        access_level: Sequence[SuiteAccessLevel | Literal["read", "edit"]],
        extra: Mapping[str, object] | None = None,
    ) -> TeamSuite:
        """Grant the team access to a test suite.

        Args:
            suite_id: The suite's id.
            access_level: All that the team may do with it.
            extra: Fields of the body that this library does not know.

        Raises:
            UnprocessableEntityError: The server rejects a value: the team has access to the suite already, for example.

        Documentation: https://buildkite.com/docs/apis/rest-api/teams/suites#create-a-team-suite
        """
        fields = {"suite_id": suite_id, "access_level": access_level}
        return self._create(encode_body(fields, TeamSuiteChanges, "suite_id", extra=extra))
