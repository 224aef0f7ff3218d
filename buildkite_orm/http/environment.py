"""Variables of the environment that name resources: the default organization, and those of a job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkite_orm.errors import ConfigurationError
from buildkite_orm.utils.environment import setting

if TYPE_CHECKING:
    from collections.abc import Callable


def slug_in_environment(name: str) -> str | None:
    """Return the slug or id in an environment variable; None if it is not set.

    Args:
        name: The name of the variable.

    Raises:
        ConfigurationError: It is neither.
    """
    value = setting(name)
    if value is not None and (not value.isprintable() or any(each in " /\\?#" for each in value)):
        raise ConfigurationError(f"{name}={value[:80]!r}: not a slug or id; copy it from a URL of buildkite.com")
    return value


def setting_of_job(name: str, read: Callable[[str], str | None] = slug_in_environment) -> str:
    """Return the value of a variable that a job has.

    Args:
        name: The name of the variable.
        read: Returns its value.

    Raises:
        ConfigurationError: It is not set.
    """
    value = read(name)
    if value is None:
        raise ConfigurationError(f"not in a Buildkite job: {name} is not set")
    return value
