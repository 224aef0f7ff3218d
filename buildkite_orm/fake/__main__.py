"""Serve a fake Buildkite: python -m buildkite_orm.fake --port 8080."""

from __future__ import annotations

import argparse
import signal
import sys
from queue import SimpleQueue

from buildkite_orm.fake import FakeBuildkite, Settings, SystemClock

_EVERY = 600.0


def main(arguments: list[str] | None = None, *, prog: str = "python -m buildkite_orm.fake") -> int:
    """Serve until interrupted; print what to paste into a shell.

    Args:
        arguments: The options; those of the process unless given.
        prog: What the command is called.
    """
    parser = argparse.ArgumentParser(prog=prog, description="Serve a Buildkite in memory.")
    parser.add_argument("--port", type=int, default=8080, help="where to listen; 0 for a free port")
    parser.add_argument("--host", default="127.0.0.1", help="on which interface")
    parser.add_argument("--seed", type=int, default=2026, help="what ids, tokens and contents follow from")
    parser.add_argument("--empty", action="store_true", help="no pipelines and builds in acme")
    parser.add_argument("--builds", type=int, default=0, metavar="N", help="so many more builds in the pipeline `bulk`")
    parser.add_argument("--no-limits", action="store_true", help="no rate limits")
    options = parser.parse_args(arguments)
    settings = Settings(organization_limit=None, user_limit=None) if options.no_limits else Settings()
    place = {"host": options.host, "port": options.port}
    server = FakeBuildkite(
        seed=options.seed, populate=not options.empty, clock=SystemClock(), settings=settings, **place
    )
    try:
        url = server.url
    except OSError as error:
        parser.error(f"cannot listen on {options.host}:{options.port}: {error}; choose another --port or --host")
    stopped = _stop_signals()
    with server:
        if options.builds:
            server.add_builds("bulk", options.builds, jobs=3)
        if not options.empty:
            server.build_every(_EVERY, "web")
        sys.stdout.write(f"export BUILDKITE_REST_API_ENDPOINT={url}\n")
        sys.stdout.write(f"export BUILDKITE_API_TOKEN={server.token}\n")
        sys.stdout.flush()
        stopped.get()
    return 0


def _stop_signals() -> SimpleQueue[int]:
    """Have signals that ask for an end put into a queue, the one kind of lock that a handler may take."""
    stopped: SimpleQueue[int] = SimpleQueue()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda received, _frame: stopped.put(received))
    return stopped


if __name__ == "__main__":
    sys.exit(main())
