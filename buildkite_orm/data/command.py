"""The command `buildkite-orm export`."""

from __future__ import annotations

import argparse
import re
import sys
from datetime import UTC, datetime, timedelta
from typing import Final

from buildkite_orm.errors import BuildkiteError, ConfigurationError

_FAILED: Final = 1
_INTERRUPTED: Final = 130
_KINDS: Final = ("builds", "jobs", "artifacts", "annotations")
_UNITS: Final = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_PERIOD: Final = re.compile(r"([0-9]{1,4})([mhdw])")
_DESCRIPTION: Final = (
    "Write builds, jobs, artifacts or annotations into a file. Run it again to add what is new and replace what has "
    "changed: it continues from the checkpoint beside the file. The file is complete, or unchanged. The token is read "
    "from BUILDKITE_API_TOKEN. Artifacts and annotations take a request or more for each build."
)


def main(arguments: list[str]) -> int:
    """Run the command, and return its exit status.

    Args:
        arguments: The arguments after `export`.
    """
    from buildkite_orm.client import Buildkite  # noqa: PLC0415 - after the arguments are checked
    from buildkite_orm.data.export import export  # noqa: PLC0415

    options = _parser().parse_args(arguments)
    with Buildkite() as bk:
        now = datetime.fromtimestamp(bk.session.clock.now(), UTC)
        try:
            since = parse_since(options.since, now)
            progress = False if options.quiet else None
            organization = bk.organization(options.org)
            report = export(organization, options.kind, options.to, since=since, progress=progress)
        except ConfigurationError:
            raise
        except ValueError as error:
            raise ConfigurationError(str(error)) from None
        except BuildkiteError as error:
            sys.stderr.write(
                f"buildkite-orm: {error}\nThe file is unchanged. Run the same command again to continue.\n"
            )
            return _FAILED
        except KeyboardInterrupt:
            sys.stderr.write("The file is unchanged. Run the same command again to continue.\n")
            return _INTERRUPTED
    if not options.quiet:
        what = f"{report.builds} new or changed builds"
        rows = f"{report.rows} rows" if options.kind != "builds" else f"{report.rows} builds"
        sys.stdout.write(f"{report.path}: {rows} added or replaced, from {what} since {report.since:%Y-%m-%d %H:%M}\n")
    return 0


def parse_since(text: str, now: datetime) -> datetime:
    """Return the time that `--since` names.

    Args:
        text: A period, as `30d`, or a date or time in ISO 8601, UTC unless it has an offset.
        now: The current time.

    Raises:
        ValueError: It is neither.
    """
    if period := _PERIOD.fullmatch(text):
        return now - int(period[1]) * _UNITS[period[2]]
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        msg = f"--since {text}: a period such as 12h, 30d or 4w, or a date such as 2026-07-01"
        raise ValueError(msg) from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="buildkite-orm export", description=_DESCRIPTION)
    parser.add_argument("kind", choices=_KINDS)
    parser.add_argument("--org", metavar="SLUG", help="the organization (default: BUILDKITE_ORGANIZATION_SLUG)")
    parser.add_argument(
        "--since",
        default="30d",
        help="builds created since then: 12h, 30d, 4w, or a date (default: 30d). Later runs use that of the first one",
    )
    parser.add_argument("--to", required=True, metavar="FILE", help="a .parquet, .csv, .jsonl or .duckdb file")
    parser.add_argument("--quiet", action="store_true", help="print only errors")
    return parser
