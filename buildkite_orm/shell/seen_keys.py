"""The keys of the objects that were loaded in a shell, such as the slugs of pipelines, for completion."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from buildkite_orm.client import Buildkite
from buildkite_orm.errors import UnboundError
from buildkite_orm.models.ref import Ref, kind_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_LIMIT: Final = 1000  # keys of a kind


class SeenKeys:
    """The keys that the clients of a shell have received, the latest last."""

    def __init__(self) -> None:
        self._keys: dict[str, dict[str, None]] = {}

    def follow(self, names: Mapping[str, object]) -> None:
        """Record what the clients of a namespace load from now on.

        Args:
            names: The namespace.
        """
        for value in list(names.values()):
            if isinstance(value, Buildkite) and value.session.on_load is None:
                value.session.on_load = self.note

    def note(self, items: Iterable[Any]) -> None:
        """Record the keys in the paths of loaded objects."""
        for item in items:
            with suppress(UnboundError):
                keys = {kind: unquote(key) for kind, key in item.routes.keys_in(item.api_path).items()}
                for kind, key in keys.items():
                    self._add(kind, key)
                    if kind != "organization" and "organization" in keys:
                        self._add(f"organization/{kind}", f"{keys['organization']}/{key}")

    def of(self, ref: type[Ref]) -> list[str]:
        """Return the keys of the resources of a ref, sorted.

        Args:
            ref: The class of the ref.
        """
        return sorted(self._keys.get(kind_of(ref), ()))

    def paths_of(self, ref: type[Ref]) -> list[str]:
        """Return the keys of the resources of a ref, each with its organization's before it, such as `acme/web`.

        Args:
            ref: The class of the ref.
        """
        return sorted(self._keys.get(f"organization/{kind_of(ref)}", ()))

    def _add(self, kind: str, key: str) -> None:
        keys = self._keys.setdefault(kind, {})
        keys.pop(key, None)
        keys[key] = None
        if len(keys) > _LIMIT:
            del keys[next(iter(keys))]
