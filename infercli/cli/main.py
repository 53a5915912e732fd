"""The command: its table of verbs, and the one place where an exception becomes words and an exit code.

A verb's module is imported when that verb runs: `infercli --help` imports click and errors, nothing else.
"""

from __future__ import annotations

import errno
import gc
import importlib
import io
import os
import signal
import sys
from typing import Any, NoReturn

import click

from infercli import __version__
from infercli.errors import ExitCode, InferError, InputError, UnknownName

COMMANDS: dict[str, tuple[str, str]] = {
    # verb: (section, what it does in one line)
    "init": ("Start", "Write a deployment.yaml with comments."),
    "doctor": ("Start", "Check this machine, the engine and the cluster."),
    "completion": ("Start", "Print the completion script of your shell."),
    "gpus": ("Look up", "List the GPUs that infercli has facts about."),
    "profiles": ("Look up", "List hardware profiles, or print one, or their schema."),
    "models": ("Look up", "List the models that can be planned offline."),
    "workloads": ("Look up", "List the workloads that bench can send, or print one."),
    "pin": ("Prepare", "Pin a model to a commit and its hashes in models.lock.yaml."),
    "plan": ("Prepare", "Say whether a model fits, with every choice and its reason."),
    "estimate": ("Prepare", "Size many configurations: JSON lines in, JSON lines out."),
    "learn": ("Prepare", "Learn from start-up logs and benchmarks how far estimates are off."),
    "render": ("Prepare", "Print the Kubernetes objects of a deployment."),
    "diff": ("Prepare", "Compare what a deploy would run with what runs."),
    "deploy": ("Run", "Bring a deployment up beside what serves, verify it, shift to it."),
    "status": ("Run", "Say what serves, what is changing, and who is changing it."),
    "history": ("Run", "List the revisions of a release."),
    "rollback": ("Run", "Go back to the newest revision that was good."),
    "delete": ("Run", "Take a release away."),
    "logs": ("Run", "Print the engine's log of a release."),
    "local": ("Run", "Look at, or stop, the Ray on this machine."),
    "ask": ("Measure", "Ask a release or an endpoint one question."),
    "bench": ("Measure", "Measure latency and throughput of a release or an endpoint."),
    "report": ("Measure", "Show, check, draw or export what bench measured."),
    "compare": ("Measure", "Compare results of bench: what differs, and what is chance."),
}

_ELSEWHERE = {
    # Planners and load generators.
    "benchmark": "bench", "optimize": "plan", "plot": "report", "profile": "bench", "recommend": "plan", "run": "bench",
    "serve": "deploy", "sweep": "bench",
    # helm, kubectl, terraform. `destroy` must not be offered the nearest name, which is `deploy`.
    **dict.fromkeys(("apply", "create", "install", "start", "up", "upgrade"), "deploy"),
    **dict.fromkeys(("destroy", "down", "remove", "rm", "uninstall"), "delete"),
    **dict.fromkeys(("describe", "get", "list", "ls", "ps", "show", "top"), "status"),
    **dict.fromkeys(("revert", "rollout", "undo"), "rollback"),
    "help": "--help", "lint": "plan", "stop": "local", "template": "render", "validate": "plan", "version": "--version",
}  # fmt: skip
"""Verbs of other programs, and what does it here: a verb, or an option."""

START_HERE = """Start here:
  infercli plan meta-llama/Llama-3.1-8B-Instruct --profile l4   does it fit?
  infercli init                                                 write a file
  infercli COMMAND --help                                       and examples"""


class Verbs(click.Group):
    """The commands of COMMANDS, imported on use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"infercli.cli.{cmd_name}").command
        for option in command.params:
            if isinstance(option, click.Option):
                # INFERCLI_BENCH_SLO sets --slo, whatever its values are called in the code.
                flag = max(option.opts, key=len).lstrip("-").replace("-", "_")
                option.envvar = f"INFERCLI_{cmd_name}_{flag}".upper()
        if ctx.resilient_parsing:  # a shell completes
            from infercli.cli.completing import offer_values

            offer_values(cmd_name, command)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run it. A reader of a pipe that goes away (`infercli ... | head`) is no failure: nobody is left to tell."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            from infercli.cli.output import drop_output

            drop_output()
            return ExitCode.YES

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-") and not ctx.resilient_parsing:
            if args[0] in _ELSEWHERE:
                here = _ELSEWHERE[args[0]]
                asks = f"{here} --help" if here in COMMANDS else here
                raise InputError(f"unknown command `{args[0]}`", f"`infercli {asks}`")
            raise UnknownName("command", args[0], COMMANDS, "`infercli --help` lists them")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[tuple[str, str]]] = {}
        for name, (section, line) in COMMANDS.items():
            sections.setdefault(section, []).append((name, line))
        for section, rows in sections.items():
            with formatter.section(section):
                formatter.write_dl(rows)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write_paragraph()
        formatter.write(START_HERE + "\n")


@click.group(cls=Verbs, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "--version", "-V", prog_name="infercli", message="%(prog)s %(version)s")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Size, pin, deploy, measure and roll back self-hosted vLLM services."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""Of a write that stdout could not take. Where a file could not be written, its adapter has said so already."""


def _of_the_system(error: Exception) -> InferError | None:
    """What the system refused wherever it was asked; None: a fault of infercli's."""
    if isinstance(error, MemoryError):
        return InferError("this needs more memory than this process may have", "`free -h` and `ulimit -v` say how much")
    if not isinstance(error, OSError):
        return None
    if error.errno in _FULL:
        from infercli.cli.output import drop_output

        drop_output()
        return InferError(f"the output could not be written: {error.strerror}")
    if error.errno == errno.ENAMETOOLONG:
        return InputError(f"{str(error.filename)[:40]}...: is longer than the name of a file can be", "name a file")
    return None


def _report(error: InferError, color: bool | None, words: list[str]) -> None:
    from infercli.cli.aimed import aimed
    from infercli.cli.output import clean, note

    for index, line in enumerate(map(clean, error.message.expandtabs().splitlines() or [""])):
        said = f"{click.style('error', fg='red', bold=True)}: {line}" if index == 0 else f"       {line}"
        note(said, color=color)
    for line in map(clean, aimed(error.hint or "", words).expandtabs().splitlines()):
        note(f"{click.style('hint', fg='cyan')}: {line}", color=color)


_TOLD: list[int] = []
"""Ctrl-C, as often as it came while nobody else took it."""


def _interrupt(number: int, _frame: object) -> NoReturn:
    """As Python does it, and noted: pydantic, which is being loaded, may make an error of its own of it."""
    _TOLD.append(number)
    raise KeyboardInterrupt


def _interrupted() -> ExitCode:
    from infercli.cli.output import note

    note("interrupted")
    return ExitCode.INTERRUPTED


def _check(words: list[str]) -> None:
    """Raises InputError for a name with bytes that are no text: it could be written to no plan, lock or result."""
    for word in words:
        try:
            word.encode()
        except UnicodeEncodeError:
            raise InputError(f"`{word}` is not UTF-8 text", "rename the file, or write it in UTF-8") from None


def _color(words: list[str]) -> bool | None:
    """False: nothing is coloured, though a terminal shows it; None: what a terminal shows is.

    Known before the command line is parsed, since errors in it are coloured too. NO_COLOR: no-color.org.
    """
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or "--no-color" in words
    return False if plain else None


def invoke(args: list[str] | None = None) -> int:
    """Run one command and return its exit code. Nothing escapes but what ends the interpreter."""
    words = sys.argv[1:] if args is None else args
    color = _color(words)
    try:
        _check(words)
        result = main.main(
            args=args,
            prog_name="infercli",
            standalone_mode=False,
            auto_envvar_prefix="INFERCLI",
            color=color,
            obj=words,
        )
        return int(result) if isinstance(result, int) else ExitCode.YES
    except InferError as error:
        _report(error, color, words)
        return error.exit_code
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except (click.Abort, KeyboardInterrupt):
        return _interrupted()
    except click.UsageError as error:
        said = " ".join(error.format_message().split())  # click gives each choice of an argument a line
        # An option without its value is found before click knows whose it is.
        command = error.ctx.command_path if error.ctx else f"infercli {next((w for w in words if w in COMMANDS), '')}"
        _report(InferError(said, f"`{command.rstrip()} --help`"), color, words)
        return ExitCode.USAGE
    except click.ClickException as error:
        _report(InferError(error.format_message()), color, words)
        return ExitCode.COULD_NOT
    except SystemExit as stop:  # what completes for a shell ends so
        return stop.code if isinstance(stop.code, int) else ExitCode.YES
    except Exception as error:
        if _TOLD:
            return _interrupted()
        refused = _of_the_system(error)
        if refused is not None:
            _report(refused, color, words)
            return refused.exit_code
        if os.environ.get("INFERCLI_DEBUG"):
            raise
        from infercli.cli.output import note

        bug = f"{click.style('bug', fg='red', bold=True)}: {type(error).__name__}: {error}"
        note(bug, color=color)
        note("hint: this is infercli's fault; run again with INFERCLI_DEBUG=1 and report the traceback")
        return ExitCode.BUG


def run() -> NoReturn:
    """The console script."""
    # The search for plugins of pydantic reads the metadata of all installed packages: a tenth of `plan`.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            # Closed by whoever started us (`>&-`): nobody listens, and the next file opened must not get its number.
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115, PTH123
    raw = getattr(sys.stdout, "buffer", None)
    if isinstance(raw, io.RawIOBase):
        # PYTHONUNBUFFERED: of a write that a full disk takes in part, the rest would be lost without a word.
        sys.stdout = io.TextIOWrapper(io.BufferedWriter(raw), encoding=sys.stdout.encoding)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as stderr: an answer is not lost to a letter of a name
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)
    code = int(invoke())
    try:
        sys.stderr.flush()
    except OSError:
        # A full disk has not taken the notes. The interpreter would try once more, and end with 120 instead of `code`.
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115, PTH123
    # The interpreter would search all that was imported for cycles once more, only to end: an eighth of `--help`.
    gc.freeze()
    sys.exit(code)
