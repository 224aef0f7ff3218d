"""Which values are secrets, told by their names, so that a new one is hidden before anybody has heard of it."""

from __future__ import annotations

import re
from typing import Any, Final

from buildkite_orm.jsonvalues import as_array, as_object
from buildkite_orm.utils.redaction import MASK

HIDDEN: Final = MASK

_NOT_A_LETTER: Final = re.compile(r"[^a-z]")
_SECRETS: Final = (
    "token",
    "secret",
    "secretkey",
    "secretaccesskey",
    "password",
    "passphrase",
    "privatekey",
    "apikey",
    "accesskey",
    "signingkey",
    "integrationkey",
    "routingkey",
    "credential",
    "credentials",
    "authorization",
    "webhookurl",
)


def is_secret(name: str) -> bool:
    """Tell whether what has this name must not be seen; `api_token`, `apiToken` and `X-Api-Token` are alike."""
    return _NOT_A_LETTER.sub("", name.lower()).endswith(_SECRETS)


def masked(value: Any) -> Any:
    """Give a JSON value without its secrets, for showing."""
    if (known := as_object(value)) is not None:
        return {key: HIDDEN if is_secret(key) else masked(item) for key, item in known.items()}
    if (several := as_array(value)) is not None:
        return [masked(item) for item in several]
    return value
