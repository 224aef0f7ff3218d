"""The API settings of organizations: the addresses, users and times for which tokens are valid."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, TypedDict

from buildkite_orm.models.resource import Editable, Model
from buildkite_orm.resources.parents import InOrganization

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Unpack

__all__ = [
    "ApiFeatures",
    "ApiSettings",
    "ApiSettingsChanges",
    "ApiSettingsRef",
]


class ApiSettingsChanges(TypedDict, total=False):
    """Fields of the API settings that can be changed; `None` clears a field that may be empty.

    Attributes:
        allowed_ip_addresses: Networks in CIDR notation, with spaces between them. They apply at once: a client
            outside of them cannot send further requests.
        revoke_inactive_tokens_after_days: The days without use after which a token is revoked.
        restrict_user_api_token_creation: Whether only administrators can create tokens.
    """

    allowed_ip_addresses: str | None
    revoke_inactive_tokens_after_days: Literal[30, 60, 90, 180, 365] | None
    restrict_user_api_token_creation: bool


class ApiSettingsRef(InOrganization):
    """The ref of an organization's API settings; only administrators can access them."""

    _kind = "api_settings"
    _paths = ("organizations/{organization}/api-settings",)

    def fetch(self) -> ApiSettings:
        """Fetch the API settings.

        Raises:
            PermissionDeniedError: The user is not an administrator.

        Documentation: https://buildkite.com/docs/apis/rest-api/organizations/api-settings#get-api-settings
        """
        return self._request(ApiSettings)

    def update(
        self, *, extra: Mapping[str, object] | None = None, **changes: Unpack[ApiSettingsChanges]
    ) -> ApiSettings:
        """Change some of the settings, and nothing else; an object is updated with the response.

        Args:
            extra: Fields of the body that this library does not know.
            changes: See `ApiSettingsChanges`.

        Raises:
            PermissionDeniedError: The user is not an administrator, or the plan does not include a setting.
            UnprocessableEntityError: The server rejects a value.

        Documentation: https://buildkite.com/docs/apis/rest-api/organizations/api-settings#update-api-settings
        """
        return self._update(ApiSettings, changes, ApiSettingsChanges, extra)


class ApiFeatures(Model):
    """The settings that the plan includes; others cannot be changed."""

    api_ip_allow_list: bool | None = None
    inactive_api_token_revocation: bool | None = None


class ApiSettings(ApiSettingsRef, Editable):
    """The API settings of an organization.

    Documentation: https://buildkite.com/docs/apis/rest-api/organizations/api-settings#response-fields
    """

    editable: ClassVar[frozenset[str]] = frozenset(ApiSettingsChanges.__annotations__)

    url: str
    allowed_ip_addresses: str | None = None
    revoke_inactive_tokens_after_days: int | None = None
    restrict_user_api_token_creation: bool | None = None
    features: ApiFeatures | None = None
