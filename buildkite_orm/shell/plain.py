"""The plain REPL, used if IPython is not installed."""

from __future__ import annotations

import code
from typing import TYPE_CHECKING, Any

from buildkite_orm.shell.banner import banner
from buildkite_orm.shell.completion import complete

if TYPE_CHECKING:
    from buildkite_orm.shell.context import ShellContext


def run_plain(context: ShellContext) -> None:
    """Run the REPL until the user leaves it.

    Args:
        context: The namespace and the client.
    """
    names = {"__name__": "__console__", "__doc__": None, **context.open()}
    enable_completion(names)
    lines = banner(context.client, context.organization)
    code.interact(banner="\n".join(lines), local=names, exitmsg="")


def enable_completion(names: dict[str, Any]) -> None:
    """Complete by annotations on Tab, if readline is available.

    Args:
        names: The namespace.
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
            found[:] = completions_for(readline.get_line_buffer()[: readline.get_endidx()], word, names, others)
        return found[number] if number < len(found) else None

    readline.set_completer(completer)
    is_libedit = "libedit" in (readline.__doc__ or "")
    readline.parse_and_bind("bind ^I rl_complete" if is_libedit else "tab: complete")


def completions_for(before: str, word: str, names: dict[str, Any], others: Any) -> list[str]:
    """Return the replacements of the word that readline completes; the prefix may be only the end of that word.

    Args:
        before: The line up to the cursor.
        word: The word.
        names: The namespace.
        others: The completer for everything else.
    """
    completions = complete(before, names)
    if completions is None:
        return _all_completions(others, word)
    if not word.endswith(completions.prefix):
        return []
    kept = word.removesuffix(completions.prefix)
    return [kept + text for text in completions.texts]


def _all_completions(others: Any, word: str) -> list[str]:
    found: list[str] = []
    while (text := others.complete(word, len(found))) is not None:
        found.append(text)
    return found
