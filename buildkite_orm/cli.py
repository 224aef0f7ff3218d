"""The command `buildkite-orm`: a shell, and a Buildkite in memory for other programs."""

from __future__ import annotations

import argparse
import io
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from buildkite_orm._version import __version__
from buildkite_orm.errors import ConfigurationError

if TYPE_CHECKING:
    from buildkite_orm.shell.context import Workplace

_USAGE_ERROR: Final = 2
_INTERRUPTED: Final = 130
_SHELL: Final = (
    "Look around in Buildkite: a Python with `bk`, a client, `org`, the organization where one is named, and the "
    "public names of buildkite_orm. The token comes from BUILDKITE_API_TOKEN; --demo needs none."
)


def main(arguments: list[str] | None = None) -> int:
    """Run the command that the arguments name, and give its exit status."""
    parser = argparse.ArgumentParser(prog="buildkite-orm", description="Look around in Buildkite, or serve a fake one.")
    parser.add_argument("--version", action="version", version=f"buildkite-orm {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="{shell,serve}")
    _add_shell(commands.add_parser("shell", help="look around in Buildkite", description=_SHELL))
    commands.add_parser("serve", help="serve a Buildkite in memory, for other programs", add_help=False)
    _replace_what_cannot_be_shown()
    options, rest = parser.parse_known_args(arguments)
    try:
        if options.command == "serve":
            return _serve(rest)
        if rest:
            parser.error(f"unrecognized arguments: {' '.join(rest)}")
        return _shell(options)
    except ConfigurationError as error:
        sys.stderr.write(f"buildkite-orm: {error}\n")
        return _USAGE_ERROR
    except KeyboardInterrupt:
        return _INTERRUPTED


def _replace_what_cannot_be_shown() -> None:
    """Show `?` for a character that the encoding of the console lacks, instead of raising an error within a line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="replace")


def _add_shell(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--demo", action="store_true", help="on a Buildkite in memory, with the organization `acme`")
    parser.add_argument("--organization", metavar="SLUG", help="in place of BUILDKITE_ORGANIZATION_SLUG")
    parser.add_argument("--plain", action="store_true", help="the plain REPL, also where IPython is installed")
    parser.add_argument(
        "-c",
        dest="code",
        metavar="CODE",
        help="run this and leave, with nothing displayed but what it prints, as `python -c` does; "
        "so does what comes by a pipe",
    )


def _shell(options: argparse.Namespace) -> int:
    from buildkite_orm.shell.context import Workplace

    workplace = Workplace(demo=options.demo, organization=options.organization)
    if not options.demo:
        workplace.open()  # what is wrong with the environment is said before there is a prompt
    sys.path.insert(0, "")
    try:
        if options.code is not None:
            return _run(options.code, workplace)
        if not sys.stdin.isatty():
            return _run(sys.stdin.read(), workplace)
        _talk(workplace, plain=options.plain)
    finally:
        workplace.close()
    return 0


def _talk(workplace: Workplace, *, plain: bool) -> None:
    if not (plain or find_spec("IPython") is None):
        from buildkite_orm.shell.terminal import run_ipython

        run_ipython(workplace)
        return
    if not plain:
        sys.stderr.write("the plain REPL; for IPython: pip install 'buildkite_orm[shell]'\n")
    from buildkite_orm.shell.plain import run_plain

    run_plain(workplace)


def _run(code: str, workplace: Workplace) -> int:
    """Run code as `python -c` does; what it raises is shown from its own lines on."""
    names = {"__name__": "__main__", **workplace.open()}
    try:
        exec(compile(code, "<code>", "exec"), names)  # noqa: S102 - what the user has asked for
    except Exception as error:  # noqa: BLE001 - whatever the code raises
        import traceback

        own = error.__traceback__
        traceback.print_exception(error.with_traceback(own.tb_next if own else None))
        return 1
    return 0


def _serve(arguments: list[str]) -> int:
    if find_spec("werkzeug") is None:
        raise ConfigurationError("serve needs werkzeug: pip install 'buildkite_orm[fake]'")
    from buildkite_orm.fake.__main__ import main as serve

    return serve(arguments, prog="buildkite-orm serve")
