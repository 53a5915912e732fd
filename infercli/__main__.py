"""`python -m infercli`, and the console script."""

from __future__ import annotations

import gc
import sys
from typing import NoReturn


def run() -> NoReturn:
    """The command, with its imports: Ctrl-C may come before anything of it is there to catch it."""
    # What a command imports lives as long as it does: looking for garbage every 700 objects is a tenth of `plan`.
    gc.set_threshold(100_000, 50, 100)
    try:
        from infercli.cli.main import run as run_command

        run_command()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    run()
