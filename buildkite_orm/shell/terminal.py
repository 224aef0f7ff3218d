"""IPython with a client: the prompt is shown first, and the namespace is loaded in the background."""

from __future__ import annotations

import sys
import threading
from functools import cache
from typing import TYPE_CHECKING, Any

from buildkite_orm.shell.tracebacks import shorten_tracebacks

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildkite_orm.shell.context import ShellContext
    from buildkite_orm.shell.seen_keys import SeenKeys


def run_ipython(context: ShellContext) -> None:
    """Run IPython until the user leaves it.

    Args:
        context: The namespace and the client; opened after the first prompt, unless it is open already.
    """
    from IPython.terminal.ipapp import TerminalIPythonApp

    app: Any = TerminalIPythonApp.instance(display_banner=False)
    app.initialize(argv=[])
    loader = NamespaceLoader(context, app.shell)
    app.shell.events.register("pre_run_cell", loader.before_cell)
    app.shell.events.register("post_run_cell", loader.after_cell)
    add_completions(app.shell, loader.load_names)
    add_help(app.shell)
    shorten_tracebacks(app.shell)
    if app.shell.simple_prompt:
        loader.load()
    else:
        app.shell.pt_app.app.after_render += loader.load_in_background
    app.start()


def add_completions(shell: Any, prepare: Callable[[], object]) -> None:
    """Complete by annotations in IPython.

    Args:
        shell: The IPython shell.
        prepare: Called before the namespace is read.
    """
    from IPython.core.completer import SimpleCompletion

    @cache
    def seen() -> SeenKeys:
        from buildkite_orm.shell.seen_keys import SeenKeys

        return SeenKeys()

    def follow(cell: object) -> None:
        del cell
        seen().follow(shell.user_ns)

    def annotations(context: Any) -> Any:
        from buildkite_orm.shell.completion import complete

        prepare()
        seen().follow(shell.user_ns)
        lines = context.full_text.split("\n")[: context.cursor_line + 1]
        before = "\n".join([*lines[:-1], lines[-1][: context.cursor_position]])
        completions = complete(before, shell.user_ns, seen())
        if completions is None:
            return {"completions": []}
        return {
            "completions": [SimpleCompletion(text=text, type=completions.kind) for text in completions.texts],
            "matched_fragment": completions.prefix,
            "ordered": True,
            "suppress": True,
        }

    annotations.matcher_api_version = 2  # type: ignore[attr-defined]
    shell.Completer.custom_matchers.append(annotations)
    shell.events.register("pre_run_cell", follow)


def add_help(shell: Any) -> None:
    """Make `x?` show the page of `help(x)`.

    Args:
        shell: The IPython shell.
    """

    def help_text(info: Any) -> list[tuple[str, str]] | None:
        from buildkite_orm.shell.help import help_page

        text = help_page(info.obj) if info.detail_level == 0 else None
        return None if text is None else [("Help", text)]

    shell.inspector.mime_hooks = {**shell.inspector.mime_hooks, "text/plain": help_text}


class NamespaceLoader:
    """Loads the namespace into the shell, before any input runs or is completed.

    The banner is printed when it is known, but never while a cell is running.
    """

    def __init__(self, context: ShellContext, shell: Any) -> None:
        self._workplace = context
        self._shell = shell
        self._lock = threading.Lock()
        self._is_loaded = False
        self._output = threading.Lock()
        self._is_running = False
        self._banner = ""

    def load_in_background(self, application: Any) -> None:
        """Start loading once the first prompt is shown."""
        application.after_render -= self.load_in_background
        threading.Thread(target=self.load, daemon=True).start()

    def load(self) -> None:
        """Load the names, then print the banner, unless the shell was closed meanwhile."""
        self.load_names()
        if self._workplace.is_closed:
            return
        from buildkite_orm.shell.banner import banner

        lines = [*self._workplace.notes, *banner(self._workplace.client, self._workplace.organization)]
        with self._output:
            self._banner = "\n".join([*lines, ""])
            if not self._is_running:
                self._print_banner()

    def before_cell(self, cell: object) -> None:
        """Load the names before a cell runs."""
        del cell
        with self._output:
            self._is_running = True
        self.load_names()

    def after_cell(self, result: object) -> None:
        """Print the banner if it was held back by a running cell."""
        del result
        with self._output:
            self._is_running = False
            self._print_banner()

    def _print_banner(self) -> None:
        sys.stdout.write(self._banner)
        self._banner = ""

    def load_names(self) -> None:
        """Load the names on the first call."""
        with self._lock:
            if not self._is_loaded:
                names = self._workplace.open()
                mine = {name: names[name] for name in ("bk", "org") if name in names}
                self._shell.push({name: names[name] for name in names.keys() - mine.keys()}, interactive=False)
                self._shell.push(mine)
                self._is_loaded = True
