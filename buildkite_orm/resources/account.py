"""The user, the access token, and information about Buildkite."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from buildkite_orm.http.messages import ApiRequest
from buildkite_orm.models.resource import Fetchable, Model, Timestamp

if TYPE_CHECKING:
    from collections.abc import Iterable


class User(Fetchable):
    """The user that the token belongs to.

    Documentation: https://buildkite.com/docs/apis/rest-api/user
    """

    _kind: ClassVar[str] = "user"
    _paths: ClassVar[tuple[str, ...]] = ("user",)
    has_url: ClassVar[bool] = False
    _repr_fields: ClassVar[tuple[str, ...]] = ("name",)

    id: str
    graphql_id: str | None = None
    name: str
    email: str | None = None
    avatar_url: str | None = None
    created_at: Timestamp | None = None

    def _key(self) -> object:
        # the same path leads to another user for each token
        return key if isinstance(key := self.__dict__.get("id"), str) else None


class TokenOwner(Model):
    """The owner of a token."""

    name: str | None = None
    email: str | None = None


class AccessToken(Fetchable):
    """The token of the client: its scopes and expiry, without its secret.

    Documentation: https://buildkite.com/docs/apis/rest-api/access-token
    """

    _kind: ClassVar[str] = "access_token"
    _paths: ClassVar[tuple[str, ...]] = ("access-token",)
    has_url: ClassVar[bool] = False

    uuid: str
    scopes: list[str]
    description: str | None = None
    created_at: Timestamp | None = None
    expires_at: Timestamp | None = None
    user: TokenOwner | None = None

    def _key(self) -> object:
        return key if isinstance(key := self.__dict__.get("uuid"), str) else None

    def revoke(self) -> None:
        """Revoke the token. This cannot be undone; every later request of this client fails.

        Documentation: https://buildkite.com/docs/apis/rest-api/access-token#revoke-the-current-token
        """
        # if the response was lost, a retry finds that the token is not valid any more
        self.session.send(ApiRequest("DELETE", self.api_path, already_deleted_status=401), lambda _response: None)

    def _summary(self) -> Iterable[object]:
        yield self.description or self.uuid
        yield f"may {', '.join(self.scopes) or 'nothing'}"


class Meta(Fetchable):
    """Information about Buildkite.

    Attributes:
        webhook_ips: The addresses and networks that send webhooks.

    Documentation: https://buildkite.com/docs/apis/rest-api/meta
    """

    _kind: ClassVar[str] = "meta"
    _paths: ClassVar[tuple[str, ...]] = ("meta",)
    has_url: ClassVar[bool] = False

    webhook_ips: list[str] = Field(default_factory=list[str])

    def _summary(self) -> Iterable[object]:
        yield f"webhooks from {', '.join(self.webhook_ips)}"
