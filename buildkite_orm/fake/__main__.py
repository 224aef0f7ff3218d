"""Run a fake Buildkite server: python -m buildkite_orm.fake --port 8080."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import signal
import sys
import warnings
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from buildkite_orm.fake import AcceleratedClock, FakeBuildkite, IgnoredStepKeysWarning, ManualClock, Settings
from buildkite_orm.fake.store import SCOPES

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildkite_orm.fake import Clock

_BUILD_INTERVAL = 600.0
_FASTEST = 10_000
_TICK = 0.5
_CONTROL_TOKEN = "BUILDKITE_FAKE_CONTROL_TOKEN"  # noqa: S105 - the name of a variable


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
    parser.add_argument("--no-limits", action="store_true", help="reject no requests; the rate-limit headers stay")
    parser.add_argument(
        "--clock",
        type=_clock,
        default="1x",
        metavar="SPEED",
        help="the speed of the clock, such as 60x, or `manual`: it only moves when it is advanced",
    )
    parser.add_argument(
        "--seed-file", metavar="FILE", help="a JSON or YAML file with the contents, instead of the built-in pipelines"
    )
    parser.add_argument(
        "--token-scopes",
        type=_scopes,
        default=SCOPES,
        metavar="SCOPE,…",
        help="the scopes of the token; all by default",
    )
    parser.add_argument(
        "--run-commands",
        action="store_true",
        help="run the commands of pipelines in YAML for real, on this machine (POSIX only)",
    )
    parser.add_argument(
        "--control-token",
        default=os.environ.get(_CONTROL_TOKEN) or None,
        metavar="TOKEN",
        help=f"the token of the control API; by default {_CONTROL_TOKEN}, or a random one",
    )
    parser.add_argument(
        "--control-host",
        action="append",
        default=[],
        metavar="NAME",
        help="a host name of the control API, in addition to localhost; may be repeated",
    )
    parser.add_argument(
        "--webhook-url",
        action="append",
        default=[],
        metavar="URL",
        help="a URL to send webhooks to, as builds move; may be repeated",
    )
    parser.add_argument(
        "--webhook-token", default="", metavar="TOKEN", help="the token of the webhooks, which signs them"
    )
    options = parser.parse_args(arguments)
    warnings.simplefilter("always", IgnoredStepKeysWarning)  # to standard error, also a second time
    try:
        server = _server(options)
    except ValueError as error:
        parser.error(str(error))
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
        for name, value in (
            ("BUILDKITE_REST_API_ENDPOINT", url),
            ("BUILDKITE_API_TOKEN", server.token),
            ("BUILDKITE_ORGANIZATION_SLUG", "acme"),
            ("BUILDKITE_FAKE_CONTROL_URL", server.control_url),
            (_CONTROL_TOKEN, server.control_token),
        ):
            sys.stdout.write(f"export {name}={shlex.quote(value)}\n")
        sys.stdout.flush()
        _serve(server, stopped)
    return 0


def _serve(server: FakeBuildkite, stopped: SimpleQueue[int]) -> None:
    """Serve until a signal is received; builds move between requests, too, if there are webhooks to send."""
    while True:
        try:
            stopped.get(timeout=_TICK)
        except Empty:
            if server.context.webhooks:
                server.run()
        else:
            return


def _server(options: argparse.Namespace) -> FakeBuildkite:
    """Make the server that the options describe.

    Raises:
        ValueError: The seed file or the control token is wrong.
    """
    populate = not (options.empty or options.seed_file)
    seed = _seed_file(options.seed_file) if options.seed_file else None

    def setup(server: FakeBuildkite) -> None:
        if seed is not None:
            seed(server)
        if options.builds:
            server.add_builds("bulk", options.builds, jobs=3)
        if populate:
            server.build_every(_BUILD_INTERVAL, "web")
        for url in options.webhook_url:
            server.deliver_webhooks(url, secret=options.webhook_token)

    return FakeBuildkite(
        seed=options.seed,
        populate=populate,
        clock=options.clock,
        settings=Settings(enforce_limits=not options.no_limits),
        host=options.host,
        port=options.port,
        artifact_host=options.artifact_host,
        artifact_port=options.artifact_port,
        token_scopes=options.token_scopes,
        run_commands=options.run_commands,
        control_token=options.control_token,
        control_hosts=options.control_host,
        setup=setup,
    )


def _seed_file(path: str) -> Callable[[FakeBuildkite], None]:
    from buildkite_orm.fake.seed_file import load_seed_file  # noqa: PLC0415 - it imports pydantic

    return load_seed_file(path)


def _clock(text: str) -> Clock:
    """Read `60x` or `manual`."""
    if text == "manual":
        return ManualClock()
    speed = re.fullmatch(r"(\d{1,5}(?:\.\d{1,9})?)x", text)
    if speed is None or float(speed[1]) > _FASTEST:
        raise argparse.ArgumentTypeError(f"{text!r} is not a speed from 0x to {_FASTEST}x, such as 60x, or manual")
    return AcceleratedClock(float(speed[1]))


def _scopes(text: str) -> list[str]:
    """Read scopes with commas between them."""
    scopes = [scope.strip() for scope in text.split(",") if scope.strip()]
    if unknown := [scope for scope in scopes if scope not in SCOPES]:
        raise argparse.ArgumentTypeError(f"no scope {', '.join(unknown)}; choose from {', '.join(SCOPES)}")
    return scopes


def _stop_signals() -> SimpleQueue[int]:
    """Store termination signals in a queue, the one kind of lock that a signal handler may use."""
    stopped: SimpleQueue[int] = SimpleQueue()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda received, _frame: stopped.put(received))
    return stopped


if __name__ == "__main__":
    sys.exit(main())
