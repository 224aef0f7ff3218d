"""An interactive shell with completion, help and short tracebacks.

In a notebook or any other IPython, `%load_ext buildkite_orm.shell` adds them.
"""

from __future__ import annotations

from typing import Any


def load_ipython_extension(shell: Any) -> None:
    """Add the completion, the help and the short tracebacks of the shell to a running IPython or notebook.

    Args:
        shell: The IPython shell.
    """
    from buildkite_orm.shell.help import Help
    from buildkite_orm.shell.terminal import add_completions, add_help
    from buildkite_orm.shell.tracebacks import shorten_tracebacks

    add_completions(shell, lambda: None)
    add_help(shell)
    shorten_tracebacks(shell)
    shell.push({"help": Help()}, interactive=False)
