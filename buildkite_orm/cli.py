"""The command `buildkite-orm`: an interactive shell, a fake Buildkite for other programs, the cache, and exports."""

from __future__ import annotations

import argparse
import io
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from buildkite_orm._version import __version__
from buildkite_orm.errors import ConfigurationError

if TYPE_CHECKING:
    from buildkite_orm.shell.context import ShellContext

_USAGE_ERROR: Final = 2
_INTERRUPTED: Final = 130
_FASTEST: Final = 10_000
_SHELL_DESCRIPTION: Final = (
    "Start a Python shell with a client (bk), the configured organization (org) and the public names of "
    "buildkite_orm. The token is read from BUILDKITE_API_TOKEN; --demo needs no token."
)


def main(arguments: list[str] | None = None) -> int:
    """Run the command, and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="buildkite-orm",
        description="Explore Buildkite in a shell, serve a fake Buildkite, manage the cache, or export.",
    )
    parser.add_argument("--version", action="version", version=f"buildkite-orm {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="{shell,serve,cache,export}")
    _add_shell(commands.add_parser("shell", help="start an interactive shell", description=_SHELL_DESCRIPTION))
    commands.add_parser("serve", help="serve a fake Buildkite for other programs", add_help=False)
    commands.add_parser("cache", help="show, delete or reduce what the cache has stored", add_help=False)
    commands.add_parser("export", help="write builds, jobs, artifacts or annotations into a file", add_help=False)
    _replace_unencodable()
    options, rest = parser.parse_known_args(arguments)
    try:
        if options.command == "serve":
            return _serve(rest)
        if options.command == "export":
            from buildkite_orm.data.command import main as export

            return export(rest)
        if options.command == "cache":
            from buildkite_orm.cache.command import main as manage_cache

            return manage_cache(rest)
        if rest:
            parser.error(f"unrecognized arguments: {' '.join(rest)}")
        return _shell(options)
    except ConfigurationError as error:
        sys.stderr.write(f"buildkite-orm: {error}\n")
        return _USAGE_ERROR
    except KeyboardInterrupt:
        return _INTERRUPTED


def _replace_unencodable() -> None:
    """Print `?` for characters that the encoding of the console lacks, instead of raising an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="replace")


def _add_shell(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--demo", action="store_true", help="use a fake Buildkite with the organization acme")
    parser.add_argument(
        "--speed",
        type=_speed,
        default=100.0,
        metavar="N",
        help="how many times as fast the clock of the demo runs while something waits (default: 100)",
    )
    parser.add_argument(
        "--organization", metavar="SLUG", help="the organization (default: BUILDKITE_ORGANIZATION_SLUG)"
    )
    parser.add_argument("--plain", action="store_true", help="use the plain Python REPL even if IPython is installed")
    parser.add_argument(
        "-c",
        dest="code",
        metavar="CODE",
        help="run this code and exit, as python -c does; code from standard input is run in the same way",
    )


def _speed(text: str) -> float:
    """Read the speed of a clock."""
    try:
        speed = float(text.removesuffix("x"))
    except ValueError:
        speed = 0.0
    if not 1 <= speed <= _FASTEST:
        raise argparse.ArgumentTypeError(f"{text!r} is not a speed from 1 to {_FASTEST}")
    return speed


def _shell(options: argparse.Namespace) -> int:
    from buildkite_orm.shell.context import ShellContext

    context = ShellContext(demo=options.demo, organization=options.organization, speed=options.speed)
    if not options.demo:
        context.open()  # report configuration errors before the first prompt
    sys.path.insert(0, "")
    try:
        if options.code is not None:
            return _run(options.code, context)
        if not sys.stdin.isatty():
            return _run(sys.stdin.read(), context)
        _run_repl(context, plain=options.plain)
    finally:
        context.close()
    return 0


def _run_repl(context: ShellContext, *, plain: bool) -> None:
    if not (plain or find_spec("IPython") is None):
        from buildkite_orm.shell.terminal import run_ipython

        run_ipython(context)
        return
    if not plain:
        sys.stderr.write("using the plain REPL; for IPython: pip install 'buildkite_orm[shell]'\n")
    from buildkite_orm.shell.plain import run_plain

    run_plain(context)


def _run(code: str, context: ShellContext) -> int:
    """Run code as `python -c` does; tracebacks begin with its own lines."""
    names = {"__name__": "__main__", **context.open()}
    try:
        exec(compile(code, "<code>", "exec"), names)  # noqa: S102 - the code of the user
    except Exception as error:  # noqa: BLE001 - any error of that code
        from buildkite_orm.shell.tracebacks import print_error

        print_error(error, error.__traceback__ and error.__traceback__.tb_next)
        return 1
    return 0


def _serve(arguments: list[str]) -> int:
    if find_spec("werkzeug") is None:
        raise ConfigurationError("serve needs werkzeug: pip install 'buildkite_orm[fake]'")
    from buildkite_orm.fake.__main__ import main as serve

    return serve(arguments, prog="buildkite-orm serve")
