"""The options of the cache: where it is, how large it may be, and what it stores."""

from __future__ import annotations

import os
import re
from dataclasses import KW_ONLY, dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, cast, get_args

from buildkite_orm.errors import BuildkiteWarning, ConfigurationError
from buildkite_orm.utils.environment import setting
from buildkite_orm.utils.json_types import as_several
from buildkite_orm.utils.plain_values import as_path, as_plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildkite_orm.cache.client_cache import ClientCache
    from buildkite_orm.http.session import Session

CacheMode = Literal["on", "refresh", "only", "off"]

CACHE_VARIABLE: Final = "BUILDKITE_ORM_CACHE"
DEFAULT_PATH: Final = "~/.cache/buildkite_orm"

_MODES: Final = get_args(CacheMode)
_UNITS: Final = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_UNITS_OF_1024: Final = {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}
_SIZE: Final = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,6})?)\s*([A-Za-z]*)", re.ASCII)
_GROUPS: Final = {"emails": "email"}
# without these, a build or a job is not itself any more
_NEEDED: Final = frozenset(
    {"id", "url", "number", "state", "blocked", "finished_at", "created_at", "commit", "type"}
) | {
    "jobs",
    "content",
    "size",
}


class CacheWarning(BuildkiteWarning):
    """The cache cannot be used; the client continues without it."""


@dataclass(frozen=True, slots=True)
class Cache:
    """A cache of finished builds with their jobs, of logs of finished jobs and of artifact files, on a local disk.

    Several threads, processes and clients may use it at once. If it cannot be used, there is one `CacheWarning`, and
    the client continues without it.

    Args:
        path: Its folder, on a local disk, and for nothing else; it is made if it does not exist.
        max_size: The most bytes that it may have, as a number or as `"2 GB"`. What was used least recently is deleted.
        max_age: After how long a log or a file is requested again. One that was deleted elsewhere stays until then.
        namespace: A name that takes the place of the token in the keys: for tokens that change often, such as those of
            `PublicKeyAuth`. All clients with this name share what they store, whatever their tokens may see.
        drop: Fields that must not be stored: `env`, `emails` (all fields `email`), or other names of fields, such as
            `meta_data`. What is read from the cache does not have them. Logs and files are stored as they are.
        mode: `on`; `refresh` requests everything again, and stores it; `only` sends no request; `off`.

    Raises:
        ConfigurationError: An option is not valid.

    Example:
        >>> Cache("~/.cache/buildkite_orm", max_size="500 MB").max_bytes
        500000000
    """

    path: str | os.PathLike[str] = DEFAULT_PATH
    _: KW_ONLY
    max_size: int | str = "2 GB"
    max_age: timedelta = timedelta(days=30)
    namespace: str | None = None
    drop: Sequence[str] = ()
    mode: CacheMode = "on"
    max_bytes: int = field(init=False, repr=False)
    """`max_size` in bytes."""

    folder: Path = field(init=False, repr=False)
    """`path`, absolute."""

    dropped: frozenset[str] = field(init=False, repr=False)
    """The names of the fields that are left out."""

    def __post_init__(self) -> None:
        checked_mode("mode", self.mode)
        object.__setattr__(self, "max_bytes", read_size(self.max_size))
        object.__setattr__(self, "folder", Path(os.path.abspath(Path(as_path("path", self.path)).expanduser())))  # noqa: PTH100 - `resolve` would follow links
        object.__setattr__(self, "dropped", _dropped(self.drop))
        checked_age("max_age", self.max_age)
        if self.namespace is not None and (not isinstance(as_plain(self.namespace), str) or not self.namespace):
            raise ConfigurationError("namespace= is a name, as 'nightly'")


def checked_mode(name: str, mode: object) -> CacheMode:
    """Return a mode of the cache.

    Raises:
        ConfigurationError: There is no such mode.
    """
    plain = as_plain(mode)
    if plain not in _MODES:
        raise ConfigurationError(f"{name}={plain!r}: must be one of {', '.join(map(repr, _MODES))}")
    return cast("CacheMode", plain)


def checked_age(name: str, age: object) -> float:
    """Return an age in seconds.

    Raises:
        ConfigurationError: It is not a timedelta, or below 0.
    """
    if not isinstance(age, timedelta) or age < timedelta():
        raise ConfigurationError(f"{name}= is a timedelta from 0, as timedelta(hours=1), not {age!r:.80}")
    return age.total_seconds()


def read_size(size: object) -> int:
    """Return a size in bytes.

    Raises:
        ConfigurationError: It is not a size above 0.
    """
    found = _SIZE.fullmatch(str(as_plain(size)).strip())
    unit = None if found is None else (_UNITS | _UNITS_OF_1024).get(found[2].upper())
    if found is None or unit is None or isinstance(size, bool):
        raise ConfigurationError(f"max_size={size!r:.80}: a number of bytes, or a text as '2 GB'")
    count = int(float(found[1]) * unit) if "." in found[1] else int(found[1]) * unit
    if count < 1:
        raise ConfigurationError(f"max_size={size!r:.80}: must be more than 0")
    return count


def cache_for(option: object) -> Cache | None:
    """Return the cache that a client is to use: by its option, else by the environment; None for no cache.

    Args:
        option: A `Cache`, a mode for that of the environment, or None.

    Raises:
        ConfigurationError: It is something else, or a mode without `BUILDKITE_ORM_CACHE`.
    """
    if isinstance(option, Cache):
        return option
    mode = None if option is None else checked_mode("cache", option)
    path = path_in_environment()
    if mode == "off" or (mode is None and path is None):
        return None
    if path is None:
        raise ConfigurationError(f"cache={mode!r}: pass cache=Cache(…, mode={mode!r}), or set {CACHE_VARIABLE}")
    return Cache(path, mode=mode or "on")


def make_cache(option: object, session: Session) -> ClientCache | None:
    """Return the cache of a client; see `cache_for`.

    Args:
        option: The option of the client.
        session: Its session.

    Raises:
        ConfigurationError: The option is not valid.
    """
    options = cache_for(option)
    if options is None:
        return None
    from buildkite_orm.cache.client_cache import ClientCache  # noqa: PLC0415 - most clients have none

    return ClientCache(options, session)


def path_in_environment() -> str | None:
    """Return the folder in `BUILDKITE_ORM_CACHE`: a path, or `1` for the default one; None for `0` or nothing."""
    value = setting(CACHE_VARIABLE)
    word = (value or "0").lower()
    if word in {"0", "off", "false", "no"}:
        return None
    return DEFAULT_PATH if word in {"1", "on", "true", "yes"} else value


def _dropped(drop: object) -> frozenset[str]:
    names = as_several(drop)
    if names is None or not all(isinstance(name, str) for name in names):
        raise ConfigurationError(f"drop={drop!r:.80}: names of fields, as ('env', 'emails')")
    fields = frozenset(_GROUPS.get(name, name) for name in map(str, names))
    if fields & _NEEDED:
        raise ConfigurationError(f"drop: {', '.join(sorted(fields & _NEEDED))} cannot be left out")
    return fields
