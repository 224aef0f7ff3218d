"""The plain REPL, used if IPython is not installed."""

from __future__ import annotations

import code
import sys
from typing import TYPE_CHECKING, Any

from buildkite_orm.errors import BuildkiteError
from buildkite_orm.shell.banner import banner
from buildkite_orm.shell.completion import complete
from buildkite_orm.shell.seen_keys import SeenKeys
from buildkite_orm.shell.tracebacks import print_error

if TYPE_CHECKING:
    from types import CodeType

    from buildkite_orm.shell.context import ShellContext


def run_plain(context: ShellContext) -> None:
    """Run the REPL until the user leaves it.

    Args:
        context: The namespace and the client.
    """
    names = {"__name__": "__console__", "__doc__": None, **context.open()}
    seen = SeenKeys()
    seen.follow(names)
    enable_completion(names, seen)
    lines = [*context.notes, *banner(context.client, context.organization)]
    _Console(names, seen).interact(banner="\n".join(lines), exitmsg="")


class _Console(code.InteractiveConsole):
    """A REPL that records what its clients load, and shows short tracebacks."""

    def __init__(self, names: dict[str, Any], seen: SeenKeys) -> None:
        super().__init__(names)
        self._names = names
        self._seen = seen

    def runcode(self, code: CodeType) -> None:
        """Run one input."""
        self._seen.follow(self._names)
        super().runcode(code)

    def showtraceback(self) -> None:
        """Print the error of an input."""
        error = sys.exc_info()[1]
        if error is None or not isinstance(error, BuildkiteError):
            super().showtraceback()
        else:
            sys.last_value = error
            print_error(error, error.__traceback__ and error.__traceback__.tb_next)


def enable_completion(names: dict[str, Any], seen: SeenKeys | None = None) -> None:
    """Complete by annotations on Tab, if readline is available.

    Args:
        names: The namespace.
        seen: The keys that were loaded in the shell.
    """
    try:
        import readline
        import rlcompleter
    except ImportError:  # as on Windows
        return
    others = rlcompleter.Completer(names)
    found: list[str] = []

    def completer(word: str, number: int) -> str | None:
        if number == 0:
            found[:] = completions_for(readline.get_line_buffer()[: readline.get_endidx()], word, names, others, seen)
        return found[number] if number < len(found) else None

    readline.set_completer(completer)
    is_libedit = "libedit" in (readline.__doc__ or "")
    readline.parse_and_bind("bind ^I rl_complete" if is_libedit else "tab: complete")


def completions_for(
    before: str, word: str, names: dict[str, Any], others: Any, seen: SeenKeys | None = None
) -> list[str]:
    """Return the replacements of the word that readline completes; the prefix may be only the end of that word.

    Args:
        before: The line up to the cursor.
        word: The word.
        names: The namespace.
        others: The completer for everything else.
        seen: The keys that were loaded in the shell.
    """
    completions = complete(before, names, seen)
    if completions is None:
        return _all_completions(others, word)
    if completions.prefix.endswith(word):  # the word begins after a `-` or `/` in the prefix
        kept = completions.prefix.removesuffix(word)
        return [text.removeprefix(kept) for text in completions.texts]
    if not word.endswith(completions.prefix):
        return []
    kept = word.removesuffix(completions.prefix)
    return [kept + text for text in completions.texts]


def _all_completions(others: Any, word: str) -> list[str]:
    found: list[str] = []
    while (text := others.complete(word, len(found))) is not None:
        found.append(text)
    return found
