"""Run a fake Buildkite server: python -m buildkite_orm.fake --port 8080."""

from __future__ import annotations

import argparse
import signal
import sys
from queue import SimpleQueue

from buildkite_orm.fake import FakeBuildkite, Settings, SystemClock

_BUILD_INTERVAL = 600.0


def main(arguments: list[str] | None = None, *, prog: str = "python -m buildkite_orm.fake") -> int:
    """Serve until interrupted; print the environment variables to export.

    Args:
        arguments: The command-line arguments; `sys.argv` unless given.
        prog: The name of the command in the help text.
    """
    parser = argparse.ArgumentParser(prog=prog, description="Run an in-memory Buildkite server.")
    parser.add_argument("--port", type=int, default=8080, help="the port to listen on; 0 for a free one")
    parser.add_argument("--host", default="127.0.0.1", help="the interface to listen on")
    parser.add_argument("--artifact-host", metavar="HOST", help="the host name in the URLs of artifacts")
    parser.add_argument("--artifact-port", type=int, default=0, metavar="PORT", help="the port of artifacts")
    parser.add_argument("--seed", type=int, default=2026, help="the seed of ids, tokens and contents")
    parser.add_argument("--empty", action="store_true", help="create no pipelines and builds in acme")
    parser.add_argument("--builds", type=int, default=0, metavar="N", help="add N builds to the pipeline `bulk`")
    parser.add_argument("--no-limits", action="store_true", help="disable the rate limits")
    options = parser.parse_args(arguments)
    settings = Settings(organization_limit=None, user_limit=None) if options.no_limits else Settings()
    server = FakeBuildkite(
        seed=options.seed,
        populate=not options.empty,
        clock=SystemClock(),
        settings=settings,
        host=options.host,
        port=options.port,
        artifact_host=options.artifact_host,
        artifact_port=options.artifact_port,
    )
    port_option = "--port"
    try:
        url = server.url
        port_option = "--artifact-port"
        _ = server.artifacts_url
    except OSError as error:
        port = options.port if port_option == "--port" else options.artifact_port
        parser.error(f"cannot listen on {options.host}:{port}: {error}; choose another {port_option} or --host")
    stopped = _stop_signals()
    with server:
        if options.builds:
            server.add_builds("bulk", options.builds, jobs=3)
        if not options.empty:
            server.build_every(_BUILD_INTERVAL, "web")
        sys.stdout.write(f"export BUILDKITE_REST_API_ENDPOINT={url}\n")
        sys.stdout.write(f"export BUILDKITE_API_TOKEN={server.token}\n")
        sys.stdout.flush()
        stopped.get()
    return 0


def _stop_signals() -> SimpleQueue[int]:
    """Put termination signals into a queue, the one kind of lock that a signal handler may use."""
    stopped: SimpleQueue[int] = SimpleQueue()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda received, _frame: stopped.put(received))
    return stopped


if __name__ == "__main__":
    sys.exit(main())
