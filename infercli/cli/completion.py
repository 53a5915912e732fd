"""`infercli completion`: click's script for a shell; what it offers is in completing.py."""

from __future__ import annotations

import click


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion script of a shell.

    \b
    Examples:
      eval "$(infercli completion bash)"
      infercli completion fish > ~/.config/fish/completions/infercli.fish
    """
    from click.shell_completion import get_completion_class

    from infercli.cli.main import main

    kind = get_completion_class(shell)
    assert kind is not None  # click has these three
    click.echo(kind(main, {}, "infercli", "_INFERCLI_COMPLETE").source())
