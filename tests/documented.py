"""The facts of the official REST API documentation, from the files in `tests/data` that `make_facts.py` writes."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from buildkite_orm.utils.json_types import as_array, as_object

DATA: Final = Path(__file__).parent / "data"
PAYLOADS: Final = DATA / "payloads"


@dataclass(frozen=True, slots=True)
class Operation:
    """A documented operation.

    Attributes:
        page: The page that documents it, "" if none does.
        heading: Its heading there, as an anchor.
        paths: All its paths, with placeholders such as `{org}` and `{pipeline}`.
        scopes: The scopes that a token needs.
        status: The status of a successful response.
        pagination: "link", "cursor" or "array" if it is a listing.
        query: The names of its query parameters.
        body: The names of its body's fields, each "required" or "optional".
        errors: The statuses of its documented errors.
        examples: The files of its example payloads, below `tests/data/payloads`.
    """

    id: str
    page: str
    heading: str
    method: str
    paths: list[str]
    scopes: list[str]
    status: int
    pagination: str | None
    query: list[str]
    body: dict[str, str]
    errors: list[int]
    examples: list[str]

    def matches(self, method: str, path: str) -> bool:
        """Return whether a request of this method and path is this operation."""
        return method == self.method and any(
            re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", pattern), path) for pattern in self.paths
        )


OPERATIONS: Final = [Operation(**each) for each in json.loads((DATA / "operations.json").read_text(encoding="utf-8"))]
FIELDS: Final[dict[str, list[str]]] = json.loads((DATA / "fields.json").read_text(encoding="utf-8"))


def example(name: str) -> Any:
    """Return an example payload by the path of its file, with or without its suffix."""
    return json.loads((PAYLOADS / name).with_suffix(".json").read_text(encoding="utf-8"))


def items_of_example(name: str) -> list[Any]:
    """Return the items of an example payload: those of its page if it is one, else itself."""
    payload = example(name)
    page = (as_object(payload) or {}).get("items", payload)
    return as_array(page) or [page]
