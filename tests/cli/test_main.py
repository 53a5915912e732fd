"""The command as a whole: what it imports, how it fails, what it says to a stranger."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest

from infercli import __version__
from infercli.adapters.local.release_directory import ReleaseDirectory
from infercli.cli import main as cli
from infercli.cli.completing import VALUES
from infercli.errors import ExitCode, InferError
from tests.core.builders import entry
from tests.fakes.openai_server import Behaviour, FakeOpenAiServer

HEAVY = ("pydantic", "yaml", "rich", "kubernetes", "huggingface_hub", "pynvml", "infercli.core", "infercli.adapters")


def modules_after(*words):
    code = (
        "import sys, json\nfrom infercli.cli.main import invoke\n"
        f"code = invoke({list(words)!r})\nprint(json.dumps(sorted(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(done.stderr.strip().splitlines()[-1]))


@pytest.mark.parametrize("words", [("--help",), ("--version",), (), ("plan", "--help"), ("deploy", "--help")])
def test_help_and_version_import_click_and_errors_only(words):
    loaded = modules_after(*words)
    assert not [m for m in loaded for heavy in HEAVY if m == heavy or m.startswith(heavy + ".")]


def test_a_usage_error_imports_click_and_errors_only():
    loaded = modules_after("plan", "--nonsense")
    assert not [m for m in loaded for heavy in HEAVY if m == heavy or m.startswith(heavy + ".")]


def test_no_annotation_of_a_record_or_named_tuple_is_a_string_that_a_plan_must_compile():
    code = (
        "import json, sys\nfrom infercli.cli.main import invoke\n"
        "invoke(['plan', 'Qwen/Qwen3-8B', '--profile', 'l4'])\n"
        "from infercli.core.record import Record\n"
        "late = {name for name, module in sys.modules.items() if name.startswith('infercli.')"
        " and hasattr(module, 'annotations') for c in vars(module).values() if isinstance(c, type)"
        " and c.__module__ == name and (issubclass(c, Record) or hasattr(c, '_fields'))}\n"
        "print(json.dumps(sorted(late)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stderr.strip().splitlines()[-1]) == []


def every_command():
    for name in cli.COMMANDS:
        command = importlib.import_module(f"infercli.cli.{name}").command
        if isinstance(command, click.Group):
            yield from ((f"{name} {sub}", c) for sub, c in command.commands.items())
        yield name, command


@pytest.mark.parametrize(("name", "command"), list(every_command()))
def test_every_command_has_help_with_an_example(name, command):
    assert f"infercli {name.split()[0]}" in command.help
    assert "Example" in command.help


@pytest.mark.parametrize(("name", "command"), list(every_command()))
def test_every_command_that_answers_takes_an_output_format(name, command):
    if isinstance(command, click.Group) or name == "completion":
        return
    assert "output" in {p.name for p in command.params}


def test_every_line_of_help_fits_into_80_columns(infercli):
    assert max(map(len, infercli("--help").out.splitlines())) <= 80


def test_version(infercli):
    assert infercli("--version").out == f"infercli {__version__}\n"


def test_alone_it_tells_a_newcomer_where_to_start(infercli):
    ran = infercli()
    assert ran.code == 0
    assert "Start here" in ran.out


def test_an_unknown_command_offers_the_nearest(infercli):
    ran = infercli("depoly")
    assert ran.code == ExitCode.USAGE
    assert "`deploy`" in ran.err


def test_an_unknown_flag_is_a_usage_error_that_names_the_help(infercli):
    ran = infercli("plan", "--profil", "l4")
    assert ran.code == ExitCode.USAGE
    assert "--profile" in ran.err
    assert "infercli plan --help" in ran.err


def test_a_bug_is_said_to_be_one_and_has_its_own_exit_code(infercli, monkeypatch):
    module = importlib.import_module("infercli.cli.gpus")
    monkeypatch.setattr(module, "command", click.command("gpus")(broken))
    ran = infercli("gpus")
    assert ran.code == ExitCode.BUG
    assert "ZeroDivisionError: oops" in ran.err


@pytest.mark.parametrize("words", [("gpus", "-v"), ("estimate", "--gpu", "H100", "--model", "Qwen/Qwen3-8B", "-v")])
def test_verbose_shows_the_traceback_of_a_bug(infercli, monkeypatch, words):
    monkeypatch.setenv("INFERCLI_DEBUG", "")  # given back after the test
    monkeypatch.setattr("infercli.cli.estimating.estimate", broken)
    monkeypatch.setattr("infercli.core.gpus.GPUS", None)
    with pytest.raises((ZeroDivisionError, AttributeError)):
        infercli(*words)


def broken(*_, **__):
    raise ZeroDivisionError("oops")


def test_every_error_class_stands_in_the_tree_of_its_module_with_its_exit_code():
    from infercli import errors

    tree = errors.__doc__

    def below(kind):
        for child in kind.__subclasses__():
            if child.__module__ == errors.__name__:
                yield child
                yield from below(child)

    for kind in below(InferError):
        line = next(line for line in tree.splitlines() if f" {kind.__name__} " in line)
        assert line.split(kind.__name__)[1].split()[0] == str(int(kind.exit_code)), kind.__name__


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script_for_the_shell(infercli, shell):
    ran = infercli("completion", shell)
    assert ran.code == 0
    assert "_INFERCLI_COMPLETE" in ran.out


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("plan --profile h1", {"h100", "h100-x2"}),
        ("init --profile l4-", {"l4-pool"}),
        ("profiles l4", {"l4", "l4-pool"}),
        ("gpus l4", {"L4", "L40S"}),
        ("estimate --gpu h10", {"H100"}),
        ("plan qwen/qwen3-32", {"Qwen/Qwen3-32B"}),
        *((f"{verb} --quantization fp8", {"fp8", "fp8-online"}) for verb in ("plan", "estimate", "init")),
        *((f"{verb} --kv-cache-dtype fp8", {"fp8", "fp8_e5m2"}) for verb in ("plan", "estimate")),
        *((f"{verb} ch", {"chat", "chart"}) for verb in ("status", "history", "rollback", "delete", "logs", "bench")),
        ("ask cha", {"chat", "chart"}),
        ("bench --workload ", {"agent", "rag", ""}),
        ("workloads r", {"rag", "r"}),
        ("bench --objectives in", {"interactive", "in"}),
        ("estimate --config-path mo", {"mo"}),
        ("learn --engine-version 0.2", {"0.27.0", "0.28.0"}),
        *(
            (f"{verb} --context pro", {"prod", "prod-eu"})
            for verb in ("deploy", "rollback", "status", "bench", "doctor")
        ),
        ("nothing x", set()),
    ],
)
def test_values_are_completed_from_what_this_machine_knows(infercli, deployment, monkeypatch, typed, offered):
    deployment()
    store = ReleaseDirectory(Path("state/infercli/local/releases"))
    store.append(entry(1).revision.model_copy(update={"name": "chart"}))
    contexts = "".join(f"- name: {name}\n  context: {{cluster: c, user: u}}\n" for name in ("prod", "prod-eu", "dev"))
    Path("kubeconfig").write_text(f"apiVersion: v1\nkind: Config\ncontexts:\n{contexts}")
    monkeypatch.setenv("KUBECONFIG", "kubeconfig")
    monkeypatch.setenv("_INFERCLI_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", f"infercli {typed}")
    monkeypatch.setenv("COMP_CWORD", str(len(typed.split(" "))))
    ran = infercli()
    assert (ran.code, ran.err) == (ExitCode.YES, "")
    assert offered <= {line.partition(",")[2] for line in ran.out.splitlines()}
    assert bool(ran.out.strip()) == bool(offered)


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(("typed", "offered"), [("", "agent batch chat code rag"), ("./res", "")])
def test_bash_offers_names_and_falls_back_on_files(infercli, typed, offered):
    script = f"""{infercli("completion", "bash").out}
        compopt() {{ echo "compopt $1 $2" >&2; }}
        COMP_WORDS=(infercli bench --workload "{typed}"); COMP_CWORD=3
        _infercli_completion {Path(sys.executable).with_name("infercli")}
        echo "${{COMPREPLY[@]}}"
    """
    ran = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == offered
    assert ran.stderr == "compopt -o default\n"


def test_a_broken_file_keeps_nothing_else_from_being_completed(infercli, deployment, monkeypatch):
    deployment("name: [")
    ReleaseDirectory(Path("state/infercli/local/releases")).append(entry(1).revision)
    monkeypatch.setenv("_INFERCLI_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "infercli status c")
    monkeypatch.setenv("COMP_CWORD", "2")
    ran = infercli()
    assert (ran.code, ran.out, ran.err) == (ExitCode.YES, "plain,chat\n", "")


def test_every_parameter_that_is_completed_is_there():
    for verb, name in VALUES:
        assert name in {p.name for p in importlib.import_module(f"infercli.cli.{verb}").command.params}, verb


def test_no_color_is_obeyed(infercli, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in infercli("plan", "meta-llama/Llama-3.1-8B-Instruct", "--profile", "l4").out


def on_a_terminal(*words, **environment):
    """What a terminal is sent, on stdout and stderr together."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "infercli", *words]
    subprocess.run(command, stdin=theirs, stdout=theirs, stderr=theirs, env=os.environ | environment, check=False)
    os.close(theirs)
    sent = b""
    with contextlib.suppress(OSError):  # Linux ends a terminal that nobody holds any more with EIO
        while chunk := os.read(ours, 65536):
            sent += chunk
    os.close(ours)
    return sent.decode()


REFUSED, ANSWERED, USAGE = ("plan", "nope", "--profile", "l4"), ("plan", "Qwen/Qwen3-8B", "--profile", "l4"), ("gpu",)


@pytest.mark.parametrize("words", [REFUSED, ANSWERED, USAGE])
@pytest.mark.parametrize(
    ("more", "environment"),
    [((), {"TERM": "xterm", "NO_COLOR": "1"}), ((), {"TERM": "dumb"}), (("--no-color",), {"TERM": "xterm"})],
    ids=["NO_COLOR", "dumb", "--no-color"],
)
def test_a_terminal_is_sent_no_colour_where_none_is_wanted(words, more, environment):
    sent = on_a_terminal(*words, *more, **{"NO_COLOR": "", **environment})
    assert sent.strip()
    assert "\x1b[" not in sent


@pytest.mark.parametrize("words", [REFUSED, ANSWERED, USAGE])
def test_a_terminal_is_sent_colour_otherwise(words):
    assert "\x1b[" in on_a_terminal(*words, TERM="xterm", NO_COLOR="")


def test_profiles_fit_on_a_narrow_terminal():
    sent = on_a_terminal("profiles", COLUMNS="60", NO_COLOR="1")
    assert max(map(len, sent.splitlines())) <= 60
    assert all(word in sent for word in ("QUANTIZATIONS", "l4-pool", "2 to 8", "mxfp4"))


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words", [("gpus",), ("gpus", "-o", "json"), ("profiles", "--schema"), ("--help",)])
def test_an_output_that_takes_no_more_is_an_ordinary_failure(words, unbuffered):
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "infercli", *words]
        settings = os.environ | {"PYTHONUNBUFFERED": unbuffered}
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, env=settings, check=False)
    assert done.returncode == ExitCode.COULD_NOT
    assert done.stderr == "error: the output could not be written: No space left on device\n"


@pytest.mark.parametrize(
    ("words", "closed", "code"),
    [("gpus", ">&-", ExitCode.YES), ("gpus -o json", "2>&-", ExitCode.YES), ("nothing", ">&- 2>&-", ExitCode.USAGE)],
)
def test_streams_that_whoever_started_it_closed_are_no_failure(words, closed, code):
    done = subprocess.run(
        f"{sys.executable} -m infercli {words} {closed}", shell=True, capture_output=True, text=True, check=False
    )
    assert done.returncode == code
    assert not done.stderr


def test_ctrl_c_before_the_command_is_there_ends_it_quietly(tmp_path):
    (tmp_path / "click.py").write_text("raise KeyboardInterrupt\n")  # as if it came while click is imported
    where = os.pathsep.join([str(tmp_path), *sys.path])
    done = subprocess.run(
        [sys.executable, "-m", "infercli", "gpus"],
        env=os.environ | {"PYTHONPATH": where},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (ExitCode.INTERRUPTED, "", "")


def test_ctrl_c_that_a_library_took_for_an_error_of_its_own_is_no_bug(tmp_path):
    (tmp_path / "yaml.py").write_text(
        "import os, signal, time\n"
        "try:\n    os.kill(os.getpid(), signal.SIGINT)\n    time.sleep(5)\n"
        "except KeyboardInterrupt:\n    raise ValueError('KeyboardInterrupt') from None\n"
    )  # as pydantic does while it builds
    done = subprocess.run(
        [sys.executable, "-m", "infercli", "profiles"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (ExitCode.INTERRUPTED, "", "interrupted\n")


def test_a_full_disk_behind_the_notes_leaves_the_exit_code(tmp_path):
    with open("/dev/full", "w") as full:
        words = [sys.executable, "-m", "infercli", "init", str(tmp_path)]
        how = {"stdout": subprocess.PIPE, "stderr": full, "env": os.environ | {"PYTHONUNBUFFERED": ""}}
        codes = [subprocess.run(words, check=False, **how).returncode for _ in range(2)]
    assert codes == [ExitCode.YES, ExitCode.USAGE]


def test_a_name_that_is_no_text_is_refused_as_it_is_typed(tmp_path):
    words = [sys.executable, "-m", "infercli", "init", os.fsencode(tmp_path) + b"/caf\xe9"]
    done = subprocess.run(words, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (ExitCode.USAGE, b"")
    assert b"is not UTF-8 text" in done.stderr


def test_memory_that_is_not_there_is_no_bug(infercli, monkeypatch):
    def greedy(*_):
        raise MemoryError

    monkeypatch.setattr("infercli.cli.gpus.emit", greedy)
    ran = infercli("gpus")
    assert (ran.code, ran.err.splitlines()[0]) == (
        ExitCode.COULD_NOT,
        "error: this needs more memory than this process may have",
    )


def test_a_disk_that_takes_the_beginning_of_an_unbuffered_output_is_a_failure(tmp_path):
    limited = f"ulimit -f 8; PYTHONUNBUFFERED=1 {sys.executable} -m infercli gpus -o json > {tmp_path / 'gpus.json'}"
    done = subprocess.run(
        limited, shell=True, executable="/bin/bash", capture_output=True, text=True, check=False,
        preexec_fn=lambda: signal.signal(signal.SIGXFSZ, signal.SIG_IGN),
    )  # fmt: skip
    assert done.returncode == ExitCode.COULD_NOT
    assert done.stderr == "error: the output could not be written: File too large\n"


def test_the_verdict_outlives_the_reader():
    refused = "plan meta-llama/Llama-3.1-70B-Instruct --profile l4 --quantization none"
    done = subprocess.run(
        f"{sys.executable} -m infercli {refused} | true; exit ${{PIPESTATUS[0]}}",
        shell=True, executable="/bin/bash", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (ExitCode.NO, "")


def test_a_flag_can_be_set_by_its_own_name_in_the_environment(infercli, monkeypatch):
    monkeypatch.setenv("INFERCLI_PLAN_PROFILE", "l4")
    assert "on 1 x L4" in infercli("plan", "meta-llama/Llama-3.1-8B-Instruct").out
    monkeypatch.setenv("INFERCLI_BENCH_SLO", "bad")
    refused = infercli("bench", "http://127.0.0.1:9")
    assert (refused.code, "`bad` is not an objective" in refused.err) == (ExitCode.USAGE, True)


def test_what_others_said_cannot_steer_a_terminal_from_an_error():
    with FakeOpenAiServer(Behaviour(status=400, message="\x1b[31mred\x1b[0m")) as server:
        command = [sys.executable, "-m", "infercli", "ask", server.url, "hi"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "red" in done.stderr
    assert "\x1b" not in done.stderr


@pytest.mark.parametrize("words", ["gpus", "ask URL hi"])
def test_a_reader_that_goes_away_is_no_failure(words):
    with FakeOpenAiServer(Behaviour(tokens=5000, itl_s=0.0001)) as server:
        check_a_reader_that_goes_away(words.replace("URL", server.url))


def check_a_reader_that_goes_away(words):
    done = subprocess.run(
        f"{sys.executable} -m infercli {words} | head -c 3; exit ${{PIPESTATUS[0]}}",
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert done.stderr == ""


@pytest.mark.parametrize(
    "words",
    [
        ["plan", "x" * 300, "--profile", "l4"],
        ["plan", "a", "--profile", "x" * 300 + ".yaml"],
        ["pin", "x" * 300],
        ["render", "-f", "x" * 300],
        ["bench", "http://127.0.0.1:9", "--workload", "x" * 300],
    ],
)
def test_a_name_that_no_file_system_takes_is_an_error_of_whoever_typed_it(words, infercli):
    ran = infercli(*words)
    assert ran.code == ExitCode.USAGE
    assert "x" * 100 not in ran.err
    assert "is longer than the name of a file can be" in ran.err


def test_a_missing_argument_is_told_in_one_line_with_its_choices(infercli):
    assert infercli("completion").err.splitlines()[0] == (
        "error: Missing argument '{bash|zsh|fish}'. Choose from: bash, zsh, fish"
    )
