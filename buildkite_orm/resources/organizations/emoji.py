"""Emojis, shown for names such as `:rocket:`."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from buildkite_orm.models.resource import Resource
from buildkite_orm.querysets.queryset import QuerySet
from buildkite_orm.resources.parents import InOrganization

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "Emoji",
    "EmojiQuerySet",
]


class Emoji(InOrganization, Resource):
    """An emoji; returned in listings only.

    Attributes:
        name: Its name, without the colons.
        url: The URL of its image.
        aliases: Other names.

    Documentation: https://buildkite.com/docs/apis/rest-api/emojis
    """

    _kind: ClassVar[str] = "emoji"
    _paths: ClassVar[tuple[str, ...]] = ("organizations/{organization}/emojis/{name}",)
    has_url: ClassVar[bool] = False

    name: str
    url: str
    aliases: list[str] = Field(default_factory=list[str])

    def _summary(self) -> Iterable[object]:
        yield f":{self.name}:"


class EmojiQuerySet(QuerySet[Emoji]):
    """The emojis of an organization: its own, and the common ones."""

    _model = Emoji
