"""The command `buildkite-orm cache`: shows what is stored, deletes it, or makes it smaller."""

from __future__ import annotations

import argparse
import contextlib
import re
import sqlite3
import sys
import time
from typing import TYPE_CHECKING, Final

from buildkite_orm.cache.files import content_files, unfinished_files
from buildkite_orm.cache.folder import DATABASE, UnusableCacheError
from buildkite_orm.cache.options import CACHE_VARIABLE, DEFAULT_PATH, Cache, path_in_environment
from buildkite_orm.cache.store import Store
from buildkite_orm.errors import ConfigurationError
from buildkite_orm.utils.text import escape_control, short_size

if TYPE_CHECKING:
    from buildkite_orm.cache.eviction import Usage

_AGE: Final = re.compile(r"([0-9]{1,6})([dhm])", re.ASCII)
_SECONDS: Final = {"d": 86_400, "h": 3600, "m": 60}
_FAILURES: Final = (UnusableCacheError, sqlite3.Error, OSError)
_FAILED: Final = 1


def main(arguments: list[str]) -> int:
    """Run the command, and return its exit status.

    Args:
        arguments: What follows `buildkite-orm cache`.

    Raises:
        ConfigurationError: An argument is not valid.
    """
    options = _parser().parse_args(arguments)
    path = options.path or path_in_environment() or DEFAULT_PATH
    cache = Cache(path, max_size=getattr(options, "max_size", None) or "2 GB")
    max_age = _seconds(getattr(options, "older_than", None))
    shown = escape_control(path)
    if not (cache.folder / DATABASE).exists():
        sys.stdout.write(f"there is no cache in {shown}\n")
        return 0
    store = Store(cache.folder, max_bytes=cache.max_bytes, now=time.time)
    try:
        with contextlib.closing(store):
            if options.action == "clear":
                _clear(store)
            elif options.action == "prune":
                store.prune(max_age=max_age)
            sys.stdout.write(f"{shown}\n{_described(store.usage())}")
    except _FAILURES as error:
        step = "" if options.action == "clear" else "; buildkite-orm cache clear deletes it"
        sys.stderr.write(f"buildkite-orm: the cache in {shown} cannot be used: {error}{step}\n")
        return _FAILED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="buildkite-orm cache", description="Manage the cache of finished builds.")
    actions = parser.add_subparsers(dest="action", required=True, metavar="{info,clear,prune}")
    info = actions.add_parser("info", help="show what is stored, and how much")
    clear = actions.add_parser("clear", help="delete everything")
    prune = actions.add_parser("prune", help="delete what is too old or too much, and shrink the files")
    for each in (info, clear, prune):
        each.add_argument("--path", help=f"the folder of the cache (default: {CACHE_VARIABLE}, else {DEFAULT_PATH})")
    prune.add_argument("--max-size", metavar="SIZE", default="2 GB", help="the size limit (default: 2 GB)")
    prune.add_argument("--older-than", metavar="AGE", help="delete what was stored longer ago, as 30d, 12h or 90m")
    return parser


def _clear(store: Store) -> None:
    """Delete everything: in the database, so that processes that have it open notice; a damaged one as a file."""
    try:
        store.prune(max_age=-1)
    except UnusableCacheError:  # a newer version, or another program
        raise
    except sqlite3.Error:
        store.close()
        for name in (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm"):
            (store.folder / name).unlink(missing_ok=True)
    for path in (*content_files(store.folder), *unfinished_files(store.folder)):
        path.unlink(missing_ok=True)


def _described(usage: Usage) -> str:
    counts = "".join(f"{kind:22}{count}\n" for kind, count in sorted(usage.counts.items()))
    sizes = f"rows {short_size(usage.database)}, files {short_size(usage.files)}"
    return f"{short_size(usage.total)}: {sizes}\n{counts}"


def _seconds(age: str | None) -> float | None:
    if age is None:
        return None
    found = _AGE.fullmatch(age.strip())
    if found is None:
        raise ConfigurationError(f"--older-than {escape_control(age)[:40]}: a number and a unit, as 30d, 12h or 90m")
    return int(found[1]) * _SECONDS[found[2]]
