"""The project's two environments: `.venv` with the command and its tools, and the engine's, shared by all checkouts.

Standard library only, and readable by an old Python: it is the first thing that runs on a fresh machine.
"""

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "requirements"
OLDEST_PYTHON = (3, 11)
ENGINE_DISK_GIB = 9
"""5.0 GiB for the environment and the downloads beside it (2.8 GB), as measured."""


def cache_home():
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "infercli"


def say(text):
    print(text, file=sys.stderr, flush=True)


def stop(what, hint):
    """End with one error that says what to type next."""
    say(f"error: {what}")
    say(f"hint: {hint}")
    sys.exit(1)


def check_python():
    if sys.version_info < OLDEST_PYTHON:
        stop(
            "Python 3.11 or newer is needed, this is " + platform.python_version(),
            "apt-get install python3.11 python3.11-venv, then run this script with python3.11",
        )
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        stop("this Python cannot make environments: its venv module is missing", "apt-get install python3-venv")


def check_engine_machine():
    """What the CPU engine needs of the machine, all at once."""
    problems = []
    if platform.machine() != "x86_64" or sys.platform != "linux":
        problems.append(
            (f"the CPU engine is built for x86_64 Linux, this is {platform.machine()}", "use another machine")
        )
    try:
        ctypes.CDLL("libnuma.so.1")
    except OSError:
        problems.append(("libnuma is missing, which the engine loads", "apt-get install libnuma1"))
    home = cache_home()
    while not home.exists():
        home = home.parent
    free = shutil.disk_usage(home).free / 2**30
    if free < ENGINE_DISK_GIB and not (engine_python().parent.parent / ".ready").exists():
        problems.append(
            (
                f"{free:.0f} GiB are free in {home}, the engine needs {ENGINE_DISK_GIB}",
                "free some, or set XDG_CACHE_HOME",
            )
        )
    for what, hint in problems:
        say(f"error: {what}")
        say(f"hint: {hint}")
    if problems:
        sys.exit(1)


def _digest(*names):
    return hashlib.sha256(b"".join((REQUIREMENTS / n).read_bytes() for n in names)).hexdigest()[:12]


def _environment():
    """Ours for the installers: byte code is wanted, a caller's environment is not."""
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV", "PYTHONPATH")}
    return {**kept, "UV_NO_PROGRESS": "" if sys.stderr.isatty() else "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def _run(command, what):
    done = subprocess.run([str(c) for c in command], env=_environment(), check=False)
    if done.returncode:
        stop(
            f"{what} failed (see above)", "check the network and the package registry, then run the same command again"
        )


def uv():
    """The installer, in an environment of its own, made when it is not there."""
    home = cache_home() / f"bootstrap-{_digest('bootstrap.txt')}"
    program = home / "bin" / "uv"
    if not program.exists():
        temporary = home.with_name(f"{home.name}.{os.getpid()}")
        shutil.rmtree(temporary, ignore_errors=True)
        _run([sys.executable, "-m", "venv", temporary], "making an environment for the installer")
        install = ["-m", "pip", "install", "--quiet", "--require-hashes", "-r", REQUIREMENTS / "bootstrap.txt"]
        _run([temporary / "bin" / "python", *install], "installing the installer")
        _move(temporary, home)
    return program


def _move(temporary, home):
    """Put a finished environment in place; whoever was first wins."""
    try:
        temporary.rename(home)
    except OSError:
        shutil.rmtree(temporary, ignore_errors=True)


def command_python(*, dev):
    """`.venv/bin/python`, with what the command needs, and with `dev` what its tests need as well."""
    check_python()
    files = ["bootstrap.txt", "dev.txt" if dev else "runtime.txt"]
    venv = ROOT / ".venv"
    python = venv / "bin" / "python"
    stamps = [venv / f".ready-{_digest('bootstrap.txt', name)}" for name in ("dev.txt", "runtime.txt")]
    if stamps[0].exists() or (not dev and stamps[1].exists()):
        return python
    say(f"making {venv.relative_to(ROOT)} (about half a minute)")
    installer = uv()
    if not python.exists():
        _run([installer, "venv", "--quiet", "--python", sys.executable, venv], "making .venv")
    sync = [installer, "pip", "sync", "--quiet", "--python", python, "--require-hashes", "--compile-bytecode"]
    _run([*sync, *(REQUIREMENTS / f for f in files)], "installing the requirements")
    own = ["pip", "install", "--quiet", "--python", python, "--no-deps", "--no-build-isolation", "--editable", ROOT]
    _run([installer, *own], "installing infercli")
    for old in venv.glob(".ready-*"):
        old.unlink()
    stamps[0 if dev else 1].touch()
    return python


def engine_python():
    """Where the engine's Python is, made or not. infercli itself looks at the same place."""
    return cache_home() / f"engine-{_digest('local.txt')}" / "bin" / "python"


def make_engine():
    """The engine's Python, made when it is not there: Ray and the CPU build of vLLM, pinned by hash."""
    check_python()
    check_engine_machine()
    python = engine_python()
    ready = python.parent.parent / ".ready"
    if ready.exists():
        return python
    say("installing Ray and the CPU engine (2.8 GB to download, 5 GiB on disk; two to ten minutes)")
    began = time.monotonic()
    home = python.parent.parent
    shutil.rmtree(home, ignore_errors=True)
    installer = uv()
    try:
        _run([installer, "venv", "--quiet", "--python", sys.executable, home], "making the engine's environment")
        sync = [installer, "pip", "sync", "--quiet", "--python", python, "--require-hashes", "--compile-bytecode"]
        _run([*sync, REQUIREMENTS / "local.txt"], "installing the engine")
    except BaseException:
        shutil.rmtree(home, ignore_errors=True)
        raise
    ready.touch()
    say(f"the engine is installed, in {time.monotonic() - began:.0f} s")
    return python
