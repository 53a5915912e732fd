"""`python -m infercli`, and the console script."""

from __future__ import annotations

import sys
from typing import NoReturn


def run() -> NoReturn:
    """The command, with its imports: Ctrl-C may come before anything of it is there to catch it."""
    try:
        from infercli.cli.main import run as run_command

        run_command()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    run()
