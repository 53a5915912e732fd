"""`python -m infercli`."""

from infercli.cli.main import run

run()
